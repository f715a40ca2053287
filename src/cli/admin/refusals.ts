import { forgetOldest } from "../../primitives/forget-oldest.ts"
import type { ConnectionRecord } from "../../proxy/connection/record.ts"

/** One kind of refusal: who was asked for, and why nobody was reached. */
export interface RefusalCount {
  /** SNI, or what stood in its place; `undefined` when there was none. */
  readonly serverName: string | undefined
  /** As in the record. */
  readonly outcome: string
  /** As in the record. */
  readonly detail: string | undefined
  /** How often, since this kind was last forgotten. */
  readonly count: number
  /** Milliseconds since 1970. */
  readonly last: number
}

/** Kinds that are remembered: clients choose their names, and may choose many. */
const MOST_KINDS = 500

/** Counts refusals by name and reason. Kinds that have not been seen for the longest are forgotten first. */
export class Refusals {
  readonly #kinds = new Map<string, RefusalCount>()

  /** Counts a connection, if it was refused. */
  add({ kind, serverName, offeredName, outcome, detail }: ConnectionRecord): void {
    if (kind !== "refused") return
    const name = serverName ?? offeredName
    const key = `${outcome}\n${detail ?? ""}\n${name ?? ""}`
    const count = (this.#kinds.get(key)?.count ?? 0) + 1
    this.#kinds.delete(key)
    this.#kinds.set(key, { serverName: name, outcome, detail, count, last: Date.now() })
    forgetOldest(this.#kinds, MOST_KINDS)
  }

  /** The most frequent ones. */
  top(most: number): readonly RefusalCount[] {
    return [...this.#kinds.values()].sort((a, b) => b.count - a.count || b.last - a.last).slice(0, most)
  }
}
