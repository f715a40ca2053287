import type { Socket } from "node:net"
import { expect, it } from "vitest"
import { backend, client, ending } from "../proxy/harness.ts"
import { startChild } from "./child/start.ts"
import { configTo, connected, echo, greeting, isServed, onLinux, says } from "./harness.ts"

/** Descriptors of the gateway's process: about 25 are its own, and 32 (an eighth) are kept free. */
const DESCRIPTORS = 256

/** Connections at once that would take far more than there are. */
async function flood(port: number, count = 600): Promise<readonly Socket[]> {
  return Promise.all(Array.from({ length: count }, () => client(port).catch(() => undefined))).then((sockets) =>
    sockets.filter((socket) => socket !== undefined),
  )
}

/** Asks until it is served: room is looked for anew only a moment after there was none. */
async function served(port: number): Promise<void> {
  while (!(await isServed(port).catch(() => false)));
}

onLinux("a flood that would take more file descriptors than there are", () => {
  it("is shed: connections in progress live on, and when it is over new ones are served", async () => {
    const child = await startChild({ source: configTo(await echo()) }, DESCRIPTORS)
    const kept = await connected(child.port)
    const sockets = await flood(child.port)
    while ((await child.ask("status")).accepted < sockets.length + 1);
    const { live, outcomes, descriptors, errors } = await child.ask("status")
    expect(outcomes["no-descriptors"]).toBeGreaterThan(300)
    expect(live).toBeGreaterThan(20)
    expect(descriptors).toBeLessThan(DESCRIPTORS)
    expect(errors).toEqual([])
    expect(await says(kept, "still here")).toBe("still here")
    for (const socket of sockets) socket.destroy()
    while ((await child.ask("status")).live > 1);
    await served(child.port)
    expect(await says(kept, "still here")).toBe("still here")
    expect(child.isAlive).toBe(true)
  }, 60_000)
})

onLinux("a process without a descriptor left", () => {
  it("keeps its connections, drops new ones, and serves again when there are some", async () => {
    const limits = { descriptorReserve: 0 }
    const child = await startChild({ source: configTo(await echo()), limits }, DESCRIPTORS)
    const kept = await connected(child.port)
    expect(await child.ask("exhaust")).toBe("EMFILE")
    const sockets = await flood(child.port, 100)
    expect(await says(kept, "still here")).toBe("still here")
    for (const socket of sockets) {
      // Those that were dropped as soon as they had been accepted have ended already.
      if (!socket.readableEnded && !socket.destroyed) await ending(socket)
    }
    expect(await says(kept, "still here")).toBe("still here")
    await child.ask("relax")
    await served(child.port)
    expect(child.isAlive).toBe(true)
  }, 60_000)

  it("refuses whom it cannot dial for, and holds it against no endpoint", async () => {
    const asked = { first: 0, second: 0 }
    const [first, second] = await Promise.all([
      backend((socket) => {
        asked.first += 1
        socket.pipe(socket)
      }),
      backend((socket) => {
        asked.second += 1
        socket.pipe(socket)
      }),
    ])
    const child = await startChild(
      {
        source: configTo(first, [443], [second]),
        policies: { ejectAfter: 1, ejectionTime: "1h", dialAttempts: 1, loadBalancing: "round-robin" },
      },
      DESCRIPTORS,
    )
    // Its ClientHello is whole only once there is no descriptor left to dial with.
    const waiting = await client(child.port)
    while ((await child.ask("status")).live < 1);
    await child.ask("exhaust")
    const end = ending(waiting)
    waiting.write(greeting())
    expect(await end).toBe("end")
    expect((await child.ask("status")).live).toBeLessThanOrEqual(1)
    await child.ask("relax")
    waiting.destroy()
    for (let turn = 0; turn < 10; turn += 1) await served(child.port)
    expect((await child.ask("status")).outcomes["dial-failed"]).toBe(1)
    expect(asked).toEqual({ first: 5, second: 5 })
  }, 60_000)
})
