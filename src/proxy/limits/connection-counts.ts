/** Live connections by whatever they are counted by: listener, route, backend, client. */
export class ConnectionCounts {
  readonly #counts = new Map<string, number>()

  /** Keys with at least one connection. */
  get size(): number {
    return this.#counts.size
  }

  /** Connections counted under the key. */
  get(key: string): number {
    return this.#counts.get(key) ?? 0
  }

  /** Counts one more, unless there are `max` already. */
  acquire(key: string, max: number): boolean {
    const count = this.get(key)
    if (count >= max) return false
    this.#counts.set(key, count + 1)
    return true
  }

  /** Counts one less. A key without connections takes no memory. */
  release(key: string): void {
    const count = this.get(key)
    if (count > 1) this.#counts.set(key, count - 1)
    else this.#counts.delete(key)
  }
}
