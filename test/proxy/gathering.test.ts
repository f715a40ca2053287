import { once } from "node:events"
import { setImmediate as nextTurn } from "node:timers/promises"
import { expect, onTestFinished, test } from "vitest"
import { Gathering } from "../../src/proxy/splice/gathering.ts"
import { pair, readAll } from "./harness.ts"

const FULL = 65_536

async function gathering() {
  const [[source], [destination, far]] = await Promise.all([pair(), pair()])
  const made = new Gathering(source, destination)
  onTestFinished(() => made.release())
  return { made, source, destination, far }
}

/** A read that Node.js made by itself, all of one byte. */
function read(byte: number, length = FULL): Buffer {
  return Buffer.alloc(length, byte)
}

test("the first read of a flow goes on at once, and those that follow it in the same turn together", async () => {
  const { made, destination, far } = await gathering()
  const received = readAll(far)
  made.write(read(1))
  expect(destination.bytesWritten).toBe(FULL)
  made.write(read(2))
  made.write(read(3))
  expect([destination.bytesWritten, made.isBehind]).toEqual([FULL, true])
  await nextTurn()
  expect([destination.bytesWritten, made.isBehind]).toEqual([3 * FULL, false])
  destination.end()
  expect(await received).toEqual(Buffer.concat([read(1), read(2), read(3)]))
})

test("a read that is not full goes on at once, with all that waited for it", async () => {
  const { made, destination, far } = await gathering()
  const received = readAll(far)
  for (const bytes of [read(1), read(2), read(3, 100)]) made.write(bytes)
  expect(destination.bytesWritten).toBe(2 * FULL + 100)
  made.write(read(4))
  expect(destination.bytesWritten).toBe(3 * FULL + 100)
  destination.end()
  expect(await received).toEqual(Buffer.concat([read(1), read(2), read(3, 100), read(4)]))
})

test("no more than eight reads wait for each other", async () => {
  const { made, destination, far } = await gathering()
  far.resume()
  made.write(read(0))
  for (let byte = 1; byte < 8; byte++) made.write(read(byte))
  expect(destination.bytesWritten).toBe(FULL)
  made.write(read(8))
  expect(destination.bytesWritten).toBe(9 * FULL)
})

test("what waits is written when its source ends or fails", async () => {
  const { made, destination, far } = await gathering()
  const received = readAll(far)
  made.write(read(1))
  made.write(read(2))
  made.flush()
  destination.end()
  expect(await received).toEqual(Buffer.concat([read(1), read(2)]))
})

test("a flow whose reader stops is not read on, and goes on once all was taken, one read first", async () => {
  const { made, source, destination, far } = await gathering()
  far.pause()
  let written = 0
  while (!source.isPaused()) {
    made.write(read(1))
    written++
    await nextTurn()
  }
  expect(made.isBehind).toBe(true)
  const drained = once(destination, "drain")
  far.resume()
  await drained
  expect(made.drained()).toBe(true)
  expect(destination.bytesWritten).toBe(written * FULL)
  made.write(read(2))
  expect(destination.bytesWritten).toBe((written + 1) * FULL)
  made.write(read(3))
  expect(destination.bytesWritten).toBe((written + 1) * FULL)
})

test("while 32 MiB wait, each flow has one more read at most that waits", async () => {
  const destinations = await Promise.all(Array.from({ length: 10 }, pair))
  const [own] = await pair()
  // All of one piece of memory, which is thus nobody's own.
  const same = Buffer.alloc(2 * FULL).subarray(0, FULL)
  const flows = Array.from({ length: 73 }, (_, at) => {
    const [destination] = destinations[at % 10]!
    return new Gathering(destination, destination)
  })
  const late = new Gathering(own, own)
  onTestFinished(() => {
    for (const flow of [...flows, late]) flow.release()
  })
  for (const flow of flows) for (let reads = 0; reads < 8; reads++) flow.write(same)
  expect(flows.every((flow) => flow.isBehind)).toBe(true)
  for (const written of [1, 1, 3, 3, 5, 5, 7]) {
    late.write(same)
    expect(own.bytesWritten).toBe(written * FULL)
  }
  for (const flow of flows) flow.release()
  for (const written of [7, 7, 7, 7]) {
    late.write(same)
    expect(own.bytesWritten).toBe(written * FULL)
  }
})
