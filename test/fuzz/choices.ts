/** Decisions that follow from bytes, one byte each; when the bytes are over, every decision is the first. */
export class Choices {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isOver(): boolean {
    return this.#at >= this.#bytes.length
  }

  /** A number from 0 to 255. */
  byte(): number {
    return this.#bytes[this.#at++] ?? 0
  }

  /** A number from 0 to `below - 1`. */
  below(below: number): number {
    return this.byte() % below
  }

  pick<T>(options: readonly [T, ...T[]]): T {
    return options[this.below(options.length)] ?? options[0]
  }
}
