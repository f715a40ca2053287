import { once } from "node:events"
import type { Socket } from "node:net"
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from "node:tls"
import { expect, onTestFinished, test } from "vitest"
import { spliceSockets } from "../../src/proxy/index.ts"
import { certificateAuthority } from "../support/certificate.ts"
import { ending, listenOn, pair, readAll } from "./harness.ts"

test("two sockets are joined until both have ended, and the bytes of each are counted", async () => {
  const [[a, farA], [b, farB]] = await Promise.all([pair(), pair()])
  const result = spliceSockets(a, b)
  farA.end("from a")
  expect((await readAll(farB)).toString()).toBe("from a")
  farB.end("from b!")
  expect((await readAll(farA)).toString()).toBe("from b!")
  expect(await result).toEqual({ bytesFromA: 6, bytesFromB: 7, outcome: "completed", endedBy: "a", error: undefined })
  expect([a.destroyed, b.destroyed]).toEqual([true, true])
})

test("ten megabytes each way pass at readers that stop now and then", async () => {
  const [[a, farA], [b, farB]] = await Promise.all([pair(), pair()])
  const result = spliceSockets(a, b)
  const size = 10_485_760
  const received = [farA, farB].map(async (socket) => {
    let total = 0
    socket.on("data", (chunk: Buffer) => {
      total += chunk.length
      if (total % 7 !== 0) return
      socket.pause()
      setTimeout(() => socket.resume(), 1)
    })
    await once(socket, "end")
    return total
  })
  farA.end(Buffer.alloc(size, 1))
  farB.end(Buffer.alloc(size, 2))
  expect(await Promise.all(received)).toEqual([size, size])
  expect(await result).toMatchObject({ bytesFromA: size, bytesFromB: size, outcome: "completed" })
})

test("a reset on one side resets the other", async () => {
  const [[a, farA], [b, farB]] = await Promise.all([pair(), pair()])
  const result = spliceSockets(a, b)
  const seen = ending(farA)
  farB.resetAndDestroy()
  expect(await seen).toBe("ECONNRESET")
  expect(await result).toMatchObject({ outcome: "reset", endedBy: "b", error: { code: "ECONNRESET" } })
})

test("a reset that finds the other side's end on its way still closes both", async () => {
  const [[a, farA], [b, farB]] = await Promise.all([pair(), pair()])
  const result = spliceSockets(a, b)
  // Behind the splice's own listener: the end has just been passed on when the socket fails.
  a.once("end", () => a.destroy(new Error("failed")))
  const end = ending(farB)
  farA.end("last words")
  expect(await end).toBe("end")
  expect(await result).toMatchObject({ outcome: "reset", endedBy: "a", error: { message: "failed" }, bytesFromA: 10 })
  expect([a.closed, b.closed]).toEqual([true, true])
  await expectReset(farB)
})

/** A socket whose peer has reset it tells so at the next write, though it has been ended before. */
async function expectReset(socket: Socket): Promise<void> {
  const failed = once(socket, "close").catch((error: NodeJS.ErrnoException) => error.code)
  socket.write("anyone there?")
  expect(await failed).toMatch(/ECONNRESET|EPIPE/)
}

test("what arrived before the splice is passed on, an end included", async () => {
  const [[a, farA], [b, farB]] = await Promise.all([pair(), pair()])
  farA.end("early")
  await once(a, "readable")
  const result = spliceSockets(a, b)
  expect((await readAll(farB)).toString()).toBe("early")
  farB.end()
  expect(await result).toMatchObject({ bytesFromA: 5, outcome: "completed" })
})

test("a side that had ended already is passed on as ended", async () => {
  const [[a, farA], [b, farB]] = await Promise.all([pair(), pair()])
  farA.end()
  await readAll(a)
  const result = spliceSockets(a, b)
  expect((await readAll(farB)).length).toBe(0)
  farB.end("answer")
  expect((await readAll(farA)).toString()).toBe("answer")
  expect(await result).toMatchObject({ outcome: "completed", endedBy: "a" })
})

test("a side that is gone already takes the other with it", async () => {
  const [[a], [b, farB]] = await Promise.all([pair(), pair()])
  a.destroy()
  await once(a, "close")
  const seen = ending(farB)
  expect(await spliceSockets(a, b)).toMatchObject({ bytesFromA: 0, bytesFromB: 0 })
  expect(await seen).toBe("ECONNRESET")
})

test("without a byte for too long both sides are closed", async () => {
  const [[a, farA], [b, farB]] = await Promise.all([pair(), pair()])
  const ends = [ending(farA), ending(farB)]
  expect(await spliceSockets(a, b, { idle: 100 })).toMatchObject({ outcome: "stopped", endedBy: undefined })
  expect(await Promise.all(ends)).toEqual(["end", "end"])
})

test("an abort ends it", async () => {
  const [[a, farA], [b]] = await Promise.all([pair(), pair()])
  const controller = new AbortController()
  const result = spliceSockets(a, b, { signal: controller.signal })
  const end = ending(farA)
  controller.abort()
  expect(await result).toMatchObject({ outcome: "stopped" })
  expect(await end).toBe("end")
  const [[c], [d]] = await Promise.all([pair(), pair()])
  expect(await spliceSockets(c, d, { signal: AbortSignal.abort() })).toMatchObject({ outcome: "stopped" })
})

test("a TLS socket may be one of the two", async () => {
  const authority = certificateAuthority()
  const tlsServer = createTlsServer({ ...authority.issue(["a.example.com"]), allowHalfOpen: true })
  const { port } = await listenOn(tlsServer)
  const accepted = once(tlsServer, "secureConnection")
  const farA = connectTls({ host: "127.0.0.1", port, servername: "a.example.com", ca: authority.cert })
  onTestFinished(() => {
    farA.destroy()
  })
  const [a] = (await accepted) as [TLSSocket]
  const [b, farB] = await pair()
  const result = spliceSockets(a, b)
  farB.end("to the TLS client")
  expect((await readAll(farA)).toString()).toBe("to the TLS client")
  farA.end()
  expect(await result).toMatchObject({ outcome: "completed", bytesFromB: 17 })
})
