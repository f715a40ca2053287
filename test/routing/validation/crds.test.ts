import { isDeepStrictEqual } from "node:util"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { ResourceProblem } from "../../../src/routing/resources.ts"
import { applyDefaults, validateObject } from "../../../src/routing/validation/validate.ts"
import { mend, objectsOf, variantsOf } from "./crd-objects.ts"
import { type Definition, judge, readDefinitions, valuesAt } from "./crds.ts"
import { valid } from "./objects.ts"
import { RULES, type RuleRef, TRANSITION_RULES } from "./rules.ts"

/** One directory for each release of the Gateway API, with a colon between them. */
const directories = (process.env["TLSROUTE_CRDS"] ?? "").split(":").filter((directory) => directory !== "")
const agreement = "validation and the CustomResourceDefinitions agree"

if (directories.length === 0) {
  test.skip(`${agreement} (skipped: TLSROUTE_CRDS does not name a directory with the definitions)`, () => {})
} else {
  describe(agreement, () => {
    for (const directory of directories) {
      const definitions = readDefinitions(directory)
      describe(`in ${definitions[0]?.release}`, () => compare(definitions))
    }
  })
}

const RUNS = 100

function compare(definitions: readonly Definition[]): void {
  describe.each(definitions.filter(({ served }) => served))("$channel $kind $version", (definition) => {
    const { channel, kind, version } = definition
    const verdictOf = judge(definition)
    const problemsOf = (object: unknown) => validateObject(object, { channel })

    const compareOn = (object: unknown): boolean => {
      const { valid, reason, admitted, unknown } = verdictOf(object)
      const problems = problemsOf(object)
      // Objects go into messages only where there is something to say: there are tens of thousands.
      if (isAccepted(problems) !== valid) expect({ object, valid: !valid, reason, problems }).toEqual({ valid })
      if (!valid) return false
      const filled = applyDefaults(object, { channel })
      if (!isDeepStrictEqual(filled, admitted)) expect(filled).toEqual(admitted)
      if (applyDefaults(filled, { channel }) !== filled) expect(applyDefaults(filled, { channel })).toBe(filled)
      const found = problems.flatMap(({ code, path }) => (code === "UnknownField" ? [path] : []))
      expect(found.toSorted()).toEqual([...unknown].toSorted())
      return true
    }

    test("on either side of every limit of the schema", () => {
      const verdicts = { valid: 0, invalid: 0 }
      const sample = valid(kind, {}, version)
      for (const part of ["spec", "status"] as const) {
        const property = definition.schema.properties?.[part]
        if (property === undefined) continue
        for (const variant of variantsOf(property, (sample as Record<string, unknown>)[part])) {
          verdicts[compareOn({ ...sample, [part]: variant }) ? "valid" : "invalid"]++
        }
      }
      expect(Math.min(verdicts.valid, verdicts.invalid)).toBeGreaterThan(100)
    })

    test("on any object", () => {
      const verdicts = { valid: 0, invalid: 0 }
      const agrees = (object: unknown): void => {
        verdicts[compareOn(object) ? "valid" : "invalid"]++
      }
      fc.assert(fc.property(wholeObjects(definition), agrees), { numRuns: RUNS })
      // Agreement says something only where both verdicts are common.
      expect(Math.min(verdicts.valid, verdicts.invalid)).toBeGreaterThan(RUNS / 10)
    })

    test("on which cross-field rules there are", () => {
      const covered = [...RULES, ...TRANSITION_RULES].filter(holdsIn(definition))
      const key = ({ field, digest }: { readonly field: string; readonly digest: string }) => `${field} ${digest}`
      expect(covered.map(key).toSorted()).toEqual(definition.rules.map(key).toSorted())
    })

    test.each(RULES.filter(holdsIn(definition)))("on: $name", (rule) => {
      const original = definition.rules.find(({ field, digest }) => field === rule.field && digest === rule.digest)
      const withChange = (value: unknown): object => valid(kind, { [rule.change]: value }, version)
      const holds = (object: object): boolean =>
        valuesAt(verdictOf(object).admitted, rule.field).every((self) => original?.holds(self))
      for (const good of rule.good.map(withChange)) {
        expect(holds(good)).toBe(true)
        expect(verdictOf(good)).toMatchObject({ valid: true })
        expect(isAccepted(problemsOf(good))).toBe(true)
      }
      for (const bad of rule.bad.map(withChange)) {
        expect(holds(bad)).toBe(false)
        expect(isAccepted(problemsOf(bad))).toBe(false)
      }
    })
  })

  test("on which versions are served and deprecated", () => {
    for (const { channel, kind, version, served, deprecated } of definitions) {
      const codes = validateObject(valid(kind, {}, version), { channel }).map(({ code }) => code)
      const expected = served ? (deprecated ? ["Deprecated"] : []) : ["NotSupported"]
      expect({ channel, kind, version, codes }).toEqual({ channel, kind, version, codes: expected })
    }
  })
}

const holdsIn =
  ({ release, channel, kind, version }: Definition) =>
  (rule: RuleRef): boolean =>
    rule.kinds.includes(kind) &&
    (rule.since === undefined || release.localeCompare(rule.since, "en", { numeric: true }) >= 0) &&
    (rule.versions === undefined || rule.versions.includes(version)) &&
    (rule.channel === undefined || rule.channel === channel)

/** Objects whose names and versions are in order, so that only the schema of the kind is at stake. */
function wholeObjects({ kind, version, schema }: Definition): fc.Arbitrary<unknown> {
  const { spec = {}, status } = schema.properties ?? {}
  const { apiVersion, metadata } = valid(kind, {}, version) as Record<string, unknown>
  const objects = fc.record(
    {
      apiVersion: fc.constant(apiVersion),
      kind: fc.constant(kind),
      metadata: fc.constant(metadata),
      spec: objectsOf(spec),
      ...(status && { status: objectsOf(status) }),
      bogus: fc.constant(true),
    },
    { requiredKeys: ["apiVersion", "kind", "metadata", "spec"], noNullPrototype: true },
  )
  return fc.oneof(objects, objects.map(mend))
}

/** What is wrong in the status is a warning, since the API server looks at it only where a controller writes it. */
function isAccepted(problems: readonly ResourceProblem[]): boolean {
  return !problems.some(
    ({ severity, path, code }) => severity === "error" || (path.startsWith("status") && code !== "UnknownField"),
  )
}
