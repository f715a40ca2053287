import { once } from "node:events"
import type { Socket } from "node:net"
import { expect, test, vi } from "vitest"
import { Dial, type DialPlan } from "../../src/proxy/backend/dial.ts"
import { DnsCache } from "../../src/proxy/backend/dns-cache.ts"
import { NamePlan } from "../../src/proxy/balance/plans.ts"
import { TargetState } from "../../src/proxy/balance/target-state.ts"
import { ALONE } from "../../src/proxy/limits/sharing.ts"
import type { SpliceProxy } from "../../src/proxy/proxy.ts"
import type { Router } from "../../src/proxy/router.ts"
import { SlabPool } from "../../src/proxy/splice/slabs.ts"
import type { DialEndpoint } from "../../src/proxy/target.ts"
import { TimerWheel } from "../../src/proxy/timer-wheel.ts"
import { freePort } from "../support/free-port.ts"
import { blackHole } from "./black-hole.ts"
import {
  backend,
  client,
  clientHello,
  closedPort,
  deferred,
  ending,
  nextRecord,
  readAll,
  routerTo,
  startProxy,
  stopClock,
  until,
} from "./harness.ts"
import { connectionPolicy, policyRouter } from "./policy-harness.ts"

const states = (proxy: SpliceProxy) => [...proxy.connections].map(({ state }) => state)

const answering = () => backend((socket) => socket.once("data", () => socket.end("answer")))

test("an endpoint that refuses is passed over for the next, and the client does not notice", async () => {
  const refusing = await Promise.all([closedPort(), closedPort()])
  const { proxy, port, records } = await startProxy({
    router: routerTo(...refusing, await answering()),
    balance: "round-robin",
  })
  for (let round = 0; round < 3; round++) {
    const closed = nextRecord(proxy)
    const socket = await client(port)
    socket.write(await clientHello("example.com"))
    expect((await readAll(socket)).toString()).toBe("answer")
    socket.end()
    expect(await closed).toMatchObject({ outcome: "completed" })
  }
  expect(records[0]?.dialAttempts).toBe(3)
})

test("no more endpoints are tried than allowed", async () => {
  const refusing = await Promise.all(Array.from({ length: 4 }, closedPort))
  const { proxy, port } = await startProxy({ router: routerTo(...refusing), dialAttempts: 2 })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.end(await clientHello("example.com"))
  expect(await ending(socket)).toBe("end")
  expect(await closed).toMatchObject({
    outcome: "dial-failed",
    detail: "ECONNREFUSED",
    dialAttempts: 2,
    endpoint: expect.toBeOneOf(refusing),
  })
})

test("an endpoint that does not answer leaves time for the next, within one deadline", async () => {
  const next = await answering()
  const { proxy, port } = await startProxy({
    router: routerTo(await blackHole(), next),
    balance: "round-robin",
    deadlines: { dial: 1_000 },
  })
  stopClock()
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  await until(() => states(proxy)[0] === "dialing")
  vi.advanceTimersByTime(400)
  // A dial of the proxy's would have been answered before this one.
  const direct = await client(next.port)
  direct.write("a question")
  expect((await readAll(direct)).toString()).toBe("answer")
  expect(states(proxy)).toEqual(["dialing"])
  vi.advanceTimersByTime(200)
  expect((await readAll(socket)).toString()).toBe("answer")
  socket.end()
  expect(await closed).toMatchObject({ outcome: "completed", dialAttempts: 2, durations: { dial: 600 } })
})

test.each([
  ["there is none for it from the first", [0]],
  ["others have taken the last one meanwhile", [1, 0]],
])(
  "an endpoint that does not answer has all of the time for a dial when no retry can be had: %s",
  async (_, retries) => {
    const hole = await blackHole()
    const started = performance.now()
    let left: readonly number[] = retries
    const plan: DialPlan = {
      race: false,
      pause: 0,
      /** How many retries there are, at the first time of asking, and at the next. */
      get more() {
        if (attempts === 0) return true
        const [now = 0, ...later] = left
        left = later
        return now > 0
      },
      next() {
        attempts++
        return hole
      },
      failed() {},
      lost() {},
      connected() {},
      release() {},
    }
    let attempts = 0
    const failed = deferred<readonly unknown[]>()
    const observer = { dialConnected() {}, dialFailed: (...told: readonly unknown[]) => failed.resolve(told) }
    new Dial(plan, observer, new TimerWheel(), new SlabPool(), started + 600).start()
    expect(await failed.promise).toEqual(["dial-timeout", "ETIMEDOUT"])
    expect(performance.now() - started).toBeGreaterThanOrEqual(600)
    expect(attempts).toBe(1)
  },
)

test("a backend that never answers is given up at the deadline", async () => {
  const { proxy, port } = await startProxy({ router: routerTo(await blackHole()), deadlines: { dial: 400 } })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  expect(await ending(socket)).toBe("end")
  socket.end()
  const record = await closed
  expect(record).toMatchObject({ outcome: "dial-timeout", detail: "ETIMEDOUT", dialAttempts: 1 })
  expect(record.durations.total).toBeGreaterThanOrEqual(400)
})

test("a client that resets while its backend is being dialled ends the dial", async () => {
  const { proxy, port } = await startProxy({ router: routerTo(await blackHole()) })
  const routed = new Promise((resolve) => proxy.once("route", resolve))
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  await routed
  socket.resetAndDestroy()
  expect(await closed).toMatchObject({ outcome: "client-gone", detail: "ECONNRESET", endedBy: "client" })
})

test("an endpoint that is not an address is passed over", async () => {
  const { proxy, port } = await startProxy({
    router: routerTo({ address: "127.0.0.1", port: 99_999 }, await answering()),
    balance: "round-robin",
  })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  expect((await readAll(socket)).toString()).toBe("answer")
  socket.end()
  expect(await closed).toMatchObject({ outcome: "completed", dialAttempts: 2 })
})

const toName: Router = {
  route: () => ({ action: "forward", target: { kind: "name", id: "n", host: "origin.example.com", port: 443 } }),
}

test("a target given by name is dialled where the name leads", async () => {
  const { address, port: backendPort } = await answering()
  const names = new DnsCache({ overrides: { "origin.example.com:443": `${address}:${backendPort}` } })
  const { proxy, port } = await startProxy({ router: toName, names })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  expect((await readAll(socket)).toString()).toBe("answer")
  socket.end()
  expect(await closed).toMatchObject({ outcome: "completed", endpoint: { address, port: backendPort } })
})

test.each([
  [
    "has no address",
    new DnsCache({ lookup: () => Promise.reject(new Error("none")) }),
    "unresolved",
    "ERR_TLSROUTE_NAME",
  ],
  [
    "leads to the proxy's own machine",
    new DnsCache({ lookup: async () => [{ address: "127.0.0.1", ttl: 60 }] }),
    "forbidden-address",
    "ERR_TLSROUTE_FORBIDDEN_ADDRESS",
  ],
  ["is never answered", new DnsCache({ lookup: () => new Promise(() => {}) }), "dial-timeout", "NAME_LOOKUP"],
])("a connection to a name that %s is refused", async (_, names, outcome, detail) => {
  const dial = outcome === "dial-timeout" ? 300 : 20_000
  const { proxy, port } = await startProxy({ router: toName, names, deadlines: { dial } })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.end(await clientHello("example.com"))
  expect(await ending(socket)).toBe("end")
  expect(await closed).toMatchObject({ outcome, detail })
})

/** Names that lead to each of the answers in turn, and stay at the last. */
function leadsTo(...answers: readonly DialEndpoint[]) {
  const state = { lookups: 0 }
  const names = new DnsCache({
    minTtl: 100,
    allowAddress: () => true,
    lookup: async () => {
      const address = answers[Math.min(state.lookups++, answers.length - 1)]?.address ?? ""
      return [{ address, ttl: 0 }]
    },
  })
  return { state, names }
}

/** The same port on another address of this machine. */
const onlyAt = (address: string, port?: number) =>
  backend((socket) => socket.once("data", () => socket.end(address)), address, port)

function toPort(port: number): Router {
  const target = { kind: "name", id: "n", host: "origin.example.com", port } as const
  return { route: () => ({ action: "forward", target }) }
}

test("the first connection after a name's time to live goes where the name leads now", async () => {
  const first = await onlyAt("127.0.0.2", await freePort())
  const second = await onlyAt("127.0.0.3", first.port)
  const { names } = leadsTo(first, second)
  const { port } = await startProxy({ router: toPort(first.port), names })
  for (const address of ["127.0.0.2", "127.0.0.3"]) {
    const socket = await client(port)
    socket.write(await clientHello("example.com"))
    expect((await readAll(socket)).toString()).toBe(address)
    socket.end()
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
})

test("a name none of whose addresses takes connections is asked for again, and the new ones are tried", async () => {
  const live = await onlyAt("127.0.0.3")
  const { names, state } = leadsTo({ address: "127.0.0.2", port: 0 }, live)
  const { proxy, port } = await startProxy({ router: toPort(live.port), names })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  expect((await readAll(socket)).toString()).toBe("127.0.0.3")
  socket.end()
  expect(await closed).toMatchObject({ outcome: "completed", dialAttempts: 2, endpoint: { address: "127.0.0.3" } })
  expect(state.lookups).toBe(2)
})

test("a name whose address does not answer is asked for again while half of the time is left", async () => {
  const hole = await blackHole()
  const live = await onlyAt("127.0.0.3", hole.port)
  const { names } = leadsTo(hole, live)
  const { proxy, port } = await startProxy({ router: toPort(live.port), names, deadlines: { dial: 1_000 } })
  stopClock()
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  await until(() => states(proxy)[0] === "dialing")
  vi.advanceTimersByTime(600)
  expect((await readAll(socket)).toString()).toBe("127.0.0.3")
  socket.end()
  expect(await closed).toMatchObject({ outcome: "completed", dialAttempts: 2 })
})

test("a name that leads nowhere else fails as its addresses do, once it was asked for again", async () => {
  const { address, port: closed } = await closedPort()
  const { names, state } = leadsTo({ address, port: closed })
  const { proxy, port } = await startProxy({ router: toPort(closed), names })
  const record = nextRecord(proxy)
  const socket = await client(port)
  socket.end(await clientHello("example.com"))
  expect(await ending(socket)).toBe("end")
  expect(await record).toMatchObject({ outcome: "dial-failed", detail: "ECONNREFUSED", dialAttempts: 1 })
  expect(state.lookups).toBe(2)
})

test("a client that goes while its name is asked for again leaves nothing behind", async () => {
  const { address, port: closed } = await closedPort()
  const asked = deferred<void>()
  let lookups = 0
  const names = new DnsCache({
    allowAddress: () => true,
    lookup: async () => {
      if (++lookups === 1) return [{ address, ttl: 1 }]
      asked.resolve()
      return new Promise(() => {})
    },
  })
  const { proxy, port } = await startProxy({ router: toPort(closed), names })
  const record = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  await asked.promise
  socket.resetAndDestroy()
  expect(await record).toMatchObject({ outcome: "client-gone", detail: "ECONNRESET" })
  expect(proxy.connections.size).toBe(0)
})

test("a race whose next address is none ends at its deadline all the same", async () => {
  const { endpoint, after } = await race([await blackHole(), { address: "127.0.0.1", port: 99_999 }], 600)
  expect(endpoint).toBeUndefined()
  expect(after).toBeGreaterThanOrEqual(600)
})

function race(endpoints: readonly DialEndpoint[], limit = 20_000) {
  const started = performance.now()
  return new Promise<{ endpoint: DialEndpoint | undefined; after: number }>((resolve) => {
    const after = () => performance.now() - started
    const observer = {
      dialConnected(socket: Socket, _: unknown, endpoint: DialEndpoint) {
        socket.destroy()
        resolve({ endpoint, after: after() })
      },
      dialFailed() {
        resolve({ endpoint: undefined, after: after() })
      },
    }
    const state = new TargetState("target", Math.random, ALONE)
    new Dial(
      new NamePlan(state, state.health.tcp, endpoints),
      observer,
      new TimerWheel(),
      new SlabPool(),
      started + limit,
    ).start()
  })
}

test("the next address of a name is tried a quarter of a second later, beside the first (RFC 8305 section 5)", async () => {
  const good = await answering()
  const { endpoint, after } = await race([await blackHole(), good])
  expect(endpoint).toEqual(good)
  expect(after).toBeGreaterThanOrEqual(250)
  // Without a race, half of the time would go by.
  expect(after).toBeLessThan(10_000)
})

test("an address that fails at once does not make the next one wait", async () => {
  const endpoints = [await closedPort(), await closedPort(), await answering()]
  stopClock()
  expect(await race(endpoints)).toEqual({ endpoint: endpoints[2], after: 0 })
})

test("when no address of a name answers, the race ends at the deadline", async () => {
  const hole = await blackHole()
  const { endpoint, after } = await race([hole, hole], 600)
  expect(endpoint).toBeUndefined()
  expect(after).toBeGreaterThanOrEqual(600)
})

test("a pause between attempts that is longer than timers can be is one, and ends with the dial", async () => {
  const days = 1000 * 86_400_000
  const policy = connectionPolicy({ dialTimeout: 300 }, { retryBackoff: days, dialAttempts: 4 })
  const ports = await Promise.all([closedPort(), closedPort(), closedPort(), closedPort()])
  const { proxy, port } = await startProxy({ router: policyRouter(policy, ...ports) })
  const record = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  // The first retry is made at once.
  expect(await record).toMatchObject({ outcome: "dial-timeout", dialAttempts: 2 })
})

test("a refused connection leaves its place among those being dialled at once, however long its client stays", async () => {
  const policy = connectionPolicy({}, { circuit: { maxConnections: Number.POSITIVE_INFINITY, maxPending: 1 } })
  const { proxy, port } = await startProxy({ router: policyRouter(policy, await closedPort()) })
  for (let turn = 0; turn < 3; turn++) {
    const rejected = once(proxy, "reject")
    const socket = await client(port)
    socket.write(await clientHello("example.com"))
    const [, rejection] = await rejected
    expect(rejection).toMatchObject({ reason: "dial-failed" })
  }
})
