import { expect, it } from "vitest"
import { isSlip, suggest } from "../../src/primitives/suggest.ts"

it.each([
  ["c", ["a", "b"], "a"],
  ["c", ["b", "a"], "a"],
  ["gatway", ["route", "gateways", "gateway"], "gateway"],
  ["gatway", ["service"], undefined],
  ["x".repeat(100), ["x".repeat(99)], undefined],
])("of %s among %j is %s meant, in whatever order they are", (name, candidates, meant) => {
  expect(suggest(name, candidates)).toBe(meant)
})

it.each([
  ["edge", "egde", true],
  ["tlsrout", "tlsroute", true],
  ["prod/egde", "prod/edge", true],
  ["edge", "edge", false],
  ["edge-2", "edge-1", false],
  ["edge2", "edge", false],
  ["edge-eu", "edge-us", false],
  ["edge-a", "edge-b", false],
  ["east", "west", false],
])("%s for %s is a slip of the pen: %s", (name, meant, is) => {
  expect(isSlip(name, meant)).toBe(is)
})
