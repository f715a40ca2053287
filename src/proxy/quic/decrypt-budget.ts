import { Refill } from "../limits/refill.ts"
import type { LimitSharing, RateLimiter } from "../limits/sharing.ts"

/** How many packets may be decrypted. */
export interface DecryptRates {
  /** Packets per second, for all clients together. */
  readonly perSecond: number
  /** Packets per second of all clients together that nothing is known of. */
  readonly ofStrangers: number
  /** Packets per second of one client: an IPv4 address, or an IPv6 /64. */
  readonly perClient: number
}

/**
 * Opening one packet takes about 50 µs, keys included, and all that follows from the first of a connection about three
 * times as long: what strangers may ask for is a third of a core. A page asks for two or three packets of each of its
 * origins, so that a client's share serves an address with many people behind it.
 */
const DEFAULT_DECRYPT_RATES: DecryptRates = { perSecond: 6_000, ofStrangers: 500, perClient: 300 }

/** Share of the budget that is kept for connections already begun. */
const RESERVE = 0.25

/**
 * Bounds the work that anybody's datagrams can ask for. Their sender's address may be forged, so that the bound for each
 * client is no answer to a flood: that are those for all of them. Connections that have begun come first, then clients
 * that have lately been here, then strangers.
 */
export class DecryptBudget {
  readonly #clients: RateLimiter
  readonly #all: Bucket
  readonly #strangers: Bucket

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
    const { perSecond, ofStrangers, perClient } = rates
    this.#clients = sharing.rateLimiter("quic-decrypt", { perSecond: perClient, burst: perClient })
    this.#all = new Bucket(perSecond, now)
    this.#strangers = new Bucket(ofStrangers, now)
  }

  /**
   * Takes the work for packets that begin a connection.
   *
   * @param client - key of the client
   * @param isKnown - whether it has lately been here
   * @param packets - how many
   */
  takeForNew(client: string, isKnown: boolean, packets: number): boolean {
    if (!this.#all.has(packets, RESERVE) || !(isKnown || this.#strangers.has(packets, 0))) return false
    if (!this.#clients.take(client)) return false
    if (!isKnown) this.#strangers.take(packets)
    this.#all.take(packets)
    return true
  }

  /** Takes the work for packets of a connection that has begun. */
  takeForKnown(packets: number): boolean {
    return this.#all.take(packets)
  }
}

/** So many tokens per second, of which those of one second are kept. */
class Bucket {
  readonly #refill: Refill
  readonly #depth: number
  readonly #now: () => number
  #fullAt = 0

  constructor(perSecond: number, now: () => number) {
    this.#refill = new Refill(perSecond, perSecond)
    this.#depth = perSecond
    this.#now = now
  }

  /** Whether there are so many, besides a share of the bucket that is left alone. */
  has(tokens: number, reserve: number): boolean {
    return this.#refill.take(this.#fullAt, this.#now(), tokens, this.#depth * reserve) !== undefined
  }

  /** Takes so many, if there are. */
  take(tokens: number): boolean {
    const fullAt = this.#refill.take(this.#fullAt, this.#now(), tokens)
    if (fullAt !== undefined) this.#fullAt = fullAt
    return fullAt !== undefined
  }
}
