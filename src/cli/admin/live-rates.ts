import type { ConnectionInfo, ConnectionState } from "../../proxy/connection/record.ts"
import { formatAddress } from "../shared/terminal.ts"
import type { Steps } from "./steps.ts"

/** A live connection and what it moves. */
export interface LiveRow {
  readonly id: string
  readonly client: string
  readonly serverName: string | undefined
  readonly route: string | undefined
  readonly endpoint: string | undefined
  readonly state: ConnectionState
  /** Milliseconds since 1970. */
  readonly since: number
  readonly fromClient: number
  readonly fromBackend: number
  /** Bytes per second. */
  readonly upRate: number
  /** Bytes per second. */
  readonly downRate: number
}

/** Connections whose rates are followed. Beyond it every second one is, every third, and so on. */
const MOST_FOLLOWED = 20_000
/** Rows of one list. */
const MOST_ROWS = 100
const ENTRIES_OF_A_STEP = 1_000

/** What a connection had moved when it was looked at last. */
interface Before {
  fromClient: number
  fromBackend: number
  look: number
}

/** Looks at all live connections, each for any number of lists. */
export class LiveRates {
  /** By id, which is unique among workers too. */
  readonly #before = new Map<number, Before>()
  #look = 0
  #seconds = 1
  #stride = 1
  #seen = 0
  #lists: readonly LiveList[] = []

  /**
   * Begins a look. One that was begun before and not ended is given up.
   *
   * @param size - how many connections there are
   * @param seconds - time since the look before
   * @param filters - what each list is for: part of a name, a route, an address or a state; empty for all
   */
  begin(size: number, seconds: number, filters: readonly string[]): void {
    this.#look++
    this.#seconds = seconds
    this.#stride = Math.ceil(size / MOST_FOLLOWED) || 1
    this.#seen = 0
    this.#lists = filters.map((filter) => new LiveList(filter))
  }

  /** Looks at one connection. */
  see(connection: ConnectionInfo): void {
    if (this.#seen++ % this.#stride !== 0) return
    const { id, bytesFromClient, bytesFromBackend } = connection
    let before = this.#before.get(id)
    if (before === undefined) {
      before = { fromClient: bytesFromClient, fromBackend: bytesFromBackend, look: this.#look }
      this.#before.set(id, before)
    }
    const up = (bytesFromClient - before.fromClient) / this.#seconds
    const down = (bytesFromBackend - before.fromBackend) / this.#seconds
    before.fromClient = bytesFromClient
    before.fromBackend = bytesFromBackend
    before.look = this.#look
    for (const list of this.#lists) list.offer(connection, up, down)
  }

  /** Forgets those that were not seen, in steps; the rows of each list, busiest first, then newest. */
  *end(): Steps<readonly (readonly LiveRow[])[]> {
    let met = 0
    for (const [id, { look }] of this.#before) {
      if (look !== this.#look) this.#before.delete(id)
      if (++met % ENTRIES_OF_A_STEP === 0) yield
    }
    const lists: (readonly LiveRow[])[] = []
    for (const list of this.#lists) {
      lists.push(list.rows())
      yield
    }
    return lists
  }

  /** Forgets all that was seen. */
  clear(): void {
    this.#before.clear()
    this.#lists = []
  }
}

interface Candidate {
  readonly connection: ConnectionInfo
  readonly up: number
  readonly down: number
  readonly since: number
}

/** Keeps the rows that matter most of all that are offered; sorts no more than twice what it keeps at a time. */
class LiveList {
  readonly #filter: string
  #candidates: Candidate[] = []
  #least = -1

  constructor(filter: string) {
    this.#filter = filter.toLowerCase()
  }

  offer(connection: ConnectionInfo, up: number, down: number): void {
    // Among equals the newer one is wanted, and connections come oldest first.
    if (up + down < this.#least || !this.#wants(connection)) return
    if (this.#candidates.push({ connection, up, down, since: connection.since }) >= 2 * MOST_ROWS) this.#trim()
  }

  rows(): readonly LiveRow[] {
    this.#trim()
    // One that has ended meanwhile can be asked nothing more.
    const live = this.#candidates.filter(({ connection }) => connection.state !== "closed")
    return live.map(({ connection, up, down }) => row(connection, up, down))
  }

  #trim(): void {
    this.#candidates.sort((a, b) => b.up + b.down - (a.up + a.down) || b.since - a.since)
    this.#candidates.length = Math.min(this.#candidates.length, MOST_ROWS)
    const last = this.#candidates.at(-1)
    if (last !== undefined && this.#candidates.length === MOST_ROWS) this.#least = last.up + last.down
  }

  #wants({ serverName, route, clientAddress, endpoint, state }: ConnectionInfo): boolean {
    const filter = this.#filter
    if (filter === "") return true
    return (
      (serverName?.includes(filter) ?? false) ||
      (route?.includes(filter) ?? false) ||
      clientAddress.includes(filter) ||
      (endpoint?.address.includes(filter) ?? false) ||
      state === filter
    )
  }
}

function row(connection: ConnectionInfo, upRate: number, downRate: number): LiveRow {
  const { uniqueId, clientAddress, clientPort, serverName, route, endpoint, state, since } = connection
  return {
    id: uniqueId,
    client: formatAddress(clientAddress, clientPort),
    serverName,
    route,
    endpoint: endpoint && formatAddress(endpoint.address, endpoint.port),
    state,
    since,
    fromClient: connection.bytesFromClient,
    fromBackend: connection.bytesFromBackend,
    upRate,
    downRate,
  }
}
