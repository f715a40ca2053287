import { compareText } from "../../primitives/compare-text.ts"
import { field } from "../../primitives/json.ts"
import { type Parts, partsOf } from "../../primitives/parts.ts"
import {
  type AdmittedEndpointSlice,
  type AdmittedGrant,
  admitEndpointSlice,
  admitGrant,
  admitOther,
  admitService,
} from "../admit/backend.ts"
import { ObjectIndex } from "../admit/object-index.ts"
import { admitRoute, admitServedRoute } from "../admit/route.ts"
import { Grouping } from "../backends/grouping.ts"
import { dependencyKey } from "../backends/target.ts"
import { TargetCache } from "../backends/target-cache.ts"
import type { Listening } from "../listeners/listening.ts"
import type { ResolvedOptions } from "../options.ts"
import type { GatewayResources, ResourceProblem, Service } from "../resources.ts"
import { attachRoute } from "./attachment.ts"
import { type RouteState, routeState } from "./route-state.ts"

/** A route whose state is not what it was. */
export interface RouteStateChange {
  readonly key: string
  readonly before: RouteState | undefined
  readonly after: RouteState | undefined
}

/** Keeps the state of every route up to date: attached, with its backends resolved. */
export class RouteStates {
  readonly #defaultNamespace: string
  #routes
  /** Whether an API server gave the routes. */
  #served = false
  readonly #grants
  readonly #services
  readonly #slices
  readonly #others
  readonly #grantsOf = new Grouping<AdmittedGrant>()
  readonly #slicesOf = new Grouping<AdmittedEndpointSlice>()
  /** Keys of routes by the other namespaces that their backends are in. */
  readonly #routesInto = new Grouping<string>()
  readonly #targets: TargetCache
  readonly #states = new Map<string, RouteState>()
  #sorted: Parts<RouteState> = []
  #listening: Listening | undefined

  constructor(options: ResolvedOptions) {
    const { defaultNamespace, location } = options
    const admit = (object: Service, namespace: string) => admitService(object, namespace, location)
    this.#defaultNamespace = defaultNamespace
    this.#routes = new ObjectIndex(admitRoute, defaultNamespace, "TLSRoute")
    this.#grants = new ObjectIndex(admitGrant, defaultNamespace, "ReferenceGrant")
    this.#services = new ObjectIndex(admit, defaultNamespace, "Service")
    this.#slices = new ObjectIndex(admitEndpointSlice, defaultNamespace, "EndpointSlice")
    this.#others = new ObjectIndex(admitOther, defaultNamespace, undefined)
    const index = {
      service: (key: string) => this.#services.get(key),
      slices: (serviceKey: string) => this.#slicesOf.get(serviceKey),
      other: (key: string) => this.#others.get(key)?.object,
    }
    this.#targets = new TargetCache(index, options)
  }

  /** States by `namespace/name`. A new list after every change. */
  get sorted(): Parts<RouteState> {
    return this.#sorted
  }

  /** Takes a snapshot. When `listening` is another object than before, every route counts as changed. */
  update(resources: GatewayResources, listening: Listening): readonly RouteStateChange[] {
    const dirty = this.#updateBackends(resources)
    for (const key of this.#updateGrants(resources)) dirty.add(key)
    for (const key of this.#updateRoutes(resources)) dirty.add(key)
    if (listening !== this.#listening) for (const route of this.#routes.values()) dirty.add(route.key)
    const changes: RouteStateChange[] = []
    for (const key of dirty) changes.push(this.#updateRoute(key, listening, listening === this.#listening))
    this.#listening = listening
    if (changes.length > 0) this.#sorted = mergeSorted(this.#sorted, changes)
    return changes
  }

  problems(): readonly (() => readonly ResourceProblem[])[] {
    return [this.#routes, this.#grants, this.#services, this.#slices, this.#others].map((index) => index.problems())
  }

  #updateBackends(resources: GatewayResources): Set<string> {
    // At first nothing is resolved, so that nothing is out of date.
    const stale = this.#targets.isEmpty ? undefined : new Set<string>()
    for (const { key } of this.#services.update(field(resources, "services"))) stale?.add(dependencyKey.service(key))
    for (const { key } of this.#others.update(field(resources, "others"))) stale?.add(dependencyKey.other(key))
    for (const { before, after } of this.#slices.update(field(resources, "endpointSlices"))) {
      if (before?.service !== undefined) {
        this.#slicesOf.delete(before.service, before)
        stale?.add(dependencyKey.service(before.service))
      }
      if (after?.service !== undefined) {
        this.#slicesOf.add(after.service, after)
        stale?.add(dependencyKey.service(after.service))
      }
    }
    return stale === undefined ? new Set() : this.#targets.refresh(stale)
  }

  #updateRoutes(resources: GatewayResources): Iterable<string> {
    const changed = new Set<string>()
    const served = field(resources, "admitted") === true
    if (served !== this.#served) {
      this.#served = served
      for (const route of this.#routes.values()) changed.add(route.key)
      this.#routes = new ObjectIndex(served ? admitServedRoute : admitRoute, this.#defaultNamespace, "TLSRoute")
    }
    for (const { key } of this.#routes.update(field(resources, "tlsRoutes"))) changed.add(key)
    return changed
  }

  #updateGrants(resources: GatewayResources): Set<string> {
    const affected = new Set<string>()
    for (const { before, after } of this.#grants.update(field(resources, "referenceGrants"))) {
      if (before !== undefined) this.#grantsOf.delete(before.ref.namespace, before)
      if (after !== undefined) this.#grantsOf.add(after.ref.namespace, after)
      for (const key of this.#routesInto.get((after ?? before)?.ref.namespace ?? "")) affected.add(key)
    }
    return affected
  }

  #updateRoute(key: string, listening: Listening, sameListeners: boolean): RouteStateChange {
    const before = this.#states.get(key)
    const route = this.#routes.get(key)
    if (route === undefined) {
      if (before !== undefined) this.#release(before)
      this.#states.delete(key)
      return { key, before, after: undefined }
    }
    const attachment =
      before !== undefined && before.route === route && sameListeners
        ? before.attachment
        : attachRoute(route, listening.topology, listening.labels)
    const isOurs = attachment.parents.length > 0
    if (before !== undefined && (before.route !== route || !isOurs)) this.#release(before)
    const after = routeState(route, attachment, {
      target: (ref) => this.#targets.use(ref, key),
      grants: (namespace) => this.#grantsOf.get(namespace),
    })
    if (isOurs) {
      for (const { ref } of route.backendRefs) {
        if (ref.namespace !== route.ref.namespace) this.#routesInto.add(ref.namespace, key)
      }
    }
    this.#states.set(key, after)
    return { key, before, after }
  }

  #release({ route }: RouteState): void {
    for (const ref of route.backendRefs) {
      this.#targets.release(ref, route.key)
      this.#routesInto.delete(ref.ref.namespace, route.key)
    }
  }
}

/** A sorted list with changes merged in: only parts in which something changed are made anew. */
function mergeSorted(sorted: Parts<RouteState>, changes: readonly RouteStateChange[]): Parts<RouteState> {
  const waiting = [...changes].sort((a, b) => compareText(a.key, b.key))
  let at = 0
  return (sorted.length === 0 ? [[]] : sorted).flatMap((part, place) => {
    const end = sorted[place + 1]?.[0]?.route.key
    const first = at
    for (let next = waiting[at]; next !== undefined && (end === undefined || next.key < end); next = waiting[at]) at++
    return at === first ? [part] : partsOf(merge(part, waiting.slice(first, at)))
  })
}

function merge(part: readonly RouteState[], changes: readonly RouteStateChange[]): readonly RouteState[] {
  const changed = new Set(changes.map(({ key }) => key))
  const stay = part.filter(({ route }) => !changed.has(route.key))
  const come = changes.flatMap(({ after }) => after ?? [])
  return [...stay, ...come].sort((a, b) => compareText(a.route.key, b.route.key))
}
