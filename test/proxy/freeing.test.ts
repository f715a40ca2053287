import { expect, test } from "vitest"
import { freeRead } from "../../src/proxy/splice/freeing.ts"

test("a large read that has its memory to itself is empty afterwards", () => {
  const chunk = Buffer.from(new ArrayBuffer(65_536))
  freeRead(chunk)
  expect([chunk.length, chunk.buffer.byteLength]).toEqual([0, 0])
})

test.each([
  ["part of a larger buffer", Buffer.from(new ArrayBuffer(131_072), 0, 65_536)],
  ["small", Buffer.from(new ArrayBuffer(1_024))],
  ["in memory shared between threads", Buffer.from(new SharedArrayBuffer(65_536))],
])("a read that is %s keeps its bytes", (_, chunk) => {
  const { length } = chunk
  chunk.fill(7)
  freeRead(chunk)
  expect(chunk.equals(Buffer.alloc(length, 7))).toBe(true)
})
