import { canonicalIp } from "../../primitives/ip-address.ts"
import { arrayOf, field, isAbsent, objectOf, stringMapOf, stringOf } from "../../primitives/json.ts"
import { isHostname } from "../hostnames/hostname.ts"
import type { ProblemCode } from "../problem-codes.ts"
import type { Gateway, GatewayClass, ListenerSet, Namespace } from "../resources.ts"
import {
  type Admission,
  type Admitted,
  common,
  type Findings,
  GATEWAY_API_GROUP,
  type Header,
  type KindInfo,
  readHeader,
} from "./admission.ts"
import type { Fault } from "./fault.ts"
import { type AdmittedListener, readListeners } from "./listener.ts"
import { type NamespaceRule, readNamespaceRule } from "./namespace-rule.ts"

const GATEWAY_CLASS: KindInfo = {
  group: GATEWAY_API_GROUP,
  kind: "GatewayClass",
  namespaced: false,
  versions: ["v1", "v1beta1"],
}
const GATEWAY: KindInfo = { group: GATEWAY_API_GROUP, kind: "Gateway", namespaced: true, versions: ["v1", "v1beta1"] }
const LISTENER_SET: KindInfo = { group: GATEWAY_API_GROUP, kind: "ListenerSet", namespaced: true, versions: ["v1"] }
const NAMESPACE: KindInfo = { group: "", kind: "Namespace", namespaced: false, versions: ["v1"] }

/** Why a Gateway is refused. */
export interface GatewayFault extends Fault {
  /** Field that we do not support and others may: reported only for Gateways that are ours. */
  readonly unsupported?: string
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
  /** Hostnames asked for as addresses: ours if they are among those it is published under, which status knows. */
  readonly hostnames: readonly string[]
  /** Whether the choice of an address to bind is left to us: no IP address is asked for, or one without a value. */
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
      hostnames: addresses.hostnames,
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
  readonly hostnames: readonly string[]
  readonly any: boolean
  readonly fault?: GatewayFault
}

function readAddresses(value: unknown, findings: Findings): AskedAddresses {
  if (isAbsent(value)) return { named: [], hostnames: [], any: true }
  const refused = (fault: GatewayFault): AskedAddresses => ({ named: [], hostnames: [], any: false, fault })
  const invalid = (code: ProblemCode, path: string, message: string): AskedAddresses => {
    findings.error(code, path, message)
    return refused({ reason: "UnsupportedAddress", message: `${path} ${message}` })
  }
  const list = arrayOf(value)
  if (list === undefined) return invalid("InvalidType", "spec.addresses", "must be a list")
  const named = new Set<string>()
  const hostnames = new Set<string>()
  let any = false
  for (const [at, entry] of list.entries()) {
    const path = `spec.addresses[${at}]`
    const type = field(entry, "type") ?? "IPAddress"
    const text = field(entry, "value")
    if (typeof type !== "string") return invalid("InvalidType", `${path}.type`, "must be a string")
    if (type !== "IPAddress" && type !== "Hostname") {
      const message = `addresses of type ${type} are not supported; those of type IPAddress and Hostname are`
      return refused({ reason: "UnsupportedAddress", message, unsupported: `${path}.type` })
    }
    // An address without a value asks for any address of that type.
    if (objectOf(entry) !== undefined && (isAbsent(text) || text === "")) {
      any = true
      continue
    }
    if (type === "Hostname") {
      if (typeof text !== "string" || !isHostname(text)) {
        return invalid("InvalidValue", `${path}.value`, "must be a hostname in lower case")
      }
      hostnames.add(text)
      continue
    }
    const address = typeof text === "string" ? canonicalIp(text) : undefined
    if (address === undefined) return invalid("InvalidValue", `${path}.value`, "must be an IP address")
    named.add(address)
  }
  return { named: [...named].sort(), hostnames: [...hostnames], any: any || named.size === 0 }
}
