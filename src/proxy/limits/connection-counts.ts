import { ALONE, type LimitSharing, type SharedCount } from "./sharing.ts"

interface Count {
  own: number
  readonly shared: SharedCount
}

/** Live connections by whatever they are counted by: listener, route, backend, client. */
export class ConnectionCounts {
  readonly #counts = new Map<string, Count>()
  readonly #sharing: LimitSharing

  /** @param sharing - with whom the limits are shared */
  constructor(sharing: LimitSharing = ALONE) {
    this.#sharing = sharing
  }

  /** Keys with at least one connection. */
  get size(): number {
    return this.#counts.size
  }

  /** Connections of this proxy counted under the key. */
  get(key: string): number {
    return this.#counts.get(key)?.own ?? 0
  }

  /** Counts one more, unless there are `max` already, those of others included. */
  acquire(key: string, max: number): boolean {
    const count = this.#counts.get(key) ?? { own: 0, shared: this.#sharing.count(key) }
    if (count.own >= max) return false
    count.shared.add(1)
    if (count.own >= count.shared.allowance(max)) {
      count.shared.add(-1)
      return false
    }
    count.own++
    this.#counts.set(key, count)
    return true
  }

  /** Counts one less. A key without connections takes no memory. */
  release(key: string): void {
    const count = this.#counts.get(key)
    if (count === undefined) return
    count.shared.add(-1)
    count.own--
    if (count.own === 0) this.#counts.delete(key)
  }
}
