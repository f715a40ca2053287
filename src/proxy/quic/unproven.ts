/** What can be told to give way. */
export interface Evictable {
  /** Ends it, without a word. */
  evict(): void
}

/**
 * Connections whose clients have yet to show that they receive what is sent to their address. Each has a socket to a
 * backend, and anybody can ask for one with a single forged packet; so there are a fixed number of them, and beyond that
 * the oldest gives way to the newest. A client answers after one round trip, and a flood fills the places in a second.
 */
export class Unproven<Flow extends Evictable> {
  readonly #most: number
  /** Those of clients of whom nothing is known, who give way first. */
  readonly #strangers = new Set<Flow>()
  readonly #others = new Set<Flow>()

  /** @param most - places */
  constructor(most: number) {
    this.#most = most
  }

  /** How many there are. */
  get size(): number {
    return this.#strangers.size + this.#others.size
  }

  /** Gives a place to a connection. */
  add(flow: Flow, isKnown: boolean): void {
    if (this.size >= this.#most) {
      const [oldest] = this.#strangers.size > 0 ? this.#strangers : this.#others
      oldest?.evict()
    }
    ;(isKnown ? this.#others : this.#strangers).add(flow)
  }

  /** A connection needs its place no more: its client has answered, or it is over. */
  delete(flow: Flow): void {
    if (!this.#strangers.delete(flow)) this.#others.delete(flow)
  }
}
