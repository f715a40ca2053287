/** Numbers that look random and are the same for the same seed: xorshift (Marsaglia), begun from a mixed seed. */
export class Random {
  #state: number

  /** @param seeds - any whole numbers; other numbers, another sequence */
  constructor(...seeds: readonly number[]) {
    this.#state = 0x9e3779b9
    for (const seed of seeds) {
      this.#state = Math.imul(this.#state ^ seed, 0x85ebca6b)
      this.#state ^= this.#state >>> 15
    }
    if (this.#state === 0) this.#state = 1
  }

  /** A whole number from 0 up to 2^32. */
  next(): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return this.#state >>> 0
  }

  /** A whole number from 0 up to `end`, which is not included. */
  below(end: number): number {
    return this.next() % end
  }

  /** True in so many of a hundred cases. */
  percent(share: number): boolean {
    return this.below(100) < share
  }

  /** One of the choices, by weight. */
  pick<T>(...choices: readonly (readonly [weight: number, choice: T])[]): T {
    let left = this.below(choices.reduce((sum, [weight]) => sum + weight, 0))
    for (const [weight, choice] of choices) {
      if (left < weight) return choice
      left -= weight
    }
    throw new RangeError("nothing to pick from")
  }
}
