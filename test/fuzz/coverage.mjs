/**
 * What an input did: which counters moved, and roughly how far. Counts fall into the classes 1, 2, 3, 4 to 7, 8 to
 * 15 and so on, so that a loop that runs longer is news only when it runs twice as long.
 */
export class Coverage {
  /** @type {Record<string, number>[]} */
  #counters = []
  /** @type {string[][]} */
  #keys = []
  /** @type {Uint32Array[]} */
  #seen = []
  features = 0
  /** Statements and branches run since the last reset, as of the last `isNew`. */
  steps = 0

  /** @param {Record<string, { s: Record<string, number>, b: Record<string, number[]> }>} files as Istanbul counts them */
  constructor(files) {
    for (const { s, b } of Object.values(files)) {
      for (const counters of [s, ...Object.values(b)]) {
        const keys = Object.keys(counters)
        this.#counters.push(/** @type {Record<string, number>} */ (counters))
        this.#keys.push(keys)
        this.#seen.push(new Uint32Array(keys.length))
      }
    }
  }

  reset() {
    this.#visit((counters, key) => {
      counters[key] = 0
    })
  }

  /** Whether any counter reached a class that it never reached before. */
  isNew() {
    const before = this.features
    this.steps = 0
    this.#visit((counters, key, seen, index) => {
      const count = counters[key] ?? 0
      if (count === 0) return
      this.steps += count
      const bit = 1 << (count < 4 ? count - 1 : 32 - Math.clz32(count))
      if (((seen[index] ?? 0) & bit) !== 0) return
      seen[index] = (seen[index] ?? 0) | bit
      this.features += 1
    })
    return this.features > before
  }

  /** @param {(counters: Record<string, number>, key: string, seen: Uint32Array, index: number) => void} visitor */
  #visit(visitor) {
    for (let group = 0; group < this.#counters.length; group += 1) {
      const counters = this.#counters[group]
      const keys = this.#keys[group]
      const seen = this.#seen[group]
      if (counters === undefined || keys === undefined || seen === undefined) continue
      for (let index = 0; index < keys.length; index += 1) visitor(counters, keys[index] ?? "", seen, index)
    }
  }
}
