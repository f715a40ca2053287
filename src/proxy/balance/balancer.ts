import type { DialPlan } from "../dial.ts"
import type { DialEndpoint } from "../router.ts"
import { hash, maglevTable } from "./maglev.ts"
import type { BalancePolicy } from "./policy.ts"

/** Milliseconds for which an unused target's state is kept. */
const FORGET_AFTER = 60_000

/** A target whose endpoints are known by address. */
export interface EndpointsTarget {
  /** Identity across configurations. */
  readonly id: string
  /** Where it can be dialled. */
  readonly endpoints: readonly DialEndpoint[]
}

/** One endpoint of one target, with what it carries. */
interface EndpointLoad {
  readonly endpoint: DialEndpoint
  readonly state: TargetState
  /** Live and dialling connections. */
  active: number
}

/** What is known of one target, across configurations. */
interface TargetState {
  readonly loads: Map<string, EndpointLoad>
  turn: number
  active: number
  usedAt: number
}

/** Endpoints of one target in one configuration. */
class EndpointSet {
  readonly loads: readonly EndpointLoad[]
  readonly state: TargetState
  #table: Uint32Array | undefined

  constructor(state: TargetState, endpoints: readonly DialEndpoint[]) {
    this.state = state
    const kept = new Map<string, EndpointLoad>()
    for (const endpoint of endpoints) {
      const key = endpointKey(endpoint)
      kept.set(key, state.loads.get(key) ?? { endpoint, state, active: 0 })
    }
    for (const [key, load] of state.loads) if (load.active === 0 && !kept.has(key)) state.loads.delete(key)
    for (const [key, load] of kept) state.loads.set(key, load)
    this.loads = [...kept.values()]
  }

  get table(): Uint32Array {
    this.#table ??= maglevTable(this.loads.map(({ endpoint }) => endpointKey(endpoint)))
    return this.#table
  }
}

function endpointKey(endpoint: DialEndpoint): string {
  return `${endpoint.address}|${endpoint.port}`
}

/**
 * Chooses endpoints. State is kept by target id, so that a new configuration does not forget what each
 * endpoint carries; it is dropped when neither a configuration nor a connection refers to it.
 */
export class Balancer {
  readonly #policy: BalancePolicy
  readonly #random: () => number
  readonly #states = new Map<string, TargetState>()
  // A configuration is immutable, so that its array of endpoints stands for the set; the set goes when the array does.
  readonly #sets = new WeakMap<readonly DialEndpoint[], EndpointSet>()

  /**
   * @param policy - how endpoints share
   * @param random - source of numbers from 0 up to 1
   */
  constructor(policy: BalancePolicy, random: () => number = Math.random) {
    this.#policy = policy
    this.#random = random
  }

  /** Targets remembered. */
  get size(): number {
    return this.#states.size
  }

  /**
   * Plans the dial of one connection.
   *
   * @param target - what to dial
   * @param client - the client's address, for `client-hash`
   * @param attempts - most endpoints to try
   */
  plan(target: EndpointsTarget, client: string, attempts: number): BalancedPlan {
    const set = this.#set(target)
    set.state.usedAt = performance.now()
    return new BalancedPlan(this, set, client, Math.min(attempts, set.loads.length))
  }

  /** Forgets targets that carry nothing and were not used for a minute. */
  prune(): void {
    const before = performance.now() - FORGET_AFTER
    for (const [id, state] of this.#states) if (state.active === 0 && state.usedAt < before) this.#states.delete(id)
  }

  /** @internal */
  choose(set: EndpointSet, client: string, tried: readonly EndpointLoad[]): EndpointLoad | undefined {
    const { loads } = set
    if (loads.length - tried.length <= 1) return loads.find((load) => !tried.includes(load))
    if (this.#policy === "client-hash") return fromTable(set, client, tried)
    if (this.#policy === "round-robin") return this.#inTurn(set, tried)
    return this.#lessLoaded(tried.length === 0 ? loads : loads.filter((load) => !tried.includes(load)))
  }

  #set(target: EndpointsTarget): EndpointSet {
    const known = this.#sets.get(target.endpoints)
    if (known !== undefined && this.#states.get(target.id) === known.state) return known
    let state = this.#states.get(target.id)
    if (state === undefined) {
      state = { loads: new Map(), turn: 0, active: 0, usedAt: 0 }
      this.#states.set(target.id, state)
    }
    const set = new EndpointSet(state, target.endpoints)
    this.#sets.set(target.endpoints, set)
    return set
  }

  #inTurn({ loads, state }: EndpointSet, tried: readonly EndpointLoad[]): EndpointLoad | undefined {
    for (let step = 0; step < loads.length; step++) {
      const load = loads[state.turn++ % loads.length]
      if (load !== undefined && !tried.includes(load)) return load
    }
    return undefined
  }

  #lessLoaded(loads: readonly EndpointLoad[]): EndpointLoad | undefined {
    const first = Math.floor(this.#random() * loads.length)
    // The second draw skips the first, so that two different endpoints are always compared.
    const second = (first + 1 + Math.floor(this.#random() * (loads.length - 1))) % loads.length
    const [a, b] = [loads[first], loads[second]]
    return a !== undefined && b !== undefined && b.active < a.active ? b : a
  }
}

function fromTable(set: EndpointSet, client: string, tried: readonly EndpointLoad[]): EndpointLoad | undefined {
  const { table, loads } = set
  const start = hash(client)
  for (let step = 0; step < table.length; step++) {
    const load = loads[table[(start + step) % table.length] ?? 0]
    if (load !== undefined && !tried.includes(load)) return load
  }
  return undefined
}

/** Endpoints for one connection, and its share of their load from the first attempt to the end. */
export class BalancedPlan implements DialPlan {
  readonly race = false
  readonly #balancer: Balancer
  readonly #set: EndpointSet
  readonly #client: string
  #left: number
  #current: EndpointLoad | undefined
  #tried: EndpointLoad[] | undefined

  /** @internal */
  constructor(balancer: Balancer, set: EndpointSet, client: string, attempts: number) {
    this.#balancer = balancer
    this.#set = set
    this.#client = client
    this.#left = attempts
  }

  get more(): boolean {
    return this.#left > 0
  }

  next(): DialEndpoint | undefined {
    this.release()
    if (this.#left === 0) return undefined
    this.#left--
    const load = this.#balancer.choose(this.#set, this.#client, this.#tried ?? [])
    if (load === undefined) return undefined
    this.#current = load
    load.active++
    load.state.active++
    return load.endpoint
  }

  failed(_endpoint: DialEndpoint): void {
    const load = this.#current
    if (load === undefined) return
    this.release()
    if (this.#tried === undefined) this.#tried = [load]
    else this.#tried.push(load)
  }

  /** The connection is over: its load is taken off. */
  release(): void {
    const load = this.#current
    if (load === undefined) return
    this.#current = undefined
    load.active--
    load.state.active--
  }
}
