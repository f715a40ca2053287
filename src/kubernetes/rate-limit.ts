import { pause } from "./backoff.ts"

/** A token bucket: `burst` at once, then `perSecond`. */
export class RateLimit {
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #at = performance.now()

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = burst
  }

  /** Takes a token, waiting for it if need be. Returns early when the signal aborts. */
  async take(signal: AbortSignal): Promise<void> {
    const now = performance.now()
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1000) * this.#perSecond)
    this.#at = now
    // Those who wait have taken already: the debt keeps them in order.
    this.#tokens -= 1
    if (this.#tokens < 0) await pause((-this.#tokens / this.#perSecond) * 1000, signal)
  }
}
