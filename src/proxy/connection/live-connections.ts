/** Something that is in at most one list. The links live in the object itself, so that joining and leaving allocate nothing. */
export interface Live {
  /** @internal */
  liveNext: this | undefined
  /** @internal */
  livePrevious: this | undefined
}

/**
 * Live connections, oldest first.
 *
 * No `Set`: under a steady coming and going V8 rebuilds its table again and again, in the old generation once it
 * has lived there, and each table left behind keeps what was live at that moment until the next full collection.
 */
export class LiveConnections<T extends Live> {
  #first: T | undefined
  #last: T | undefined
  #size = 0

  /** How many there are. */
  get size(): number {
    return this.#size
  }

  /** Takes one that is not in the list. */
  add(connection: T): void {
    connection.livePrevious = this.#last
    if (this.#last === undefined) this.#first = connection
    else this.#last.liveNext = connection
    this.#last = connection
    this.#size++
  }

  /** Lets one go that is in the list. */
  delete(connection: T): void {
    const { liveNext: next, livePrevious: previous } = connection
    if (previous === undefined) this.#first = next
    else previous.liveNext = next
    if (next === undefined) this.#last = previous
    else next.livePrevious = previous
    connection.liveNext = undefined
    connection.livePrevious = undefined
    this.#size--
  }

  /** Those that are live when the iteration begins. */
  [Symbol.iterator](): Iterator<T> {
    const all: T[] = []
    for (let each = this.#first; each !== undefined; each = each.liveNext) all.push(each)
    return all.values()
  }
}
