import type { ProxyError } from "../errors.ts"
import type { DialEndpoint } from "../target.ts"

/** For how long answers are kept, in milliseconds. */
export interface Keeping {
  /** Shortest and longest time, whatever the time to live. */
  readonly minTtl: number
  readonly maxTtl: number
  /** After the time to live, when the name has no address any more. */
  readonly staleFor: number
  /** After the time to live, when there is no answer. */
  readonly staleOnFailureFor: number
  /** A failure. */
  readonly failureTtl: number
}

/** What is known of one name, and whether it may still be given. It asks nobody. */
export class CachedName {
  readonly host: string
  readonly anyAddress: boolean
  /** The lookup under way. */
  refresh: Promise<void> | undefined
  /** Whether that lookup has been waited for long enough. */
  isSlow = false
  /** When it was last asked for want of an endpoint that answers. */
  renewedAt = Number.NEGATIVE_INFINITY
  readonly #keeping: Keeping
  /** Last good answer, in the order to try. */
  #addresses: readonly string[] | undefined
  /** When the time to live of that answer is over; like all times here, on the clock of `performance.now()`. */
  #expiresAt = 0
  #askAt = 0
  #failure: ProxyError | undefined
  /** Whether DNS said so itself: the name has no address. */
  #isDenied = false
  /** Endpoints per port, made once per answer. */
  readonly #endpoints = new Map<number, readonly DialEndpoint[]>()

  /**
   * @param host - the name
   * @param anyAddress - it may lead anywhere
   * @param keeping - for how long answers are kept
   */
  constructor(host: string, anyAddress: boolean, keeping: Keeping) {
    this.host = host
    this.anyAddress = anyAddress
    this.#keeping = keeping
  }

  /** When it is to be asked for again. */
  get askAt(): number {
    return this.#askAt
  }

  /** What came of the last lookup, when it was not an answer with addresses. */
  get failure(): ProxyError | undefined {
    return this.#failure
  }

  /** Whether the last good answer may still be given. */
  isUsable(now: number): boolean {
    if (this.#addresses === undefined) return false
    const { staleFor, staleOnFailureFor } = this.#keeping
    const isGone = this.#failure !== undefined && this.#isDenied
    return now < this.#expiresAt + (isGone ? staleFor : staleOnFailureFor)
  }

  /** The last good answer, as endpoints. */
  endpoints(port: number): readonly DialEndpoint[] {
    const made = this.#endpoints.get(port)
    if (made !== undefined) return made
    const endpoints = (this.#addresses ?? []).map((address) => ({ address, port }))
    this.#endpoints.set(port, endpoints)
    return endpoints
  }

  /**
   * It leads to these addresses.
   *
   * @param addresses - in the order to try
   * @param ttl - milliseconds for which they may be kept
   */
  answered(addresses: readonly string[], ttl: number): void {
    const { minTtl, maxTtl } = this.#keeping
    this.#failure = undefined
    this.#expiresAt = performance.now() + Math.min(maxTtl, Math.max(minTtl, ttl))
    this.#askAt = this.#expiresAt
    const before = this.#addresses
    if (before?.length === addresses.length && before.every((address, index) => address === addresses[index])) return
    this.#addresses = addresses
    this.#endpoints.clear()
  }

  /**
   * A lookup came to nothing.
   *
   * @param failure - why
   * @param isDenied - whether that is DNS's answer
   * @returns whether the last good answer makes up for it
   */
  failed(failure: ProxyError, isDenied: boolean): boolean {
    const now = performance.now()
    this.#failure = failure
    this.#isDenied = isDenied
    this.#askAt = now + this.#keeping.failureTtl
    // An answer that turned forbidden is an answer, which nothing outlives.
    if (failure.code === "ERR_TLSROUTE_NAME" && this.isUsable(now)) return true
    this.#addresses = undefined
    this.#endpoints.clear()
    return false
  }
}
