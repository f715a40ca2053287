import type { ClientHelloTransport } from "../../client-hello/hello.ts"
import type { DialEndpoint } from "../target.ts"

/** When endpoints of a target are left out, and how they come back. */
export interface HealthPolicy {
  /**
   * Failed connects in a row after which an endpoint is ejected; `Infinity` never ejects. Only connecting
   * counts: what happens in a stream is between client and server, and a client must not be able to eject
   * a server by sending it nonsense.
   */
  readonly ejectAfter: number
  /** Milliseconds of the first ejection; each further one in a row lasts twice as long as the one before. */
  readonly ejectionTime: number
  /** Milliseconds of the longest ejection. */
  readonly maxEjectionTime: number
  /** Milliseconds over which an endpoint that is new or comes back is given a growing share; 0 gives it all at once. */
  readonly slowStart: number
  /** When fewer than this share of the endpoints (0 to 1) are healthy, health is ignored: the rest would drown. */
  readonly panicThreshold: number
}

/** An endpoint that is left out for a while, as connects to it have failed. */
export interface Ejection {
  /** Id of the target. */
  readonly target: string
  /** The endpoint. */
  readonly endpoint: DialEndpoint
  /** What it was to carry: over the other it may fare well. */
  readonly transport: ClientHelloTransport
  /** How many times in a row, this one included. */
  readonly times: number
  /** Milliseconds for which it is left out, unless too many of the target's endpoints are. */
  readonly duration: number
}

/** Policy used where none is given. */
export const DEFAULT_HEALTH_POLICY: HealthPolicy = {
  ejectAfter: 3,
  ejectionTime: 10_000,
  maxEjectionTime: 300_000,
  slowStart: 0,
  panicThreshold: 0.5,
}

/** Share of an endpoint at the first moment of its slow start. */
const SLOW_START_FLOOR = 0.1

interface EndpointState {
  failuresInRow: number
  ejectionsInRow: number
  ejectedUntil: number
  /** From when the share grows; `-Infinity` when the share is whole. */
  risingSince: number
  /** Checks that say it is unhealthy. */
  readonly failedChecks: Set<string>
}

/** Name of an endpoint within its target. */
export function endpointKey(endpoint: DialEndpoint): string {
  return `${endpoint.address} ${endpoint.port}`
}

/** Health of the endpoints of one target: told of every connect and check, asked before every pick. */
export class TargetHealth {
  readonly #now: () => number
  readonly #random: () => number
  readonly #onEject: (endpoint: DialEndpoint, times: number, duration: number) => void
  #policy: HealthPolicy
  /** Only endpoints that something is known of: of a target in good health, none. */
  readonly #states = new Map<string, EndpointState>()
  #known: readonly DialEndpoint[] | undefined

  /**
   * @param policy - replaced by {@link TargetHealth.update} without loss of what is known
   * @param now - monotonic clock in milliseconds
   * @param random - 0 to 1, as `Math.random`
   * @param onEject - is told of each ejection: how many there were in a row, and its milliseconds
   */
  constructor(
    policy: HealthPolicy,
    now: () => number = () => performance.now(),
    random: () => number = Math.random,
    onEject: (endpoint: DialEndpoint, times: number, duration: number) => void = () => undefined,
  ) {
    this.#policy = policy
    this.#now = now
    this.#random = random
    this.#onEject = onEject
  }

  /** Takes a new policy or a new list of endpoints: forgets those that are gone, and starts new ones slowly. */
  update(policy: HealthPolicy, endpoints: readonly DialEndpoint[]): void {
    this.#policy = policy
    if (endpoints === this.#known) return
    const before = this.#known === undefined ? undefined : new Set(this.#known.map(endpointKey))
    const present = new Set(endpoints.map(endpointKey))
    for (const key of this.#states.keys()) if (!present.has(key)) this.#states.delete(key)
    // Of a target seen for the first time every endpoint is new, and none needs sparing for another's sake.
    if (before !== undefined && policy.slowStart > 0) {
      for (const key of present) if (!before.has(key)) this.#state(key).risingSince = this.#now()
    }
    this.#known = endpoints
  }

  /** A connect to the endpoint succeeded. */
  succeeded(endpoint: DialEndpoint): void {
    if (this.#states.size === 0) return
    const state = this.#states.get(endpointKey(endpoint))
    if (state === undefined) return
    state.failuresInRow = 0
    if (this.#now() - state.ejectedUntil > this.#ejectionTime(state.ejectionsInRow)) state.ejectionsInRow = 0
    this.#dropIfPlain(endpointKey(endpoint), state)
  }

  /** A connect to the endpoint failed. */
  failed(endpoint: DialEndpoint): void {
    const { ejectAfter, slowStart } = this.#policy
    const state = this.#state(endpointKey(endpoint))
    const now = this.#now()
    if (now < state.ejectedUntil) return
    if (++state.failuresInRow < ejectAfter) return
    // Back from ejection it is on probation: the next failure ejects it again.
    state.failuresInRow = ejectAfter - 1
    state.ejectionsInRow++
    const duration = this.#ejectionTime(state.ejectionsInRow)
    state.ejectedUntil = now + duration
    state.risingSince = slowStart > 0 ? state.ejectedUntil : Number.NEGATIVE_INFINITY
    this.#onEject(endpoint, state.ejectionsInRow, duration)
  }

  /**
   * What an active check has come to. Routes may check the same endpoint in different ways, and what one of
   * them finds does not concern the others.
   */
  checked(endpoint: DialEndpoint, check: string, isHealthy: boolean): void {
    const key = endpointKey(endpoint)
    if (isHealthy && !this.#states.has(key)) return
    const state = this.#state(key)
    if (!isHealthy) state.failedChecks.add(check)
    else if (state.failedChecks.delete(check) && this.#policy.slowStart > 0) state.risingSince = this.#now()
    this.#dropIfPlain(key, state)
  }

  /** Whether an active check says of any endpoint that it is unhealthy. */
  get failsChecks(): boolean {
    for (const { failedChecks } of this.#states.values()) if (failedChecks.size > 0) return true
    return false
  }

  /**
   * Share of the endpoint: 0 when it is left out, 1 when it is in full health, between while it starts slowly.
   *
   * @param endpoint - the endpoint
   * @param check - active check that counts, if any
   */
  share(endpoint: DialEndpoint, check?: string): number {
    const state = this.#states.get(endpointKey(endpoint))
    return state === undefined ? 1 : this.#shareOf(state, check, this.#now())
  }

  /**
   * Endpoints to pick from for one connection: the healthy ones, those that start slowly in proportion to
   * their share, or all of them in panic. The very list given when nothing speaks against any. Never empty
   * unless the list is.
   *
   * @param endpoints - all of them
   * @param check - active check that counts, if any
   */
  candidates(endpoints: readonly DialEndpoint[], check?: string): readonly DialEndpoint[] {
    if (this.#states.size === 0) return endpoints
    const shares = endpoints.map((endpoint) => this.share(endpoint, check))
    const healthy = endpoints.filter((_, index) => shares[index] !== 0)
    if (healthy.length === 0 || healthy.length < endpoints.length * this.#policy.panicThreshold) return endpoints
    const drawn = endpoints.filter((_, index) => this.#isDrawn(shares[index] ?? 1))
    return drawn.length > 0 ? drawn : healthy
  }

  /** The endpoints in their order, except that those that are left out come last. */
  inOrder(endpoints: readonly DialEndpoint[], check?: string): readonly DialEndpoint[] {
    if (this.#states.size === 0) return endpoints
    const isOut = (endpoint: DialEndpoint): boolean => this.share(endpoint, check) === 0
    return [...endpoints.filter((endpoint) => !isOut(endpoint)), ...endpoints.filter(isOut)]
  }

  #isDrawn(share: number): boolean {
    return share === 1 || (share > 0 && this.#random() < share)
  }

  #shareOf(state: EndpointState, check: string | undefined, now: number): number {
    if (now < state.ejectedUntil || (check !== undefined && state.failedChecks.has(check))) return 0
    const risen = (now - state.risingSince) / this.#policy.slowStart
    return risen < 1 ? Math.max(SLOW_START_FLOOR, risen) : 1
  }

  #ejectionTime(ejections: number): number {
    return Math.min(this.#policy.maxEjectionTime, this.#policy.ejectionTime * 2 ** (ejections - 1))
  }

  #state(key: string): EndpointState {
    const known = this.#states.get(key)
    if (known !== undefined) return known
    const state: EndpointState = {
      failuresInRow: 0,
      ejectionsInRow: 0,
      ejectedUntil: Number.NEGATIVE_INFINITY,
      risingSince: Number.NEGATIVE_INFINITY,
      failedChecks: new Set(),
    }
    this.#states.set(key, state)
    return state
  }

  #dropIfPlain(key: string, state: EndpointState): void {
    const isPlain = state.failuresInRow === 0 && state.ejectionsInRow === 0 && state.failedChecks.size === 0
    if (isPlain && this.#shareOf(state, undefined, this.#now()) === 1) this.#states.delete(key)
  }
}
