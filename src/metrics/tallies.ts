import type { ConnectionInfo, ConnectionOutcome, ConnectionRecord, EndedBy } from "../proxy/connection/record.ts"
import type { Histogram, HistogramSeries } from "./histogram.ts"
import type { BoundedLabels } from "./route-labels.ts"

/** What is counted of the connections of one listener that had one route, or none. */
export class RouteTally {
  bytesFromClient = 0
  bytesFromBackend = 0
  datagramsFromClient = 0
  datagramsFromBackend = 0
  dials = 0
  retries = 0
  /** Connections by how they ended and who ended them. */
  readonly closed = new Map<ConnectionOutcome, Map<EndedBy, number>>()
}

/** Connections that a STARTTLS prelude came to nothing on, for one reason. */
export interface StarttlsFailures {
  readonly protocol: string
  /** Which peer's doing it was. */
  readonly side: "client" | "backend"
  readonly code: string
  count: number
}

/** What is counted of the connections of one listener. */
export class ListenerTally {
  /** Connections accepted, by what carries them. */
  readonly accepted = { tcp: 0, quic: 0 }
  /** By what carries them, then by route; the empty text for connections that had none. */
  readonly routes = { tcp: new Map<string, RouteTally>(), quic: new Map<string, RouteTally>() }
  readonly starttlsFailures: StarttlsFailures[] = []
  readonly #hello: HistogramSeries
  readonly #total: HistogramSeries

  /**
   * @param hello - of accept to a whole ClientHello
   * @param total - of accept to the end
   */
  constructor(hello: HistogramSeries, total: HistogramSeries) {
    this.#hello = hello
    this.#total = total
  }

  /** Counts a connection that is over. */
  close(route: string, record: ConnectionRecord): void {
    const { durations, outcome, endedBy } = record
    this.#total.observe(durations.total / 1000)
    if (durations.hello !== undefined) this.#hello.observe(durations.hello / 1000)
    const tally = entry(this.routes[record.transport], route, () => new RouteTally())
    tally.bytesFromClient += record.bytesFromClient
    tally.bytesFromBackend += record.bytesFromBackend
    tally.datagramsFromClient += record.datagramsFromClient
    tally.datagramsFromBackend += record.datagramsFromBackend
    tally.dials += record.dialAttempts
    tally.retries += Math.max(0, record.dialAttempts - 1)
    const closed = entry(tally.closed, outcome, () => new Map<EndedBy, number>())
    closed.set(endedBy, (closed.get(endedBy) ?? 0) + 1)
    if (record.starttls !== undefined) this.#closeStarttls(record.starttls, record)
  }

  #closeStarttls(protocol: string, { outcome, detail }: ConnectionRecord): void {
    const side = STARTTLS_SIDES.get(outcome)
    if (side === undefined || detail?.startsWith("STARTTLS_") !== true) return
    const known = this.starttlsFailures.find(
      (each) => each.code === detail && each.side === side && each.protocol === protocol,
    )
    if (known === undefined) this.starttlsFailures.push({ protocol, side, code: detail, count: 1 })
    else known.count += 1
  }
}

/** Whose doing a STARTTLS code in the detail of an outcome is. */
const STARTTLS_SIDES: ReadonlyMap<ConnectionOutcome, StarttlsFailures["side"]> = new Map([
  ["starttls-failed", "client"],
  ["dial-failed", "backend"],
  ["dial-timeout", "backend"],
])

/** Histograms of the times that a connection takes, in seconds. */
export interface PhaseHistograms {
  readonly hello: Histogram<"listener">
  readonly dial: Histogram<"route">
  readonly total: Histogram<"listener">
}

/**
 * What is counted of connections. It costs a few additions each; labels are put into words when somebody reads the
 * metrics.
 */
export class Tallies {
  readonly listeners = new Map<string, ListenerTally>()
  readonly #phases: PhaseHistograms
  readonly #routes: BoundedLabels

  /**
   * @param phases - where times are counted
   * @param routes - which routes are told apart
   */
  constructor(phases: PhaseHistograms, routes: BoundedLabels) {
    this.#phases = phases
    this.#routes = routes
  }

  /** Counts a connection that was accepted. */
  accept({ listener, transport }: Pick<ConnectionInfo, "listener" | "transport">): void {
    this.#listener(listener).accepted[transport] += 1
  }

  /** Counts a connection that is over. */
  close(record: ConnectionRecord): void {
    const route = record.route === undefined ? "" : this.#routes.admit(record.route)
    this.#listener(record.listener).close(route, record)
    const { dial } = record.durations
    if (dial !== undefined) this.#phases.dial.series(route).observe(dial / 1000)
  }

  /** Forgets routes: their series would be kept, and scraped, for ever. */
  forget(routes: Iterable<string>): void {
    for (const route of routes) {
      this.#phases.dial.remove(route)
      for (const { routes } of this.listeners.values()) {
        routes.tcp.delete(route)
        routes.quic.delete(route)
      }
    }
  }

  #listener(name: string): ListenerTally {
    return entry(
      this.listeners,
      name,
      () => new ListenerTally(this.#phases.hello.series(name), this.#phases.total.series(name)),
    )
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
