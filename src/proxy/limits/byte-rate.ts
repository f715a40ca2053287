/** Shortest pause worth a timer, in milliseconds; smaller debts are carried on. */
const SHORTEST_PAUSE = 10

/**
 * Keeps a stream of bytes to a rate. What was read has been read, so the bucket may go into debt; the answer
 * says how long to pause until it is paid.
 */
export class ByteRate {
  readonly #perMillisecond: number
  readonly #burst: number
  #tokens: number
  #updated: number

  /**
   * @param bytesPerSecond - rate to keep to; more than 0
   * @param now - present time of a monotonic clock in milliseconds
   * @param burst - bytes let through at once after a quiet time; default: what 100 ms bring, at least 64 KiB
   */
  constructor(bytesPerSecond: number, now: number, burst: number = Math.max(65_536, bytesPerSecond / 10)) {
    this.#perMillisecond = bytesPerSecond / 1000
    this.#burst = burst
    this.#tokens = burst
    this.#updated = now
  }

  /** Counts bytes that went through. Returns the milliseconds to pause before the next read; 0 to go on. */
  spend(bytes: number, now: number): number {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#updated) * this.#perMillisecond) - bytes
    this.#updated = now
    const pause = -this.#tokens / this.#perMillisecond
    return pause < SHORTEST_PAUSE ? 0 : pause
  }
}
