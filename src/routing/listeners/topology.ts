import { describe } from "../../primitives/describe.ts"
import { forgetPromise } from "../../primitives/forget-promise.ts"
import { canonicalIp } from "../../primitives/ip-address.ts"
import { stringOf } from "../../primitives/json.ts"
import { listFew } from "../../primitives/list-few.ts"
import { OptionError } from "../../primitives/option-checks.ts"
import { suggest } from "../../primitives/suggest.ts"
import { comparePrecedence, GATEWAY_API_GROUP } from "../admit/admission.ts"
import type { Fault } from "../admit/fault.ts"
import type { AdmittedGateway, AdmittedListenerSet } from "../admit/gateway.ts"
import type { AdmittedListener } from "../admit/listener.ts"
import { isNamespaceAllowed, type NamespaceLabels } from "../admit/namespace-rule.ts"
import { ANY_HOSTNAME, widerHostnames } from "../hostnames/hostname.ts"
import type { ResolvedOptions } from "../options.ts"
import type { RouteGroupKind } from "../resources.ts"
import type { TableListener } from "../route-table.ts"
import { addressesMeet, ListenerClaims, type PortUse, refuseConflictsWithin } from "./conflicts.ts"
import { type ClassSelection, isOurGateway } from "./gateway-class.ts"

/** The one route kind served. */
const TLS_ROUTE_KIND: RouteGroupKind = { group: GATEWAY_API_GROUP, kind: "TLSRoute" }

/** A listener of a Gateway that is ours, with everything its status tells. */
export interface ListenerState {
  readonly listener: TableListener
  readonly spec: AdmittedListener
  /** Namespace that `from: Same` means. */
  readonly namespace: string
  /** Addresses it is bound to; empty for every address. */
  readonly addresses: readonly string[]
  /** Why it is not accepted. */
  fault: Fault | undefined
  /** Whether the fault is a conflict with another listener. */
  conflicted: boolean
  /** Route kinds it takes: none when it is not accepted. */
  supportedKinds: readonly RouteGroupKind[]
  /** Which kinds are asked for that it cannot take. */
  kindsFault: Fault | undefined
  /** Names of listeners with overlapping hostnames on the same socket. */
  overlaps: string[]
  /** Whether connections are taken: accepted, on an accepted parent, with a kind to take. */
  served: boolean
}

/** A Gateway that is ours. */
export interface GatewayState {
  readonly gateway: AdmittedGateway
  /** Addresses it is bound to, asked for or assigned; empty for every address. */
  readonly addresses: readonly string[]
  readonly listeners: readonly ListenerState[]
  /** Why the whole Gateway is refused, its listeners aside. */
  readonly fault: Fault | undefined
  /** Whether it is accepted: no fault, and at least one listener accepted. */
  accepted: boolean
  attachedListenerSets: number
}

/** A ListenerSet whose parent is a Gateway that is ours. */
export interface ListenerSetState {
  readonly set: AdmittedListenerSet
  readonly gateway: GatewayState
  /** Empty when the set may not attach. */
  readonly listeners: readonly ListenerState[]
  fault: Fault | undefined
}

/** Every parent that a route can attach to. */
export interface ListenerTopology {
  readonly gateways: ReadonlyMap<string, GatewayState>
  readonly listenerSets: ReadonlyMap<string, ListenerSetState>
}

/** Accepts or refuses every listener of every Gateway that is ours. */
export function buildTopology(
  gateways: Iterable<AdmittedGateway>,
  listenerSets: Iterable<AdmittedListenerSet>,
  classes: ClassSelection,
  labels: NamespaceLabels,
  options: ResolvedOptions,
): ListenerTopology {
  const gatewayStates = new Map<string, GatewayState>()
  const served = new ListenerClaims()
  const ours = [...gateways].filter((gateway) => isOurGateway(gateway, classes, options)).sort(comparePrecedence)
  for (const gateway of ours) {
    const state = gatewayState(gateway, classes, options)
    refuseConflictsWithin(portUses(state.listeners, isTls))
    if (state.fault === undefined) claimServed(state.listeners, served)
    state.accepted = state.fault === undefined && state.listeners.some((listener) => listener.fault === undefined)
    gatewayStates.set(gateway.key, state)
  }

  const setStates = new Map<string, ListenerSetState>()
  const claimsOfGateway = new Map<GatewayState, ListenerClaims>()
  for (const set of [...listenerSets].sort(comparePrecedence)) {
    const parent =
      set.parent === undefined ? undefined : gatewayStates.get(`${set.parent.namespace}/${set.parent.name}`)
    if (parent === undefined) continue
    const state = listenerSetState(set, parent, labels)
    setStates.set(set.key, state)
    if (state.fault !== undefined) continue
    let claims = claimsOfGateway.get(parent)
    if (claims === undefined) {
      claims = new ListenerClaims(portUses(parent.listeners, isPassthrough))
      claimsOfGateway.set(parent, claims)
    }
    // Within one set nobody wins; against the Gateway and older sets, they do.
    refuseConflictsWithin(portUses(state.listeners, isTls))
    claims.refuseOrAdd(portUses(state.listeners, isPassthrough))
    claimServed(state.listeners, served)
    if (state.listeners.some((listener) => listener.fault === undefined)) parent.attachedListenerSets++
    else state.fault = { reason: "ListenersNotValid", message: "no listener of the set is valid" }
  }

  const all = [...gatewayStates.values(), ...setStates.values()]
  for (const parent of all) {
    const open = "set" in parent ? parent.fault === undefined : parent.accepted
    for (const listener of parent.listeners) settle(listener, open)
  }
  markOverlaps(all.flatMap((parent) => parent.listeners).filter((listener) => listener.served))
  return { gateways: gatewayStates, listenerSets: setStates }
}

function gatewayState(gateway: AdmittedGateway, classes: ClassSelection, options: ResolvedOptions): GatewayState {
  const addresses = addressesOf(gateway, options)
  const classFault = classes.ours.get(gateway.className)?.fault
  return {
    gateway,
    addresses,
    listeners: gateway.listeners.map((spec) => listenerState(spec, gateway.ref, gateway.ref, addresses)),
    fault:
      gateway.fault ??
      (classFault === undefined
        ? undefined
        : { reason: "Invalid", message: `GatewayClass ${gateway.className} is not accepted: ${classFault.message}` }),
    accepted: false,
    attachedListenerSets: 0,
  }
}

/** Those asked for, and where the choice is left to us, those that the host assigns: every address when it assigns none. */
function addressesOf(gateway: AdmittedGateway, options: ResolvedOptions): readonly string[] {
  if (!gateway.takesAnyAddress) return gateway.addresses
  const assigned = assignedTo(gateway, options)
  if (assigned.length === 0) return []
  return [...new Set([...gateway.addresses, ...assigned])].sort()
}

/** The program's own code may answer anything, and no Gateway may listen where it was not meant to for that. */
function assignedTo({ ref, key }: AdmittedGateway, options: ResolvedOptions): readonly string[] {
  let answer: unknown
  try {
    answer = options.gatewayAddresses(ref) ?? []
  } catch (cause) {
    const why = describe(cause)
    throw new OptionError(`the option "gatewayAddresses" failed for Gateway ${key}: ${why}`, { cause })
  }
  const addresses = Array.isArray(answer) ? answer.map((text) => canonicalIp(stringOf(text) ?? "")) : [undefined]
  if (addresses.every((address) => address !== undefined)) return addresses
  forgetPromise(answer)
  throw new OptionError(
    `the option "gatewayAddresses" must answer a list of IP addresses or undefined, and did not for Gateway ${key}`,
  )
}

function listenerSetState(set: AdmittedListenerSet, parent: GatewayState, labels: NamespaceLabels): ListenerSetState {
  const { gateway } = parent
  if (!isNamespaceAllowed(gateway.allowedListeners, gateway.ref.namespace, set.ref.namespace, labels)) {
    const message = `Gateway ${gateway.key} does not allow ListenerSets of namespace ${set.ref.namespace} (spec.allowedListeners)`
    return { set, gateway: parent, listeners: [], fault: { reason: "NotAllowed", message } }
  }
  if (!parent.accepted) {
    const message = `Gateway ${gateway.key} is not accepted: ${whyNotAccepted(parent)}`
    return { set, gateway: parent, listeners: [], fault: { reason: "ParentNotAccepted", message, cause: gateway.ref } }
  }
  const listeners = set.listeners.map((spec) => listenerState(spec, set.ref, gateway.ref, parent.addresses))
  return { set, gateway: parent, listeners, fault: undefined }
}

/** Why a Gateway is not accepted, and what would revive what hangs on it. */
function whyNotAccepted({ fault, listeners }: GatewayState): string {
  if (fault !== undefined) return fault.message
  const refused = listeners.map(({ listener, fault: why }) => `${listener.name}: ${why?.reason}`)
  return `none of its own listeners is valid (${listFew(refused)}); give the Gateway one of protocol TLS with tls.mode Passthrough`
}

function listenerState(
  spec: AdmittedListener,
  parent: TableListener["parent"],
  gateway: TableListener["gateway"],
  addresses: readonly string[],
): ListenerState {
  const id = `${parent.kind}/${parent.namespace}/${parent.name}/${spec.name}`
  return {
    listener: { id, parent, gateway, name: spec.name, port: spec.port, hostname: spec.hostname },
    spec,
    namespace: parent.namespace,
    addresses,
    // What a listener of another protocol says beside it matters to nobody until the protocol is TLS.
    fault: protocolFault(spec) ?? spec.fault ?? modeFault(spec),
    conflicted: false,
    supportedKinds: [],
    kindsFault: undefined,
    overlaps: [],
    served: false,
  }
}

const KNOWN_PROTOCOLS = new Set(["HTTP", "HTTPS", "TCP", "UDP"])

function protocolFault({ protocol, mode }: AdmittedListener): Fault | undefined {
  if (protocol === "TLS" || protocol === "") return undefined
  const why =
    protocol === "HTTPS" && mode === "Passthrough"
      ? "has no mode Passthrough; did you mean protocol TLS?"
      : whyNotServed(protocol)
  return { reason: "UnsupportedProtocol", message: `protocol ${protocol} ${why}` }
}

function modeFault({ mode }: AdmittedListener): Fault | undefined {
  if (mode === "Passthrough") return undefined
  return { reason: "UnsupportedValue", message: "tls.mode Terminate is not supported; Passthrough is" }
}

function whyNotServed(protocol: string): string {
  if (KNOWN_PROTOCOLS.has(protocol)) return "is not served; TLS with mode Passthrough is"
  const meant = suggest(protocol, ["TLS", ...KNOWN_PROTOCOLS])
  return `is not known; ${meant === undefined ? "TLS with mode Passthrough is served" : `did you mean ${meant}?`}`
}

/** Across Gateways only what is served holds a port; the first to ask for it keeps it. */
function claimServed(listeners: readonly ListenerState[], served: ListenerClaims): void {
  served.refuseOrAdd(portUses(listeners, ({ fault }) => fault === undefined))
}

/** A listener that can be compared with others: of the one protocol served, in whatever mode. */
function isTls({ spec }: ListenerState): boolean {
  return spec.fault === undefined && spec.protocol === "TLS"
}

function isPassthrough(state: ListenerState): boolean {
  return isTls(state) && state.spec.mode === "Passthrough"
}

function portUses(listeners: readonly ListenerState[], counts: (state: ListenerState) => boolean): readonly PortUse[] {
  return listeners.filter(counts).map(portUse)
}

/** How the conflict rules see a listener. */
function portUse(state: ListenerState): PortUse {
  return {
    id: state.listener.id,
    port: state.listener.port,
    addresses: state.addresses,
    mode: state.spec.mode,
    hostname: state.listener.hostname ?? ANY_HOSTNAME,
    refuse(fault) {
      if (state.conflicted) return
      state.fault = fault
      state.conflicted = true
    },
  }
}

function settle(state: ListenerState, parentAccepted: boolean): void {
  const { kinds, protocol } = state.spec
  const takes = (kind: RouteGroupKind) =>
    protocol === "TLS" && kind.group === TLS_ROUTE_KIND.group && kind.kind === TLS_ROUTE_KIND.kind
  const invalid = (kinds ?? []).filter((kind) => !takes(kind))
  if (invalid.length > 0) {
    const names = invalid.map(({ group, kind }) => `${group}/${kind}`).join(", ")
    const message = `${names} cannot attach to a ${protocol} listener here; TLSRoute to a TLS listener can`
    state.kindsFault = { reason: "InvalidRouteKinds", message }
  }
  if (state.fault !== undefined) return
  if (kinds === undefined || kinds.some(takes)) state.supportedKinds = [TLS_ROUTE_KIND]
  state.served = parentAccepted && state.supportedKinds.length > 0
}

/** Notes which served listeners share names on one socket: the more specific takes them, and both say so. */
function markOverlaps(served: readonly ListenerState[]): void {
  const byHostname = new Map<string, ListenerState[]>()
  const keyOf = (port: number, hostname: string): string => `${port} ${hostname}`
  for (const state of served) {
    const key = keyOf(state.listener.port, state.listener.hostname ?? ANY_HOSTNAME)
    const group = byHostname.get(key)
    if (group === undefined) byHostname.set(key, [state])
    else group.push(state)
  }
  for (const state of served) {
    for (const wider of widerHostnames(state.listener.hostname ?? ANY_HOSTNAME)) {
      for (const other of byHostname.get(keyOf(state.listener.port, wider)) ?? []) {
        if (!addressesMeet(state.addresses, other.addresses)) continue
        state.overlaps.push(other.listener.id)
        other.overlaps.push(state.listener.id)
      }
    }
  }
}
