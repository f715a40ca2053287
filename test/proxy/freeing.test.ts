import { expect, test } from "vitest"
import { freeReads } from "../../src/proxy/splice/freeing.ts"

test("large reads that have their memory to themselves are empty afterwards, all but the last until the next are freed", () => {
  const [first, second, third] = [1, 2, 3].map(() => Buffer.from(new ArrayBuffer(65_536))) as [Buffer, Buffer, Buffer]
  const lengths = () => [first.length, second.length, third.buffer.byteLength]
  freeReads([first, second])
  expect(lengths()).toEqual([0, 65_536, 65_536])
  freeReads([third])
  expect(lengths()).toEqual([0, 0, 65_536])
})

test.each([
  ["part of a larger buffer", Buffer.from(new ArrayBuffer(131_072), 0, 65_536)],
  ["small", Buffer.from(new ArrayBuffer(1_024))],
  ["in memory shared between threads", Buffer.from(new SharedArrayBuffer(65_536))],
])("a read that is %s keeps its bytes", (_, chunk) => {
  const { length } = chunk
  chunk.fill(7)
  freeReads([chunk])
  freeReads([Buffer.from(new ArrayBuffer(65_536))])
  expect(chunk.equals(Buffer.alloc(length, 7))).toBe(true)
})
