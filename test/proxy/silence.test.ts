import { once } from "node:events"
import type { Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import { type SpliceOptions, spliceSockets } from "../../src/proxy/index.ts"
import {
  backend,
  client,
  clientHello,
  deferred,
  ending,
  nextRecord,
  pair,
  readAll,
  routerTo,
  startProxy,
} from "./harness.ts"
import { connectionPolicy, policyRouter } from "./policy-harness.ts"

/** The limit under test, and a silence that is longer. */
const LIMIT = 800
const SILENCE = 1_300

const never = Number.POSITIVE_INFINITY

/** Answers its client's end, a moment later, with a word. */
function answersTheEnd(socket: Socket): void {
  socket.on("data", () => {})
  socket.on("end", () => setTimeout(() => socket.end("the answer"), LIMIT / 4))
}

describe("a side that ends after a silence longer than the half-closed limit", () => {
  test.each([
    ["an idle limit", 60_000],
    ["no idle limit", never],
  ])("still gets its answer, with %s", async (_, idle) => {
    const router = routerTo(await backend(answersTheEnd))
    const { proxy, port } = await startProxy({ router, deadlines: { halfClosed: LIMIT, idle } })
    const closed = nextRecord(proxy)
    const socket = await client(port)
    socket.write(await clientHello("example.com"))
    await sleep(SILENCE)
    socket.end()
    expect(String(await readAll(socket))).toBe("the answer")
    expect(await closed).toMatchObject({ outcome: "completed", endedBy: "client" })
  })

  test("is waited for no longer than the limit from its end", async () => {
    const router = routerTo(await backend((socket) => socket.resume()))
    const { proxy, port } = await startProxy({ router, deadlines: { halfClosed: LIMIT, idle: never } })
    const closed = nextRecord(proxy)
    const socket = await client(port)
    socket.write(await clientHello("example.com"))
    await sleep(SILENCE)
    socket.resume()
    socket.end()
    const from = performance.now()
    expect(await closed).toMatchObject({ outcome: "half-closed-timeout" })
    expect(performance.now() - from).toBeGreaterThanOrEqual(LIMIT)
  })

  test.each<[string, SpliceOptions]>([
    ["no idle limit", { halfClosed: LIMIT }],
    ["an idle limit", { idle: 60_000, halfClosed: LIMIT }],
  ])("still gets its answer through spliceSockets, with %s", async (_, limits) => {
    const [[a, near], [b, far]] = await Promise.all([pair(), pair()])
    const result = spliceSockets(a, b, limits)
    answersTheEnd(far)
    near.write("a request;")
    await sleep(SILENCE)
    near.end()
    expect(String(await readAll(near))).toBe("the answer")
    expect(await result).toMatchObject({ outcome: "completed", endedBy: "a" })
  })

  test("still gets its answer when it had ended before spliceSockets was called", async () => {
    const [[a, near], [b, far]] = await Promise.all([pair(), pair()])
    near.end()
    await readAll(a)
    await sleep(SILENCE)
    const result = spliceSockets(a, b, { halfClosed: LIMIT })
    answersTheEnd(far)
    expect(String(await readAll(near))).toBe("the answer")
    expect(await result).toMatchObject({ outcome: "completed", endedBy: "a" })
  })
})

describe("a pause that the gateway itself makes, to keep to a rate", () => {
  test.each([
    ["idle limit", { idleTimeout: LIMIT }, false],
    ["half-closed limit", { halfClosedTimeout: LIMIT }, true],
  ])("does not count for the %s", async (_, limits, endsFirst) => {
    const size = 4 * 65_536
    const { promise: received, resolve } = deferred<number>()
    const endpoint = await backend((socket) => {
      let got = 0
      if (endsFirst) socket.end()
      socket.on("data", (chunk: Buffer) => {
        got += chunk.length
      })
      socket.on("end", () => {
        resolve(got)
        socket.end()
      })
    })
    const router = policyRouter(connectionPolicy({ bandwidth: 65_536, ...limits }), endpoint)
    const { proxy, port } = await startProxy({ router })
    const closed = nextRecord(proxy)
    const socket = await client(port)
    const hello = await clientHello("example.com")
    socket.resume()
    socket.write(hello)
    socket.end(Buffer.alloc(size))
    expect(await received).toBe(size + hello.length)
    expect(await closed).toMatchObject({ outcome: "completed" })
  })
})

describe("a block of the event loop", () => {
  test("is no silence of peers whose bytes were not read meanwhile", async () => {
    const { promise: accepted, resolve } = deferred<Socket>()
    const router = routerTo(await backend(resolve))
    const { proxy, port } = await startProxy({ router, deadlines: { idle: LIMIT } })
    const socket = await client(port)
    socket.write(await clientHello("example.com"))
    const far = await accepted
    await once(far, "data")
    far.write("before")
    expect(String((await once(socket, "data"))[0])).toBe("before")
    // The bytes are in the kernel's hands before the loop is blocked.
    far.write("meanwhile")
    const until = performance.now() + SILENCE
    while (performance.now() < until);
    expect(String((await once(socket, "data"))[0])).toBe("meanwhile")
    await sleep(LIMIT / 2)
    expect(proxy.connections.size).toBe(1)
  })
})

describe("after a long silence of the whole gateway", () => {
  test("a client has all of its time for a ClientHello", async () => {
    const router = routerTo(await backend((socket) => socket.resume()))
    const { proxy, port } = await startProxy({ router, deadlines: { hello: LIMIT } })
    await sleep(SILENCE)
    const closed = nextRecord(proxy)
    const socket = await client(port)
    const from = performance.now()
    await ending(socket)
    expect(performance.now() - from).toBeGreaterThanOrEqual(LIMIT - 10)
    expect(await closed).toMatchObject({ outcome: "hello-timeout" })
  })

  test("a name has all of its time to be looked up", async () => {
    const target = { kind: "name", id: "slow", host: "slow.example.com", port: 443 } as const
    const names = { resolve: () => new Promise<never>(() => {}) }
    const router = { route: () => ({ action: "forward", target }) as const }
    const { proxy, port } = await startProxy({ router, names, deadlines: { dial: LIMIT } })
    await sleep(SILENCE)
    const closed = nextRecord(proxy)
    const socket = await client(port)
    socket.write(await clientHello("example.com"))
    await ending(socket)
    const { outcome, durations } = await closed
    expect(outcome).toBe("dial-timeout")
    expect(durations.total - (durations.hello ?? 0)).toBeGreaterThanOrEqual(LIMIT - 10)
  })

  test("connections have all of the time that a close gives them", async () => {
    const router = routerTo(await backend((socket) => socket.pipe(socket)))
    const { proxy, port } = await startProxy({ router })
    const socket = await client(port)
    socket.write(await clientHello("example.com"))
    await once(socket, "data")
    await sleep(SILENCE)
    const from = performance.now()
    const closing = proxy.close({ drainTimeout: LIMIT, spread: 0 })
    socket.write("still served")
    expect(String((await once(socket, "data"))[0])).toBe("still served")
    await closing
    expect(performance.now() - from).toBeGreaterThanOrEqual(LIMIT - 10)
  })
})
