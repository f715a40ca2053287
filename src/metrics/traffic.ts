import type { ConnectionInfo, ConnectionRecord } from "../proxy/connection/record.ts"
import { BoundedLabels } from "./route-labels.ts"
import type { MetricsSource } from "./source.ts"

/** Connections and bytes of one listener or one route since counting began; none of these but `live` ever falls. */
export interface TrafficCount {
  /** Connections, live and ended. */
  readonly connections: number
  /** Connections that were refused. */
  readonly refused: number
  /** Connections that have not ended. */
  readonly live: number
  /** Bytes read from clients. */
  readonly fromClient: number
  /** Bytes read from backends. */
  readonly fromBackend: number
}

/** What has flowed, by the keys of listeners and the names of routes. */
export interface TrafficCounts {
  /** By key of the listener. */
  readonly listeners: ReadonlyMap<string, TrafficCount>
  /** By name of the route: connections that were given one. */
  readonly routes: ReadonlyMap<string, TrafficCount>
}

interface Ended {
  connections: number
  refused: number
  fromClient: number
  fromBackend: number
}

/**
 * Counts what a gateway or proxy carries, bytes of live connections as they flow. What has ended is added up when it
 * ends, so that {@link Traffic.read} walks over live connections only.
 */
export class Traffic {
  readonly #source: MetricsSource
  readonly #labels: BoundedLabels
  readonly #listeners = new Map<string, Ended>()
  readonly #routes = new Map<string, Ended>()

  /**
   * @param source - what is counted, from now on
   * @param maxRoutes - routes told apart; further ones are counted together, as `other`
   */
  constructor(source: MetricsSource, maxRoutes: number) {
    this.#source = source
    this.#labels = new BoundedLabels(maxRoutes)
    source.on("reject", this.#onReject)
    source.on("close", this.#onClose)
  }

  /**
   * Counts as they are now.
   *
   * @param each - is shown every live connection on the way
   */
  read(each?: (connection: ConnectionInfo) => void): TrafficCounts {
    const listeners = copyOf(this.#listeners)
    const routes = copyOf(this.#routes)
    for (const connection of this.#source.connections) {
      addLive(listeners, connection.listener, connection)
      if (connection.route !== undefined) addLive(routes, this.#labels.admit(connection.route), connection)
      each?.(connection)
    }
    return { listeners, routes }
  }

  /** Stops counting. */
  close(): void {
    this.#source.off("reject", this.#onReject)
    this.#source.off("close", this.#onClose)
  }

  readonly #onReject = ({ listener, route }: ConnectionInfo): void => {
    endedOf(this.#listeners, listener).refused++
    if (route !== undefined) endedOf(this.#routes, this.#labels.admit(route)).refused++
  }

  readonly #onClose = (record: ConnectionRecord): void => {
    add(endedOf(this.#listeners, record.listener), record)
    if (record.route !== undefined) add(endedOf(this.#routes, this.#labels.admit(record.route)), record)
  }
}

type Bytes = Pick<ConnectionInfo, "bytesFromClient" | "bytesFromBackend">

function add(count: Ended, { bytesFromClient, bytesFromBackend }: Bytes): void {
  count.connections++
  count.fromClient += bytesFromClient
  count.fromBackend += bytesFromBackend
}

function endedOf(counts: Map<string, Ended>, key: string): Ended {
  const known = counts.get(key)
  if (known !== undefined) return known
  const count = { connections: 0, refused: 0, fromClient: 0, fromBackend: 0 }
  counts.set(key, count)
  return count
}

type Reading = Ended & { live: number }

function copyOf(counts: ReadonlyMap<string, Ended>): Map<string, Reading> {
  return new Map([...counts].map(([key, count]) => [key, { ...count, live: 0 }]))
}

function addLive(counts: Map<string, Reading>, key: string, connection: Bytes): void {
  let count = counts.get(key)
  if (count === undefined) {
    count = { connections: 0, refused: 0, live: 0, fromClient: 0, fromBackend: 0 }
    counts.set(key, count)
  }
  count.live++
  add(count, connection)
}
