import type { ConnectionInfo, ConnectionSnapshot } from "../../proxy/connection/record.ts"

/** What a report tells of a worker's connections. */
export interface ConnectionReport {
  /** Those that are new, or changed since they were last told of. */
  readonly changed: readonly ConnectionSnapshot[]
  /** Ids of those told of before that have gone. */
  readonly gone: readonly number[]
}

/** Connections looked at per report: half a millisecond's work, however many there are. */
const MOST_LOOKS = 2_048

interface Tracked {
  readonly connection: ConnectionInfo
  /** What was last told of it; `undefined` while nothing was. */
  state: ConnectionInfo["state"] | undefined
  bytes: number
}

/**
 * Notices what changes about connections by looking at them in turn, so that nothing is asked of the connections
 * themselves and a report costs the same with a hundred thousand of them as with two thousand.
 */
export class ConnectionReports {
  readonly #tracked: Tracked[] = []
  /** Those after this one are new. */
  #known = 0
  #next = 0

  /**
   * Takes a new connection.
   *
   * @param isTold - whether it has been told of by other means
   */
  add(connection: ConnectionInfo, isTold: boolean): void {
    this.#tracked.push({ connection, state: isTold ? connection.state : undefined, bytes: 0 })
  }

  /** Looks at those that are new, then at others, from where the last report ended. */
  next(): ConnectionReport {
    const changed: ConnectionSnapshot[] = []
    const gone: number[] = []
    let looks = 0
    for (; this.#known < this.#tracked.length && looks < MOST_LOOKS / 2; looks += 1) {
      if (this.#look(this.#known, changed, gone)) this.#known += 1
    }
    for (let left = Math.min(this.#known, MOST_LOOKS - looks); left > 0 && this.#known > 0; left -= 1) {
      if (this.#next >= this.#known) this.#next = 0
      if (this.#look(this.#next, changed, gone)) this.#next += 1
    }
    return { changed, gone }
  }

  /** Whether it is still there; one that has closed leaves its place to another. */
  #look(index: number, changed: ConnectionSnapshot[], gone: number[]): boolean {
    const tracked = this.#tracked[index]
    if (tracked === undefined) return true
    const { connection } = tracked
    if (connection.state === "closed") {
      if (tracked.state !== undefined) gone.push(connection.id)
      this.#remove(index)
      return false
    }
    const bytes = connection.bytesFromClient + connection.bytesFromBackend
    if (tracked.state === connection.state && tracked.bytes === bytes) return true
    tracked.state = connection.state
    tracked.bytes = bytes
    changed.push(connection.toJSON())
    return true
  }

  /** Fills the gap with the last known one, and that one's place with the last of all. */
  #remove(index: number): void {
    const lastKnown = index < this.#known ? this.#known - 1 : index
    move(this.#tracked, lastKnown, index)
    move(this.#tracked, this.#tracked.length - 1, lastKnown)
    this.#tracked.pop()
    if (index < this.#known) this.#known -= 1
  }
}

function move(tracked: Tracked[], from: number, to: number): void {
  const moved = tracked[from]
  if (moved !== undefined) tracked[to] = moved
}
