import { arrayOf, field, presentOf } from "../../primitives/json.ts"
import { listFew } from "../../primitives/list-few.ts"
import type { Admitted } from "../admit/admission.ts"
import { GATEWAY_API_GROUP } from "../admit/admission.ts"
import type { Fault } from "../admit/fault.ts"
import { isNamespaceAllowed, type NamespaceLabels, whyNotAllowed } from "../admit/namespace-rule.ts"
import type { AdmittedParentRef, AdmittedRoute } from "../admit/route.ts"
import { ANY_HOSTNAME, hostnameSpecificity, intersectHostnames } from "../hostnames/hostname.ts"
import type { GatewayState, ListenerSetState, ListenerState, ListenerTopology } from "../listeners/topology.ts"
import type { ProblemCode } from "../problem-codes.ts"
import type { ObjectRef } from "../resources.ts"

/** A hostname that a route takes on one listener. */
export interface AttachedHostname {
  /** Intersection of the listener's hostname and the route's. */
  readonly hostname: string
  /** The route's own hostname that gave it; the most specific, where several do. */
  readonly routeHostname: string
}

/** A listener that a route is attached to. */
export interface ListenerAttachment {
  readonly state: ListenerState
  readonly hostnames: readonly AttachedHostname[]
}

/** What became of one parentRef to a parent that is ours. */
export interface ParentAttachment {
  readonly ref: AdmittedParentRef
  /** Why the parent does not accept the route; `undefined` when a listener does. */
  readonly fault: Fault | undefined
  /** Why listeners of the parent that share names with the route do not take it, where another does. */
  readonly withheld: string | undefined
}

/** What became of a route on all parents that are ours. */
export interface Attachment {
  readonly parents: readonly ParentAttachment[]
  /** Each listener once, however many parentRefs lead to it. */
  readonly listeners: readonly ListenerAttachment[]
}

/** Attaches a route to the listeners that its parentRefs select and that take it. */
export function attachRoute(route: AdmittedRoute, topology: ListenerTopology, labels: NamespaceLabels): Attachment {
  let parents: readonly ParentAttachment[] = []
  let listeners: readonly ListenerAttachment[] = []
  for (const ref of route.parentRefs) {
    const parent = parentOf(ref, topology)
    if (parent === undefined) continue
    const { fault, attached, withheld } = attachToParent(route, ref, parent, labels)
    const parentAttachment = { ref, fault, withheld }
    // One is the rule, and a list that grows keeps room for more.
    parents = parents.length === 0 ? [parentAttachment] : [...parents, parentAttachment]
    listeners = listeners.length === 0 ? attached : union(listeners, attached)
  }
  return { parents, listeners }
}

/** What a route that names no hostname takes on the listeners it is attached to. */
export function reachWithoutHostnames({ listeners }: Attachment): string {
  const hostnames = [...new Set(listeners.map(({ state }) => state.listener.hostname))].sort()
  if (hostnames.includes(undefined)) return "every name, and connections without one"
  return `every name that its listeners have: ${listFew(hostnames.map((hostname) => hostname ?? ANY_HOSTNAME))}`
}

function union(
  first: readonly ListenerAttachment[],
  second: readonly ListenerAttachment[],
): readonly ListenerAttachment[] {
  return [...first, ...second.filter(({ state }) => !first.some((other) => other.state === state))]
}

/** The parent that a parentRef names: only its own listeners take the route, never its parent's or children's. */
function parentOf(ref: AdmittedParentRef, topology: ListenerTopology): GatewayState | ListenerSetState | undefined {
  if (ref.group !== GATEWAY_API_GROUP) return undefined
  const key = `${ref.namespace}/${ref.name}`
  if (ref.kind === "Gateway") return topology.gateways.get(key)
  if (ref.kind === "ListenerSet") return topology.listenerSets.get(key)
  return undefined
}

function attachToParent(
  route: AdmittedRoute,
  ref: AdmittedParentRef,
  parent: GatewayState | ListenerSetState,
  labels: NamespaceLabels,
): Pick<ParentAttachment, "fault" | "withheld"> & { readonly attached: readonly ListenerAttachment[] } {
  const refused = (reason: ProblemCode, message: string, cause?: ObjectRef) => ({
    attached: [],
    fault: cause === undefined ? { reason, message } : { reason, message, cause },
    withheld: undefined,
  })
  const parentRef = "set" in parent ? parent.set.ref : parent.gateway.ref
  if (parent.listeners.length === 0) {
    const { fault } = parent
    const why = fault === undefined ? "has no listener" : `is not accepted (${fault.reason}): ${fault.message}`
    return refused("NoMatchingParent", `${describe(ref)} ${why}`, parentRef)
  }
  const selected = parent.listeners.filter((state) => isSelected(ref, state))
  if (selected.length === 0) {
    const there = listFew(parent.listeners.map(({ listener }) => `${listener.name} (port ${listener.port})`))
    // A listener that cannot be told apart from another may be the one that is meant.
    const cause = parent.listeners.some(({ fault }) => fault !== undefined) ? parentRef : undefined
    const message = `${describe(ref)} has no listener ${describeSelection(ref)}; it has ${there}`
    return refused("NoMatchingParent", message, cause)
  }
  const refusals: string[] = []
  const withheld: string[] = []
  const allowing: ListenerState[] = []
  for (const state of selected) {
    const refusal = whyRefused(route, state, labels)
    if (refusal === undefined) {
      allowing.push(state)
      continue
    }
    const told = `${state.listener.name}: ${refusal}`
    refusals.push(told)
    if (state.served && commonHostnames(route, state).length > 0) withheld.push(told)
  }
  if (allowing.length === 0) {
    const cause = selected.every(({ fault }) => fault !== undefined) ? parentRef : undefined
    return refused("NotAllowedByListeners", listFew(refusals, "; "), cause)
  }
  const attached = presentOf(
    allowing.map((state) => {
      const hostnames = commonHostnames(route, state)
      return hostnames.length === 0 ? undefined : { state, hostnames }
    }),
  )
  if (attached.length > 0) {
    return { attached, fault: undefined, withheld: withheld.length === 0 ? undefined : listFew(withheld, "; ") }
  }
  if (route.hostnames.length === 0) {
    return refused("NoMatchingListenerHostname", withoutHostname(route), route.ref)
  }
  const hostnames = allowing.map((state) => `${state.listener.name}: ${state.listener.hostname ?? "any"}`)
  const message = `no hostname of the route intersects the listeners' (${listFew(hostnames, "; ")})`
  return refused("NoMatchingListenerHostname", message)
}

function isSelected(ref: AdmittedParentRef, state: ListenerState): boolean {
  if (ref.sectionName !== undefined && ref.sectionName !== state.listener.name) return false
  return ref.port === undefined || ref.port === state.listener.port
}

/** Why no hostname is left to attach by. */
function withoutHostname(route: AdmittedRoute): string {
  const hostnames = field(field(route.object, "spec"), "hostnames")
  return (arrayOf(hostnames)?.length ?? 0) > 0
    ? "none of the route's hostnames can be used: each is invalid"
    : "the route has no hostname, and needs one to attach by: name them in spec.hostnames"
}

/** Why a listener does not take a route, whatever its hostnames. */
export function whyRefused(
  route: Admitted<unknown>,
  state: ListenerState,
  labels: NamespaceLabels,
): string | undefined {
  if (state.fault !== undefined) return `the listener is not accepted (${state.fault.reason})`
  if (state.supportedKinds.length === 0) return "allowedRoutes.kinds does not include TLSRoute"
  if (!state.served) return "its parent is not accepted"
  if (isNamespaceAllowed(state.spec.namespaces, state.namespace, route.ref.namespace, labels)) return undefined
  return whyNotAllowed(state.spec.namespaces, state.namespace, route.ref.namespace, labels, "allowedRoutes.namespaces")
}

function commonHostnames(route: AdmittedRoute, state: ListenerState): readonly AttachedHostname[] {
  const listenerHostname = state.listener.hostname ?? ANY_HOSTNAME
  const byHostname = new Map<string, AttachedHostname>()
  for (const routeHostname of route.hostnames) {
    const hostname = intersectHostnames(listenerHostname, routeHostname)
    if (hostname === undefined) continue
    const twin = byHostname.get(hostname)
    if (twin === undefined || hostnameSpecificity(routeHostname) > hostnameSpecificity(twin.routeHostname)) {
      byHostname.set(hostname, { hostname, routeHostname })
    }
  }
  return [...byHostname.values()]
}

function describe(ref: AdmittedParentRef): string {
  return `${ref.kind} ${ref.namespace}/${ref.name}`
}

function describeSelection(ref: AdmittedParentRef): string {
  const parts = [
    ref.sectionName === undefined ? "" : `named ${ref.sectionName}`,
    ref.port === undefined ? "" : `on port ${ref.port}`,
  ]
  return parts.filter((part) => part !== "").join(" ")
}
