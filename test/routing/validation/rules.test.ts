import { describe, expect, test } from "vitest"
import { validateObject } from "../../../src/routing/validation/validate.ts"
import { valid } from "./objects.ts"
import { RULES } from "./rules.ts"

const VERSIONS: Readonly<Record<string, readonly string[]>> = {
  Gateway: ["v1", "v1beta1"],
  TLSRoute: ["v1", "v1alpha3", "v1alpha2"],
}

describe.each(RULES)("$name ($kinds, $field)", (rule) => {
  const channel = rule.channel ?? "experimental"
  const versions = (kind: string): readonly string[] => rule.versions ?? VERSIONS[kind] ?? ["v1"]
  const targets = rule.kinds.flatMap((kind) =>
    versions(kind)
      .filter((version) => channel === "experimental" || version === "v1")
      .map((version) => ({ kind, version })),
  )

  test.each(targets)("in $kind $version", ({ kind, version }) => {
    for (const good of rule.good) {
      expect(validateObject(valid(kind, { [rule.change]: good }, version), { channel }).filter(isBreach)).toEqual([])
    }
    for (const bad of rule.bad) {
      const problems = validateObject(valid(kind, { [rule.change]: bad }, version), { channel })
      const { message, ...problem } = rule.problem
      expect(problems).toContainEqual(expect.objectContaining({ ...problem, message: expect.stringMatching(message) }))
    }
  })
})

const isBreach = ({ code }: { readonly code: string }): boolean => code !== "Deprecated"
