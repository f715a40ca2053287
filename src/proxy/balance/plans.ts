import type { DialPlan } from "../backend/dial.ts"
import { endpointKey, type TargetHealth } from "../health/endpoint-health.ts"
import { retryDelay } from "../health/retry-budget.ts"
import type { BackendPolicy } from "../policy.ts"
import type { DialEndpoint } from "../target.ts"
import { chooseEndpoint } from "./choose.ts"
import type { EndpointLoad, EndpointSet, TargetState } from "./target-state.ts"

/** A wait before a retry grows up to this many times the first. */
const LONGEST_BACKOFF = 32

/** One connection's place in its target's circuit, from the first attempt to the end. */
abstract class CircuitPlan {
  readonly state: TargetState
  readonly health: TargetHealth
  #place: "pending" | "established" | "left" = "pending"

  /**
   * @param state - of the target; its circuit has let this connection in
   * @param health - of its endpoints, over what carries this connection
   */
  constructor(state: TargetState, health: TargetHealth) {
    this.state = state
    this.health = health
  }

  connected(endpoint: DialEndpoint): void {
    if (this.#place !== "pending") return
    this.#place = "established"
    this.state.circuit.connected()
    this.health.succeeded(endpoint)
  }

  release(): void {
    if (this.#place === "pending") this.state.circuit.gaveUp()
    else if (this.#place === "established") this.state.circuit.ended()
    this.#place = "left"
  }
}

/** Endpoints for one connection, one after the other, and its share of their load from the first attempt to the end. */
export class BalancedPlan extends CircuitPlan implements DialPlan {
  readonly race = false
  readonly #set: EndpointSet
  readonly #client: string
  readonly #policy: BackendPolicy
  readonly #random: () => number
  #attempts = 0
  #current: EndpointLoad | undefined
  #tried: readonly EndpointLoad[] = []

  constructor(set: EndpointSet, health: TargetHealth, client: string, policy: BackendPolicy, random: () => number) {
    super(set.state, health)
    this.#set = set
    this.#client = client
    this.#policy = policy
    this.#random = random
  }

  get more(): boolean {
    if (this.#attempts >= Math.min(this.#policy.dialAttempts, this.#set.loads.length)) return false
    return this.#attempts === 0 || this.state.retries.hasRetry
  }

  get pause(): number {
    const { retryBackoff } = this.#policy
    return retryDelay(this.#attempts, retryBackoff, retryBackoff * LONGEST_BACKOFF, this.#random)
  }

  next(): DialEndpoint | undefined {
    if (!this.more || !this.#isAffordable()) return undefined
    this.#attempts++
    const { balance, check } = this.#policy
    const load = chooseEndpoint(this.#set, {
      policy: balance,
      client: this.#client,
      candidates: this.health.candidates(this.#set.endpoints, check?.id),
      tried: this.#tried,
      random: this.#random,
    })
    if (load === undefined) return undefined
    load.active++
    this.#current = load
    return load.endpoint
  }

  failed(endpoint: DialEndpoint): void {
    this.health.failed(endpoint)
    this.lost()
  }

  lost(): void {
    if (this.#current !== undefined) this.#tried = [...this.#tried, this.#current]
    this.#unload()
  }

  override release(): void {
    this.#unload()
    super.release()
  }

  /** The first attempt is free and pays for others' retries. */
  #isAffordable(): boolean {
    const { retries } = this.state
    if (this.#attempts > 0) return retries.withdraw()
    retries.deposit(this.#policy.retryBudget)
    return true
  }

  #unload(): void {
    if (this.#current !== undefined) this.#current.active--
    this.#current = undefined
  }
}

/** Tells once more where a name leads, when nothing at the addresses known has answered. */
export type EndpointSource = () => readonly DialEndpoint[] | Promise<readonly DialEndpoint[]> | undefined

/** Addresses of one name, in a race: they are ways to the same place, so that trying the next is not a retry. */
export class NamePlan extends CircuitPlan implements DialPlan {
  readonly race = true
  readonly pause = 0
  #endpoints: readonly DialEndpoint[]
  #again: EndpointSource | undefined
  #next = 0

  /**
   * @param state - of the target
   * @param health - of its endpoints, over what carries this connection
   * @param endpoints - where the name leads, in the order to try
   * @param again - asks where the name leads now
   */
  constructor(state: TargetState, health: TargetHealth, endpoints: readonly DialEndpoint[], again?: EndpointSource) {
    super(state, health)
    this.#endpoints = endpoints
    this.#again = again
  }

  get more(): boolean {
    return this.#next < this.#endpoints.length
  }

  next(): DialEndpoint | undefined {
    return this.#endpoints[this.#next++]
  }

  /** Once: a name that has not moved leads nowhere else. */
  renew(): Promise<void> | undefined {
    const again = this.#again
    this.#again = undefined
    return again === undefined ? undefined : this.#extend(again)
  }

  async #extend(again: EndpointSource): Promise<void> {
    try {
      const found = (await again()) ?? []
      const tried = new Set(this.#endpoints.map(endpointKey))
      this.#endpoints = [...this.#endpoints, ...found.filter((endpoint) => !tried.has(endpointKey(endpoint)))]
    } catch {
      // The dial fails for want of an answer from the addresses that were known, which says more.
    }
  }

  failed(endpoint: DialEndpoint): void {
    this.health.failed(endpoint)
  }

  lost(): void {}
}
