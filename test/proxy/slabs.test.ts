import { createHash } from "node:crypto"
import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { expect, test } from "vitest"
import { SlabPool, SlabReader } from "../../src/proxy/splice/slabs.ts"
import { client, listenOn } from "./harness.ts"

const SIZE = 6 * 1_048_576

/** A sender, a socket that reads it into slabs and writes to another, and who reads at the end. */
async function chain(pool: SlabPool) {
  const sender = createServer({ allowHalfOpen: true })
  const middle = createServer({ allowHalfOpen: true })
  const [from, to] = await Promise.all([listenOn(sender), listenOn(middle)])
  const accepted = Promise.all([once(sender, "connection"), once(middle, "connection")])
  const receiver = await client(to.port)
  const reader = new SlabReader(pool)
  const source = connect({ host: from.address, port: from.port, allowHalfOpen: true, onread: reader.onread })
  const [[origin], [destination]] = (await accepted) as [[Socket], [Socket]]
  source.on("end", () => destination.end())
  reader.start(source, destination, { slabRead() {} })
  destination.on("drain", () => {
    if (reader.drained()) source.resume()
  })
  return { origin, receiver, source, destination, reader }
}

function digest(socket: Socket, pauses: boolean): Promise<string> {
  const hash = createHash("sha1")
  socket.on("data", (chunk: Buffer) => {
    hash.update(chunk)
    if (!pauses || hash.copy().digest()[0]! > 40) return
    socket.pause()
    setTimeout(() => socket.resume(), 1)
  })
  return once(socket, "end").then(() => hash.digest("hex"))
}

/** Differs between flows and positions, so that memory shared by mistake shows. */
function contents(seed: number): Buffer {
  return Buffer.from(
    Uint32Array.from({ length: SIZE / 4 }, (_, index) => Math.imul(index + seed, 2_654_435_761)).buffer,
  )
}

test.each([
  ["each flow has a slab of its own", new SlabPool(524_288, 8)],
  ["flows share one slab, as no other is left", new SlabPool(524_288, 0)],
  ["some flows find a slab and some do not", new SlabPool(131_072, 2)],
])("many flows at once, at slow and at fast readers, stay apart when %s", async (_, pool) => {
  const flows = await Promise.all(Array.from({ length: 6 }, () => chain(pool)))
  const sent = flows.map(({ origin }, index) => {
    const bytes = contents(index * 1_000_003)
    origin.end(bytes)
    return createHash("sha1").update(bytes).digest("hex")
  })
  expect(await Promise.all(flows.map(({ receiver }, index) => digest(receiver, index % 2 === 0)))).toEqual(sent)
  expect(pool.taken).toBeLessThanOrEqual(pool.limit)
  for (const { reader } of flows) reader.release()
  expect(pool.taken).toBe(0)
})

test.each([1_024, 16_384, 65_535, 65_536, 65_537, 131_072, 262_144, 524_288, 1_048_576, 4_194_304])(
  "a flow at a slower reader goes on to its end with slabs of %i bytes",
  async (size) => {
    const pool = new SlabPool(size, 8)
    const { origin, receiver, reader } = await chain(pool)
    const bytes = contents(size)
    origin.end(bytes)
    expect(await digest(receiver, true)).toBe(createHash("sha1").update(bytes).digest("hex"))
    reader.release()
    expect(pool.taken).toBe(0)
  },
)

test("a connection that has gone quiet holds no slab", async () => {
  const pool = new SlabPool(524_288, 8)
  const { origin, receiver, reader } = await chain(pool)
  let most = 0
  receiver.on("data", () => {
    most = Math.max(most, pool.taken)
  })
  origin.write(contents(1))
  await expect.poll(() => receiver.bytesRead).toBe(SIZE)
  expect(most).toBe(1)
  origin.write("and then a little")
  await expect.poll(() => pool.taken).toBe(0)
  reader.release()
})
