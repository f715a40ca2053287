import { hashText } from "../../primitives/string-hash.ts"
import type { DialEndpoint } from "../target.ts"
import type { BalancePolicy } from "./policy.ts"
import type { EndpointLoad, EndpointSet } from "./target-state.ts"

/** What a choice depends on, besides the endpoints. */
export interface Choice {
  /** How endpoints share connections. */
  readonly policy: BalancePolicy
  /** The client's address, for `client-hash`. */
  readonly client: string
  /** Endpoints that may be chosen: those of the set when it is the very list of the set. */
  readonly candidates: readonly DialEndpoint[]
  /** Endpoints that have failed this connection already. */
  readonly tried: readonly EndpointLoad[]
  /** Source of numbers from 0 up to 1. */
  readonly random: () => number
}

/** Chooses one endpoint of a set; `undefined` when each has been tried. */
export function chooseEndpoint(set: EndpointSet, choice: Choice): EndpointLoad | undefined {
  const { candidates, tried } = choice
  if (candidates === set.endpoints && tried.length === 0) return pick(set, set.loads, choice)
  const fresh = set.loads.filter((load) => !tried.includes(load))
  const healthy = candidates === set.endpoints ? fresh : fresh.filter((load) => candidates.includes(load.endpoint))
  // One that is left out is still better than none.
  return pick(set, healthy.length > 0 ? healthy : fresh, choice)
}

function pick(set: EndpointSet, among: readonly EndpointLoad[], choice: Choice): EndpointLoad | undefined {
  if (among.length <= 1) return among[0]
  if (choice.policy === "client-hash") return byClient(set, among, choice.client)
  if (choice.policy === "round-robin") return inTurn(set, among)
  return lessLoaded(among, choice.random)
}

function byClient(set: EndpointSet, among: readonly EndpointLoad[], client: string): EndpointLoad | undefined {
  const { maglev, loads } = set
  const start = hashText(client)
  for (let step = 0; step < maglev.length; step++) {
    const load = loads[maglev[(start + step) % maglev.length] ?? 0]
    if (load !== undefined && (among === loads || among.includes(load))) return load
  }
  return undefined
}

function inTurn({ loads, state }: EndpointSet, among: readonly EndpointLoad[]): EndpointLoad | undefined {
  for (let step = 0; step < loads.length; step++) {
    const load = loads[state.turn++ % loads.length]
    if (load !== undefined && (among === loads || among.includes(load))) return load
  }
  return undefined
}

function lessLoaded(among: readonly EndpointLoad[], random: () => number): EndpointLoad | undefined {
  const first = Math.floor(random() * among.length)
  // The second draw skips the first, so that two different endpoints are always compared.
  const second = (first + 1 + Math.floor(random() * (among.length - 1))) % among.length
  const [a, b] = [among[first], among[second]]
  return a !== undefined && b !== undefined && b.active < a.active ? b : a
}
