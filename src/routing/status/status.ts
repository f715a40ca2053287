import { compareText } from "../../primitives/compare-text.ts"
import { deepEqual } from "../../primitives/deep-equal.ts"
import { field } from "../../primitives/json.ts"
import type { KubernetesObject, TLSRoute } from "../resources.ts"
import type { ObjectStatus, Statuses, StatusOptions } from "../route-table.ts"
import type { RouteState } from "../routes/route-state.ts"
import type { Snapshot } from "../snapshot.ts"
import { bindingReports } from "./binding-reports.ts"
import { gatewayStatus } from "./gateway.ts"
import { gatewayClassStatus } from "./gateway-class.ts"
import { listenerSetStatus } from "./listener-set.ts"
import { refusedPolicies } from "./policies.ts"
import { routeStatus } from "./route.ts"
import type { StatusContext } from "./status-context.ts"

/** Computes the status of every object that is ours. */
export function computeStatuses(snapshot: Snapshot, options: StatusOptions): Statuses {
  const { objects } = snapshot
  const { topology, classes, sockets } = snapshot.listening
  const context: StatusContext = {
    now: options.now ?? new Date().toISOString().replace(/\.\d+Z$/, "Z"),
    keepsTimes: options.now === undefined,
    reports: bindingReports(sockets.bindings, options.bound),
    attachedRoutes: countAttachedRoutes(snapshot),
    addresses: options.addresses,
    policies: refusedPolicies(options.policyProblems),
    bundleVersions: snapshot.bundleVersions,
    hasListenerSets: objects.listenerSets.size > 0,
  }
  const { gatewayClassNames, controllerName } = snapshot.options
  const latest = <T extends { readonly object: KubernetesObject }>(admitted: T): T => {
    const object = snapshot.latest(admitted.object)
    return object === admitted.object ? admitted : { ...admitted, object }
  }
  return {
    gatewayClasses: [...inOrder(classes.ours, objects.gatewayClasses)]
      .filter(([ours]) => gatewayClassNames === undefined || gatewayClassNames.has(ours.key))
      .map(([admitted, { fault }]) => {
        const ours = latest(admitted)
        return objectStatus(ours, gatewayClassStatus(ours, fault, snapshot.options, context))
      }),
    gateways: [...inOrder(topology.gateways, objects.gateways)].map(([admitted, state]) => {
      const gateway = latest(admitted)
      return objectStatus(gateway, gatewayStatus(gateway, state, context))
    }),
    listenerSets: [...inOrder(topology.listenerSets, objects.listenerSets)].map(([admitted, state]) => {
      const set = latest(admitted)
      return objectStatus(set, listenerSetStatus(set, state, context))
    }),
    tlsRoutes: routeStatuses(snapshot, controllerName, context),
  }
}

/** States with the objects that they are of, by `namespace/name`. */
function* inOrder<A, S>(
  states: ReadonlyMap<string, S>,
  objects: ReadonlyMap<string, A>,
): IterableIterator<readonly [A, S]> {
  for (const [key, state] of [...states].sort(([a], [b]) => compareText(a, b))) {
    const object = objects.get(key)
    if (object !== undefined) yield [object, state]
  }
}

interface Computed {
  readonly written: ObjectStatus<TLSRoute>
  readonly policies: string
}

/** The last status of each route: most are as they should be, and the others need not be computed again while they wait. */
const computed = new WeakMap<RouteState, Computed>()

function routeStatuses(
  { routes, latest }: Snapshot,
  controllerName: string,
  { now, keepsTimes, policies }: StatusContext,
): readonly ObjectStatus<TLSRoute>[] {
  const statuses: ObjectStatus<TLSRoute>[] = []
  for (const state of routes.flat()) {
    const object = latest(state.route.object) as TLSRoute
    const refused = policies.conditions(state.route.ref, ...state.table.backends.map(({ ref }) => ref))
    const policiesNow = refused[0]?.message ?? ""
    const known = computed.get(state)
    const same = known !== undefined && known.written.object === object && known.policies === policiesNow
    if (same && (keepsTimes || !known.written.changed)) {
      statuses.push(known.written)
      continue
    }
    const status = routeStatus(state, field(object, "status"), controllerName, now, refused)
    if (status === undefined) continue
    const written = objectStatus({ ref: state.route.ref, object }, status)
    computed.set(state, { written, policies: policiesNow })
    statuses.push(written)
  }
  return statuses
}

function objectStatus<T extends { readonly status?: unknown }>(
  { ref, object }: { readonly ref: ObjectStatus<T>["ref"]; readonly object: T },
  status: NonNullable<T["status"]>,
): ObjectStatus<T> {
  return { ref, object, status, changed: !deepEqual(status, field(object, "status")) }
}

function countAttachedRoutes(snapshot: Snapshot): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { attachment } of snapshot.routes.flat()) {
    for (const { state } of attachment.listeners)
      counts.set(state.listener.id, (counts.get(state.listener.id) ?? 0) + 1)
  }
  return counts
}
