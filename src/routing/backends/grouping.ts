/** Sets of strings or objects by group. A group of one, which most are, costs no set. */
export class Grouping<V extends string | object> {
  readonly #groups = new Map<string, V | Group<V>>()

  /** Values of a group; empty when there are none. */
  get(group: string): Iterable<V> {
    const values = this.#groups.get(group)
    if (values === undefined) return NONE
    return values instanceof Group ? values : [values]
  }

  has(group: string): boolean {
    return this.#groups.has(group)
  }

  add(group: string, value: V): void {
    const values = this.#groups.get(group)
    if (values === undefined) this.#groups.set(group, value)
    else if (values instanceof Group) values.add(value)
    else if (values !== value) this.#groups.set(group, new Group([values, value]))
  }

  delete(group: string, value: V): void {
    const values = this.#groups.get(group)
    if (!(values instanceof Group)) {
      if (values === value) this.#groups.delete(group)
      return
    }
    values.delete(value)
    if (values.size === 0) this.#groups.delete(group)
  }
}

const NONE: readonly never[] = []

class Group<V> extends Set<V> {}
