/** Bounds of a {@link Circuit}; `Infinity` is none. */
export interface CircuitLimits {
  /** Connections to the target, those being dialled included. */
  readonly maxConnections: number
  /** Connections being dialled. */
  readonly maxPending: number
}

/** Why a circuit did not let a connection in. */
export type CircuitRefusal = "max-connections" | "max-pending"

/**
 * Keeps a slow or dead backend from taking everything: a connection that would wait behind too many others
 * is refused at once.
 */
export class Circuit {
  #pending = 0
  #established = 0

  /** Connections being dialled. */
  get pending(): number {
    return this.#pending
  }

  /** Connections dialled. */
  get established(): number {
    return this.#established
  }

  /** Begins a dial; `undefined` when it may go on. */
  enter(limits: CircuitLimits): CircuitRefusal | undefined {
    if (this.#pending + this.#established >= limits.maxConnections) return "max-connections"
    if (this.#pending >= limits.maxPending) return "max-pending"
    this.#pending++
    return undefined
  }

  /** A dial that was let in has succeeded. */
  connected(): void {
    this.#pending--
    this.#established++
  }

  /** A dial that was let in has been given up. */
  gaveUp(): void {
    this.#pending--
  }

  /** A connection that was established has ended. */
  ended(): void {
    this.#established--
  }
}
