import { once } from "node:events"
import type { Socket } from "node:net"
import { describe, expect, it, vi } from "vitest"
import { body, handshake, inRecords, serverName } from "../client-hello/build.ts"
import { client, stopClock, until } from "../proxy/harness.ts"
import { configTo, connected, echo, greeting, isServed, NAME, SCALE, says, serve } from "./harness.ts"

const STALLED = Math.round(2_000 * SCALE)
/** From accept. */
const HELLO_TIMEOUT = 6_000

/** Opens so many connections, some at a time: the kernel's queue of those not accepted yet has 511 places. */
async function open(port: number, count: number): Promise<readonly Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const batch = Math.min(250, count - sockets.length)
    sockets.push(...(await Promise.all(Array.from({ length: batch }, () => client(port)))))
  }
  return sockets
}

describe("thousands of clients that never finish their ClientHello", () => {
  const hello = greeting()
  const ofOneByte = Buffer.from(
    inRecords(handshake(body({ extensions: [serverName(NAME)] })), new Array<number>(1000).fill(1)),
  )

  it.each([
    ["send a byte at a time", hello, 1],
    ["send records of one byte each", ofOneByte, 6],
  ])(
    "and %s are ended at the deadline, which no byte moves; honest ones are served meanwhile",
    async (_, bytes, step) => {
      const { gateway, port, records, ended } = await serve({
        source: configTo(await echo()),
        policies: { helloTimeout: HELLO_TIMEOUT },
      })
      stopClock()
      const kept = await connected(port)
      const stalled = await open(port, STALLED)
      await until(() => gateway.connections.size === STALLED + 1)
      let served = 0
      for (let sent = 0; served < HELLO_TIMEOUT / 300 - 1; sent += step) {
        const part = bytes.subarray(sent, sent + step)
        for (const socket of stalled) socket.write(part)
        vi.advanceTimersByTime(300)
        expect(await isServed(port)).toBe(true)
        expect(await says(kept, "still here")).toBe("still here")
        served += 1
      }
      expect(await ended(served)).toHaveLength(served)
      while (records.length < STALLED + served) {
        vi.advanceTimersByTime(300)
        await new Promise(setImmediate)
      }
      const timedOut = records.filter(({ outcome }) => outcome === "hello-timeout")
      expect(timedOut).toHaveLength(STALLED)
      for (const { durations, bytesFromClient } of timedOut) {
        expect(durations.total).toBeGreaterThanOrEqual(HELLO_TIMEOUT)
        expect(bytesFromClient).toBeLessThan(bytes.length)
      }
      expect(gateway.connections.size).toBe(1)
    },
    60_000,
  )
})

describe("clients that stop in the middle of a ClientHello", () => {
  it("hold no more memory together than they may, and no honest one is refused for it when they have gone", async () => {
    const whole = greeting()
    const { gateway, port, records } = await serve({
      source: configTo(await echo()),
      limits: { maxHelloMemory: 100 * whole.length },
      policies: { helloTimeout: "1m" },
    })
    const half = whole.subarray(0, Math.floor(whole.length / 2))
    const stalled = await open(port, 300)
    for (const socket of stalled) socket.write(half)
    while (records.length < 100) await once(gateway, "close")
    expect(records.every(({ outcome }) => outcome === "hello-memory")).toBe(true)
    expect(gateway.connections.size).toBe(200)
    for (const socket of stalled) socket.resetAndDestroy()
    while (gateway.connections.size > 0) await once(gateway, "close")
    expect(await isServed(port)).toBe(true)
  })
})
