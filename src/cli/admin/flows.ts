import type { Reading } from "../../metrics/tallies.ts"

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

/** What all of them have carried. */
export interface Carried {
  /** By key. */
  readonly listeners: Totals
  /** By name. */
  readonly routes: Totals
}

/** Sums up what has been counted by listeners, and by routes. */
export function carried({ rows }: Reading): Carried {
  const listeners = new Map<string, Total>()
  const routes = new Map<string, Total>()
  for (const row of rows) {
    add(listeners, row.listener, row)
    if (row.route !== "") add(routes, row.route, row)
  }
  return { listeners, routes }
}

function add(
  totals: Map<string, Total>,
  key: string,
  { tally: { ended, refused }, live }: Reading["rows"][number],
): void {
  const known = totals.get(key)
  const total = known ?? { live: 0, connections: 0, refused: 0, fromClient: 0, fromBackend: 0 }
  if (known === undefined) totals.set(key, total)
  total.live += live?.connections ?? 0
  total.connections += ended.connections + (live?.connections ?? 0)
  total.refused += refused
  total.fromClient += ended.bytesFromClient + (live?.bytesFromClient ?? 0)
  total.fromBackend += ended.bytesFromBackend + (live?.bytesFromBackend ?? 0)
}

/** What the time between two moments brought. */
export function flows(before: Totals, now: Totals, seconds: number): Readonly<Record<string, Flow>> {
  return Object.fromEntries(
    [...now].map(([key, total]) => {
      const { live, connections, refused } = total
      const per = (field: keyof Total): number => (total[field] - (before.get(key)?.[field] ?? 0)) / seconds
      const bytes = { up: per("fromClient"), down: per("fromBackend") }
      return [key, { live, connections, refused, rate: per("connections"), refusedRate: per("refused"), ...bytes }]
    }),
  )
}
