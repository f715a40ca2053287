import { QuicError } from "./errors.ts"

/** A run of the stream, and where its bytes lie in the store. */
interface Piece {
  start: number
  end: number
  stored: number
}

/** Pieces kept out of order. Clients that cut a hello up on purpose make some dozens. */
const MOST_PIECES = 256

/**
 * Puts the CRYPTO stream of one side together (RFC 9000 section 19.6), in whatever order and overlap its frames come.
 * Each byte is kept once, so that memory follows what was received and not what an offset claims; bytes that come
 * again must be the same.
 */
export class CryptoStream {
  #store = new Uint8Array(0)
  #stored = 0
  /** In order, none touching the next in both the stream and the store. */
  readonly #pieces: Piece[] = []

  /** Bytes of memory held. */
  get memory(): number {
    return this.#store.length
  }

  /** Bytes that are there without a gap, from the beginning. */
  get length(): number {
    let length = 0
    for (const { start, end } of this.#pieces) {
      if (start !== length) break
      length = end
    }
    return length
  }

  /** End of the furthest byte received. */
  get furthest(): number {
    return this.#pieces.at(-1)?.end ?? 0
  }

  /**
   * Takes the data of one frame.
   *
   * @throws {@link QuicError} when it disagrees with what came before, or comes in too many pieces
   */
  push(offset: number, data: Uint8Array): void {
    const end = offset + data.length
    let at = offset
    let index = this.#firstEndingAfter(offset)
    while (at < end) {
      const piece = this.#pieces[index]
      if (piece === undefined || at < piece.start) {
        const next = Math.min(end, piece?.start ?? end)
        if (this.#insert(index, at, data.subarray(at - offset, next - offset))) index += 1
        at = next
      } else {
        const next = Math.min(end, piece.end)
        this.#compare(piece, at, data.subarray(at - offset, next - offset))
        index += 1
        at = next
      }
    }
  }

  /** The first bytes, which must be there: a view where they lie in one run, else a copy. */
  read(length: number): Uint8Array {
    const first = this.#pieces[0]
    if (first !== undefined && first.start === 0 && first.end >= length) {
      return this.#store.subarray(first.stored, first.stored + length)
    }
    const whole = new Uint8Array(length)
    for (const { start, end, stored } of this.#pieces) {
      if (start >= length) break
      whole.set(this.#store.subarray(stored, stored + Math.min(end, length) - start), start)
    }
    return whole
  }

  #compare({ start, stored }: Piece, at: number, data: Uint8Array): void {
    const known = stored + at - start
    for (let index = 0; index < data.length; index += 1) {
      if (this.#store[known + index] !== data[index]) {
        throw new QuicError("CRYPTO_DISAGREES", `byte ${at + index} of the CRYPTO stream came twice, and differently`)
      }
    }
  }

  /** Keeps new bytes in front of the piece at `index`. Returns whether they became a piece of their own. */
  #insert(index: number, start: number, data: Uint8Array): boolean {
    const stored = this.#keep(data)
    const before = this.#pieces[index - 1]
    if (before !== undefined && before.end === start && before.stored + before.end - before.start === stored) {
      before.end += data.length
      return false
    }
    if (this.#pieces.length >= MOST_PIECES) {
      throw new QuicError("CRYPTO_PIECES", `the CRYPTO stream came in more than ${MOST_PIECES} pieces out of order`)
    }
    this.#pieces.splice(index, 0, { start, end: start + data.length, stored })
    return true
  }

  #keep(data: Uint8Array): number {
    const stored = this.#stored
    const needed = stored + data.length
    if (needed > this.#store.length) {
      const store = new Uint8Array(Math.max(2 * stored, needed))
      store.set(this.#store.subarray(0, stored))
      this.#store = store
    }
    this.#store.set(data, stored)
    this.#stored = needed
    return stored
  }

  #firstEndingAfter(offset: number): number {
    let low = 0
    let high = this.#pieces.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#pieces[middle]?.end ?? 0) > offset) high = middle
      else low = middle + 1
    }
    return low
  }
}
