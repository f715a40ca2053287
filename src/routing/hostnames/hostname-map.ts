import { extendHash, finishHash } from "../../primitives/string-hash.ts"
import { ANY_HOSTNAME, isWildcard } from "./hostname.ts"
import { EMPTY_HASH } from "./name-table.ts"
import { SharedNames } from "./shared-names.ts"

/**
 * Values by hostname, looked up by name in a time that does not grow with their number: one probe for the
 * exact name, then one for each suffix length that some wildcard has, longest first. A lookup allocates nothing.
 */
export class HostnameMap<V extends object> {
  readonly #exact: SharedNames<V>
  /** By suffix without `*`, for example `.example.com`. */
  readonly #wildcard: SharedNames<V>
  /** How many wildcards have a suffix of that many labels; the index is the number of labels. */
  readonly #depths: number[]
  #any: V | undefined

  /** Empty, or a copy of `source` that changes apart from it. */
  constructor(source?: HostnameMap<V>) {
    this.#exact = new SharedNames(source === undefined ? undefined : source.#exact)
    this.#wildcard = new SharedNames(source === undefined ? undefined : source.#wildcard)
    this.#depths = source === undefined ? [] : source.#depths.slice()
    this.#any = source === undefined ? undefined : source.#any
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
    const before = this.#wildcard.size
    this.#wildcard.set(suffix, value)
    if (this.#wildcard.size > before) this.#count(suffix, 1)
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
    const deepest = this.#depths.length - 1
    if (this.#exact.size === 0 && deepest < 0) return this.#any
    if (name.length > MAX_NAME) return this.#any
    // One pass from the right hashes the name and, on its way, every suffix that starts at a dot.
    let state = EMPTY_HASH
    let depth = 0
    for (let at = name.length - 1; at >= 0; at--) {
      const character = name.charCodeAt(at)
      state = extendHash(state, character)
      if (character === DOT && depth < deepest && at > 0) {
        depth++
        dots[depth] = at
        hashes[depth] = finishHash(state)
      }
    }
    const exact = this.#exact.find(name, 0, finishHash(state))
    if (exact !== undefined) return exact
    for (; depth > 0; depth--) {
      if (this.#depths[depth] === 0) continue
      const wildcard = this.#wildcard.find(name, dots[depth] as number, hashes[depth] as number)
      if (wildcard !== undefined) return wildcard
    }
    return this.#any
  }

  /** Every hostname with its value; the order is not defined. */
  *entries(): IterableIterator<readonly [string, V]> {
    if (this.#any !== undefined) yield [ANY_HOSTNAME, this.#any]
    yield* this.#exact.entries()
    for (const [suffix, value] of this.#wildcard.entries()) yield [`*${suffix}`, value]
  }

  #count(suffix: string, by: 1 | -1): void {
    let depth = 0
    for (let at = 0; at < suffix.length; at++) if (suffix.charCodeAt(at) === DOT) depth++
    while (this.#depths.length <= depth) this.#depths.push(0)
    this.#depths[depth] = (this.#depths[depth] ?? 0) + by
    while (this.#depths.length > 0 && this.#depths[this.#depths.length - 1] === 0) this.#depths.pop()
  }
}

const DOT = 0x2e
/** No hostname is longer than a wildcard's suffix with the longest name before it. */
const MAX_NAME = 512

/** Where the suffixes of the name in hand start, and their hashes; a lookup never yields, so one of each serves all. */
const dots = new Int32Array(MAX_NAME + 1)
const hashes = new Int32Array(MAX_NAME + 1)
