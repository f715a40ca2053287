import {
  type Admission,
  type Admitted,
  type Findings,
  GATEWAY_API_GROUP,
  type Header,
  type KindInfo,
  readHeader,
} from "./admission.ts"
import { isHostname } from "./hostname.ts"
import { canonicalIp } from "./ip-address.ts"
import { arrayOf, field, integerOf, isAbsent, objectOf, stringMapOf, stringOf } from "./json.ts"
import { type CompiledSelector, compileSelector } from "./label-selector.ts"
import type { Gateway, GatewayClass, ListenerSet, Namespace, RouteGroupKind } from "./resources.ts"

const GATEWAY_CLASS: KindInfo = {
  group: GATEWAY_API_GROUP,
  kind: "GatewayClass",
  namespaced: false,
  versions: ["v1", "v1beta1"],
}
const GATEWAY: KindInfo = { group: GATEWAY_API_GROUP, kind: "Gateway", namespaced: true, versions: ["v1", "v1beta1"] }
const LISTENER_SET: KindInfo = { group: GATEWAY_API_GROUP, kind: "ListenerSet", namespaced: true, versions: ["v1"] }
const NAMESPACE: KindInfo = { group: "", kind: "Namespace", namespaced: false, versions: ["v1"] }

/** Which namespaces something is open to. A selector that cannot be read opens it to none. */
export type NamespaceRule =
  | { readonly from: "All" }
  | { readonly from: "Same" }
  | { readonly from: "None" }
  | { readonly from: "Selector"; readonly selector: CompiledSelector }

/** Why a part can never be used: the reason for its condition. */
export interface Fault {
  readonly reason: string
  readonly message: string
}

/** Why a Gateway is refused. */
export interface GatewayFault extends Fault {
  /** Field that we do not support and others may: reported only for Gateways that are ours. */
  readonly unsupported?: string
}

/** A listener as it can be used, or with the fault that keeps it from use. */
export interface AdmittedListener {
  readonly name: string
  readonly path: string
  readonly hostname: string | undefined
  readonly port: number
  readonly protocol: string
  readonly mode: "Terminate" | "Passthrough"
  readonly namespaces: NamespaceRule
  /** `undefined`: whatever the protocol carries. */
  readonly kinds: readonly RouteGroupKind[] | undefined
  readonly fault: Fault | undefined
}

export interface AdmittedNamespace extends Admitted<Namespace> {
  readonly labels: ReadonlyMap<string, string>
}

export interface AdmittedGatewayClass extends Admitted<GatewayClass> {
  readonly controllerName: string | undefined
  readonly hasParameters: boolean
}

export interface AdmittedGateway extends Admitted<Gateway> {
  readonly className: string
  readonly listeners: readonly AdmittedListener[]
  /** Canonical addresses asked for by value. */
  readonly addresses: readonly string[]
  /** Whether the choice of an address is left to us: nothing is asked for, or an address without a value. */
  readonly takesAnyAddress: boolean
  readonly allowedListeners: NamespaceRule
  /** Why the whole Gateway is refused. */
  readonly fault: GatewayFault | undefined
}

export interface AdmittedListenerSet extends Admitted<ListenerSet> {
  /** The Gateway it wants to join; `undefined` when the parent is of another kind or unreadable. */
  readonly parent: { readonly namespace: string; readonly name: string } | undefined
  readonly listeners: readonly AdmittedListener[]
}

/** Reads a GatewayClass. */
export function admitGatewayClass(object: GatewayClass, defaultNamespace: string): Admission<AdmittedGatewayClass> {
  const header = readHeader(object, GATEWAY_CLASS, defaultNamespace)
  if ("problems" in header) return { admitted: undefined, problems: header.problems }
  const spec = field(object, "spec")
  const controllerName = stringOf(field(spec, "controllerName"))
  if (controllerName === undefined) {
    header.findings.error("Required", "spec.controllerName", "a GatewayClass must name its controller")
  }
  const hasParameters = !isAbsent(field(spec, "parametersRef"))
  return { admitted: { ...common(object, header), controllerName, hasParameters } }
}

/** Reads a Namespace. */
export function admitNamespace(object: Namespace, defaultNamespace: string): Admission<AdmittedNamespace> {
  const header = readHeader(object, NAMESPACE, defaultNamespace)
  if ("problems" in header) return { admitted: undefined, problems: header.problems }
  return { admitted: { ...common(object, header), labels: stringMapOf(field(field(object, "metadata"), "labels")) } }
}

/** Reads a Gateway. Listeners that cannot be used stay in the list, with their fault. */
export function admitGateway(object: Gateway, defaultNamespace: string): Admission<AdmittedGateway> {
  const header = readHeader(object, GATEWAY, defaultNamespace)
  if ("problems" in header) return { admitted: undefined, problems: header.problems }
  const { findings } = header
  const spec = field(object, "spec")
  const className = stringOf(field(spec, "gatewayClassName"))
  if (className === undefined || className === "") {
    findings.error("Required", "spec.gatewayClassName", "a Gateway must name its GatewayClass; it is ignored")
    return { admitted: undefined, problems: findings.problems }
  }
  const addresses = readAddresses(field(spec, "addresses"), findings)
  const allowed = readNamespaceRule(
    field(field(spec, "allowedListeners"), "namespaces"),
    "None",
    "spec.allowedListeners.namespaces",
    findings,
  )
  return {
    admitted: {
      ...common(object, header),
      className,
      listeners: readListeners(spec, findings),
      addresses: addresses.named,
      takesAnyAddress: addresses.any,
      allowedListeners: allowed,
      fault: parametersFault(spec) ?? addresses.fault,
    },
  }
}

/** Reads a ListenerSet. */
export function admitListenerSet(object: ListenerSet, defaultNamespace: string): Admission<AdmittedListenerSet> {
  const header = readHeader(object, LISTENER_SET, defaultNamespace)
  if ("problems" in header) return { admitted: undefined, problems: header.problems }
  const spec = field(object, "spec")
  return {
    admitted: {
      ...common(object, header),
      parent: readParent(field(spec, "parentRef"), header),
      listeners: readListeners(spec, header.findings),
    },
  }
}

/** The part of an admitted object that every kind shares. */
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

function readParent(parentRef: unknown, header: Header): AdmittedListenerSet["parent"] {
  const group = field(parentRef, "group") ?? GATEWAY_API_GROUP
  const kind = field(parentRef, "kind") ?? "Gateway"
  const name = stringOf(field(parentRef, "name"))
  const namespace = field(parentRef, "namespace") ?? header.ref.namespace
  if (name === undefined || name === "" || typeof namespace !== "string") {
    header.findings.error("Required", "spec.parentRef", "a ListenerSet must name the Gateway that it joins")
    return undefined
  }
  return group === GATEWAY_API_GROUP && kind === "Gateway" ? { namespace, name } : undefined
}

function parametersFault(spec: unknown): GatewayFault | undefined {
  if (isAbsent(field(field(spec, "infrastructure"), "parametersRef"))) return undefined
  const path = "spec.infrastructure.parametersRef"
  return { reason: "InvalidParameters", message: `${path} is not supported; remove it`, unsupported: path }
}

interface AskedAddresses {
  readonly named: readonly string[]
  readonly any: boolean
  readonly fault?: GatewayFault
}

function readAddresses(value: unknown, findings: Findings): AskedAddresses {
  if (isAbsent(value)) return { named: [], any: true }
  const refused = (fault: GatewayFault): AskedAddresses => ({ named: [], any: false, fault })
  const invalid = (code: string, path: string, message: string): AskedAddresses => {
    findings.error(code, path, message)
    return refused({ reason: "UnsupportedAddress", message: `${path} ${message}` })
  }
  const list = arrayOf(value)
  if (list === undefined) return invalid("InvalidType", "spec.addresses", "must be a list")
  const named = new Set<string>()
  let any = list.length === 0
  for (const [at, entry] of list.entries()) {
    const path = `spec.addresses[${at}]`
    const type = field(entry, "type") ?? "IPAddress"
    const text = field(entry, "value")
    if (typeof type !== "string") return invalid("InvalidType", `${path}.type`, "must be a string")
    if (type !== "IPAddress") {
      const message = `addresses of type ${type} are not supported: listeners are bound to those of type IPAddress`
      return refused({ reason: "UnsupportedAddress", message, unsupported: `${path}.type` })
    }
    // An address without a value asks for any address of that type.
    if (objectOf(entry) !== undefined && (isAbsent(text) || text === "")) {
      any = true
      continue
    }
    const address = typeof text === "string" ? canonicalIp(text) : undefined
    if (address === undefined) return invalid("InvalidValue", `${path}.value`, "must be an IP address")
    named.add(address)
  }
  return { named: [...named].sort(), any }
}

const MAX_LISTENERS = 64

function readListeners(spec: unknown, findings: Findings): readonly AdmittedListener[] {
  const list = arrayOf(field(spec, "listeners"))
  if (list === undefined || list.length === 0) {
    findings.error("Required", "spec.listeners", "at least one listener is needed")
    return []
  }
  if (list.length > MAX_LISTENERS) {
    findings.error(
      "TooMany",
      "spec.listeners",
      `at most ${MAX_LISTENERS} listeners are allowed; those after are ignored`,
    )
  }
  const byName = new Map<string, AdmittedListener>()
  for (const [at, entry] of list.slice(0, MAX_LISTENERS).entries()) {
    const path = `spec.listeners[${at}]`
    const name = stringOf(field(entry, "name"))
    if (name === undefined || name === "" || name.length > 253 || name.includes("/")) {
      findings.error("Required", `${path}.name`, "a listener must have a name; it is ignored")
      continue
    }
    const listener = readListener(entry, name, path, findings)
    const twin = byName.get(name)
    if (twin === undefined) {
      byName.set(name, listener)
      continue
    }
    const message = `two listeners are named ${name}; neither is used`
    findings.error("Duplicate", `${path}.name`, message)
    byName.set(name, { ...twin, fault: { reason: "UnsupportedValue", message } })
  }
  return [...byName.values()]
}

const PROTOCOLS_WITHOUT_HOSTNAME = new Set(["TCP", "UDP"])

function readListener(entry: unknown, name: string, path: string, findings: Findings): AdmittedListener {
  let fault: Fault | undefined
  const refuse = (code: string, at: string, message: string): void => {
    findings.error(code, at, message)
    fault ??= { reason: "UnsupportedValue", message: `${at}: ${message}` }
  }
  const port = integerOf(field(entry, "port"), 1, 65_535)
  if (port === undefined) refuse("InvalidValue", `${path}.port`, "must be an integer from 1 to 65535")
  const protocol = stringOf(field(entry, "protocol"))
  if (protocol === undefined || protocol === "") refuse("Required", `${path}.protocol`, "must be a string such as TLS")

  const hostnameValue = field(entry, "hostname")
  let hostname: string | undefined
  if (!isAbsent(hostnameValue) && hostnameValue !== "") {
    hostname = stringOf(hostnameValue)
    if (hostname === undefined || !isHostname(hostname)) {
      hostname = undefined
      refuse(
        "InvalidValue",
        `${path}.hostname`,
        "must be a lower-case DNS name, exact or with *. as its first label, and no IP address",
      )
    } else if (protocol !== undefined && PROTOCOLS_WITHOUT_HOSTNAME.has(protocol)) {
      refuse("InvalidValue", `${path}.hostname`, `a ${protocol} listener has no hostname`)
    }
  }

  const mode = field(field(entry, "tls"), "mode")
  if (protocol === "TLS" && isAbsent(mode)) {
    refuse("Required", `${path}.tls.mode`, "a TLS listener must set tls.mode; Passthrough is the mode served")
  } else if (!isAbsent(mode) && mode !== "Passthrough" && mode !== "Terminate") {
    refuse("InvalidValue", `${path}.tls.mode`, "must be Passthrough or Terminate")
  }

  const allowedRoutes = field(entry, "allowedRoutes")
  const namespaces = readNamespaceRule(
    field(allowedRoutes, "namespaces"),
    "Same",
    `${path}.allowedRoutes.namespaces`,
    findings,
  )
  const kinds = readKinds(field(allowedRoutes, "kinds"), `${path}.allowedRoutes.kinds`, findings)
  return {
    name,
    path,
    hostname,
    port: port ?? 0,
    protocol: protocol ?? "",
    mode: mode === "Passthrough" ? "Passthrough" : "Terminate",
    namespaces: isReadable(allowedRoutes) ? namespaces : { from: "None" },
    kinds,
    fault,
  }
}

function isReadable(value: unknown): boolean {
  return isAbsent(value) || objectOf(value) !== undefined
}

/** Reads `kinds`; an entry that cannot be read stays as a kind that nothing has, so that it is reported and matches nothing. */
function readKinds(value: unknown, path: string, findings: Findings): readonly RouteGroupKind[] | undefined {
  if (isAbsent(value)) return undefined
  const list = arrayOf(value)
  if (list === undefined) {
    findings.error("InvalidType", path, "must be a list of kinds")
    return [{ group: "", kind: "" }]
  }
  if (list.length === 0) return undefined
  return list.map((entry) => {
    const group = field(entry, "group") ?? GATEWAY_API_GROUP
    const kind = field(entry, "kind")
    if (typeof group === "string" && typeof kind === "string") return { group, kind }
    findings.error("InvalidType", path, "every kind needs a kind, and a group that is a string")
    return { group: "", kind: "" }
  })
}

function readNamespaceRule(value: unknown, fallback: "Same" | "None", path: string, findings: Findings): NamespaceRule {
  if (isAbsent(value)) return { from: fallback }
  const from = field(value, "from") ?? fallback
  if (objectOf(value) !== undefined && (from === "All" || from === "Same")) return { from }
  if (from === "None" && fallback === "None") return { from }
  if (from !== "Selector" || objectOf(value) === undefined) {
    findings.error("InvalidValue", `${path}.from`, "must be All, Selector or Same; nothing may attach")
    return { from: "None" }
  }
  // API convention: a selector that is left out selects nothing, an empty one everything.
  const selectorValue = field(value, "selector")
  if (isAbsent(selectorValue)) {
    findings.warn("Required", `${path}.selector`, "from: Selector without a selector: nothing may attach")
    return { from: "None" }
  }
  const selector = compileSelector(selectorValue)
  if ("error" in selector) {
    findings.error("InvalidValue", `${path}.selector`, `${selector.error}; nothing may attach`)
    return { from: "None" }
  }
  return { from: "Selector", selector }
}
