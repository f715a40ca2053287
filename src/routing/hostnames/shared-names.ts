import { hashName, NameTable } from "./name-table.ts"

/** Changes that are held apart at least before a table is copied for them. */
const LEAST_APART = 16

/**
 * Objects by name, for tables that follow each other with few changes. A copy shares its source's names and holds what
 * changed since apart from them, until that is so much that asking both costs more than copying all.
 */
export class SharedNames<V extends object> {
  #names: NameTable<V>
  /** Whether no other has these names, so that they may be changed in place. */
  #isOwner: boolean
  /** What changed since they were shared. */
  #changes: NameTable<V | Gone>
  #size: number

  /** Empty, or a copy of `source` that changes apart from it. */
  constructor(source?: SharedNames<V>) {
    this.#names = source === undefined ? new NameTable() : source.#names
    this.#changes = new NameTable(source === undefined ? undefined : source.#changes)
    this.#size = source === undefined ? 0 : source.#size
    this.#isOwner = source === undefined
    if (source !== undefined) source.#isOwner = false
  }

  get size(): number {
    return this.#size
  }

  get(key: string): V | undefined {
    return this.find(key, 0, hashName(key))
  }

  /** Value of the name that `text` has from `start` on, whose hash is given. */
  find(text: string, start: number, hash: number): V | undefined {
    if (this.#changes.size > 0) {
      const changed = this.#changes.find(text, start, hash)
      if (changed !== undefined) return changed instanceof Gone ? undefined : changed
    }
    return this.#names.find(text, start, hash)
  }

  set(key: string, value: V): void {
    if (this.get(key) === undefined) this.#size++
    if (this.#isOwner) this.#names.set(key, value)
    else this.#change(key, value)
  }

  delete(key: string): boolean {
    if (this.get(key) === undefined) return false
    this.#size--
    if (this.#isOwner) this.#names.delete(key)
    else this.#change(key, GONE)
    return true
  }

  *entries(): IterableIterator<readonly [string, V]> {
    for (const entry of this.#names.entries()) {
      if (this.#changes.size === 0 || this.#changes.get(entry[0]) === undefined) yield entry
    }
    for (const [key, changed] of this.#changes.entries()) {
      if (!(changed instanceof Gone)) yield [key, changed]
    }
  }

  #change(key: string, change: V | Gone): void {
    this.#changes.set(key, change)
    // So both copies, of the changes each time and of all names at times, cost little beside the number of names.
    if (this.#changes.size > Math.max(LEAST_APART, Math.sqrt(this.#names.size))) this.#takeOver()
  }

  /** Copies the names, with all changes. */
  #takeOver(): void {
    const names = new NameTable(this.#names)
    for (const [key, changed] of this.#changes.entries()) {
      if (changed instanceof Gone) names.delete(key)
      else names.set(key, changed)
    }
    this.#names = names
    this.#changes = new NameTable()
    this.#isOwner = true
  }
}

/** Stands for a name that was removed. */
class Gone {
  readonly isGone = true
}

const GONE = new Gone()
