import { describe } from "../../primitives/describe.ts"
import type { ProblemCode } from "../../routing/problem-codes.ts"
import type { ObjectRef, ResourceProblem } from "../../routing/resources.ts"
import { ANNOTATION_DOMAIN, annotationName, POLICY_KEYS, type PolicyKey, type PolicyLevel } from "./fields.ts"
import {
  assign,
  closeOff,
  closestKey,
  EMPTY_LAYER,
  fieldOf,
  type MutablePolicyLayer,
  type PolicyLayer,
} from "./layer.ts"

/** Policies that the annotations of one object set. */
export interface AnnotatedPolicies {
  /** For the object as a whole. */
  readonly own: PolicyLayer
  /** For single listeners of a Gateway or ListenerSet, by listener name: `tlsroute.dev/LISTENER.idle-timeout`. */
  readonly sections: ReadonlyMap<string, PolicyLayer>
  /** Annotations that are unknown, misplaced or malformed. */
  readonly problems: readonly ResourceProblem[]
}

/** An object without policies. */
const NO_POLICIES: AnnotatedPolicies = { own: EMPTY_LAYER, sections: new Map(), problems: [] }

const PREFIX = `${ANNOTATION_DOMAIN}/`
const KEY_BY_NAME: ReadonlyMap<string, PolicyKey> = new Map(POLICY_KEYS.map((key) => [annotationName(key), key]))

const LEVEL_BY_KIND: Readonly<Record<string, Exclude<PolicyLevel, "gateway">>> = {
  Gateway: "listener",
  ListenerSet: "listener",
  TLSRoute: "route",
  Service: "backend",
}

/**
 * Reads the policies in an object's annotations. Nothing under `tlsroute.dev/` is ignored silently: what has
 * no effect is a problem. A malformed rule about who may connect closes the object to everyone.
 *
 * @param object - the object: a Gateway, ListenerSet, TLSRoute or Service
 * @param annotations - `metadata.annotations`, from anywhere
 * @param listeners - names of the object's listeners, for a Gateway or ListenerSet
 */
export function readAnnotations(
  object: ObjectRef,
  annotations: unknown,
  listeners: readonly string[] = [],
): AnnotatedPolicies {
  if (typeof annotations !== "object" || annotations === null) return NO_POLICIES
  const own: MutablePolicyLayer = {}
  const sections = new Map<string, MutablePolicyLayer>()
  const problems: ResourceProblem[] = []
  const closed = new Set<MutablePolicyLayer>()

  for (const [annotation, text] of Object.entries(annotations)) {
    if (!annotation.startsWith(PREFIX)) continue
    const name = annotation.slice(PREFIX.length)
    const report = (code: ProblemCode, message: string): void => {
      problems.push({ severity: "error", code, object, path: `metadata.annotations["${annotation}"]`, message })
    }
    const dot = name.lastIndexOf(".")
    const section = dot === -1 ? undefined : name.slice(0, dot)
    const key = KEY_BY_NAME.get(name.slice(dot + 1))
    if (key === undefined) {
      report("UnknownPolicy", unknownMessage(name.slice(dot + 1)))
      continue
    }
    const misplaced = misplacedMessage(object, key, section, listeners)
    if (misplaced !== undefined) {
      report("MisplacedPolicy", misplaced)
      continue
    }
    const layer = section === undefined ? own : (sections.get(section) ?? {})
    if (section !== undefined) sections.set(section, layer)
    if (!readInto(layer, key, text, report)) closed.add(layer)
  }
  // At the end, lest a rule that can be read opens what another one closed.
  for (const layer of closed) closeOff(layer)
  const isPlain = problems.length === 0 && sections.size === 0 && Object.keys(own).length === 0
  return isPlain ? NO_POLICIES : { own, sections, problems }
}

/** Returns false when the value cannot be read and the object is to be closed for it. */
function readInto(
  layer: MutablePolicyLayer,
  key: PolicyKey,
  text: unknown,
  report: (code: ProblemCode, message: string) => void,
): boolean {
  const field = fieldOf(key)
  try {
    if (typeof text !== "string") throw new RangeError("annotation values are strings: put it in quotes")
    assign(layer, key, field.type.parse(text.trim()))
    return true
  } catch (error) {
    const closes = field.closesWhenMalformed === true
    const effect = closes ? "until it is right nobody may connect" : "it has no effect"
    report("InvalidPolicyValue", `${describe(error)}; ${effect}`)
    return !closes
  }
}

function unknownMessage(name: string): string {
  const close = closestKey(name, annotationName)
  const hint = close === undefined ? "see the table of policies for those there are" : `did you mean ${PREFIX}${close}?`
  return `no policy is named ${JSON.stringify(name)}: ${hint}`
}

function misplacedMessage(
  object: ObjectRef,
  key: PolicyKey,
  section: string | undefined,
  listeners: readonly string[],
): string | undefined {
  const level = LEVEL_BY_KIND[object.kind]
  const levels = fieldOf(key).levels
  if (level === undefined || !levels.includes(level)) {
    const kinds = Object.keys(LEVEL_BY_KIND).filter((kind) => levels.some((each) => each === LEVEL_BY_KIND[kind]))
    return `${annotationName(key)} has no effect on a ${object.kind}; set it on a ${kinds.join(", ")}`
  }
  if (section === undefined) return undefined
  if (level !== "listener") return `a ${object.kind} has no listeners to set ${annotationName(key)} for`
  return listeners.includes(section) ? undefined : `there is no listener named ${JSON.stringify(section)}`
}
