import { Writable } from "node:stream"
import { expect, test } from "vitest"
import { flushLines, putServingFirst, writeLine } from "../../src/cli/shared/output.ts"

const KIB = 1024

/** A reader that takes only what a test lets it take. */
function slowReader() {
  const taken: string[] = []
  const waiting: (() => void)[] = []
  const stream = new Writable({
    decodeStrings: false,
    write: (line: string, _encoding, done) => {
      waiting.push(() => {
        taken.push(line)
        done()
      })
    },
  })
  const take = async (lines: number) => {
    for (let line = 0; line < lines; line += 1) {
      waiting.shift()?.()
      await new Promise(setImmediate)
    }
  }
  return { stream, taken, take }
}

const tell = (lines: number) => `${lines} lost`
const line = "x".repeat(512 * KIB - 1)

// In this order: a process that has begun to serve does so to its end.
test("a command that does not serve writes every line, however slow its reader", () => {
  const { stream } = slowReader()
  for (let count = 0; count < 20; count += 1) writeLine(stream, line, tell)
  expect(stream.writableLength).toBe(20 * 512 * KIB)
})

test("a command that serves drops what its reader is too slow for, and says how much", async () => {
  putServingFirst()
  const { stream, taken, take } = slowReader()
  for (let count = 0; count < 20; count += 1) writeLine(stream, line, tell)
  expect(stream.writableLength).toBe(9 * 512 * KIB)
  await take(2)
  writeLine(stream, line, tell)
  expect(stream.writableLength).toBe(7 * 512 * KIB)
  await take(3)
  writeLine(stream, "at last", tell)
  flushLines()
  await take(6)
  expect(taken.at(-1)).toBe("12 lost\nat last\n")
})

test("a command that serves writes lines together, soon, and in the order of both its outputs", async () => {
  putServingFirst()
  const written: string[] = []
  const output = (name: string) => {
    return new Writable({
      decodeStrings: false,
      write: (text: string, _encoding, done) => {
        written.push(`${name}: ${text}`)
        done()
      },
    })
  }
  const first = output("first")
  const second = output("second")
  writeLine(first, "one", tell)
  writeLine(first, "two", tell)
  expect(written).toEqual([])
  writeLine(second, "three", tell)
  expect(written).toEqual(["first: one\ntwo\n"])
  await expect.poll(() => written.length).toBe(2)
  expect(written[1]).toBe("second: three\n")
})
