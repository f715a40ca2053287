import { WeightedRoundRobin } from "../proxy/balance/weighted-round-robin.ts"
import type { RouteDecision, RouteRequest, Router } from "../proxy/router.ts"
import type { ListenerBinding, NoMatch, RouteMatch, RouteMatcher, TableRoute } from "../routing/route-table.ts"
import type { BindingPolicies, Policies } from "./policies/policies.ts"

/**
 * Keys of sockets that are no longer wanted, with those of the sockets that are wanted in their place: what the new
 * one would serve, the old one does until it is closed.
 */
export type Successors = ReadonlyMap<string, string>

/** The usual case. */
export const NO_SUCCESSORS: Successors = new Map()

/** One socket, with what has been decided for its connections so far. */
interface Served {
  readonly binding: ListenerBinding
  readonly policies: BindingPolicies | undefined
  /** A match is the same object each time. */
  readonly answers: Map<RouteMatch, Answer>
}

/** What a match amounts to. */
interface Answer {
  /** One for each backend of the match's route. */
  readonly decisions: readonly RouteDecision[]
  /** Over all of these, those of the route's other matches included. */
  readonly turns: WeightedRoundRobin
}

/** Answers the proxy from a route table and its policies: the seam between Gateway API and sockets. */
export class TableRouter implements Router {
  #table: RouteMatcher
  #served: ReadonlyMap<string, Served>
  /** Turns over each route's backendRefs, invalid ones included, by the route's name. */
  #turns = new Map<string, WeightedRoundRobin>()
  #before: ReadonlyMap<string, WeightedRoundRobin> = new Map()

  constructor(table: RouteMatcher, policies: Policies) {
    this.#table = table
    this.#served = servedOf(table, policies)
  }

  /**
   * Puts another table in force for connections that are routed from now on.
   *
   * @param successors - sockets that serve in the place of others, by key
   */
  setTable(table: RouteMatcher, policies: Policies, successors: Successors = NO_SUCCESSORS): void {
    this.#table = table
    const served = servedOf(table, policies)
    for (const [key, heir] of successors) {
      const same = served.get(heir)
      if (same !== undefined && !served.has(key)) served.set(key, same)
    }
    this.#served = served
    // Routes take their turns over when they are next asked for; those not asked for are forgotten with the next table.
    this.#before = this.#turns
    this.#turns = new Map()
  }

  route(request: RouteRequest): RouteDecision {
    const served = this.#served.get(request.listener)
    if (served === undefined) return { action: "refuse", reason: "NoListener" }
    const { port, address, byAddress } = served.binding
    const { serverName } = request.hello
    const match = this.#table.match({ port, address: byAddress ? request.localAddress : address, serverName })
    return match.matched ? this.#pick(served, match) : refusal(match)
  }

  #pick(served: Served, match: RouteMatch): RouteDecision {
    let answer = served.answers.get(match)
    if (answer === undefined) {
      answer = { decisions: decisionsOf(match, served.policies), turns: this.#turnsOf(match.route) }
      served.answers.set(match, answer)
    }
    const decision = answer.decisions[answer.turns.next()]
    if (decision !== undefined) return decision
    return { action: "refuse", reason: "NoBackend", route: routeName(match.route), listener: match.listener.id }
  }

  #turnsOf(route: TableRoute): WeightedRoundRobin {
    const name = routeName(route)
    const known = this.#turns.get(name)
    if (known !== undefined) return known
    const turns = turnsOver(route, this.#before.get(name))
    this.#turns.set(name, turns)
    return turns
  }
}

// Turns go on from where they stood: a configuration that changes often would otherwise start every round
// with the same backend and starve the light ones.
function turnsOver(route: TableRoute, before: WeightedRoundRobin | undefined): WeightedRoundRobin {
  return new WeightedRoundRobin(
    route.backends.map(({ target, weight }) => ({ id: target.id, weight })),
    before,
  )
}

function servedOf(table: RouteMatcher, policies: Policies): Map<string, Served> {
  return new Map(
    table.listeners.map((binding) => [
      binding.key,
      { binding, policies: policies.binding(binding.key), answers: new Map() },
    ]),
  )
}

/** What records and policies call a route. */
export function routeName({ ref }: TableRoute): string {
  return `${ref.namespace}/${ref.name}`
}

function refusal({ reason, listener }: NoMatch): RouteDecision {
  return listener === undefined ? { action: "refuse", reason } : { action: "refuse", reason, listener: listener.id }
}

function decisionsOf(match: RouteMatch, policies: BindingPolicies | undefined): readonly RouteDecision[] {
  const route = routeName(match.route)
  const listener = match.listener.id
  return match.route.backends.map((backend): RouteDecision => {
    const { target } = backend
    if (target.kind === "invalid") return { action: "refuse", reason: target.reason, route, listener }
    if (target.kind === "endpoints" && target.endpoints.length === 0) {
      return { action: "refuse", reason: "NoEndpoints", route, listener }
    }
    const policy = policies?.connection(match, backend)
    return { action: "forward", target, route, listener, ...(policy === undefined ? undefined : { policy }) }
  })
}
