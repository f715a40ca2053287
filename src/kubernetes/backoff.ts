import { setTimeout as delay } from "node:timers/promises"

/** Waits that double from `initialMs` to `maxMs`. */
export interface BackoffOptions {
  readonly initialMs: number
  readonly maxMs: number
}

/** What retries wait by default: soon enough for a restarted server, seldom enough for a hundred replicas. */
export const DEFAULT_BACKOFF: BackoffOptions = { initialMs: 200, maxMs: 15_000 }

/** Exponential backoff whose waits are spread between half and all of their length, so that replicas do not march. */
export class Backoff {
  readonly #options: BackoffOptions
  #failures = 0

  constructor(options: BackoffOptions) {
    this.#options = options
  }

  /** Failures since the last {@link reset}. */
  get failures(): number {
    return this.#failures
  }

  /** Counts a failure and gives the wait before the next try, in milliseconds. */
  next(): number {
    const ceiling = Math.min(this.#options.maxMs, this.#options.initialMs * 2 ** Math.min(this.#failures, 30))
    this.#failures++
    return ceiling * (0.5 + Math.random() / 2)
  }

  /** The peer answered. */
  reset(): void {
    this.#failures = 0
  }
}

/** Waits, or returns early when the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined)
}
