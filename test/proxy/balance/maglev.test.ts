import { expect, test } from "vitest"
import { maglevTable } from "../../../src/proxy/balance/maglev.ts"

const keys = (count: number) => Array.from({ length: count }, (_, index) => `10.0.${index >> 8}.${index & 255}|8443`)

function shares(table: Uint32Array, count: number): number[] {
  const shares = new Array<number>(count).fill(0)
  for (const index of table) shares[index]!++
  return shares.map((slots) => (slots * count) / table.length)
}

test.each([1, 2, 3, 10, 100, 1_000])("%i endpoints get equal parts of the table", (count) => {
  const parts = shares(maglevTable(keys(count)), count)
  expect(Math.min(...parts)).toBeGreaterThan(0.98)
  expect(Math.max(...parts)).toBeLessThan(1.02)
})

test("the order in which endpoints are known does not matter", () => {
  const forward = keys(7)
  const backward = [...forward].reverse()
  const named = (list: string[]) => Array.from(maglevTable(list), (index) => list[index])
  expect(named(backward)).toEqual(named(forward))
})

test("when one endpoint of ten goes, few clients of the others move", () => {
  const before = keys(10)
  const after = before.filter((_, index) => index !== 3)
  const [tableBefore, tableAfter] = [maglevTable(before), maglevTable(after)]
  expect(tableBefore.length).toBe(tableAfter.length)
  let moved = 0
  for (let slot = 0; slot < tableBefore.length; slot++) {
    const owner = before[tableBefore[slot]!]
    if (owner !== before[3] && owner !== after[tableAfter[slot]!]) moved++
  }
  expect(moved / tableBefore.length).toBeLessThan(0.1)
})

test("no endpoints make an empty table", () => {
  expect(maglevTable([]).length).toBe(0)
})
