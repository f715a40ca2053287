import { arrayOf, field, integerOf, isAbsent, objectOf, presentOf, stringOf } from "../../primitives/json.ts"
import { ANY_HOSTNAME, isHostname } from "../hostnames/hostname.ts"
import type { ObjectRef, ParentReference, TLSRoute } from "../resources.ts"
import {
  type Admission,
  type Admitted,
  type Findings,
  GATEWAY_API_GROUP,
  type KindInfo,
  readHeader,
} from "./admission.ts"

const TLS_ROUTE: KindInfo = {
  group: GATEWAY_API_GROUP,
  kind: "TLSRoute",
  namespaced: true,
  versions: ["v1", "v1alpha3", "v1alpha2"],
}

/** A parentRef with its defaults filled in. */
export interface AdmittedParentRef {
  readonly group: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly sectionName: string | undefined
  readonly port: number | undefined
  /** As status writes it: what the route says, with group and kind defaulted. */
  readonly reference: ParentReference
  readonly path: string
}

/** A backendRef with its defaults filled in. */
export interface AdmittedBackendRef {
  readonly ref: ObjectRef
  readonly port: number | undefined
  readonly weight: number
  readonly path: string
  /** Why it can never be used; it keeps its share. */
  readonly fault: string | undefined
}

export interface AdmittedRoute extends Admitted<TLSRoute> {
  /** Hostnames that can be used; `["*"]` where a route written as v1alpha2 leaves them out. */
  readonly hostnames: readonly string[]
  readonly parentRefs: readonly AdmittedParentRef[]
  /** Of every rule, in order. */
  readonly backendRefs: readonly AdmittedBackendRef[]
}

/** The version that lets a route do without hostnames, and have several rules. */
const LAX_VERSION = "v1alpha2"

/** Reads a TLSRoute of a manifest, which no API server has admitted. */
export function admitRoute(object: TLSRoute, defaultNamespace: string): Admission<AdmittedRoute> {
  return readRoute(object, defaultNamespace, false)
}

/** Reads a TLSRoute that an API server gave: what v1 could not have admitted was written as v1alpha2. */
export function admitServedRoute(object: TLSRoute, defaultNamespace: string): Admission<AdmittedRoute> {
  return readRoute(object, defaultNamespace, true)
}

/** A part that cannot be read never widens what the route takes. */
function readRoute(object: TLSRoute, defaultNamespace: string, served: boolean): Admission<AdmittedRoute> {
  const header = readHeader(object, TLS_ROUTE, defaultNamespace)
  if ("problems" in header) return { admitted: undefined, problems: header.problems }
  const { ref, key, created, generation, version, findings } = header
  const spec = field(object, "spec")
  const isLax = version !== LAX_VERSION && served && isOnlyLax(spec)
  const hostnames = readHostnames(field(spec, "hostnames"), version === LAX_VERSION, isLax, findings)
  const parentRefs = readParentRefs(field(spec, "parentRefs"), ref.namespace, findings)
  const backendRefs = readRules(field(spec, "rules"), ref.namespace, findings)
  const { problems } = findings
  const writtenAs = isLax ? `${GATEWAY_API_GROUP}/${LAX_VERSION}` : undefined
  return {
    admitted: { object, ref, key, created, generation, problems, writtenAs, hostnames, parentRefs, backendRefs },
  }
}

/** Whether a spec has what v1alpha2 alone admits. A list of hostnames that is there and empty is none of it. */
function isOnlyLax(spec: unknown): boolean {
  return isAbsent(field(spec, "hostnames")) || (arrayOf(field(spec, "rules"))?.length ?? 0) > 1
}

const MAX_HOSTNAMES = 1024
const MAX_PARENT_REFS = 32
const MAX_RULES = 16
const MAX_BACKEND_REFS = 16

// Made once: strings for each object would take more memory than what they name.
const PARENT_REF_PATHS = Array.from({ length: MAX_PARENT_REFS }, (_, at) => `spec.parentRefs[${at}]`)
const BACKEND_REF_PATHS = Array.from({ length: MAX_RULES }, (_, at) =>
  Array.from({ length: MAX_BACKEND_REFS }, (__, index) => `spec.rules[${at}].backendRefs[${index}]`),
)

function readHostnames(value: unknown, optional: boolean, isLax: boolean, findings: Findings): readonly string[] {
  if (isLax && isAbsent(value)) return [ANY_HOSTNAME]
  const list = isAbsent(value) ? [] : arrayOf(value)
  if (list === undefined) {
    findings.error("InvalidType", "spec.hostnames", "must be a list; the route matches nothing")
    return []
  }
  if (list.length === 0) {
    if (optional) return [ANY_HOSTNAME]
    findings.error("Required", "spec.hostnames", "at least one hostname is needed; the route matches nothing")
    return []
  }
  const hostnames = new Set<string>()
  for (const [at, entry] of within(list, MAX_HOSTNAMES, "spec.hostnames", findings).entries()) {
    if (typeof entry === "string" && isHostname(entry)) hostnames.add(entry)
    else {
      const message =
        "must be a lower-case DNS name, exact or with *. as its first label, and no IP address; it is ignored"
      findings.error("InvalidValue", `spec.hostnames[${at}]`, message)
    }
  }
  return [...hostnames]
}

function readParentRefs(value: unknown, routeNamespace: string, findings: Findings): readonly AdmittedParentRef[] {
  if (isAbsent(value)) return []
  const list = arrayOf(value)
  if (list === undefined) {
    findings.error("InvalidType", "spec.parentRefs", "must be a list; the route attaches to nothing")
    return []
  }
  const refs = within(list, MAX_PARENT_REFS, "spec.parentRefs", findings).map((entry, at) => {
    const path = PARENT_REF_PATHS[at] ?? ""
    const ref = readParentRef(entry, routeNamespace, path)
    if (typeof ref !== "string") return ref
    findings.error("InvalidValue", path, `${ref}; this parentRef is ignored`)
    return undefined
  })
  return presentOf(refs)
}

function readParentRef(entry: unknown, routeNamespace: string, path: string): AdmittedParentRef | string {
  const group = field(entry, "group") ?? GATEWAY_API_GROUP
  const kind = field(entry, "kind") ?? "Gateway"
  const name = stringOf(field(entry, "name"))
  if (typeof group !== "string" || typeof kind !== "string") return "group and kind must be strings"
  if (name === undefined || name === "") return "name is required"
  const namespace = field(entry, "namespace")
  if (!isAbsent(namespace) && (typeof namespace !== "string" || namespace === "")) return "namespace must be a string"
  const sectionName = field(entry, "sectionName")
  if (!isAbsent(sectionName) && (typeof sectionName !== "string" || sectionName === "")) {
    return "sectionName must be the name of a listener"
  }
  const portValue = field(entry, "port")
  const port = integerOf(portValue, 1, 65_535)
  if (!isAbsent(portValue) && port === undefined) return "port must be an integer from 1 to 65535"
  const section = sectionName ?? undefined
  return {
    group,
    kind,
    namespace: namespace ?? routeNamespace,
    name,
    sectionName: section,
    port,
    reference: {
      group,
      kind,
      ...(isAbsent(namespace) ? {} : { namespace }),
      name,
      ...(section === undefined ? {} : { sectionName: section }),
      ...(port === undefined ? {} : { port }),
    },
    path,
  }
}

function readRules(value: unknown, routeNamespace: string, findings: Findings): readonly AdmittedBackendRef[] {
  const list = arrayOf(value)
  if (list === undefined || list.length === 0) {
    findings.error("Required", "spec.rules", "a rule with backendRefs is needed; every connection is refused")
    return []
  }
  const ofRules = within(list, MAX_RULES, "spec.rules", findings).map((rule, at) => {
    const path = `spec.rules[${at}].backendRefs`
    const backendRefs = arrayOf(field(rule, "backendRefs")) ?? []
    if (backendRefs.length === 0) findings.error("Required", path, "at least one backendRef is needed")
    return within(backendRefs, MAX_BACKEND_REFS, path, findings).map((entry, index) =>
      readBackendRef(entry, routeNamespace, BACKEND_REF_PATHS[at]?.[index] ?? "", findings),
    )
  })
  const [only] = ofRules
  return only !== undefined && ofRules.length === 1 ? only : ofRules.flat()
}

const MAX_WEIGHT = 1_000_000

function readBackendRef(entry: unknown, routeNamespace: string, path: string, findings: Findings): AdmittedBackendRef {
  let fault: string | undefined
  const refuse = (at: string, message: string): void => {
    findings.error("InvalidValue", at, `${message}; connections that fall to this backend are refused`)
    fault ??= `${at} ${message}`
  }
  if (objectOf(entry) === undefined) refuse(path, "must be an object")
  const group = optionalString(field(entry, "group"), "")
  const kind = optionalString(field(entry, "kind"), "Service")
  const name = stringOf(field(entry, "name"))
  const namespace = optionalString(field(entry, "namespace"), routeNamespace)
  if (group === undefined || kind === undefined || kind === "") refuse(path, "group and kind must be strings")
  if (name === undefined || name === "") refuse(`${path}.name`, "is required")
  if (namespace === undefined || namespace === "") refuse(`${path}.namespace`, "must be a string")
  const portValue = field(entry, "port")
  const port = integerOf(portValue, 1, 65_535)
  if (!isAbsent(portValue) && port === undefined) refuse(`${path}.port`, "must be an integer from 1 to 65535")
  // A slash would let two references share one key.
  if ([group, kind, name, namespace].some((part) => part?.includes("/"))) refuse(path, "must not contain a slash")
  const weightValue = field(entry, "weight")
  const weight = isAbsent(weightValue) ? 1 : integerOf(weightValue, 0, MAX_WEIGHT)
  if (weight === undefined) refuse(`${path}.weight`, `must be an integer from 0 to ${MAX_WEIGHT}`)
  return {
    ref: { group: group ?? "", kind: kind ?? "", namespace: namespace ?? "", name: name ?? "" },
    port,
    weight: weight ?? 1,
    path,
    fault,
  }
}

function optionalString(value: unknown, fallback: string): string | undefined {
  return isAbsent(value) ? fallback : stringOf(value)
}

/** The first `most` entries; reports that more are ignored. */
function within(list: readonly unknown[], most: number, path: string, findings: Findings): readonly unknown[] {
  if (list.length <= most) return list
  findings.error("TooMany", path, `at most ${most} entries are allowed; those after are ignored`)
  return list.slice(0, most)
}
