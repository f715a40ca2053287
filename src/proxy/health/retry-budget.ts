/** Options of {@link RetryBudget}. */
export interface RetryBudgetOptions {
  /** Retries per second granted however few connections there are. @defaultValue 10 */
  readonly minPerSecond?: number
  /** Monotonic clock in milliseconds. @defaultValue `performance.now` */
  readonly now?: () => number
}

/** Retries per second granted however few connections there are, to all proxies that share a target. */
export const RETRIES_PER_SECOND = 10
/** Seconds of the grant that may be saved up. */
const SAVED_SECONDS = 10
/** One retry. Sums of 0.1 fall short of 1 by rounding. */
const WHOLE = 1 - 1e-9
/** Retries that connections may save up. */
const MOST_EARNED = 200

/**
 * Keeps retries to a share of the connections. When all backends fail, retrying each connection three times
 * triples the load just when they can bear it least; within a budget it cannot.
 */
export class RetryBudget {
  readonly #perMillisecond: number
  readonly #now: () => number
  #earned = 0
  #granted: number
  #updated: number

  constructor(options: RetryBudgetOptions = {}) {
    this.#perMillisecond = (options.minPerSecond ?? RETRIES_PER_SECOND) / 1000
    this.#now = options.now ?? (() => performance.now())
    this.#granted = this.#perMillisecond * 1000
    this.#updated = this.#now()
  }

  /**
   * Counts a connection dialled for the first time.
   *
   * @param ratio - retries that it earns, for example 0.2
   */
  deposit(ratio: number): void {
    this.#earned = Math.min(MOST_EARNED, this.#earned + ratio)
  }

  /** Whether there is a retry to take now. */
  get hasRetry(): boolean {
    const now = this.#now()
    const grant = (now - this.#updated) * this.#perMillisecond
    this.#granted = Math.min(SAVED_SECONDS * 1000 * this.#perMillisecond, this.#granted + grant)
    this.#updated = now
    return this.#earned >= WHOLE || this.#granted >= WHOLE
  }

  /** Takes one retry, if there is one. */
  withdraw(): boolean {
    if (!this.hasRetry) return false
    if (this.#earned >= WHOLE) this.#earned -= 1
    else this.#granted -= 1
    return true
  }
}

/**
 * Milliseconds to wait before retry `attempt` (1 is the first retry). The first goes to another endpoint at
 * once; from the second on the longest wait doubles each time, and the wait is drawn evenly below it, so that
 * connections that failed together do not retry together.
 */
export function retryDelay(attempt: number, base: number, max: number, random: () => number = Math.random): number {
  if (attempt <= 1) return 0
  return random() * Math.min(max, base * 2 ** (attempt - 2))
}
