/** Label of values beyond the bound. */
const OTHER = "other"

/**
 * Keeps the values of a label within a bound: values that come when it is full share one. A value is told by the same
 * label for as long as it is there, so that no count moves from one label to another.
 */
export class BoundedLabels {
  readonly #labels = new Map<string, string>()
  readonly #max: number
  #own = 0

  /** @param max - distinct values, besides `other` */
  constructor(max: number) {
    this.#max = max
  }

  /** Whether the next value that is new would share one. */
  get isFull(): boolean {
    return this.#own >= this.#max
  }

  /** The value to use. */
  admit(value: string): string {
    const known = this.#labels.get(value)
    if (known !== undefined) return known
    const label = this.isFull ? OTHER : value
    if (label === value) this.#own += 1
    this.#labels.set(value, label)
    return label
  }

  /** Lets go of every value that is not in `present`, and tells which of those had a label of their own. */
  retain(present: ReadonlySet<string>): readonly string[] {
    const gone = [...this.#labels].filter(([value]) => !present.has(value))
    for (const [value] of gone) this.#labels.delete(value)
    const own = gone.filter(([value, label]) => value === label).map(([value]) => value)
    this.#own -= own.length
    return own
  }
}
