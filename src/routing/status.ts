import { compareText } from "./admission.ts"
import { bindingReports } from "./binding-reports.ts"
import { deepEqual } from "./deep-equal.ts"
import { gatewayClassStatus } from "./gateway-class-status.ts"
import { gatewayStatus } from "./gateway-status.ts"
import { field } from "./json.ts"
import { listenerSetStatus } from "./listener-set-status.ts"
import { routeStatus } from "./route-status.ts"
import type { ObjectStatus, Statuses, StatusOptions } from "./route-table.ts"
import type { Snapshot } from "./snapshot.ts"
import type { StatusContext } from "./status-context.ts"

/** Computes the status of every object that is ours. */
export function computeStatuses(snapshot: Snapshot, options: StatusOptions): Statuses {
  const { topology, classes, sockets } = snapshot.listening
  const context: StatusContext = {
    now: options.now ?? new Date().toISOString().replace(/\.\d+Z$/, "Z"),
    reports: bindingReports(sockets.bindings, options.bound),
    attachedRoutes: countAttachedRoutes(snapshot),
    addresses: options.addresses,
  }
  const { gatewayClassNames } = snapshot.options
  return {
    gatewayClasses: byKey([...classes.ours.values()], (entry) => entry.class.key)
      .filter((entry) => gatewayClassNames === undefined || gatewayClassNames.has(entry.class.key))
      .map((entry) =>
        objectStatus(entry.class, gatewayClassStatus(entry.class, entry.fault, snapshot.options, context)),
      ),
    gateways: byKey([...topology.gateways.values()], (state) => state.gateway.key).map((state) =>
      objectStatus(state.gateway, gatewayStatus(state, context)),
    ),
    listenerSets: byKey([...topology.listenerSets.values()], (state) => state.set.key).map((state) =>
      objectStatus(state.set, listenerSetStatus(state, context)),
    ),
    tlsRoutes: snapshot.routes.flatMap((state) => {
      const status = routeStatus(state, snapshot.options.controllerName, context.now)
      return status === undefined ? [] : [objectStatus(state.route, status)]
    }),
  }
}

function objectStatus<T extends { readonly status?: unknown }>(
  { ref, object }: { readonly ref: ObjectStatus<T>["ref"]; readonly object: T },
  status: NonNullable<T["status"]>,
): ObjectStatus<T> {
  return { ref, object, status, changed: !deepEqual(status, field(object, "status")) }
}

function countAttachedRoutes(snapshot: Snapshot): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { attachment } of snapshot.routes) {
    for (const { state } of attachment.listeners)
      counts.set(state.listener.id, (counts.get(state.listener.id) ?? 0) + 1)
  }
  return counts
}

function byKey<T>(items: readonly T[], key: (item: T) => string): readonly T[] {
  return [...items].sort((a, b) => compareText(key(a), key(b)))
}
