import { ANY_HOSTNAME, isWildcard } from "./hostname.ts"

/**
 * Values by hostname, looked up by name in a time that does not grow with their number: one probe for the
 * exact name, one for each suffix length that some wildcard has, longest first.
 */
export class HostnameMap<V> {
  readonly #exact: Map<string, V>
  /** By suffix without `*`, for example `.example.com`. */
  readonly #wildcard: Map<string, V>
  /** How many wildcards have a suffix of that many labels; the index is the number of labels. */
  readonly #depths: number[]
  #any: V | undefined

  /** Empty, or a copy of `source` that changes apart from it. */
  constructor(source?: HostnameMap<V>) {
    if (source === undefined) {
      this.#exact = new Map()
      this.#wildcard = new Map()
      this.#depths = []
      return
    }
    this.#exact = new Map(source.#exact)
    this.#wildcard = new Map(source.#wildcard)
    this.#depths = source.#depths.slice()
    this.#any = source.#any
  }

  /** Number of hostnames. */
  get size(): number {
    return this.#exact.size + this.#wildcard.size + (this.#any === undefined ? 0 : 1)
  }

  /** Value set for exactly this hostname. */
  get(hostname: string): V | undefined {
    if (hostname === ANY_HOSTNAME) return this.#any
    return isWildcard(hostname) ? this.#wildcard.get(hostname.slice(1)) : this.#exact.get(hostname)
  }

  /** Sets the value of a hostname: exact, wildcard or `*`. */
  set(hostname: string, value: V): void {
    if (hostname === ANY_HOSTNAME) {
      this.#any = value
      return
    }
    if (!isWildcard(hostname)) {
      this.#exact.set(hostname, value)
      return
    }
    const suffix = hostname.slice(1)
    if (!this.#wildcard.has(suffix)) this.#count(suffix, 1)
    this.#wildcard.set(suffix, value)
  }

  /** Removes a hostname. */
  delete(hostname: string): void {
    if (hostname === ANY_HOSTNAME) {
      this.#any = undefined
      return
    }
    if (!isWildcard(hostname)) {
      this.#exact.delete(hostname)
      return
    }
    const suffix = hostname.slice(1)
    if (this.#wildcard.delete(suffix)) this.#count(suffix, -1)
  }

  /** Value of the most specific hostname that matches `name`; of `*` when there is no name. */
  lookup(name: string | undefined): V | undefined {
    if (name === undefined) return this.#any
    const exact = this.#exact.get(name)
    if (exact !== undefined) return exact
    if (this.#wildcard.size > 0) {
      const wildcard = this.#lookupWildcard(name)
      if (wildcard !== undefined) return wildcard
    }
    return this.#any
  }

  /** Every hostname with its value; the order is not defined. */
  *entries(): IterableIterator<readonly [string, V]> {
    if (this.#any !== undefined) yield [ANY_HOSTNAME, this.#any]
    yield* this.#exact
    for (const [suffix, value] of this.#wildcard) yield [`*${suffix}`, value]
  }

  #lookupWildcard(name: string): V | undefined {
    const deepest = this.#depths.length - 1
    // Walk the dots from the right to find where each suffix starts, no deeper than any wildcard is.
    let best: V | undefined
    let depth = 0
    for (let dot = name.lastIndexOf("."); dot > 0 && depth < deepest; dot = name.lastIndexOf(".", dot - 1)) {
      depth++
      if (this.#depths[depth] === 0) continue
      const value = this.#wildcard.get(name.slice(dot))
      if (value !== undefined) best = value
    }
    return best
  }

  #count(suffix: string, by: 1 | -1): void {
    let depth = 0
    for (let at = 0; at < suffix.length; at++) if (suffix.charCodeAt(at) === 0x2e) depth++
    while (this.#depths.length <= depth) this.#depths.push(0)
    this.#depths[depth] = (this.#depths[depth] ?? 0) + by
    while (this.#depths.length > 0 && this.#depths[this.#depths.length - 1] === 0) this.#depths.pop()
  }
}
