import fc from "fast-check"
import { expect, test } from "vitest"
import { WeightedRoundRobin } from "../../../src/proxy/balance/weighted-round-robin.ts"

const choices = (...weights: number[]) => weights.map((weight, index) => ({ id: `target-${index}`, weight }))
const picks = (turns: WeightedRoundRobin, count: number) => Array.from({ length: count }, () => turns.next())

test("shares are spread evenly, not in bursts", () => {
  expect(picks(new WeightedRoundRobin(choices(5, 1, 1)), 14)).toEqual([0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0])
})

test("every run as long as the sum of the weights gives each choice exactly its weight", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 6 }),
      fc.nat(50),
      (weights, offset) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        fc.pre(total > 0)
        const turns = new WeightedRoundRobin(choices(...weights))
        picks(turns, offset)
        const counts = weights.map(() => 0)
        for (const index of picks(turns, total)) counts[index]!++
        expect(counts).toEqual(weights)
      },
    ),
  )
})

test.each([[[]], [[0, 0]]])("with weights %j there is nothing to choose", (weights) => {
  expect(new WeightedRoundRobin(choices(...weights)).next()).toBe(-1)
})

test("a new configuration goes on where the old one stood", () => {
  const same = choices(3, 2, 1)
  const whole = picks(new WeightedRoundRobin(same), 12)
  let turns = new WeightedRoundRobin(same)
  const pieces: number[] = []
  for (let step = 0; step < 12; step++) {
    pieces.push(turns.next())
    turns = new WeightedRoundRobin(same, turns)
  }
  expect(pieces).toEqual(whole)
})

test("choices with the same id keep their standings apart", () => {
  const same = [
    { id: "x", weight: 1 },
    { id: "x", weight: 1 },
  ]
  const turns = new WeightedRoundRobin(same)
  turns.next()
  expect(picks(new WeightedRoundRobin(same, turns), 2)).toEqual([1, 0])
})

test("after the weights change, shares are right within one round", () => {
  const turns = new WeightedRoundRobin(choices(1_000_000, 1))
  picks(turns, 500_000)
  const after = new WeightedRoundRobin(choices(1, 1), turns)
  const counts = [0, 0]
  for (const index of picks(after, 100)) counts[index]!++
  expect(Math.abs(counts[0]! - counts[1]!)).toBeLessThanOrEqual(4)
})
