import { readFileSync } from "node:fs"
import type { Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { expect, it } from "vitest"
import type { PassthroughGatewayOptions } from "../../src/gateway/options.ts"
import { parseDescriptorLimit } from "../../src/proxy/limits/descriptors.ts"
import { SlabPool } from "../../src/proxy/splice/slabs.ts"
import { body, handshake, inRecords } from "../client-hello/build.ts"
import { blackHole } from "../proxy/black-hole.ts"
import { backend, client } from "../proxy/harness.ts"
import type { ChildMemory } from "./child/messages.ts"
import { type Child, startChild } from "./child/start.ts"
import { configToBoth, echo, greeting, HONEST, isServed, onLinux, SCALE } from "./harness.ts"

const KIB = 1024
const MIB = 1024 * KIB
const BLOCK = Buffer.alloc(MIB)
/** This process has the clients' ends, the child the gateway's. */
const DESCRIPTORS = parseDescriptorLimit(readFileSync("/proc/self/limits", "utf8")) ?? 1e6
/** Each is promised two more for its dial, though it never comes to that. */
const CLIENTS = Math.min(Math.round(10_000 * SCALE), Math.floor((DESCRIPTORS - 1_000) / 3))
/** A connection that waits for its ClientHello, with all that Node.js and the gateway keep of it. */
const PER_CONNECTION = 12 * KIB

/** The first bytes of a ClientHello of 30 KiB. */
function beginning(bytes: number): Uint8Array {
  const extensions = [{ type: 21, data: new Uint8Array(30 * KIB) }]
  return inRecords(handshake(body({ extensions })), [0x4000, 0x4000]).subarray(0, bytes)
}

/** A gateway that has served some clients, and what it holds when they have gone. */
async function warm(options: PassthroughGatewayOptions): Promise<{ child: Child; before: ChildMemory }> {
  const child = await startChild({
    policies: { helloTimeout: "10m", dialTimeout: "10m" },
    limits: { descriptorReserve: 0 },
    ...options,
  })
  for (let turn = 0; turn < 100; turn += 1) await isServed(child.port, HONEST)
  return { child, before: await child.ask("memory") }
}

/** Clients that send these bytes and no more. */
async function stall(port: number, count: number, bytes: Uint8Array): Promise<readonly Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(200, count - sockets.length) }, () => client(port))
    for (const socket of await Promise.all(batch)) {
      socket.write(bytes)
      sockets.push(socket)
    }
  }
  return sockets
}

/** Waits until all of them have been heard, or turned away, or could not be dialled for. */
async function heard(child: Child, count: number): Promise<Readonly<Record<string, number>>> {
  for (;;) {
    const { reading, outcomes } = await child.ask("status")
    if (reading + (outcomes["hello-memory"] ?? 0) + (outcomes["dial-timeout"] ?? 0) >= count) return outcomes
  }
}

/** Whether, once they have gone, nothing is held for them any more. */
async function expectReleased(child: Child, sockets: readonly Socket[], before: ChildMemory): Promise<void> {
  for (const socket of sockets) socket.destroy()
  while ((await child.ask("status")).live > 0);
  // A collection frees some things only for the next one to find.
  for (let turn = 0; turn < 20; turn += 1) {
    const { heapUsed, arrayBuffers } = await child.ask("memory")
    if (heapUsed < before.heapUsed + 2 * MIB && arrayBuffers < before.arrayBuffers + MIB) return
  }
  expect(await child.ask("memory")).toEqual(before)
}

onLinux(`${CLIENTS} clients that stall`, () => {
  it.each([1, 500, 4 * KIB])(
    "after %i bytes of their ClientHellos cost 12 KiB each and twice those bytes, at most, and nothing when they have gone",
    async (bytes) => {
      const { child, before } = await warm({ source: await configToBoth(await echo()) })
      const sockets = await stall(child.port, CLIENTS, beginning(bytes))
      expect(await heard(child, CLIENTS)).not.toHaveProperty("hello-memory")
      const { peak } = await child.ask("memory")
      expect(peak - before.peak).toBeLessThan(CLIENTS * (PER_CONNECTION + 2 * bytes))
      expect(await isServed(child.port, HONEST)).toBe(true)
      await expectReleased(child, sockets, before)
    },
    120_000,
  )

  it("after 20 KiB are held to the memory that there is for ClientHellos", async () => {
    const { child, before } = await warm({ source: await configToBoth(await echo()) })
    const sockets = await stall(child.port, CLIENTS, beginning(20 * KIB))
    await heard(child, CLIENTS)
    // Heard is who sent a byte; the rest of what they sent is on its way.
    const turnedAway = async () => (await child.ask("status")).outcomes["hello-memory"]
    await expect.poll(turnedAway).toBeGreaterThanOrEqual(CLIENTS - Math.floor((64 * MIB) / (20 * KIB)))
    const { peak } = await child.ask("memory")
    expect(peak - before.peak).toBeLessThan(CLIENTS * PER_CONNECTION + 2 * 64 * MIB)
    await expectReleased(child, sockets, before)
    expect(await isServed(child.port, HONEST)).toBe(true)
  }, 120_000)
})

onLinux("clients that send on while their backend does not answer", () => {
  it("are held to that memory too", async () => {
    const count = Math.round(3_000 * SCALE)
    // While it is not read from, a client that leaves is noticed only when the dial ends.
    const policies = { dialTimeout: "15s" }
    const { child, before } = await warm({ source: await configToBoth(await blackHole()), policies })
    const early = Buffer.concat([greeting(), Buffer.alloc(256 * KIB)])
    const sockets = await stall(child.port, count, early)
    const outcomes = await heard(child, count)
    expect(outcomes["hello-memory"]).toBeGreaterThan(count / 2)
    // Those that were turned away sent something too, which goes with them.
    const held = async () => (await child.ask("memory")).arrayBuffers - before.arrayBuffers
    await expect.poll(held).toBeLessThan(66 * MIB)
    await expectReleased(child, sockets, before)
    expect(await isServed(child.port, HONEST)).toBe(true)
  }, 120_000)
})

onLinux("clients that stop reading what their backend sends", () => {
  it("cost 256 KiB each, and the fastest 64 of them twice that", async () => {
    const count = 100
    const slabs = new SlabPool()
    const endless = await backend((socket) => {
      const flood = () => {
        while (!socket.destroyed && socket.write(BLOCK));
      }
      socket.on("drain", flood)
      flood()
    })
    const { child, before } = await warm({ source: await configToBoth(endless) })
    const sockets = await Promise.all(Array.from({ length: count }, () => client(child.port)))
    for (const socket of sockets) socket.pause().write(greeting())
    const held = async () => (await child.ask("memory")).arrayBuffers - before.arrayBuffers
    // Until the kernel takes no more of any of them.
    for (let last = -1, now = await held(); now > last || now < count * 32 * KIB; ) {
      await sleep(500)
      last = now
      now = await held()
    }
    const most = slabs.limit * slabs.slabSize + (count - slabs.limit) * 256 * KIB
    expect(await held()).toBeLessThan(1.1 * most)
    expect(await isServed(child.port, HONEST)).toBe(true)
    await expectReleased(child, sockets, {
      ...before,
      arrayBuffers: before.arrayBuffers + slabs.limit * slabs.slabSize,
    })
  }, 120_000)
})
