import { extendHash, finishHash, startHash } from "../../primitives/string-hash.ts"

/**
 * Objects by name in flat memory. What waits in a large table is memory, so a lookup is laid out to wait twice:
 * for the slot and the reference at the same index, which are loaded side by side, then for the name's bytes and
 * the object itself. A copy is a few block copies. Names are ASCII and at most 255 characters long; the
 * characters of a name looked up may be any.
 */
export class NameTable<V extends object> {
  /** Per slot: the hash, and where the name starts in the bytes. */
  #slots: Int32Array
  #values: (V | undefined)[]
  #mask: number
  /** Names one after another, each after its length. */
  #bytes: Uint8Array
  #bytesUsed: number
  #size: number
  /** Slots in use, those of removed names included: they end no probe. */
  #filled: number

  /** Empty, or a copy of `source` that changes apart from it. */
  constructor(source?: NameTable<V>) {
    this.#slots = source === undefined ? new Int32Array(SLOT * LEAST_CAPACITY) : source.#slots.slice()
    this.#values = source === undefined ? new Array<V | undefined>(LEAST_CAPACITY) : source.#values.slice()
    this.#mask = source === undefined ? LEAST_CAPACITY - 1 : source.#mask
    this.#bytes = source === undefined ? new Uint8Array(64) : source.#bytes.slice()
    this.#bytesUsed = source === undefined ? FIRST_OFFSET : source.#bytesUsed
    this.#size = source === undefined ? 0 : source.#size
    this.#filled = source === undefined ? 0 : source.#filled
  }

  get size(): number {
    return this.#size
  }

  get(key: string): V | undefined {
    return this.find(key, 0, hashName(key))
  }

  /** Value of the name that `text` has from `start` on, whose hash is given. */
  find(text: string, start: number, hash: number): V | undefined {
    const slots = this.#slots
    const mask = this.#mask
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const offset = slots[slot * SLOT + OFFSET] as number
      const value = this.#values[slot]
      if (offset === EMPTY) return undefined
      // The type is in the object. Asked for before the name is compared, it makes the processor wait for both at once;
      // a removed name has none.
      if (typeof value === "object" && slots[slot * SLOT] === hash && this.#isAt(offset, text, start)) return value
    }
  }

  set(key: string, value: V): void {
    const hash = hashName(key)
    const slot = this.#locate(key, 0, hash)
    if (slot !== -1) {
      this.#values[slot] = value
      return
    }
    if ((this.#filled + 1) * 3 > (this.#mask + 1) * 2) this.#rebuild()
    this.#insert(hash, this.#store(key), value)
    this.#size++
  }

  delete(key: string): boolean {
    const slot = this.#locate(key, 0, hashName(key))
    if (slot === -1) return false
    this.#slots[slot * SLOT + OFFSET] = REMOVED
    this.#values[slot] = undefined
    this.#size--
    return true
  }

  *entries(): IterableIterator<readonly [string, V]> {
    for (let slot = 0; slot <= this.#mask; slot++) {
      const offset = this.#slots[slot * SLOT + OFFSET] as number
      const value = this.#values[slot]
      if (offset > EMPTY && value !== undefined) yield [this.#keyAt(offset), value]
    }
  }

  #keyAt(offset: number): string {
    const length = this.#bytes[offset] as number
    return String.fromCharCode(...this.#bytes.subarray(offset + 1, offset + 1 + length))
  }

  /** Slot of a name, or -1. Linear probing: neighbours share cache lines. */
  #locate(text: string, start: number, hash: number): number {
    const slots = this.#slots
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const offset = slots[slot * SLOT + OFFSET] as number
      if (offset === EMPTY) return -1
      if (slots[slot * SLOT] === hash && offset !== REMOVED && this.#isAt(offset, text, start)) return slot
    }
  }

  #isAt(offset: number, text: string, start: number): boolean {
    const bytes = this.#bytes
    const length = text.length - start
    if (bytes[offset] !== length) return false
    for (let at = 0; at < length; at++) if (bytes[offset + 1 + at] !== text.charCodeAt(start + at)) return false
    return true
  }

  #insert(hash: number, offset: number, value: V): void {
    let slot = hash & this.#mask
    while (this.#slots[slot * SLOT + OFFSET] !== EMPTY) slot = (slot + 1) & this.#mask
    this.#slots[slot * SLOT] = hash
    this.#slots[slot * SLOT + OFFSET] = offset
    this.#values[slot] = value
    this.#filled++
  }

  /** Appends a name's bytes and returns where they start. */
  #store(key: string): number {
    const start = this.#bytesUsed
    const end = start + 1 + key.length
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, this.#bytes.length * 2))
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    this.#bytes[start] = key.length
    for (let at = 0; at < key.length; at++) this.#bytes[start + 1 + at] = key.charCodeAt(at)
    this.#bytesUsed = end
    return start
  }

  /** Makes room for more names, and drops those removed. */
  #rebuild(): void {
    let capacity = LEAST_CAPACITY
    while (capacity < (this.#size + 1) * 2) capacity *= 2
    const entries = [...this.entries()]
    this.#slots = new Int32Array(SLOT * capacity)
    this.#values = new Array<V | undefined>(capacity)
    this.#mask = capacity - 1
    this.#bytes = new Uint8Array(this.#bytes.length)
    this.#bytesUsed = FIRST_OFFSET
    this.#filled = 0
    for (const [key, value] of entries) this.#insert(hashName(key), this.#store(key), value)
  }
}

const LEAST_CAPACITY = 8

/** Numbers per slot, and the place of the second. */
const SLOT = 2
const OFFSET = 1

/** Offsets that are none. */
const EMPTY = 0
const REMOVED = -1
const FIRST_OFFSET = 1

/** Differs from process to process, so that nobody can choose names that collide. */
const SEED = (Math.random() * 0x1_0000_0000) | 0

/** Hash of a name. Runs from the end, so that it passes every suffix; see {@link extendHash}. */
export function hashName(text: string): number {
  let state = EMPTY_HASH
  for (let at = text.length - 1; at >= 0; at--) state = extendHash(state, text.charCodeAt(at))
  return finishHash(state)
}

/** State of the hash of nothing. */
export const EMPTY_HASH = startHash(SEED)
