import type {
  ConnectionInfo,
  ConnectionOutcome,
  ConnectionRecord,
  ConnectionState,
  EndedBy,
} from "../proxy/connection/record.ts"
import { BoundedLabels } from "./bounded-labels.ts"
import { Phases } from "./phases.ts"
import type { MetricsSource } from "./source.ts"

/** What adds up over connections. */
export class Sums {
  connections = 0
  bytesFromClient = 0
  bytesFromBackend = 0
  datagramsFromClient = 0
  datagramsFromBackend = 0
  dialAttempts = 0
  dialRetries = 0

  /** Counts a connection, live or ended. */
  add(connection: Summed): void {
    this.connections += 1
    this.bytesFromClient += connection.bytesFromClient
    this.bytesFromBackend += connection.bytesFromBackend
    this.datagramsFromClient += connection.datagramsFromClient
    this.datagramsFromBackend += connection.datagramsFromBackend
    this.dialAttempts += connection.dialAttempts
    this.dialRetries += Math.max(0, connection.dialAttempts - 1)
  }
}

type Summed = Pick<
  ConnectionInfo,
  "bytesFromClient" | "bytesFromBackend" | "datagramsFromClient" | "datagramsFromBackend" | "dialAttempts"
>

/** What carries a connection, and how it begins. */
interface Way {
  readonly transport: ConnectionInfo["transport"]
  /** STARTTLS protocol; `undefined` where connections begin with TLS. */
  readonly starttls: string | undefined
}

/** Connections of one listener that came in one way, and had one route or none. */
export class RouteTally {
  /** Those that have ended. */
  readonly ended = new Sums()
  /** Those of them that were refused. */
  refused = 0
  /** Those that have ended, by how they ended and who ended them. */
  readonly closed = new Map<ConnectionOutcome, Map<EndedBy, number>>()
}

/** Connections of one listener that came in one way. */
export interface WayTally extends Way {
  accepted: number
  /** By route; the empty text for connections that had none. */
  readonly routes: Map<string, RouteTally>
  /** Those that came to nothing before TLS began, by whose doing that was and the code. */
  readonly failures: Readonly<Record<StarttlsSide, Map<string, number>>>
}

/** Which peer's doing it was that TLS did not begin. */
type StarttlsSide = "client" | "backend"

/** Whose doing a STARTTLS code in the detail of an outcome is. */
const STARTTLS_SIDES: ReadonlyMap<ConnectionOutcome, StarttlsSide> = new Map([
  ["starttls-failed", "client"],
  ["dial-failed", "backend"],
  ["dial-timeout", "backend"],
])

/** Live connections of what a {@link RouteTally} is for. */
export class LiveTally extends Sums {
  readonly states = new Map<ConnectionState, number>()
}

/** What there is to tell of one listener, way and route, now. */
export interface Row extends Way {
  readonly listener: string
  /** The empty text for connections that had none. */
  readonly route: string
  readonly tally: RouteTally
  /** `undefined` where none is live. */
  readonly live: LiveTally | undefined
}

/** All that a gateway or proxy has carried until one moment. */
export interface Reading {
  readonly ways: readonly { readonly listener: string; readonly way: WayTally }[]
  readonly rows: readonly Row[]
}

/**
 * The one account of what a gateway or proxy carries. What has ended is added up when it ends, which costs a few
 * additions for each; what is live is looked at when somebody reads, so that bytes count as they flow.
 */
export class Tallies {
  /** Times of those that have ended. */
  readonly phases = new Phases()
  readonly #source: MetricsSource
  readonly #labels: BoundedLabels
  /** By key of the listener, then by way. */
  readonly #listeners = new Map<string, Map<string, WayTally>>()

  /**
   * @param source - what is counted, from now on
   * @param maxRoutes - routes told apart; further ones are counted together, as `other`
   */
  constructor(source: MetricsSource, maxRoutes: number) {
    this.#source = source
    this.#labels = new BoundedLabels(maxRoutes)
    source.on("connection", this.#onConnection)
    source.on("close", this.#onClose)
  }

  /**
   * What there is to tell now.
   *
   * @param each - is shown every live connection on the way, with the label of its route
   */
  read(each?: (connection: ConnectionInfo, route: string) => void): Reading {
    const live = new Map<RouteTally, LiveTally>()
    for (const connection of this.#source.connections) {
      const route = this.label(connection)
      const tally = entry(this.#way(connection).routes, route, () => new RouteTally())
      const sums = entry(live, tally, () => new LiveTally())
      sums.add(connection)
      sums.states.set(connection.state, (sums.states.get(connection.state) ?? 0) + 1)
      each?.(connection, route)
    }
    const ways = [...this.#listeners].flatMap(([listener, ways]) =>
      [...ways.values()].map((way) => ({ listener, way })),
    )
    return {
      ways,
      rows: ways.flatMap(({ listener, way: { transport, starttls, routes } }) =>
        [...routes].map(([route, tally]) => ({ listener, transport, starttls, route, tally, live: live.get(tally) })),
      ),
    }
  }

  /** Shows what has ended until now, by listener and route; several times where connections came in several ways. */
  eachEnded(see: (listener: string, route: string, tally: RouteTally) => void): void {
    for (const [listener, ways] of this.#listeners) {
      for (const { routes } of ways.values()) for (const [route, tally] of routes) see(listener, route, tally)
    }
  }

  /**
   * Takes the routes that are configured now. One that is gone keeps its counts, for it may come back; but not where they
   * take the room of another, once no connection of it is left.
   */
  configured(routes: Iterable<string>): void {
    if (!this.#labels.isFull) return
    const present = new Set(routes)
    for (const { route } of this.#source.connections) if (route !== undefined) present.add(route)
    for (const gone of this.#labels.retain(present)) {
      this.phases.dial.delete(gone)
      for (const ways of this.#listeners.values()) for (const way of ways.values()) way.routes.delete(gone)
    }
  }

  /** Counts no more. */
  close(): void {
    this.#source.off("connection", this.#onConnection)
    this.#source.off("close", this.#onClose)
  }

  readonly #onConnection = (connection: ConnectionInfo): void => {
    this.#way(connection).accepted += 1
  }

  readonly #onClose = (record: ConnectionRecord): void => {
    const { listener, kind, outcome, detail, endedBy, durations } = record
    const route = this.label(record)
    const way = this.#way(record)
    const tally = entry(way.routes, route, () => new RouteTally())
    tally.ended.add(record)
    if (kind === "refused") tally.refused += 1
    const sides = entry(tally.closed, outcome, () => new Map<EndedBy, number>())
    sides.set(endedBy, (sides.get(endedBy) ?? 0) + 1)
    this.phases.add(listener, route, durations)
    const side = way.starttls === undefined ? undefined : STARTTLS_SIDES.get(outcome)
    if (side === undefined || detail?.startsWith("STARTTLS_") !== true) return
    way.failures[side].set(detail, (way.failures[side].get(detail) ?? 0) + 1)
  }

  /** The label of a connection's route; the empty text where it has none. */
  label({ route }: Pick<ConnectionInfo, "route">): string {
    return route === undefined ? "" : this.#labels.admit(route)
  }

  #way({ listener, transport, starttls }: Pick<ConnectionInfo, "listener" | "transport" | "starttls">): WayTally {
    const ways = entry(this.#listeners, listener, () => new Map<string, WayTally>())
    // A protocol of one's own may have any name.
    const key = starttls === undefined ? transport : `starttls ${starttls}`
    return entry(ways, key, () => ({
      transport,
      starttls,
      accepted: 0,
      routes: new Map(),
      failures: { client: new Map(), backend: new Map() },
    }))
  }
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
