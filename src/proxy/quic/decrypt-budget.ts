import type { LimitSharing, RateLimiter } from "../limits/sharing.ts"

/** How many packets may be decrypted. */
export interface DecryptRates {
  /** Packets per second, for all clients together. */
  readonly perSecond: number
  /** Packets per second of one client: an IPv4 address, or an IPv6 /64. */
  readonly perClient: number
}

/**
 * Opening one packet takes about 50 µs, keys included: this much is a third of a core. A page asks for two or three
 * packets of each of its origins, so that a client's share serves an address with many people behind it.
 */
const DEFAULT_DECRYPT_RATES: DecryptRates = { perSecond: 6_000, perClient: 300 }

/** Share of the budget that is kept for connections already begun: newcomers are shed first. */
const RESERVE = 0.25

/**
 * Bounds the work that anybody's datagrams can ask for. Their sender's address may be forged, so that the bound for each
 * client is no answer to a flood: that is the one for all of them.
 */
export class DecryptBudget {
  readonly #rates: DecryptRates
  readonly #clients: RateLimiter
  readonly #now: () => number
  #tokens: number
  #filledAt: number

  /**
   * @param sharing - with whom it is shared
   * @param rates - the bounds
   * @param now - monotonic clock in milliseconds
   */
  constructor(
    sharing: LimitSharing,
    rates: DecryptRates = DEFAULT_DECRYPT_RATES,
    now: () => number = () => performance.now(),
  ) {
    const { perClient } = rates
    this.#rates = rates
    this.#clients = sharing.rateLimiter("quic-decrypt", { perSecond: perClient, burst: perClient })
    this.#now = now
    this.#tokens = rates.perSecond
    this.#filledAt = now()
  }

  /** Takes the work for packets of a client of whom nothing is known. */
  takeForNew(client: string, packets: number): boolean {
    this.#fill()
    if (this.#tokens < packets + this.#rates.perSecond * RESERVE || !this.#clients.take(client)) return false
    this.#tokens -= packets
    return true
  }

  /** Takes the work for packets of a connection that has begun. */
  takeForKnown(packets: number): boolean {
    this.#fill()
    if (this.#tokens < packets) return false
    this.#tokens -= packets
    return true
  }

  #fill(): void {
    const now = this.#now()
    const { perSecond } = this.#rates
    this.#tokens = Math.min(perSecond, this.#tokens + ((now - this.#filledAt) * perSecond) / 1000)
    this.#filledAt = now
  }
}
