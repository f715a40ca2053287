import { hashText } from "../../primitives/string-hash.ts"
import { Refill } from "./refill.ts"

/** Options of {@link ClientRateLimiter}. */
export interface ClientRateLimiterOptions {
  /** New connections per second that a client may keep up. More than 0. */
  readonly perSecond: number
  /** Connections that a client may open at once after a quiet time. At least 1. */
  readonly burst: number
  /**
   * Clients told apart at once. Beyond it, newcomers share a fixed number of buckets until old ones have
   * refilled: memory stays bounded and nobody is let off early.
   *
   * @defaultValue 65536
   */
  readonly maxClients?: number
  /** Monotonic clock in milliseconds. @defaultValue `performance.now` */
  readonly now?: () => number
}

const OVERFLOW_BUCKETS = 1024
const EVICTIONS_PER_TAKE = 2

/** A token bucket per client. A bucket that is full equals one never seen, so only full ones are dropped. */
export class ClientRateLimiter {
  readonly #refill: Refill
  readonly #maxClients: number
  readonly #now: () => number
  /** Time of refill by client, in order of last use: the entry that has been full longest is near the front. */
  readonly #fullAt = new Map<string, number>()
  readonly #overflow = new Float64Array(OVERFLOW_BUCKETS)
  readonly #seed = Math.floor(Math.random() * 0xffffffff)

  constructor(options: ClientRateLimiterOptions) {
    this.#refill = new Refill(options.perSecond, options.burst)
    this.#maxClients = options.maxClients ?? 65_536
    this.#now = options.now ?? (() => performance.now())
  }

  /** Clients whose buckets are kept at present. */
  get size(): number {
    return this.#fullAt.size
  }

  /** Takes one connection from the client's bucket. False when it is empty; the bucket is then left as it is. */
  take(client: string): boolean {
    const now = this.#now()
    this.#evictFull(now)
    const known = this.#fullAt.get(client)
    if (known === undefined) {
      const slot = this.#slot(client)
      const shared = this.#overflow[slot] ?? 0
      // A newcomer that was sent to a shared bucket stays with it until it has refilled.
      if (shared > now || this.#fullAt.size >= this.#maxClients) {
        const next = this.#refill.take(shared, now)
        if (next !== undefined) this.#overflow[slot] = next
        return next !== undefined
      }
    }
    const next = this.#refill.take(known ?? 0, now)
    if (next === undefined) return false
    this.#fullAt.delete(client)
    this.#fullAt.set(client, next)
    return true
  }

  #evictFull(now: number): void {
    let budget = EVICTIONS_PER_TAKE
    for (const [client, fullAt] of this.#fullAt) {
      if (fullAt > now || budget-- === 0) return
      this.#fullAt.delete(client)
    }
  }

  /** The start is secret, so that a client cannot choose whom to share a bucket with. */
  #slot(client: string): number {
    return hashText(client, this.#seed) & (OVERFLOW_BUCKETS - 1)
  }
}
