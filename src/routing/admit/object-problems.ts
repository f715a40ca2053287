import { objectOf } from "../../primitives/json.ts"
import type { ResourceProblem } from "../resources.ts"
import type { ValidatedKind } from "../validation/kinds.ts"
import { inspectObject } from "../validation/validate.ts"
import type { Admitted } from "./admission.ts"

/** Codes that the schema may report too. */
const SCHEMA_CODES = new Set(["Required", "InvalidType", "InvalidValue", "TooMany", "Duplicate", "UnsupportedVersion"])

/**
 * What the schema says of an object, and what admission says beyond it. Admission alone decides what has an
 * effect; where both object to the same field, the schema's words are kept. The status is nobody's input.
 */
export function objectProblems(
  object: unknown,
  kind: ValidatedKind,
  admitted: Partial<Pick<Admitted<unknown>, "ref" | "writtenAs">> | undefined,
  admission: readonly ResourceProblem[],
): readonly ResourceProblem[] {
  const { problems: schema, misspelled } = schemaProblems(object, kind, admitted?.writtenAs)
  if (schema.length === 0) return admission
  const errors = [...schema.filter(({ severity }) => severity === "error"), ...misspelled.map((path) => ({ path }))]
  const beyond = admission.filter(
    (problem) => !SCHEMA_CODES.has(problem.code) || !errors.some((e) => concerns(e, problem)),
  )
  const ref = admitted?.ref ?? admission.find(({ object: named }) => named !== undefined)?.object
  const named = ref === undefined ? schema : schema.map((problem) => ({ ...problem, object: ref }))
  return [...named, ...beyond]
}

function schemaProblems(
  object: unknown,
  kind: ValidatedKind,
  writtenAs: string | undefined,
): ReturnType<typeof inspectObject> {
  const found = inspectObject(writtenAs === undefined ? object : withVersion(object, writtenAs), { kind })
  const problems = found.problems.filter(
    // The version that the API server gives is not the author's.
    ({ path, code }) => !isWithin(path, "status") && !(writtenAs !== undefined && code === "Deprecated"),
  )
  return { problems, misspelled: found.misspelled }
}

function withVersion(object: unknown, apiVersion: string): unknown {
  return { ...objectOf(object), apiVersion }
}

function concerns(a: Pick<ResourceProblem, "path">, b: ResourceProblem): boolean {
  return a.path === b.path || (a.path !== "" && (isWithin(a.path, b.path) || isWithin(b.path, a.path)))
}

/** Whether a field path is `outer` or lies in it. */
function isWithin(path: string, outer: string): boolean {
  if (!path.startsWith(outer)) return false
  const next = path[outer.length]
  return next === undefined || next === "." || next === "["
}
