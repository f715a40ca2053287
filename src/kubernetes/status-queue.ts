import { setMaxListeners } from "node:events"
import { pause } from "./backoff.ts"
import { type Failure, KindPauses } from "./kind-pauses.ts"
import { RateLimit } from "./rate-limit.ts"
import type { AnyStatus } from "./status-update.ts"

/** What {@link StatusQueue} is told; every value is given. */
export interface StatusQueueOptions {
  readonly writesPerSecond: number
  readonly burst: number
  readonly concurrency: number
  /** Writes one. A rejection is a failure of its kind. */
  readonly write: (key: string, status: AnyStatus, signal: AbortSignal) => Promise<void>
  /** A write failed. With `retryMs` it is tried again. */
  readonly failed: (key: string, status: AnyStatus, error: unknown, failure: Failure) => void
  /** Nothing waits or is under way any more. */
  readonly idle: () => void
}

/** Statuses that wait to be written, at most one of each object, and how fast they go. */
export class StatusQueue {
  readonly #options: StatusQueueOptions
  readonly #rate: RateLimit
  readonly #pauses = new KindPauses()
  readonly #stop = new AbortController()
  readonly #waiting = new Map<string, AnyStatus>()
  readonly #busy = new Map<string, AnyStatus>()
  /** Ends the pause that what waits is in; `undefined` while nothing pauses. */
  #wake: AbortController | undefined
  #isCurrent: (status: AnyStatus) => boolean = () => false
  #dispatching = false

  constructor(options: StatusQueueOptions) {
    this.#options = options
    this.#rate = new RateLimit(options.writesPerSecond, options.burst)
    // Every write under way listens to it: Node.js would warn of a leak.
    setMaxListeners(0, this.#stop.signal)
  }

  /** Statuses still to be written. */
  get pending(): number {
    return this.#waiting.size + this.#busy.size
  }

  /**
   * Replaces what waits. Those under way are finished.
   *
   * @param isCurrent - whether a status that failed is still worth another try
   */
  replace(statuses: Iterable<readonly [string, AnyStatus]>, isCurrent: (status: AnyStatus) => boolean): void {
    this.#waiting.clear()
    for (const [key, status] of statuses) this.#waiting.set(key, status)
    this.#isCurrent = isCurrent
    this.#wake?.abort()
    void this.#dispatch()
  }

  /** Stops: nothing more begins, and what is under way is cut off. */
  close(): void {
    this.#waiting.clear()
    this.#stop.abort()
  }

  /** Starts writes as the rate allows; what waits for its turn may still be replaced by something newer. */
  async #dispatch(): Promise<void> {
    if (this.#dispatching) return
    this.#dispatching = true
    const { signal } = this.#stop
    while (this.#waiting.size > 0 && this.#busy.size < this.#options.concurrency && !signal.aborted) {
      await this.#rate.take(signal)
      const next = await this.#next(signal)
      if (next === undefined) break
      const [key, status] = next
      this.#busy.set(key, status)
      void this.#writeOne(key, status).finally(() => {
        this.#busy.delete(key)
        this.#wake?.abort()
        void this.#dispatch()
      })
    }
    this.#dispatching = false
    if (this.pending === 0) this.#options.idle()
  }

  /** The first that may be written, once there is one. */
  async #next(signal: AbortSignal): Promise<readonly [string, AnyStatus] | undefined> {
    while (this.#waiting.size > 0 && !signal.aborted) {
      const waits = new Map<string, number>()
      for (const [key, status] of this.#waiting) {
        const { kind } = status.ref
        let waitMs = waits.get(kind)
        if (waitMs === undefined) {
          waitMs = this.#pauses.waitMs(kind, this.#busyOf(kind))
          waits.set(kind, waitMs)
        }
        if (waitMs > 0 || this.#busy.has(key)) continue
        this.#waiting.delete(key)
        return [key, status]
      }
      const paused = [...waits.values()].filter((waitMs) => waitMs > 0 && Number.isFinite(waitMs))
      // Otherwise all that wait are under way in an older form: the end of those starts this again.
      if (paused.length === 0) return undefined
      this.#wake = new AbortController()
      await pause(Math.min(...paused), AbortSignal.any([signal, this.#wake.signal]))
      this.#wake = undefined
    }
    return undefined
  }

  #busyOf(kind: string): number {
    let count = 0
    for (const { ref } of this.#busy.values()) if (ref.kind === kind) count++
    return count
  }

  async #writeOne(key: string, status: AnyStatus): Promise<void> {
    const { kind } = status.ref
    try {
      await this.#options.write(key, status, this.#stop.signal)
      this.#pauses.worked(kind)
    } catch (error) {
      if (this.#stop.signal.aborted) return
      const failure = this.#pauses.failed(kind, error)
      this.#options.failed(key, status, error, failure)
      // Unless a newer one has come meanwhile.
      if (failure.retryMs !== undefined && !this.#waiting.has(key) && this.#isCurrent(status)) {
        this.#waiting.set(key, status)
      }
    }
  }
}
