/** What a child can be asked. `exhaust` opens files until there is no descriptor left, `relax` closes them. */
export type ChildRequest = "status" | "memory" | "exhaust" | "relax"

/** How a child fares. */
export interface ChildStatus {
  /** Connections accepted so far. */
  readonly accepted: number
  /** Live connections. */
  readonly live: number
  /** Those of them that have sent something. */
  readonly reading: number
  /** Connections that have ended, by outcome. */
  readonly outcomes: Readonly<Record<string, number>>
  /** Messages of the gateway's `error` events. */
  readonly errors: readonly string[]
  /** Open descriptors. */
  readonly descriptors: number
}

/** What a child holds after a full collection, in bytes. `peak` is the most that was resident at any time. */
export type ChildMemory = NodeJS.MemoryUsage & { readonly peak: number }
