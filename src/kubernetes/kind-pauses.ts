import { Backoff, DEFAULT_BACKOFF } from "./backoff.ts"
import { isForbidden, KubernetesError } from "./errors.ts"

/** Longest wait for a right that is missing: who gives it looks whether it helps. */
const FORBIDDEN_MAX_MS = 2_000
/** How often a failure that goes on is told of. */
const TELL_AGAIN_MS = 30_000

interface Kind {
  readonly backoff: Backoff
  until: number
  toldAt: number
}

/** What becomes of a write that failed. */
export interface Failure {
  /** Wait before the next try of this kind, in milliseconds; `undefined` when it would give the same answer. */
  readonly retryMs: number | undefined
  /** Whether it is worth telling: others of its kind that failed the same way a moment ago were told of. */
  readonly isNews: boolean
}

/**
 * Pauses after failures, of each kind by itself: a missing right for one kind holds up no other. After its pause, one
 * write of a kind goes ahead of the others to see whether it works again.
 */
export class KindPauses {
  readonly #kinds = new Map<string, Kind>()

  /** Milliseconds until a write of this kind may be tried; 0 when it may now, and Infinity while another one tries. */
  waitMs(kind: string, busy: number): number {
    const state = this.#kinds.get(kind)
    if (state === undefined) return 0
    const left = state.until - performance.now()
    if (left > 0) return left
    return busy > 0 ? Number.POSITIVE_INFINITY : 0
  }

  /** A write of this kind worked. */
  worked(kind: string): void {
    this.#kinds.delete(kind)
  }

  /** A write of this kind failed. */
  failed(kind: string, error: unknown): Failure {
    if (!(error instanceof KubernetesError) || error.status === 400 || error.status === 422) {
      return { retryMs: undefined, isNews: true }
    }
    const now = performance.now()
    let state = this.#kinds.get(kind)
    if (state === undefined) {
      state = { backoff: new Backoff(DEFAULT_BACKOFF), until: 0, toldAt: Number.NEGATIVE_INFINITY }
      this.#kinds.set(kind, state)
    }
    // Those that were under way when the first one failed are the same failure.
    if (state.until <= now) {
      const wait = state.backoff.next()
      state.until =
        now + Math.max(error.retryAfterMs ?? 0, isForbidden(error) ? Math.min(wait, FORBIDDEN_MAX_MS) : wait)
    }
    const isNews = now - state.toldAt >= TELL_AGAIN_MS
    if (isNews) state.toldAt = now
    return { retryMs: state.until - now, isNews }
  }
}
