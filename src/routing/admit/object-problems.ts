import type { ObjectRef, ResourceProblem } from "../resources.ts"
import type { ValidatedKind } from "../validation/kinds.ts"
import { validateObject } from "../validation/validate.ts"

/** Codes that the schema may report too. */
const SCHEMA_CODES = new Set(["Required", "InvalidType", "InvalidValue", "TooMany", "Duplicate", "UnsupportedVersion"])

/**
 * What the schema says of an object, and what admission says beyond it. Admission alone decides what has an
 * effect; where both object to the same field, the schema's words are kept. The status is nobody's input.
 */
export function objectProblems(
  object: unknown,
  kind: ValidatedKind,
  ref: ObjectRef | undefined,
  admission: readonly ResourceProblem[],
): readonly ResourceProblem[] {
  const schema = validateObject(object, { kind }).filter(({ path }) => !isWithin(path, "status"))
  if (schema.length === 0) return admission
  const errors = schema.filter(({ severity }) => severity === "error")
  const beyond = admission.filter(
    (problem) => !SCHEMA_CODES.has(problem.code) || !errors.some((e) => concerns(e, problem)),
  )
  const named = ref === undefined ? schema : schema.map((problem) => ({ ...problem, object: ref }))
  return [...named, ...beyond]
}

function concerns(a: ResourceProblem, b: ResourceProblem): boolean {
  return a.path === b.path || (a.path !== "" && (isWithin(a.path, b.path) || isWithin(b.path, a.path)))
}

/** Whether a field path is `outer` or lies in it. */
function isWithin(path: string, outer: string): boolean {
  if (!path.startsWith(outer)) return false
  const next = path[outer.length]
  return next === undefined || next === "." || next === "["
}
