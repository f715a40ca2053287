/** A number of bytes that many connections share, for example those held by ClientHellos still being read. */
export class ByteBudget {
  readonly #max: number
  #used = 0

  /** @param max - bytes that may be held at once */
  constructor(max: number) {
    this.#max = max
  }

  /** Bytes held at present. */
  get used(): number {
    return this.#used
  }

  /** Takes the bytes, or none of them. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.#max) return false
    this.#used += bytes
    return true
  }

  /** Gives bytes back that were taken. */
  give(bytes: number): void {
    this.#used -= bytes
  }
}
