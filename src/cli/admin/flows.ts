import type { Tallies } from "../../metrics/tallies.ts"
import type { ConnectionInfo } from "../../proxy/connection/record.ts"

/** Traffic of one listener or route. */
export interface Flow {
  readonly live: number
  /** Connections since the start. */
  readonly connections: number
  readonly refused: number
  /** New connections per second. */
  readonly rate: number
  /** Refused connections per second. */
  readonly refusedRate: number
  /** Bytes per second read from clients. */
  readonly up: number
  /** Bytes per second read from backends. */
  readonly down: number
}

/** What one listener or one route has carried since the start. */
interface Total {
  live: number
  connections: number
  refused: number
  fromClient: number
  fromBackend: number
}

type Totals = ReadonlyMap<string, Total>

const none = (): Total => ({ live: 0, connections: 0, refused: 0, fromClient: 0, fromBackend: 0 })

/**
 * What all listeners, and some routes, have carried until one moment: what had ended by then, and what was live then,
 * which is added one by one and may take its time. Bytes that are counted late are counted once, and none is taken back.
 */
export class Carried {
  readonly #tallies: Tallies
  readonly #listeners = new Map<string, Total>()
  readonly #routes: Totals

  /**
   * @param tallies - what has ended
   * @param routes - names of those routes that are told apart
   */
  constructor(tallies: Tallies, routes: Iterable<string>) {
    this.#tallies = tallies
    this.#routes = new Map(Array.from(routes, (route) => [route, none()]))
    tallies.eachEnded((listener, route, { ended, refused }) => {
      for (const total of [this.#listener(listener), this.#routes.get(route)]) {
        if (total === undefined) continue
        total.connections += ended.connections
        total.refused += refused
        total.fromClient += ended.bytesFromClient
        total.fromBackend += ended.bytesFromBackend
      }
    })
  }

  /** Adds a connection that was live at that moment. */
  add(connection: ConnectionInfo): void {
    const { bytesFromClient, bytesFromBackend } = connection
    for (const total of [this.#listener(connection.listener), this.#routes.get(this.#tallies.label(connection))]) {
      if (total === undefined) continue
      total.live++
      total.connections++
      total.fromClient += bytesFromClient
      total.fromBackend += bytesFromBackend
    }
  }

  /** What the time since another moment brought, by key of the listener and by name of the route. */
  since(before: Carried, seconds: number): Readonly<Record<"listeners" | "routes", Readonly<Record<string, Flow>>>> {
    return {
      listeners: flows(this.#listeners, seconds, (key) => before.#listeners.get(key) ?? none()),
      // One that was not told apart before may have carried much by then.
      routes: flows(this.#routes, seconds, (name, total) => before.#routes.get(name) ?? total),
    }
  }

  #listener(key: string): Total {
    const known = this.#listeners.get(key)
    if (known !== undefined) return known
    const total = none()
    this.#listeners.set(key, total)
    return total
  }
}

function flows(
  now: Totals,
  seconds: number,
  before: (key: string, total: Total) => Total,
): Readonly<Record<string, Flow>> {
  const told = [...now].filter(([, { connections }]) => connections > 0)
  return Object.fromEntries(
    told.map(([key, total]) => {
      const { live, connections, refused } = total
      const old = before(key, total)
      const per = (field: keyof Total): number => (total[field] - old[field]) / seconds
      const bytes = { up: per("fromClient"), down: per("fromBackend") }
      return [key, { live, connections, refused, rate: per("connections"), refusedRate: per("refused"), ...bytes }]
    }),
  )
}
