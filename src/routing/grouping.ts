/** Sets of values by group. */
export class Grouping<V> {
  readonly #groups = new Map<string, Set<V>>()

  /** Values of a group; empty when there are none. */
  get(group: string): Iterable<V> {
    return this.#groups.get(group) ?? []
  }

  add(group: string, value: V): void {
    const values = this.#groups.get(group)
    if (values === undefined) this.#groups.set(group, new Set([value]))
    else values.add(value)
  }

  delete(group: string, value: V): void {
    const values = this.#groups.get(group)
    if (values?.delete(value) === true && values.size === 0) this.#groups.delete(group)
  }
}
