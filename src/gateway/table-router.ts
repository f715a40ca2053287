import { WeightedRoundRobin } from "../proxy/balance/weighted-round-robin.ts"
import type { RouteDecision, RouteRequest, Router } from "../proxy/router.ts"
import type { ListenerBinding, NoMatchReason, RouteMatcher, TableRoute } from "../routing/route-table.ts"

type Refusal = Extract<RouteDecision, { readonly action: "refuse" }>

const REFUSED: Readonly<Record<NoMatchReason, Refusal>> = {
  NoListener: { action: "refuse", reason: "NoListener" },
  NoMatchingListener: { action: "refuse", reason: "NoMatchingListener" },
  NoMatchingRoute: { action: "refuse", reason: "NoMatchingRoute" },
  NoServerName: { action: "refuse", reason: "NoServerName" },
}

/** Spreads one route's connections over its backendRefs by weight, invalid ones included. */
interface Spread {
  readonly route: TableRoute
  readonly turns: WeightedRoundRobin
  readonly decisions: readonly RouteDecision[]
}

/** Answers the proxy from a route table: the seam between Gateway API and sockets. */
export class TableRouter implements Router {
  #table: RouteMatcher
  #bindings: ReadonlyMap<string, ListenerBinding>
  #spreads = new Map<string, Spread>()
  #before: ReadonlyMap<string, Spread> = new Map()

  constructor(table: RouteMatcher) {
    this.#table = table
    this.#bindings = byKey(table)
  }

  /** Puts another table in force for connections that are routed from now on. */
  setTable(table: RouteMatcher): void {
    this.#table = table
    this.#bindings = byKey(table)
    // Routes take their turns over when they are next asked for; those not asked for are forgotten with the next table.
    this.#before = this.#spreads
    this.#spreads = new Map()
  }

  route(request: RouteRequest): RouteDecision {
    const binding = this.#bindings.get(request.listener)
    if (binding === undefined) return REFUSED.NoListener
    const { serverName } = request.hello
    const match = this.#table.match({ port: binding.port, address: binding.address, serverName })
    return match.matched ? this.#pick(match.route) : REFUSED[match.reason]
  }

  #pick(route: TableRoute): RouteDecision {
    const name = routeName(route)
    let spread = this.#spreads.get(name)
    if (spread === undefined) {
      spread = spreadOver(route, this.#before.get(name))
      this.#spreads.set(name, spread)
    }
    const decision = spread.decisions[spread.turns.next()]
    return decision ?? { action: "refuse", reason: "NoBackend", route: name }
  }
}

function byKey(table: RouteMatcher): ReadonlyMap<string, ListenerBinding> {
  return new Map(table.listeners.map((binding) => [binding.key, binding]))
}

function routeName(route: TableRoute): string {
  return `${route.ref.namespace}/${route.ref.name}`
}

// Turns go on from where they stood: a configuration that changes often would otherwise start every round
// with the same backend and starve the light ones.
function spreadOver(route: TableRoute, before?: Spread): Spread {
  if (before?.route === route) return before
  const choices = route.backends.map(({ target, weight }) => ({ id: target.id, weight }))
  return { route, turns: new WeightedRoundRobin(choices, before?.turns), decisions: decisionsOf(route) }
}

function decisionsOf(route: TableRoute): readonly RouteDecision[] {
  const name = routeName(route)
  return route.backends.map(({ target }): RouteDecision => {
    if (target.kind === "invalid") return { action: "refuse", reason: target.reason, route: name }
    if (target.kind === "endpoints" && target.endpoints.length === 0) {
      return { action: "refuse", reason: "NoEndpoints", route: name }
    }
    return { action: "forward", target, route: name }
  })
}
