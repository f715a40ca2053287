/** Something that is in at most one list. The links live in the object itself, so that joining and leaving allocate nothing. */
export interface Live {
  /** Higher than that of any that joined before. */
  readonly id: number
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
  /** Weak: one that is left in the middle without a word must not be told of every connection from then on. */
  #walks: readonly WeakRef<Walk<T>>[] = []

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
    if (this.#walks.length > 0) for (const walk of this.#walks) walk.deref()?.leaves(connection)
    const { liveNext: next, livePrevious: previous } = connection
    if (previous === undefined) this.#first = next
    else previous.liveNext = next
    if (next === undefined) this.#last = previous
    else next.livePrevious = previous
    connection.liveNext = undefined
    connection.livePrevious = undefined
    this.#size--
  }

  /**
   * Those that are live when the iteration begins, each once, however long it takes. Those that go before it comes to
   * them are last. It begins at the same cost whatever their number.
   */
  [Symbol.iterator](): IterableIterator<T> {
    const walk: Walk<T> = new Walk(this.#first, this.#last?.id ?? 0, () => {
      this.#walks = others()
    })
    const others = () => this.#walks.filter((each) => ![undefined, walk].includes(each.deref()))
    this.#walks = [...others(), new WeakRef(walk)]
    return walk
  }
}

/** One iteration, which those may leave that it has not come to. */
class Walk<T extends Live> implements IterableIterator<T> {
  #next: T | undefined
  readonly #lastId: number
  readonly #left: T[] = []
  readonly #onEnd: () => void

  constructor(first: T | undefined, lastId: number, onEnd: () => void) {
    this.#next = first
    this.#lastId = lastId
    this.#onEnd = onEnd
  }

  leaves(connection: T): void {
    const next = this.#next
    if (next === undefined || connection.id < next.id) return
    if (connection === next) this.#next = connection.liveNext
    if (connection.id <= this.#lastId) this.#left.push(connection)
  }

  next(): IteratorResult<T, undefined> {
    const next = this.#next
    if (next !== undefined && next.id <= this.#lastId) {
      this.#next = next.liveNext
      return { done: false, value: next }
    }
    const left = this.#left.pop()
    if (left !== undefined) return { done: false, value: left }
    this.#onEnd()
    return { done: true, value: undefined }
  }

  return(): IteratorResult<T, undefined> {
    this.#next = undefined
    this.#left.length = 0
    this.#onEnd()
    return { done: true, value: undefined }
  }

  [Symbol.iterator](): this {
    return this
  }
}
