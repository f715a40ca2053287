/**
 * How fast token buckets of one kind fill, and how much they hold. A bucket is kept as one number, the time at which it
 * will be full again (the generic cell rate algorithm); one never seen is 0.
 */
export class Refill {
  readonly #interval: number
  readonly #depth: number

  /**
   * @param perSecond - tokens that come in a second; more than 0
   * @param burst - tokens that a full bucket holds
   */
  constructor(perSecond: number, burst: number) {
    this.#interval = 1000 / perSecond
    // Tolerates the rounding of sums of intervals: without it a burst of n could end at n - 1.
    this.#depth = this.#interval * burst * (1 + 1e-9)
  }

  /**
   * When a bucket will be full again, once tokens are taken from it; `undefined` when it has not so many.
   *
   * @param fullAt - when it would be without that
   * @param now - present time of the same clock, in milliseconds
   * @param tokens - how many are taken
   * @param reserve - how many must be left in it
   */
  take(fullAt: number, now: number, tokens = 1, reserve = 0): number | undefined {
    const next = Math.max(fullAt, now) + this.#interval * tokens
    return next + this.#interval * reserve - now <= this.#depth ? next : undefined
  }
}
