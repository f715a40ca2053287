import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { RateLimit } from "../../src/cli/log/rate-limit.ts"

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Who of so many is let through. */
const admitted = (limit: RateLimit, many: number) => Array.from({ length: many }, () => limit.admits())

test("lets a few through in each window, and tells at its end how many more there were", () => {
  const rests: number[] = []
  const limit = new RateLimit(2, 10_000, (rest) => rests.push(rest))
  expect(admitted(limit, 5)).toEqual([true, true, false, false, false])
  vi.advanceTimersByTime(9_999)
  expect([admitted(limit, 1), rests]).toEqual([[false], []])
  vi.advanceTimersByTime(1)
  expect(rests).toEqual([4])
  expect(admitted(limit, 3)).toEqual([true, true, false])
})

test("says nothing of a window in which all were let through", () => {
  const rests: number[] = []
  const limit = new RateLimit(2, 10_000, (rest) => rests.push(rest))
  expect(admitted(limit, 2)).toEqual([true, true])
  vi.advanceTimersByTime(10_000)
  expect(rests).toEqual([])
})

test("has a window begin with the first that comes, however long nobody came", () => {
  const rests: number[] = []
  const limit = new RateLimit(1, 10_000, (rest) => rests.push(rest))
  admitted(limit, 1)
  vi.advanceTimersByTime(15_000)
  expect(admitted(limit, 2)).toEqual([true, false])
  vi.advanceTimersByTime(9_999)
  expect(rests).toEqual([])
  vi.advanceTimersByTime(1)
  expect(rests).toEqual([1])
})
