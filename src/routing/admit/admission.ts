import { compareText } from "../../primitives/compare-text.ts"
import { field, integerOf, isAbsent, objectOf, stringOf } from "../../primitives/json.ts"
import type { ProblemCode } from "../problem-codes.ts"
import type { ObjectRef, ResourceProblem } from "../resources.ts"

/** API group of the Gateway API kinds. */
export const GATEWAY_API_GROUP = "gateway.networking.k8s.io"

/** What admission makes of every object: identity, precedence, and what was wrong with it. */
export interface Admitted<T> {
  /** The object as the source gave it. */
  readonly object: T
  readonly ref: ObjectRef
  /** `namespace/name`, or the name of a cluster-wide object; unique per kind and ordered as ties are. */
  readonly key: string
  /** Milliseconds since the epoch; minus infinity when not told. */
  readonly created: number
  readonly generation: number
  readonly problems: readonly ResourceProblem[]
  /** The `apiVersion` an object was written in where the API server gave it in another, whose schema it does not fit. */
  readonly writtenAs?: string | undefined
}

/** A kind as admission needs to know it. */
export interface KindInfo {
  readonly group: string
  readonly kind: string
  readonly namespaced: boolean
  /** Versions served; checked only where the object says its apiVersion. */
  readonly versions: readonly string[]
}

/** Collects the problems of one object. */
export class Findings {
  readonly problems: ResourceProblem[] = []
  readonly #ref: ObjectRef | undefined

  constructor(ref: ObjectRef | undefined) {
    this.#ref = ref
  }

  /** Reports a part that has no effect. */
  error(code: ProblemCode, path: string, message: string): void {
    this.#add("error", code, path, message)
  }

  /** Reports something that works, perhaps not as meant. */
  warn(code: ProblemCode, path: string, message: string): void {
    this.#add("warning", code, path, message)
  }

  #add(severity: "error" | "warning", code: ProblemCode, path: string, message: string): void {
    const object = this.#ref === undefined ? {} : { object: this.#ref }
    this.problems.push({ severity, code, path, message, ...object })
  }
}

/** What every kind shares, read from one untrusted object. */
export interface Header {
  readonly ref: ObjectRef
  readonly key: string
  readonly created: number
  readonly generation: number
  readonly version: string | undefined
  readonly findings: Findings
}

/** Result of admitting one object: usable, or only problems. */
export type Admission<A> =
  | { readonly admitted: A }
  | { readonly admitted: undefined; readonly problems: readonly ResourceProblem[] }

const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/
const NAMESPACE = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/

/** Reads `apiVersion`, `kind` and `metadata`. An object whose identity is not clear has no effect at all. */
export function readHeader(
  object: unknown,
  info: KindInfo,
  defaultNamespace: string,
): Header | { readonly problems: readonly ResourceProblem[] } {
  const metadata = field(object, "metadata")
  const name = stringOf(field(metadata, "name"))
  const namespace = readNamespace(metadata, info, defaultNamespace)
  const ref: ObjectRef = { group: info.group, kind: info.kind, namespace: namespace ?? "", name: name ?? "" }
  const findings = new Findings(name === undefined ? undefined : ref)
  const version = checkType(object, info, findings)
  if (objectOf(object) === undefined) findings.error("InvalidType", "", `a ${info.kind} must be an object`)
  else if (name === undefined || name.length > 253 || !NAME.test(name)) {
    findings.error(
      "InvalidValue",
      "metadata.name",
      `metadata.name must be a lower-case DNS name; the ${info.kind} is ignored`,
    )
  }
  if (namespace === undefined) {
    findings.error("InvalidValue", "metadata.namespace", "metadata.namespace must be a lower-case DNS label")
  }
  if (findings.problems.length > 0) return { problems: findings.problems }
  return {
    ref,
    key: info.namespaced ? `${ref.namespace}/${ref.name}` : ref.name,
    created: readCreated(metadata, findings),
    generation: integerOf(field(metadata, "generation"), 0, Number.MAX_SAFE_INTEGER) ?? 0,
    version,
    findings,
  }
}

/**
 * The part of an admitted object that every kind shares. Kinds with objects by the thousand spell it out instead:
 * V8 gives every object made by spreading a hidden class of its own, which takes more memory than the object.
 */
export function common<T>(object: T, header: Header): Admitted<T> {
  return {
    object,
    ref: header.ref,
    key: header.key,
    created: header.created,
    generation: header.generation,
    problems: header.findings.problems,
  }
}

/** Older first, then by `namespace/name`: the order in which Gateway API settles ties. */
export function comparePrecedence(
  a: { readonly created: number; readonly key: string },
  b: { readonly created: number; readonly key: string },
): number {
  if (a.created !== b.created) return a.created < b.created ? -1 : 1
  return compareText(a.key, b.key)
}

function readNamespace(metadata: unknown, info: KindInfo, defaultNamespace: string): string | undefined {
  if (!info.namespaced) return ""
  const value = field(metadata, "namespace")
  if (isAbsent(value) || value === "") return defaultNamespace
  const namespace = stringOf(value)
  return namespace !== undefined && namespace.length <= 63 && NAMESPACE.test(namespace) ? namespace : undefined
}

/** Checks `kind` and `apiVersion` where they are written, and returns the version. */
function checkType(object: unknown, info: KindInfo, findings: Findings): string | undefined {
  const kind = field(object, "kind")
  if (!isAbsent(kind) && kind !== info.kind) {
    findings.error("InvalidValue", "kind", `expected kind ${info.kind}`)
  }
  const apiVersion = field(object, "apiVersion")
  if (isAbsent(apiVersion)) return undefined
  const versions = info.versions.map((version) => (info.group === "" ? version : `${info.group}/${version}`))
  if (typeof apiVersion !== "string" || !versions.includes(apiVersion)) {
    findings.error(
      "UnsupportedVersion",
      "apiVersion",
      `apiVersion of a ${info.kind} must be one of ${versions.join(", ")}`,
    )
    return undefined
  }
  return apiVersion.slice(info.group === "" ? 0 : info.group.length + 1)
}

function readCreated(metadata: unknown, findings: Findings): number {
  const value = field(metadata, "creationTimestamp")
  if (isAbsent(value)) return Number.NEGATIVE_INFINITY
  // YAML readers may make a Date of an unquoted time.
  const time = value instanceof Date ? value.getTime() : typeof value === "string" ? Date.parse(value) : Number.NaN
  if (!Number.isNaN(time)) return time
  findings.error("InvalidValue", "metadata.creationTimestamp", "must be an RFC 3339 time; the object counts as oldest")
  return Number.NEGATIVE_INFINITY
}
