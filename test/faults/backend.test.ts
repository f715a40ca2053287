import { once } from "node:events"
import type { Socket } from "node:net"
import { describe, expect, it } from "vitest"
import type { PolicyOptions } from "../../src/gateway/policies/options.ts"
import type { DialEndpoint } from "../../src/proxy/target.ts"
import { blackHole } from "../proxy/black-hole.ts"
import { backend, client, closedPort, deferred, ending, readAll } from "../proxy/harness.ts"
import { configToBoth, connected, greeting, HONEST, isServed, readBytes, serve } from "./harness.ts"

const MIB = 1024 * 1024

/** A gateway with a route to what is wrong, and another to an honest backend. */
async function serveBoth(faulty: DialEndpoint, policies: PolicyOptions = {}) {
  return serve({ source: await configToBoth(faulty), policies })
}

/** Sends its ClientHello to the backend that is wrong. */
async function ask(port: number): Promise<Socket> {
  const socket = await client(port)
  socket.write(greeting())
  return socket
}

describe("a backend that", () => {
  it("refuses is told to the client as an end, and to nobody else", async () => {
    const { port, ended } = await serveBoth(await closedPort())
    expect(await ending(await ask(port))).toBe("end")
    expect(await ended(1)).toMatchObject([{ outcome: "dial-failed", detail: "ECONNREFUSED", endedBy: "proxy" }])
    expect(await isServed(port, HONEST)).toBe(true)
  })

  it("answers nothing holds a client no longer than the dial's deadline, and others not at all", async () => {
    const { gateway: served, port, ended } = await serveBoth(await blackHole(), { dialTimeout: 1_500 })
    const waiting = await Promise.all(Array.from({ length: 50 }, () => ask(port)))
    const ends = waiting.map(ending)
    expect(await isServed(port, HONEST)).toBe(true)
    expect(await Promise.all(ends)).toEqual(new Array(50).fill("end"))
    for (const socket of waiting) socket.destroy()
    const refused = (await ended(51)).filter(({ route: name }) => name === "default/app")
    for (const { outcome, durations } of refused) {
      expect(outcome).toBe("dial-timeout")
      expect(durations.total).toBeGreaterThanOrEqual(1_500)
    }
    expect(refused).toHaveLength(50)
    expect(served.connections.size).toBe(0)
  })

  it("answers nothing is left alone by those beyond its pending connections", async () => {
    const policies = { dialTimeout: "20s", backends: { "default/app": { maxPendingConnections: 3 } } }
    const { gateway: served, port, ended } = await serveBoth(await blackHole(), policies)
    const waiting: Socket[] = []
    for (let count = 0; count < 3; count += 1) {
      const routed = once(served, "route")
      waiting.push(await ask(port))
      await routed
    }
    expect(await ending(await ask(port))).toBe("end")
    expect(await ended(1)).toMatchObject([{ outcome: "circuit-open", detail: "max-pending" }])
    expect(await isServed(port, HONEST)).toBe(true)
  })

  it("accepts and says nothing is left when the connection has idled long enough", async () => {
    const { port, ended } = await serveBoth(await backend(() => undefined), { idleTimeout: 500 })
    expect(await ending(await ask(port))).toBe("end")
    expect(await ended(1)).toMatchObject([
      { outcome: "idle-timeout", endedBy: "proxy", bytesFromClient: greeting().length, bytesFromBackend: 0 },
    ])
  })

  it("resets at the ClientHello makes its client's connection reset", async () => {
    const faulty = await backend((socket) => void socket.once("data", () => socket.resetAndDestroy()))
    const { port, ended } = await serveBoth(faulty)
    expect(await ending(await ask(port))).toBe("ECONNRESET")
    expect((await ended(1))[0]).toMatchObject({ outcome: "backend-reset", endedBy: "backend" })
  })

  it("resets in the middle of its stream resets only that connection; what came before is delivered", async () => {
    const sockets: Socket[] = []
    const faulty = await backend((socket) => {
      sockets.push(socket)
      socket.write("some of it")
    })
    const { port, ended } = await serveBoth(faulty)
    const [socket, other] = [await ask(port), await ask(port)]
    expect(String(await readBytes(socket, 10))).toBe("some of it")
    expect(String(await readBytes(other, 10))).toBe("some of it")
    const end = ending(socket)
    sockets[0]?.resetAndDestroy()
    expect(await end).toBe("ECONNRESET")
    expect(await ended(1)).toMatchObject([{ outcome: "backend-reset", endedBy: "backend", bytesFromBackend: 10 }])
    sockets[1]?.write("the rest")
    expect(String(await readBytes(other, 8))).toBe("the rest")
  })

  it("ends its side first still gets all that the client sends", async () => {
    const got = deferred<Buffer>()
    const faulty = await backend((socket) => {
      got.resolve(readAll(socket))
      socket.end("goodbye")
    })
    const { port, ended } = await serveBoth(faulty)
    const socket = await ask(port)
    expect(String(await readAll(socket))).toBe("goodbye")
    const last = Buffer.alloc(3 * MIB, "after the end")
    socket.end(last)
    expect((await got.promise).equals(Buffer.concat([greeting(), last]))).toBe(true)
    expect(await ended(1)).toMatchObject([{ outcome: "completed", endedBy: "backend" }])
  })

  it("ends its side and waits for a client that never does is left at the half-closed deadline", async () => {
    const gone = deferred<unknown>()
    const faulty = await backend((socket) => {
      gone.resolve(once(socket.resume(), "close"))
      socket.end("goodbye")
    })
    const { port, ended } = await serveBoth(faulty, { halfClosedTimeout: 500 })
    expect(String(await readAll(await ask(port)))).toBe("goodbye")
    await gone.promise
    expect(await ended(1)).toMatchObject([{ outcome: "half-closed-timeout", endedBy: "proxy" }])
  })

  it("sends slowly is heard to the end: what moves is not idle", async () => {
    const faulty = await backend((socket) => {
      let sent = 0
      const drip = setInterval(() => {
        socket.write(String(sent % 10))
        sent += 1
        if (sent < 40) return
        clearInterval(drip)
        socket.end()
      }, 50)
      socket.on("close", () => clearInterval(drip))
    })
    const { port, ended } = await serveBoth(faulty, { idleTimeout: 1_000 })
    const socket = await ask(port)
    expect(String(await readAll(socket))).toBe("0123456789".repeat(4))
    socket.end()
    expect(await ended(1)).toMatchObject([{ outcome: "completed", bytesFromBackend: 40 }])
  })

  it("does not read is not buffered for: what the gateway takes from the client is bounded", async () => {
    const {
      gateway: served,
      port,
      ended,
    } = await serveBoth(await backend((socket) => void socket.pause()), {
      idleTimeout: 1_000,
    })
    const socket = await ask(port)
    const block = Buffer.alloc(MIB)
    const flood = () => {
      while (!socket.destroyed && socket.write(block));
    }
    socket.on("drain", flood)
    flood()
    const [record] = await ended(1)
    expect(record).toMatchObject({ outcome: "idle-timeout" })
    // What the kernel holds on the way, and one read of the gateway's own.
    expect(record?.bytesFromClient).toBeLessThan(32 * MIB)
    expect(served.connections.size).toBe(0)
  })

  it("sends without end to a client that does not read is not buffered for either", async () => {
    const faulty = await backend((socket) => {
      const block = Buffer.alloc(MIB)
      const flood = () => {
        while (!socket.destroyed && socket.write(block));
      }
      socket.on("drain", flood)
      flood()
    })
    const { port, ended } = await serveBoth(faulty, { idleTimeout: 1_000 })
    const socket = await ask(port)
    socket.pause()
    const [record] = await ended(1)
    expect(record).toMatchObject({ outcome: "idle-timeout" })
    expect(record?.bytesFromBackend).toBeLessThan(32 * MIB)
  })

  it("comes back is used again at once, though it failed many", async () => {
    const faulty = await closedPort()
    const { port } = await serveBoth(faulty)
    for (let turn = 0; turn < 20; turn += 1) expect(await ending(await ask(port))).toBe("end")
    await backend((socket) => void socket.pipe(socket), undefined, faulty.port)
    await connected(port)
  })
})
