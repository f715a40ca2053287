/** Bytes of a variable-length integer whose first byte is known (RFC 9000 section 16). */
function varintSize(first: number): 1 | 2 | 4 | 8 {
  return (1 << (first >> 6)) as 1 | 2 | 4 | 8
}

/**
 * Reads bytes from front to back. What is read past the end reads as 0 or as nothing, and is remembered: the caller
 * looks at {@link isCut} once, before it uses what it read.
 */
export class ByteReader {
  readonly bytes: Uint8Array
  readonly end: number
  at: number
  /** Whether something was read past the end. */
  isCut = false

  constructor(bytes: Uint8Array, at = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  /** Bytes that are left. */
  get left(): number {
    return this.end - this.at
  }

  uint8(): number {
    if (!this.#has(1)) return 0
    return this.bytes[this.at++] ?? 0
  }

  uint32(): number {
    if (!this.#has(4)) return 0
    const value = uint32(this.bytes, this.at)
    this.at += 4
    return value
  }

  /** A variable-length integer. Above 2^53 it is rounded, which no length that is held against a bound can tell. */
  varint(): number {
    if (!this.#has(1)) return 0
    const first = this.bytes[this.at] ?? 0
    const size = varintSize(first)
    if (!this.#has(size)) return 0
    let value = first & 0x3f
    for (let next = this.at + 1; next < this.at + size; next += 1) value = value * 256 + (this.bytes[next] ?? 0)
    this.at += size
    return value
  }

  /** A view of the next bytes. */
  take(length: number): Uint8Array {
    if (!this.#has(length)) return this.bytes.subarray(0, 0)
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  #has(length: number): boolean {
    if (length <= this.left && !this.isCut) return true
    this.isCut = true
    return false
  }
}

/** A 32-bit number, unsigned. */
function uint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
  )
}

/** Whether two runs of bytes are the same. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false
  return true
}
