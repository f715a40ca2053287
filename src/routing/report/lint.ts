import { compareText } from "../../primitives/compare-text.ts"
import { arrayOf, field, isAbsent } from "../../primitives/json.ts"
import { oncePerPart } from "../../primitives/parts.ts"
import { isSlip, suggest } from "../../primitives/suggest.ts"
import { GATEWAY_API_GROUP } from "../admit/admission.ts"
import type { AdmittedParentRef } from "../admit/route.ts"
import { ANY_HOSTNAME, intersectHostnames, widerHostnames } from "../hostnames/hostname.ts"
import { whyNotOurs } from "../listeners/gateway-class.ts"
import type { ListenerState } from "../listeners/topology.ts"
import type { ProblemCode } from "../problem-codes.ts"
import type { ObjectRef, ResourceProblem } from "../resources.ts"
import type { ListenerBinding, TableListener } from "../route-table.ts"
import { whyRefused } from "../routes/attachment.ts"
import type { Contests } from "../routes/candidates.ts"
import type { RouteState } from "../routes/route-state.ts"
import type { Snapshot } from "../snapshot.ts"
import { judgeVersions } from "../status/supported-version.ts"
import { compareProblems } from "./problems.ts"

/** Most warnings of one kind for one route: a thousand hostnames need not be told a thousand times. */
const MAX_PER_ROUTE = 8

/**
 * Warnings about what is valid and hardly meant: `NoParent`, `NeverMatches`, `ShadowedHostname`,
 * `ConnectionCoalescing`, `NoWeight`, `NoEffect`, `UnsupportedVersion`. Errors for slips of the pen that leave something
 * unserved: `NoParent`, `NotServed`. Sorted by object.
 */
export function lintSnapshot(
  snapshot: Snapshot,
  what: "everything" | "parents" = "everything",
  carriesHttp: (binding: ListenerBinding) => boolean = () => true,
): readonly ResourceProblem[] {
  const findings = new LintFindings()
  lintClasses(snapshot, findings)
  if (what === "parents") {
    for (const state of snapshot.routes.flatMap(withoutSomeParent)) lintParents(state, snapshot, findings)
    return findings.sorted()
  }
  lintVersions(snapshot, findings)
  lintNoEffect(snapshot, findings)
  const ways = new WaysIn(snapshot)
  for (const state of snapshot.routes.flat()) {
    lintParents(state, snapshot, findings)
    if (state.attachment.listeners.length === 0) continue
    lintReach(state, ways, findings)
    lintWeights(state, findings)
  }
  for (const binding of snapshot.listening.sockets.bindings) {
    if (!carriesHttp(binding)) continue
    lintCoalescing(
      binding.listeners.map(({ id }) => ways.contestsOf(id)),
      findings,
    )
  }
  return findings.sorted()
}

/** How connections come to a listener, and to the routes on it. */
class WaysIn {
  readonly #snapshot: Snapshot
  readonly #places: ReadonlyMap<string, number>

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot
    this.#places = new Map(snapshot.listening.served.map(({ listener }, place) => [listener.id, place]))
  }

  contestsOf(listenerId: string): Contests | undefined {
    return this.#snapshot.contests[this.#places.get(listenerId) ?? -1]
  }

  /** Why a listener takes the connections of a route that is attached to another. */
  whyTaken(route: RouteState, { id }: TableListener): string {
    const { served, labels } = this.#snapshot.listening
    const state = served[this.#places.get(id) ?? -1]
    const refusal = state === undefined ? undefined : whyRefused(route.route, state, labels)
    const specific = "whose hostname is more specific"
    if (refusal !== undefined) return `${specific}, and which does not take the route: ${refusal}`
    const asked = route.attachment.listeners.some((attached) => attached.state === state)
    return asked ? specific : `${specific}, and to which no parentRef of the route leads`
  }

  /** The listener that takes the connections of a hostname instead of one that has it too, on every socket that both have. */
  takerOf({ listener, addresses }: ListenerState, hostname: string): TableListener | undefined {
    let taker: TableListener | undefined
    for (const address of addresses.length === 0 ? [undefined] : addresses) {
      const socket = this.#snapshot.listening.sockets.at(listener.port, address)
      const first = [hostname, ...widerHostnames(hostname)].find((candidate) => socket?.get(candidate) !== undefined)
      const node = first === undefined ? undefined : socket?.get(first)
      if (node === undefined || node.listener === listener) return undefined
      taker = node.listener
    }
    return taker
  }
}

class LintFindings {
  readonly #problems: ResourceProblem[] = []
  readonly #counts = new Map<string, number>()
  readonly #told = new Set<string>()

  /** For a part of a Gateway or ListenerSet that has no effect. */
  noEffect(object: ObjectRef, path: string, message: string): void {
    this.warnOf("NoEffect", object, path, message)
  }

  warnOf(code: ProblemCode, object: ObjectRef, path: string, message: string): void {
    this.#problems.push({ severity: "warning", code, object, path, message })
  }

  /** For a class or a controller that is hardly meant: who wrote it meant the Gateway to be served. */
  slip(object: ObjectRef, path: string, message: string): void {
    this.#problems.push({ severity: "error", code: "NotServed", object, path, message })
  }

  warn(
    state: RouteState,
    code: ProblemCode,
    path: string,
    message: string,
    cause?: ObjectRef,
    severity: ResourceProblem["severity"] = "warning",
  ): void {
    const finding = `${code} ${state.route.key} ${path} ${message}`
    if (this.#told.has(finding)) return
    this.#told.add(finding)
    const key = `${code} ${state.route.key}`
    const count = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, count)
    if (count <= MAX_PER_ROUTE) {
      const problem = { severity, code, object: state.route.ref, path, message } as const
      this.#problems.push(cause === undefined ? problem : { ...problem, cause })
    }
  }

  sorted(): readonly ResourceProblem[] {
    return this.#problems.sort(compareProblems)
  }
}

/** CRDs of a release that is not known: told of the classes of ours, whose statuses say so too. */
function lintVersions({ bundleVersions, listening, objects }: Snapshot, findings: LintFindings): void {
  const verdict = judgeVersions(bundleVersions)
  if (verdict === undefined || verdict.supported) return
  for (const key of listening.classes.ours.keys()) {
    const ours = objects.gatewayClasses.get(key)
    if (ours !== undefined) findings.warnOf("UnsupportedVersion", ours.ref, "", verdict.message)
  }
}

/** Gateways whose class is nearly one that is served, and classes whose controller is nearly ours: slips of the pen. */
function lintClasses({ objects, listening, options }: Snapshot, findings: LintFindings): void {
  const { controllerName, gatewayClassNames } = options
  for (const { ref, controllerName: named = "" } of objects.gatewayClasses.values()) {
    if (!isSlip(named, controllerName)) continue
    findings.slip(ref, "spec.controllerName", `there is no controller ${named} here; did you mean ${controllerName}?`)
  }
  const classes = [...(gatewayClassNames ?? listening.classes.ours.keys())]
  for (const [key, { ref, className }] of objects.gateways) {
    if (listening.topology.gateways.has(key) || objects.gatewayClasses.has(className)) continue
    const meant = classes.find((name) => isSlip(className, name))
    if (meant === undefined) continue
    findings.slip(ref, "spec.gatewayClassName", `no class ${className} is served here; did you mean ${meant}?`)
  }
}

/** Fields that the API knows and this implementation does without. Those of Gateways that are not ours are not our matter. */
function lintNoEffect({ listening, objects }: Snapshot, findings: LintFindings): void {
  const { gateways, listenerSets } = listening.topology
  for (const key of gateways.keys()) {
    const gateway = objects.gateways.get(key)
    if (gateway === undefined) continue
    const { ref } = gateway
    const spec = field(gateway.object, "spec")
    const infrastructure = field(spec, "infrastructure")
    for (const name of ["labels", "annotations"]) {
      if (isAbsent(field(infrastructure, name))) continue
      const message = "has no effect: no infrastructure is made for a Gateway; write them on what this program runs in"
      findings.noEffect(ref, `spec.infrastructure.${name}`, message)
    }
    if (!isAbsent(field(spec, "tls"))) {
      findings.noEffect(ref, "spec.tls", "has no effect: TLS is passed through, and backends look at certificates")
    }
    for (const [at, address] of (arrayOf(field(spec, "addresses")) ?? []).entries()) {
      const routability = field(address, "routability")
      if (isAbsent(routability) || routability === "") continue
      const message = "has no effect: who reaches an address is for what stands before the gateway to say"
      findings.noEffect(ref, `spec.addresses[${at}].routability`, message)
    }
    lintListeners(ref, spec, findings)
  }
  for (const key of listenerSets.keys()) {
    const set = objects.listenerSets.get(key)
    if (set !== undefined) lintListeners(set.ref, field(set.object, "spec"), findings)
  }
}

function lintListeners(ref: ObjectRef, spec: unknown, findings: LintFindings): void {
  for (const [at, listener] of (arrayOf(field(spec, "listeners")) ?? []).entries()) {
    const message = "has no effect: filters are for HTTP requests, and TLS is passed through unread"
    if (!isAbsent(field(listener, "filters"))) findings.noEffect(ref, `spec.listeners[${at}].filters`, message)
    const tls = field(listener, "tls")
    if (field(tls, "mode") === "Passthrough" && (arrayOf(field(tls, "certificateRefs"))?.length ?? 0) > 0) {
      const theirs = "has no effect with mode Passthrough: clients see the certificate of the backend"
      findings.noEffect(ref, `spec.listeners[${at}].tls.certificateRefs`, theirs)
    }
    const namespaces = field(field(listener, "allowedRoutes"), "namespaces")
    if (!isAbsent(field(namespaces, "selector")) && field(namespaces, "from") !== "Selector") {
      const selector = "has no effect without from: Selector beside it"
      findings.noEffect(ref, `spec.listeners[${at}].allowedRoutes.namespaces.selector`, selector)
    }
  }
}

/** Routes with a parentRef that leads to no parent of ours, or without any. */
const withoutSomeParent = oncePerPart((part: readonly RouteState[]) =>
  part.filter(({ route, attachment }) => attachment.parents.length < Math.max(1, route.parentRefs.length)),
)

function lintParents(state: RouteState, snapshot: Snapshot, findings: LintFindings): void {
  const { gateways, listenerSets } = snapshot.listening.topology
  if (state.route.parentRefs.length === 0) {
    findings.warn(state, "NoParent", "spec.parentRefs", "without a parentRef the route attaches to nothing")
  }
  for (const ref of state.route.parentRefs) {
    const key = `${ref.namespace}/${ref.name}`
    const found = ref.kind === "Gateway" ? gateways.has(key) : listenerSets.has(key)
    if (ref.group === GATEWAY_API_GROUP && found) continue
    const { message, isSlip: slipped } = whyNoParent(ref, key, snapshot)
    // What is no slip of the pen another gateway may serve.
    const severity = slipped ? "error" : "warning"
    findings.warn(state, "NoParent", ref.path, message, causeOf(ref, key, snapshot), severity)
  }
}

/** A parent that is there and cannot be read, and a class that is not ours for a slip of the pen, have told so themselves. */
function causeOf({ group, kind, namespace, name }: AdmittedParentRef, key: string, { objects }: Snapshot): ObjectRef {
  const className = kind === "Gateway" ? objects.gateways.get(key)?.className : undefined
  return objects.gatewayClasses.get(className ?? "")?.ref ?? { group, kind, namespace, name }
}

function whyNoParent(
  ref: AdmittedParentRef,
  key: string,
  { objects, options }: Snapshot,
): { readonly message: string; readonly isSlip?: boolean } {
  const { group, kind } = ref
  if (group !== GATEWAY_API_GROUP || (kind !== "Gateway" && kind !== "ListenerSet")) {
    const meant = suggest(kind, ["Gateway", "ListenerSet"])
    const hint = meant === undefined ? "" : `; did you mean ${meant} of ${GATEWAY_API_GROUP}?`
    return {
      message: `${kind} of group ${group === "" ? '""' : group} is no parent that is known here${hint}`,
      isSlip: meant !== undefined && (group === GATEWAY_API_GROUP || isSlip(group, GATEWAY_API_GROUP)),
    }
  }
  const gateway = kind === "Gateway" ? objects.gateways.get(key) : undefined
  if (gateway !== undefined) {
    return { message: `Gateway ${key} is not served here: ${whyNotOurs(gateway, objects.gatewayClasses, options)}` }
  }
  const present: ReadonlyMap<string, { readonly ref: ObjectRef }> =
    kind === "Gateway" ? objects.gateways : objects.listenerSets
  if (present.has(key)) return { message: `ListenerSet ${key} is not served here: nor is its Gateway` }
  const meant = nearest(ref, present.values())
  if (meant === undefined) return { message: `there is no ${kind} ${key}` }
  const { namespace, name } = meant
  return {
    message: `there is no ${kind} ${key}; did you mean ${namespace}/${name}?`,
    isSlip: isSlip(key, `${namespace}/${name}`),
  }
}

/** The object that a reference was probably meant for: of this name elsewhere, else of a name like it, nearby first. */
function nearest(
  { namespace, name }: AdmittedParentRef,
  present: Iterable<{ readonly ref: ObjectRef }>,
): ObjectRef | undefined {
  const refs = Array.from(present, ({ ref }) => ref).sort((a, b) => compareText(a.namespace, b.namespace))
  const twin = refs.find((ref) => ref.name === name)
  if (twin !== undefined) return twin
  const near = refs.filter((ref) => ref.namespace === namespace)
  for (const candidates of [near, refs]) {
    const names = candidates.map((candidate) => candidate.name)
    const meant = suggest(name, names)
    if (meant !== undefined) return candidates[names.indexOf(meant)]
  }
  return undefined
}

/** Hostnames of a route that give it no connection: nothing in common, or another route or listener takes them. */
function lintReach(state: RouteState, ways: WaysIn, findings: LintFindings): void {
  const used = new Set<string>()
  const takers = new Map<string, string>()
  for (const attached of state.attachment.listeners) {
    const contests = ways.contestsOf(attached.state.listener.id)
    for (const { hostname, routeHostname } of attached.hostnames) {
      const contest = contests?.get(hostname)
      const listener = ways.takerOf(attached.state, hostname)
      if (listener !== undefined)
        takers.set(routeHostname, `listener ${listener.id}, ${ways.whyTaken(state, listener)}`)
      else if (contest?.state === state) used.add(contest.routeHostname)
      else if (contest !== undefined) takers.set(routeHostname, `${contest.state.route.key}, which comes first`)
    }
  }
  if (used.size === 0) {
    const others = [...new Set(takers.values())].join("; ")
    findings.warn(state, "NeverMatches", "spec.hostnames", `the route takes no connection: they go to ${others}`)
    return
  }
  const written = arrayOf(field(field(state.route.object, "spec"), "hostnames")) ?? []
  for (const hostname of state.route.hostnames) {
    if (used.has(hostname)) continue
    const taker = takers.get(hostname)
    const path = `spec.hostnames[${written.indexOf(hostname)}]`
    if (taker !== undefined) {
      findings.warn(state, "ShadowedHostname", path, `${hostname} goes to ${taker}`)
    } else if (!state.attachment.listeners.some(({ state: { listener } }) => meets(listener.hostname, hostname))) {
      findings.warn(state, "NeverMatches", path, `${hostname} has no name in common with the listeners' hostnames`)
    }
  }
}

function meets(listenerHostname: string | undefined, hostname: string): boolean {
  return intersectHostnames(listenerHostname ?? ANY_HOSTNAME, hostname) !== undefined
}

function lintWeights(state: RouteState, findings: LintFindings): void {
  if (state.table.backends.length > 0 && state.table.totalWeight === 0) {
    findings.warn(state, "NoWeight", "spec.rules", "every weight is 0, so every connection is refused")
  }
}

/**
 * Routes with hostnames that one wildcard certificate can cover: a client may send requests for one over an
 * HTTP/2 connection that was routed for the other (RFC 9113 section 9.1.1). Told once for each such domain.
 */
function lintCoalescing(contests: readonly (Contests | undefined)[], findings: LintFindings): void {
  const byDomain = new Map<string, Map<string, RouteState>>()
  for (const [hostname, { state }] of contests.flatMap((one) => [...(one?.entries() ?? [])])) {
    const domain = hostname.slice(hostname.indexOf(".") + 1)
    // No certificate covers all names right under a top-level domain.
    if (!domain.includes(".") || domain === hostname) continue
    // Routes with the same backends may be mistaken for one another.
    const backends = state.table.backends.map(({ target }) => target.id).join(" ")
    const routes = byDomain.get(domain)
    const first = routes?.get(backends)
    if (routes === undefined) byDomain.set(domain, new Map([[backends, state]]))
    else if (first === undefined || state.route.key < first.route.key) routes.set(backends, state)
  }
  for (const [domain, routes] of byDomain) {
    const [first, ...others] = [...routes.values()].sort((a, b) => compareText(a.route.key, b.route.key))
    if (first === undefined || others.length === 0) continue
    const shown = others.slice(0, 3).map(({ route }) => route.key)
    const names = others.length > 3 ? `${shown.join(", ")} and ${others.length - 3} more` : shown.join(", ")
    const message = `a certificate for *.${domain} also covers hostnames of ${names}, which have other backends: HTTP/2 clients may then send requests for one over a connection to the other; use separate certificates, or answer 421`
    findings.warn(first, "ConnectionCoalescing", "spec.hostnames", message)
  }
}
