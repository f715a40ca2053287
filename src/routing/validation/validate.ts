import { type Checks, oneOf, refuseOptions } from "../../primitives/option-checks.ts"
import { suggest } from "../../primitives/suggest.ts"
import type { ProblemCode } from "../problem-codes.ts"
import type { ObjectRef, ResourceProblem } from "../resources.ts"
import type { Channel } from "./channel.ts"
import { KINDS, type KindRules, type KindVersion, type ValidatedKind } from "./kinds.ts"
import { quote, Report, typeName } from "./report.ts"
import { isRecord, type Shape } from "./shape.ts"

/** How to read an object. */
export interface ValidateOptions {
  /**
   * Release channel of the Gateway API whose rules hold. The standard channel serves neither TLSRoute v1alpha2 and
   * v1alpha3 nor experimental fields, and does not tell parentRefs apart by port. Default: `"experimental"`.
   */
  readonly channel?: Channel | undefined
  /**
   * Kind that the object must be. `apiVersion` and `kind` may then be left out, as they are in the items of a list,
   * and stand for version v1 of this kind. Default: the object must say both.
   */
  readonly kind?: ValidatedKind | undefined
}

const OPTIONS: Checks<ValidateOptions> = {
  channel: oneOf("standard", "experimental"),
  kind: oneOf(...KINDS.keys()),
}

const NOTHING: readonly ResourceProblem[] = Object.freeze([])
const SOUND: Inspection = { problems: NOTHING, misspelled: [] }

/**
 * Tells what the API server would say of an object: breaches of the schema and of the rules of its kind and version
 * (GatewayClass, Gateway, ListenerSet, TLSRoute, ReferenceGrant), as in Gateway API v1.6 and v1.7. Service, EndpointSlice and
 * Namespace are checked as far as routing reads them.
 *
 * An `error` is what the API server refuses: `Required`, `InvalidType`, `InvalidValue`, `TooLong`, `TooMany`,
 * `Duplicate`, `NotSupported`, `Forbidden`, or `UnknownField` where a field that is required is misspelt. A `warning` is what it takes: fields that it drops (`UnknownField`),
 * versions on their way out (`Deprecated`), selectors that select nothing, and anything in the status, which it
 * ignores in what users apply. At most 100 of each are reported per object.
 *
 * Takes any value, throws for none, and takes time linear in the size of the object. Defaults need not be applied.
 *
 * @throws {@link OptionError} when an option cannot be used
 */
export function validateObject(object: unknown, options: ValidateOptions = {}): readonly ResourceProblem[] {
  refuseOptions("validateObject", options, OPTIONS)
  return inspectObject(object, options).problems
}

/** What {@link validateObject} tells, and which fields are missing because their names are misspelt. */
export function inspectObject(object: unknown, options: ValidateOptions = {}): Inspection {
  if (!isRecord(object)) {
    const message = `must be an object, not ${typeName(object)}`
    return { problems: [{ severity: "error", code: "InvalidType", path: "", message }], misspelled: [] }
  }
  const found = identify(object, options)
  const report = new Report(() => refer(object, found))
  if ("code" in found) {
    report.breach(found.code, found.message, found.field)
    return report
  }
  const { name, version, shape } = found
  if (version.deprecatedFor !== undefined) {
    const advice = version.beforeMigrating?.(object)
    const message = `this version of ${name} is deprecated: write ${version.deprecatedFor} instead`
    report.warn("Deprecated", advice === undefined ? message : `${message}; ${advice}`, "apiVersion")
  }
  shape.check(object, report)
  return report.problems.length === 0 ? SOUND : report
}

/** What was found in one object. */
interface Inspection {
  readonly problems: readonly ResourceProblem[]
  /** Paths of the fields meant. */
  readonly misspelled: readonly string[]
}

/**
 * Fills in the defaults of the object's kind and version, and takes out fields that are `null`, as the API server
 * does. Returns the same object when there is nothing to do; never changes the one given. A status that cannot be
 * read is dropped. Objects of other kinds, and parts of the wrong type, are returned as they are.
 */
export function applyDefaults<T>(object: T, options: ValidateOptions = {}): T {
  refuseOptions("applyDefaults", options, OPTIONS)
  if (!isRecord(object)) return object
  const found = identify(object, options)
  return "code" in found ? object : (found.shape.fill(object) as T)
}

interface Identified {
  readonly name: string
  readonly rules: KindRules
  readonly version: KindVersion
  readonly shape: Shape
}

interface Unidentified {
  readonly code: ProblemCode
  readonly field: "apiVersion" | "kind"
  readonly message: string
  readonly rules?: KindRules
}

/** Finds the rules for an object by its `apiVersion` and `kind`. */
function identify(object: Record<string, unknown>, options: ValidateOptions): Identified | Unidentified {
  const { channel = "experimental", kind: wanted } = options
  const name = object["kind"] ?? wanted
  const apiVersion = object["apiVersion"] ?? undefined
  if (typeof name !== "string") return unreadable("kind", name)
  const rules = KINDS.get(name)
  if (rules === undefined) {
    const meant = suggest(name, KINDS.keys())
    const hint = meant === undefined ? `one of ${[...KINDS.keys()].join(", ")}` : `did you mean ${meant}?`
    return { code: "NotSupported", field: "kind", message: `kind ${quote(name)} is not known here; ${hint}` }
  }
  if (wanted !== undefined && name !== wanted) {
    return { code: "NotSupported", field: "kind", message: `must be ${wanted}, not ${name}`, rules }
  }
  if (apiVersion === undefined && wanted !== undefined) {
    const shape = rules.preferred.shapes[channel]
    if (shape !== undefined) return { name, rules, version: rules.preferred, shape }
  }
  if (typeof apiVersion !== "string") return { ...unreadable("apiVersion", apiVersion), rules }
  const version = rules.versions.get(apiVersion)
  const shape = version?.shapes[channel]
  if (version === undefined || shape === undefined) {
    const served = [...rules.versions].flatMap(([id, { shapes }]) => (shapes[channel] ? [id] : []))
    const where = version === undefined ? "" : ` by the ${channel} channel`
    const message = `${quote(apiVersion)} is not served for ${name}${where}; served versions are ${served.join(", ")}`
    return { code: "NotSupported", field: "apiVersion", message, rules }
  }
  return { name, rules, version, shape }
}

function unreadable(field: "apiVersion" | "kind", value: unknown): Unidentified {
  return value === undefined
    ? { code: "Required", field, message: "is required" }
    : { code: "InvalidType", field, message: `must be a string, not ${typeName(value)}` }
}

/** Names the object as well as it can be named. */
function refer(object: Record<string, unknown>, found: Identified | Unidentified): ObjectRef {
  const metadata = isRecord(object["metadata"]) ? object["metadata"] : {}
  const apiVersion = word(object["apiVersion"])
  const group = found.rules?.group ?? apiVersion.slice(0, Math.max(0, apiVersion.lastIndexOf("/")))
  const kind = "name" in found ? found.name : word(object["kind"])
  const namespace = found.rules?.namespaced === false ? "" : word(metadata["namespace"])
  return { group, kind, namespace, name: word(metadata["name"]) }
}

const word = (value: unknown): string => (typeof value === "string" ? value : "")
