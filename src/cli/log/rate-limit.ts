/** Lets a few things through in each window of time, and tells at its end how many it held back. */
export class RateLimit {
  readonly #most: number
  readonly #window: number
  readonly #tellRest: (count: number) => void
  #seen = 0

  /**
   * @param most - how many are let through in a window
   * @param window - milliseconds, from the first
   * @param tellRest - is told how many were held back, if any
   */
  constructor(most: number, window: number, tellRest: (count: number) => void) {
    this.#most = most
    this.#window = window
    this.#tellRest = tellRest
  }

  /** Whether one more may be told. */
  admits(): boolean {
    if (++this.#seen === 1) setTimeout(() => this.#end(), this.#window).unref()
    return this.#seen <= this.#most
  }

  #end(): void {
    const rest = this.#seen - this.#most
    this.#seen = 0
    if (rest > 0) this.#tellRest(rest)
  }
}
