import type { ClientHelloTransport } from "../../client-hello/hello.ts"
import { Circuit } from "../health/circuit.ts"
import { DEFAULT_HEALTH_POLICY, type Ejection, endpointKey, TargetHealth } from "../health/endpoint-health.ts"
import { RETRIES_PER_SECOND, RetryBudget } from "../health/retry-budget.ts"
import type { LimitSharing } from "../limits/sharing.ts"
import type { DialEndpoint } from "../target.ts"
import { maglevTable } from "./maglev.ts"

/** One endpoint of one target, with what it carries. */
export interface EndpointLoad {
  readonly endpoint: DialEndpoint
  /** Live and dialling connections. */
  active: number
}

/** What is known of one target, whatever configuration names it. */
export class TargetState {
  /** Endpoints that a configuration names, or that still carry something. */
  readonly loads = new Map<string, EndpointLoad>()
  /** Bounds the connections. */
  readonly circuit: Circuit
  /** Bounds the retries. */
  readonly retries: RetryBudget
  /**
   * Knows which endpoints to leave out, over TCP and over QUIC: a server may have one and not the other, and whoever
   * sends it what it does not speak must not take it from the rest.
   */
  readonly health: Readonly<Record<ClientHelloTransport, TargetHealth>>
  /** Turn of round robin. */
  turn = 0
  /** When it was last asked for, on the clock of `performance.now()`. */
  usedAt = 0

  /**
   * @param id - the target's
   * @param random - source of numbers from 0 up to 1
   * @param sharing - with whom its bounds are shared
   * @param onEject - is told of endpoints that are left out for a while
   */
  constructor(
    id: string,
    random: () => number,
    sharing: LimitSharing,
    onEject: (ejection: Ejection) => void = () => undefined,
  ) {
    this.circuit = new Circuit(id, sharing)
    this.retries = new RetryBudget({ minPerSecond: RETRIES_PER_SECOND / sharing.proxies })
    const health = (transport: ClientHelloTransport) =>
      new TargetHealth(DEFAULT_HEALTH_POLICY, undefined, random, (endpoint, times, duration) =>
        onEject({ target: id, endpoint, transport, times, duration }),
      )
    this.health = { tcp: health("tcp"), quic: health("quic") }
  }

  /** Whether nothing would be lost with it. */
  get isIdle(): boolean {
    return this.circuit.pending === 0 && this.circuit.established === 0 && !this.health.tcp.failsChecks
  }
}

/** Endpoints of one target in one configuration. */
export class EndpointSet {
  readonly state: TargetState
  readonly endpoints: readonly DialEndpoint[]
  readonly loads: readonly EndpointLoad[]
  #maglev: Uint32Array | undefined

  constructor(state: TargetState, endpoints: readonly DialEndpoint[]) {
    this.state = state
    const kept = new Map<string, EndpointLoad>()
    for (const endpoint of endpoints) {
      const key = endpointKey(endpoint)
      if (!kept.has(key)) kept.set(key, { endpoint, active: 0 })
    }
    // What an endpoint carries goes on counting, in the object that live connections hold.
    for (const [key, load] of state.loads) {
      if (kept.has(key)) kept.set(key, load)
      else if (load.active === 0) state.loads.delete(key)
    }
    for (const [key, load] of kept) state.loads.set(key, load)
    this.loads = [...kept.values()]
    this.endpoints = this.loads.map(({ endpoint }) => endpoint)
  }

  /** Table of the Maglev hash, made when it is first needed. */
  get maglev(): Uint32Array {
    this.#maglev ??= maglevTable(this.endpoints.map(endpointKey))
    return this.#maglev
  }
}
