import { createHash } from "node:crypto"
import { once } from "node:events"
import type { Socket } from "node:net"
import { expect, test } from "vitest"
import { backend, client, clientHello, deferred, ending, nextRecord, readAll, routerTo, startProxy } from "./harness.ts"

const MIB = 1_048_576
const SIZE = 100 * MIB

/** Bytes that do not repeat at any size a buffer might have. */
const pattern = Buffer.from(Uint32Array.from({ length: 250_007 }, (_, index) => Math.imul(index, 2_654_435_761)).buffer)

/** Sends `size` bytes of the pattern as fast as the peer takes them, then ends. Resolves to their digest. */
async function send(socket: Socket, size: number): Promise<string> {
  const digest = createHash("sha1")
  for (let sent = 0; sent < size; ) {
    const part = pattern.subarray(0, Math.min(pattern.length, size - sent))
    digest.update(part)
    sent += part.length
    if (!socket.write(part)) await once(socket, "drain")
  }
  socket.end()
  return digest.digest("hex")
}

/** Reads to the end and resolves to the digest of what came after `skip` bytes; `pace` may hold the reader back. */
function receive(socket: Socket, skip = 0, pace?: (socket: Socket, total: number) => void): Promise<string> {
  const digest = createHash("sha1")
  let total = 0
  return new Promise((resolve, reject) => {
    socket.on("data", (chunk: Buffer) => {
      const before = total
      total += chunk.length
      if (total > skip) digest.update(before < skip ? chunk.subarray(skip - before) : chunk)
      pace?.(socket, total)
    })
    socket.once("end", () => resolve(digest.digest("hex")))
    socket.once("error", reject)
  })
}

/** Stops now and then, so that every buffer on the way runs full. */
function hesitant() {
  let next = 4 * MIB
  return (socket: Socket, total: number) => {
    if (total < next) return
    next += 4 * MIB
    socket.pause()
    setTimeout(() => socket.resume(), 4)
  }
}

test("100 MiB each way at the same time arrive byte for byte at slow readers", async () => {
  const hello = await clientHello("example.com")
  const atBackend = deferred<readonly string[]>()
  const endpoint = await backend((socket) => {
    atBackend.resolve(Promise.all([receive(socket, hello.length, hesitant()), send(socket, SIZE)]))
  })
  const { proxy, port } = await startProxy({ router: routerTo(endpoint) })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(hello)
  const [received, sent] = await Promise.all([receive(socket, 0, hesitant()), send(socket, SIZE)])
  expect([sent, received]).toEqual(await atBackend.promise)
  expect(await closed).toMatchObject({
    outcome: "completed",
    bytesFromClient: SIZE + hello.length,
    bytesFromBackend: SIZE,
  })
})

test("a client that ends first still gets everything", async () => {
  const hello = await clientHello("example.com")
  const endpoint = await backend(async (socket) => {
    await readAll(socket)
    await send(socket, 8 * MIB)
  })
  const { proxy, port } = await startProxy({ router: routerTo(endpoint) })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.end(hello)
  expect(await receive(socket, 0, hesitant())).toBe(digestOf(8 * MIB))
  expect(await closed).toMatchObject({ outcome: "completed", endedBy: "client", bytesFromBackend: 8 * MIB })
})

test("a backend that ends first still gets everything", async () => {
  const hello = await clientHello("example.com")
  const got = deferred<string>()
  const endpoint = await backend((socket) => {
    socket.end("bye")
    got.resolve(receive(socket, hello.length, hesitant()))
  })
  const { port } = await startProxy({ router: routerTo(endpoint) })
  const socket = await client(port)
  socket.write(hello)
  expect((await readAll(socket)).toString()).toBe("bye")
  await send(socket, 8 * MIB)
  expect(await got.promise).toBe(digestOf(8 * MIB))
})

test.each(["client", "backend"] as const)("a reset by the %s reaches the other side as a reset", async (side) => {
  const hello = await clientHello("example.com")
  const accepted = deferred<Socket>()
  const endpoint = await backend(accepted.resolve)
  const { proxy, port } = await startProxy({ router: routerTo(endpoint) })
  const closed = nextRecord(proxy)
  const atClient = await client(port)
  atClient.write(hello)
  const atBackend = await accepted.promise
  await once(atBackend, "data")
  const [resetter, other] = side === "client" ? [atClient, atBackend] : [atBackend, atClient]
  const seen = ending(other)
  resetter.resetAndDestroy()
  expect(await seen).toBe("ECONNRESET")
  expect(await closed).toMatchObject({ outcome: `${side}-reset`, endedBy: side, detail: "ECONNRESET" })
})

test("a reader that stops stops the sender, and little is held in between", async () => {
  const hello = await clientHello("example.com")
  let sent = 0
  const endpoint = await backend((socket) => {
    const push = () => {
      while (socket.write(pattern)) sent += pattern.length
      sent += pattern.length
    }
    socket.on("drain", push)
    push()
  })
  const { proxy, port } = await startProxy({ router: routerTo(endpoint) })
  const before = process.memoryUsage().arrayBuffers
  const socket = await client(port)
  socket.write(hello)
  socket.pause()
  // A look just after the event loop was held up has seen nothing move, and tells nothing.
  for (let last = -1, still = 0; still < 3; still = last === sent ? still + 1 : 0) {
    last = sent
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const [connection] = proxy.connections
  const taken = connection?.bytesFromBackend ?? 0
  const held = process.memoryUsage().arrayBuffers - before
  // What the proxy has read and the client has not: the kernel's own buffers, and one read.
  expect(taken).toBeGreaterThan(0)
  expect(held).toBeLessThan(4 * MIB)
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(connection?.bytesFromBackend).toBe(taken)
})

test("a hundred small flows have their turns beside three that take all there is", async () => {
  const hello = await clientHello("example.com")
  const part = pattern.subarray(0, 65_536)
  const bulk = await backend((socket) => {
    const push = () => {
      while (socket.write(part)) {}
    }
    socket.on("drain", push)
    push()
  })
  const echo = await backend((socket) => socket.pipe(socket))
  const { port } = await startProxy({
    router: {
      route: ({ hello }) => ({
        action: "forward",
        target: { kind: "endpoints", id: "x", endpoints: [hello.serverName === "bulk.example.com" ? bulk : echo] },
      }),
    },
  })
  const smalls = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const small = await client(port)
      small.write(hello)
      await once(small, "data")
      return small
    }),
  )
  const flows = await Promise.all(Array.from({ length: 3 }, () => client(port)))
  let moved = 0
  for (const flow of flows) {
    flow.on("data", (chunk: Buffer) => {
      moved += chunk.length
    })
    flow.write(await clientHello("bulk.example.com"))
  }
  await Promise.all(flows.map((flow) => once(flow, "data")))
  const waits: number[] = []
  for (const small of smalls) {
    const before = moved
    small.write("ping")
    await once(small, "data")
    waits.push(moved - before)
  }
  waits.sort((a, b) => a - b)
  // Told in bytes, not in time: there and back takes some turns of the loop, in each of which a flow moves 2 MiB at most.
  expect(waits[50]).toBeLessThan(64 * MIB)
  expect(moved).toBeGreaterThan(MIB)
})

function digestOf(size: number): string {
  const digest = createHash("sha1")
  for (let done = 0; done < size; done += pattern.length) {
    digest.update(pattern.subarray(0, Math.min(pattern.length, size - done)))
  }
  return digest.digest("hex")
}
