import type { ResourceProblem } from "../../routing/resources.ts"
import type { RouteTable } from "../../routing/route-table.ts"

/** A table as the admin server tells it: sockets, routes with backends, problems. */
export function tableJson(table: RouteTable) {
  return {
    listeners: table.listeners.map(({ key, address, port, listeners }) => ({
      key,
      address: address ?? null,
      port,
      listeners: listeners.map(({ id, hostname }) => ({ id, hostname: hostname ?? "*" })),
    })),
    routes: table.routes.map(({ ref, backends, totalWeight }) => ({
      route: `${ref.namespace}/${ref.name}`,
      hostnames: table.hostnamesOf(ref),
      totalWeight,
      backends: backends.map(({ ref: backend, port, weight, target }) => ({
        backend: `${backend.namespace}/${backend.name}`,
        port,
        weight,
        target,
      })),
    })),
    problems: table.problems satisfies readonly ResourceProblem[],
  }
}
