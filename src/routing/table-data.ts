import { checkLookup, checkTableData } from "./check-options.ts"
import { HostnameMap } from "./hostnames/hostname-map.ts"
import { type ListenerRoutes, matchRoute, Sockets } from "./listeners/sockets.ts"
import type {
  ListenerBinding,
  NoMatch,
  RouteMatch,
  RouteMatcher,
  RouteQuery,
  RouteTableData,
  TableRoute,
} from "./route-table.ts"
import { type Snapshot, servedRoutes } from "./snapshot.ts"

/** Writes the dispatch part of a snapshot as plain data. */
export function tableData(snapshot: Snapshot): RouteTableData {
  const routes = servedRoutes(snapshot)
  const places = new Map(routes.map((route, place) => [route, place]))
  const listeners = snapshot.listening.served.map(({ listener, addresses }, place) => {
    const hostnames: string[] = []
    const winners: number[] = []
    for (const [hostname, match] of snapshot.contests[place]?.entries() ?? []) {
      hostnames.push(hostname)
      winners.push(places.get(match.route) ?? -1)
    }
    return { listener, addresses, hostnames, winners }
  })
  return { routes, listeners }
}

/**
 * Makes a matcher of what {@link RouteTable.toData} gave, in this or another thread. It matches as the table does.
 *
 * @throws {@link OptionError} for what is no such data
 */
export function routeTableFromData(data: RouteTableData): RouteMatcher {
  checkTableData(data)
  return new DataTable(data)
}

class DataTable implements RouteMatcher {
  readonly listeners: readonly ListenerBinding[]
  readonly routes: readonly TableRoute[]
  readonly #sockets: Sockets
  readonly #routes: readonly ListenerRoutes[]

  constructor(data: RouteTableData) {
    this.#sockets = new Sockets(data.listeners)
    this.listeners = this.#sockets.bindings
    this.routes = data.routes
    this.#routes = data.listeners.map(({ listener, hostnames, winners }) => {
      const routes: ListenerRoutes = new HostnameMap()
      for (const [at, hostname] of hostnames.entries()) {
        const route = data.routes[winners[at] ?? -1]
        if (route !== undefined) routes.set(hostname, { matched: true, listener, route, hostname })
      }
      return routes
    })
  }

  match(query: RouteQuery): RouteMatch | NoMatch {
    checkLookup(query)
    return matchRoute(this.#sockets, this.#routes, query)
  }
}
