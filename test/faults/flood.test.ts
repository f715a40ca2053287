import { connect, type Socket } from "node:net"
import { describe, expect, it, onTestFinished } from "vitest"
import { countDescriptors } from "../../src/proxy/limits/descriptors.ts"
import { client } from "../proxy/harness.ts"
import { configTo, echo, greeting, isServed, onLinux, readBytes, SCALE, serve } from "./harness.ts"

const FLOOD = Math.round(1_000 * SCALE)

/** Whether a client of that address is served. On Linux all of 127.0.0.0/8 is this machine. */
async function isServedFrom(localAddress: string, port: number): Promise<boolean> {
  const socket = connect({ port, host: "127.0.0.1", localAddress })
  socket.on("error", () => undefined)
  socket.write(greeting())
  const isEchoed = await readBytes(socket, greeting().length).then(
    (bytes) => bytes.equals(greeting()),
    () => false,
  )
  socket.destroy()
  return isEchoed
}

/** Opens connections without waiting for any. A flood has its resets, too. */
function flood(port: number, count = FLOOD): readonly Socket[] {
  return Array.from({ length: count }, () => {
    const socket = connect({ port, host: "127.0.0.1" })
    socket.on("error", () => undefined)
    onTestFinished(() => void socket.destroy())
    socket.write(greeting())
    return socket
  })
}

onLinux("a flood of connections", () => {
  it("beyond the most that may be live is turned away, and when room comes back honest clients are served", async () => {
    const { gateway, port, records, ended } = await serve({
      source: configTo(await echo()),
      policies: { maxConnections: 50 },
    })
    let most = 0
    gateway.on("route", () => {
      const routed = [...gateway.connections].filter(({ route }) => route !== undefined)
      most = Math.max(most, routed.length)
    })
    const sockets = flood(port)
    await ended(FLOOD - 50)
    expect(records.every(({ outcome }) => outcome === "too-many-connections")).toBe(true)
    expect(most).toBe(50)
    expect(gateway.connections.size).toBe(50)
    for (const socket of sockets) socket.destroy()
    await ended(FLOOD)
    expect(await isServed(port)).toBe(true)
  })

  it("from one address leaves the others their share", async () => {
    const { gateway, port, records, ended } = await serve({
      source: configTo(await echo()),
      policies: { maxConnectionsPerClient: 10 },
    })
    flood(port)
    await ended(FLOOD - 10)
    expect(records.every(({ outcome }) => outcome === "too-many-of-client")).toBe(true)
    expect(gateway.connections.size).toBe(10)
    expect(await isServedFrom("127.0.0.2", port)).toBe(true)
    expect(await isServedFrom("127.0.0.1", port)).toBe(false)
  })

  it("from one address is slowed to its rate, and the others are not", async () => {
    const { port, records, ended } = await serve({
      source: configTo(await echo()),
      policies: { connectionRatePerClient: 0.001, connectionBurstPerClient: 20 },
    })
    flood(port)
    await ended(FLOOD - 20)
    expect(records.every(({ outcome }) => outcome === "rate-limited")).toBe(true)
    for (let host = 2; host < 30; host += 1) expect(await isServedFrom(`127.0.0.${host}`, port)).toBe(true)
    expect(await isServedFrom("127.0.0.1", port)).toBe(false)
  })

  it("of clients that may not connect at all reaches no backend", async () => {
    let asked = 0
    const { port, records, ended } = await serve({
      source: configTo(await echo(() => (asked += 1))),
      policies: { listeners: { "default/gateway": { denyCidrs: ["127.0.0.1"] } } },
    })
    flood(port)
    await ended(FLOOD)
    expect(records.every(({ outcome }) => outcome === "denied")).toBe(true)
    expect(asked).toBe(0)
    expect(await isServedFrom("127.0.0.2", port)).toBe(true)
  })

  it("that is reset as soon as it is there leaves nothing behind", async () => {
    const { gateway, port, ended } = await serve({ source: configTo(await echo()) })
    expect(await isServed(port)).toBe(true)
    await ended(1)
    const before = countDescriptors()
    for (let turn = 0; turn < 10; turn += 1) {
      const sockets = await Promise.all(Array.from({ length: FLOOD / 10 }, () => client(port)))
      for (const [index, socket] of sockets.entries()) {
        if (index % 2 === 0) socket.write(greeting().subarray(0, index))
        socket.resetAndDestroy()
      }
    }
    await ended(FLOOD + 1)
    expect(gateway.connections.size).toBe(0)
    expect(await isServed(port)).toBe(true)
    await ended(FLOOD + 2)
    // Sockets of this test close in their own time.
    await expect.poll(countDescriptors).toBeLessThanOrEqual(before ?? 0)
  })
})

describe("connections that are refused", () => {
  it("by the thousand, for a name that nobody routes, leave nothing behind", async () => {
    const { gateway, port, records, ended } = await serve({ source: configTo(await echo()) })
    const unknown = greeting("unknown.example.com")
    for (let turn = 0; turn < 10; turn += 1) {
      const sockets = await Promise.all(Array.from({ length: FLOOD / 10 }, () => client(port)))
      for (const socket of sockets) socket.end(unknown).resume()
    }
    await ended(FLOOD)
    expect(records.every(({ outcome, detail }) => outcome === "refused" && detail === "NoMatchingRoute")).toBe(true)
    expect(gateway.connections.size).toBe(0)
    expect(await isServed(port)).toBe(true)
  })
})
