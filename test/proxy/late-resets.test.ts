import { once } from "node:events"
import type { Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import {
  backend,
  client,
  clientHello,
  deferred,
  ending,
  nextRecord,
  readAll,
  routerTo,
  startProxy,
  stopClock,
} from "./harness.ts"
import { connectionPolicy, policyRouter } from "./policy-harness.ts"

/** A connection through the proxy: both ends of it, with the client's hello read by the backend. */
async function connected(isThrottled: boolean) {
  const accepted = deferred<Socket>()
  const endpoint = await backend(accepted.resolve)
  // What is held to a rate does not read into slabs.
  const router = isThrottled ? policyRouter(connectionPolicy({ bandwidth: 100_000_000 }), endpoint) : routerTo(endpoint)
  const { proxy, port } = await startProxy({ router })
  const near = await client(port)
  near.write(await clientHello("example.com"))
  const far = await accepted.promise
  await once(far, "data")
  return { proxy, near, far, closed: nextRecord(proxy) }
}

// The other side has a tenth of a second to end, which a busy machine lets go by: where it is to end in time, the clock is
// stopped.
describe.each([
  ["into slabs", false],
  ["one read at a time", true],
])("a backend read %s, and a side that is reset once all is said,", (_, isThrottled) => {
  test("as it closed with the answer to its end unread, makes no reset of the session", async () => {
    const { near, far, closed } = await connected(isThrottled)
    stopClock()
    // A client closes for good: what comes is answered with RST by the system.
    near.end("goodbye")
    expect(String(await readAll(far))).toBe("goodbye")
    near.destroy()
    far.write("close_notify")
    far.end()
    expect(await closed).toMatchObject({ outcome: "completed", endedBy: "client" })
  })

  test("and whose answer came in two pieces, makes no reset of the session", async () => {
    const { near, far, closed } = await connected(isThrottled)
    stopClock()
    near.end("goodbye")
    await readAll(far)
    near.destroy()
    far.write("close_notify")
    // The reset has come back by then.
    await sleep(20)
    far.end()
    expect(await closed).toMatchObject({ outcome: "completed", endedBy: "client" })
  })

  test("as a backend that goes with the client's last words unread, makes no reset of the session", async () => {
    const { near, far, closed } = await connected(isThrottled)
    stopClock()
    far.pause()
    near.end("goodbye")
    await once(near, "finish")
    await sleep(50)
    far.resetAndDestroy()
    expect(await closed).toMatchObject({ outcome: "completed", detail: "ECONNRESET", endedBy: "client" })
  })

  test("as a client that has the backend's end goes with bytes unread, makes no reset of the session", async () => {
    const { near, far, closed } = await connected(isThrottled)
    stopClock()
    near.pause()
    far.end("the last words")
    await sleep(50)
    near.resetAndDestroy()
    expect(await closed).toMatchObject({ outcome: "completed", detail: "ECONNRESET", endedBy: "backend" })
  })

  test.each(["client", "backend"] as const)(
    "as the %s goes before the other's last bytes and end have reached it, makes no reset of the session",
    async (gone) => {
      const { near, far, closed } = await connected(isThrottled)
      stopClock()
      const [leaving, staying] = gone === "client" ? [near, far] : [far, near]
      leaving.write("goodbye")
      expect(String((await once(staying, "data"))[0])).toBe("goodbye")
      leaving.resetAndDestroy()
      // The reset has come to the proxy by then.
      await sleep(20)
      staying.end("close_notify")
      expect(await closed).toMatchObject({ outcome: "completed", detail: "ECONNRESET", endedBy: gone })
      expect(await ending(staying)).toMatch(/ECONNRESET|close/)
    },
  )

  test("as both go, neither having heard of the other, makes no reset of the session", async () => {
    const { near, far, closed } = await connected(isThrottled)
    stopClock()
    near.write("goodbye")
    await once(far, "data")
    near.resetAndDestroy()
    far.resetAndDestroy()
    expect(await closed).toMatchObject({ outcome: "completed", detail: "ECONNRESET" })
  })

  test("as a backend that goes in the same moment in which the client ends, makes no reset of the session", async () => {
    for (let round = 0; round < 20; round++) {
      const { near, far, closed } = await connected(isThrottled)
      far.pause()
      near.end("goodbye")
      far.resetAndDestroy()
      expect(await closed).toMatchObject({ outcome: "completed" })
    }
  })

  test("while the other goes on to send is told as a reset, and the other is reset", async () => {
    const { near, far, closed } = await connected(isThrottled)
    near.end("goodbye")
    await readAll(far)
    const end = ending(far)
    near.destroy()
    far.write(Buffer.alloc(100))
    const drip = setInterval(() => far.write(Buffer.alloc(2_000)), 10)
    expect(await closed).toMatchObject({ outcome: "client-reset", endedBy: "client" })
    expect(await end).toMatch(/ECONNRESET|EPIPE/)
    clearInterval(drip)
  })

  test("while the other says nothing is told as a reset, and the other is reset", async () => {
    const { near, far, closed } = await connected(isThrottled)
    near.end("goodbye")
    await readAll(far)
    near.destroy()
    far.write("close_")
    // The reset has come back by then; only a write tells of it.
    setTimeout(() => far.write("notify"), 20)
    const end = ending(far)
    expect(await closed).toMatchObject({ outcome: "client-reset", endedBy: "client" })
    far.write("anyone there?")
    expect(await end).toMatch(/ECONNRESET|EPIPE/)
  })

  test("before it has heard the other's end is told as a reset", async () => {
    const { near, far, closed } = await connected(isThrottled)
    far.write("the first words")
    await once(near, "data")
    const end = ending(far)
    near.resetAndDestroy()
    expect(await closed).toMatchObject({ outcome: "client-reset", detail: "ECONNRESET", endedBy: "client" })
    expect(await end).toBe("ECONNRESET")
  })

  test("with an answer that it has not taken is told as a reset", async () => {
    const { near, far, closed } = await connected(isThrottled)
    near.pause()
    near.end()
    far.end(Buffer.alloc(32 * 1024 * 1024))
    await once(far, "end")
    near.resetAndDestroy()
    expect(await closed).toMatchObject({ outcome: "client-reset", endedBy: "client" })
  })
})
