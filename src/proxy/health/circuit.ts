import { ALONE, type LimitSharing, type SharedCount } from "../limits/sharing.ts"

/** Bounds of what a target is given at once; `Infinity` is none. */
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
  readonly #sharedConnections: SharedCount
  readonly #sharedPending: SharedCount
  #pending = 0
  #established = 0

  /**
   * @param target - id of the target
   * @param sharing - with whom its bounds are shared
   */
  constructor(target = "", sharing: LimitSharing = ALONE) {
    this.#sharedConnections = sharing.count(`circuit ${target}`)
    this.#sharedPending = sharing.count(`circuit pending ${target}`)
  }

  /** Connections of this proxy being dialled. */
  get pending(): number {
    return this.#pending
  }

  /** Connections of this proxy dialled. */
  get established(): number {
    return this.#established
  }

  /** Begins a dial; `undefined` when it may go on. */
  enter({ maxConnections, maxPending }: CircuitLimits): CircuitRefusal | undefined {
    this.#pending++
    this.#sharedPending.add(1)
    this.#sharedConnections.add(1)
    let refusal: CircuitRefusal | undefined
    if (this.#pending + this.#established > this.#sharedConnections.allowance(maxConnections)) {
      refusal = "max-connections"
    } else if (this.#pending > this.#sharedPending.allowance(maxPending)) {
      refusal = "max-pending"
    }
    if (refusal !== undefined) this.gaveUp()
    return refusal
  }

  /** A dial that was let in has succeeded. */
  connected(): void {
    this.#pending--
    this.#sharedPending.add(-1)
    this.#established++
  }

  /** A dial that was let in has been given up. */
  gaveUp(): void {
    this.#pending--
    this.#sharedPending.add(-1)
    this.#sharedConnections.add(-1)
  }

  /** A connection that was established has ended. */
  ended(): void {
    this.#established--
    this.#sharedConnections.add(-1)
  }
}
