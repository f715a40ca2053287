import type { GatewayResources } from "../routing/resources.ts"

/**
 * Where configuration comes from: one fixed snapshot, or a function that yields a whole snapshot at the
 * start and after every change until the signal aborts. What it throws is reported, the last snapshot
 * stays in force, and it is called again after a pause.
 */
export type GatewaySource = GatewayResources | SourceFunction

/** Yields snapshots: see {@link GatewaySource}. */
export interface SourceFunction {
  /** Yields a snapshot at the start and after every change, until the signal aborts. */
  (signal: AbortSignal): AsyncIterable<GatewayResources>
  /** What becomes of objects that turn bad, where the gateway's option `onError` does not say. Default: `apply`. */
  readonly onError?: "keep" | "apply"
}
