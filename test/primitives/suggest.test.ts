import { expect, it } from "vitest"
import { suggest } from "../../src/primitives/suggest.ts"

it.each([
  ["c", ["a", "b"], "a"],
  ["c", ["b", "a"], "a"],
  ["gatway", ["route", "gateways", "gateway"], "gateway"],
  ["gatway", ["service"], undefined],
  ["x".repeat(100), ["x".repeat(99)], undefined],
])("of %s among %j is %s meant, in whatever order they are", (name, candidates, meant) => {
  expect(suggest(name, candidates)).toBe(meant)
})
