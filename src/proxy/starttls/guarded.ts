import type { Prelude, PreludeStep } from "./prelude.ts"

/**
 * A prelude that is not trusted to keep its contract: one that throws, or answers nonsense, is refused, and costs the
 * connection that it was made for.
 */
export class GuardedPrelude implements Prelude {
  readonly opening: Uint8Array | undefined
  readonly #prelude: Prelude | undefined
  readonly #failed: (cause: unknown) => void

  /**
   * @param make - makes the prelude
   * @param failed - is told what it threw, or what was wrong with its answer
   */
  constructor(make: () => Prelude, failed: (cause: unknown) => void) {
    this.#failed = failed
    try {
      const prelude = make()
      const { opening } = prelude
      if (!isBytes(opening)) throw new TypeError("opening is no Uint8Array")
      this.#prelude = prelude
      this.opening = opening
    } catch (cause) {
      failed(cause)
    }
  }

  /** Whether there is no prelude at all. */
  get isBroken(): boolean {
    return this.#prelude === undefined
  }

  push(chunk: Uint8Array): PreludeStep {
    if (this.#prelude === undefined) return BROKEN
    try {
      const step = this.#prelude.push(chunk)
      if (isStep(step, chunk)) return step
      throw new TypeError("no step came of push")
    } catch (cause) {
      this.#failed(cause)
      return BROKEN
    }
  }
}

const BROKEN: PreludeStep = { status: "refused", code: "STARTTLS_FAULT", message: "the prelude failed" }

function isBytes(value: unknown): boolean {
  return value === undefined || value instanceof Uint8Array
}

function isStep(step: PreludeStep, chunk: Uint8Array): boolean {
  if (!isBytes(step.send)) return false
  switch (step.status) {
    case "more":
      return true
    case "tls":
      return step.rest instanceof Uint8Array && step.rest.length <= chunk.length
    case "refused":
      return typeof step.code === "string"
    default:
      return false
  }
}
