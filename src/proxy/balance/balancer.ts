import type { ClientHelloTransport } from "../../client-hello/hello.ts"
import type { DialPlan } from "../backend/dial.ts"
import type { CircuitRefusal } from "../health/circuit.ts"
import type { Ejection } from "../health/endpoint-health.ts"
import { ALONE, type LimitSharing } from "../limits/sharing.ts"
import type { BackendPolicy } from "../policy.ts"
import type { DialEndpoint } from "../target.ts"
import { BalancedPlan, type EndpointSource, NamePlan } from "./plans.ts"
import { EndpointSet, TargetState } from "./target-state.ts"

/** Milliseconds for which an unused target's state is kept. */
const FORGET_AFTER = 60_000

/** A target whose endpoints are known by address. */
export interface EndpointsTarget {
  /** Identity across configurations. */
  readonly id: string
  /** Where it can be dialled. */
  readonly endpoints: readonly DialEndpoint[]
}

/**
 * Chooses endpoints, and bounds what one target is given. State is kept by target id, so that a new
 * configuration does not forget what each endpoint carries and how it fares; it is dropped when neither a
 * configuration nor a connection refers to it.
 */
export class Balancer {
  readonly #random: () => number
  readonly #sharing: LimitSharing
  readonly #onEject: (ejection: Ejection) => void
  readonly #states = new Map<string, TargetState>()
  // A configuration is immutable, so that its array of endpoints stands for the set; the set goes when the array does.
  readonly #sets = new WeakMap<readonly DialEndpoint[], EndpointSet>()

  /**
   * @param random - source of numbers from 0 up to 1
   * @param sharing - with whom the bounds of targets are shared
   * @param onEject - is told of endpoints that are left out for a while
   */
  constructor(
    random: () => number = Math.random,
    sharing: LimitSharing = ALONE,
    onEject: (ejection: Ejection) => void = () => undefined,
  ) {
    this.#random = random
    this.#sharing = sharing
    this.#onEject = onEject
  }

  /** Targets remembered. */
  get size(): number {
    return this.#states.size
  }

  /**
   * Plans the dial of one connection. The plan must be released when the connection is over.
   *
   * @param target - what to dial
   * @param client - the client's address, for `client-hash`
   * @param policy - how
   * @param transport - what carries it
   * @returns the plan, or why the target takes no more
   */
  plan(
    target: EndpointsTarget,
    client: string,
    policy: BackendPolicy,
    transport: ClientHelloTransport = "tcp",
  ): DialPlan | CircuitRefusal {
    const set = this.#set(target)
    const health = set.state.health[transport]
    health.update(policy.health, set.endpoints)
    return set.state.circuit.enter(policy.circuit) ?? new BalancedPlan(set, health, client, policy, this.#random)
  }

  /**
   * Plans the dial of one connection to a name. Addresses that are left out come last.
   *
   * @param id - the target's
   * @param endpoints - where the name leads now, in the order to try
   * @param policy - how
   * @param again - asks where it leads once none of them has answered
   * @param transport - what carries it
   * @returns the plan, or why the target takes no more
   */
  planName(
    id: string,
    endpoints: readonly DialEndpoint[],
    policy: BackendPolicy,
    again?: EndpointSource,
    transport: ClientHelloTransport = "tcp",
  ): DialPlan | CircuitRefusal {
    const state = this.#state(id)
    const health = state.health[transport]
    health.update(policy.health, endpoints)
    const ordered = health.inOrder(endpoints, policy.check?.id)
    return state.circuit.enter(policy.circuit) ?? new NamePlan(state, health, ordered, again)
  }

  /** Takes what active checks have come to for an endpoint: see {@link BackendPolicy.check}. */
  checked(id: string, endpoint: DialEndpoint, check: string, isHealthy: boolean): void {
    const { health } = this.#state(id)
    health.tcp.checked(endpoint, check, isHealthy)
    health.quic.checked(endpoint, check, isHealthy)
  }

  /** Forgets targets that carry nothing and were not used for a minute. */
  prune(): void {
    const before = performance.now() - FORGET_AFTER
    for (const [id, state] of this.#states) if (state.isIdle && state.usedAt < before) this.#states.delete(id)
  }

  #set(target: EndpointsTarget): EndpointSet {
    const state = this.#state(target.id)
    const known = this.#sets.get(target.endpoints)
    if (known !== undefined && known.state === state) return known
    const set = new EndpointSet(state, target.endpoints)
    this.#sets.set(target.endpoints, set)
    return set
  }

  #state(id: string): TargetState {
    let state = this.#states.get(id)
    if (state === undefined) {
      state = new TargetState(id, this.#random, this.#sharing, this.#onEject)
      this.#states.set(id, state)
    }
    state.usedAt = performance.now()
    return state
  }
}
