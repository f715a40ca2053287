/** Label of routes beyond the bound. */
const OTHER = "other"

/** Keeps the values of a label within a bound: values that come when it is full share one. */
export class BoundedLabels {
  readonly #known = new Set<string>()
  readonly #max: number

  /** @param max - distinct values, besides `other` */
  constructor(max: number) {
    this.#max = max
  }

  /** Whether the next value that is new would share one. */
  get isFull(): boolean {
    return this.#known.size >= this.#max
  }

  /** The value to use. */
  admit(value: string): string {
    if (this.#known.has(value)) return value
    if (this.isFull) return OTHER
    this.#known.add(value)
    return value
  }

  /** Lets go of every value that is not in `present`, and tells which those were. */
  retain(present: ReadonlySet<string>): readonly string[] {
    const gone = [...this.#known].filter((value) => !present.has(value))
    for (const value of gone) this.#known.delete(value)
    return gone
  }
}
