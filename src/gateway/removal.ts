import type { ConnectionInfo, Removal } from "../proxy/connection/record.ts"
import type { Endpoint, RouteMatcher, TableRoute } from "../routing/route-table.ts"
import { routeName } from "./table-router.ts"

/** Tells what a table no longer has of what live connections were routed by. What nobody asks for is not computed. */
export class RemovalCheck {
  readonly #table: RouteMatcher
  #listeners: ReadonlySet<string> | undefined
  #routes: ReadonlyMap<string, TableRoute> | undefined
  readonly #endpoints = new WeakMap<readonly Endpoint[], ReadonlySet<string>>()

  /** @param table - the table now in force */
  constructor(table: RouteMatcher) {
    this.#table = table
  }

  /** What went, if anything: the route or the listener, else the endpoint. */
  removalOf(connection: ConnectionInfo): Removal | undefined {
    const { matchedListener, route: name, target, endpoint } = connection
    if (name === undefined || target === undefined) return undefined
    this.#listeners ??= new Set(this.#table.listeners.flatMap(({ listeners }) => listeners.map(({ id }) => id)))
    if (matchedListener !== undefined && !this.#listeners.has(matchedListener)) return "route"
    this.#routes ??= new Map(this.#table.routes.map((route) => [routeName(route), route]))
    const route = this.#routes.get(name)
    if (route === undefined) return "route"
    if (endpoint === undefined) return undefined
    const isThere = route.backends.some((backend) => {
      if (backend.target.id !== target) return false
      if (backend.target.kind !== "endpoints") return backend.target.kind === "name"
      return this.#addressesOf(backend.target.endpoints).has(addressOf(endpoint))
    })
    return isThere ? undefined : "endpoint"
  }

  #addressesOf(endpoints: readonly Endpoint[]): ReadonlySet<string> {
    let addresses = this.#endpoints.get(endpoints)
    if (addresses === undefined) {
      addresses = new Set(endpoints.map(addressOf))
      this.#endpoints.set(endpoints, addresses)
    }
    return addresses
  }
}

function addressOf({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${address} ${port}`
}
