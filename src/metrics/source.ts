import type { ConnectionInfo } from "../proxy/connection/record.ts"

/** What metrics are taken from: a gateway, or a proxy used alone, which has no `config` and `health` events. */
export interface MetricsSource {
  /** Connections that are not closed yet. */
  readonly connections: Iterable<ConnectionInfo>
  /** As `EventEmitter`. */
  // biome-ignore lint/suspicious/noExplicitAny: emitters with different event maps must all fit
  on(event: any, listener: (...args: any[]) => void): unknown
  /** As `EventEmitter`. */
  // biome-ignore lint/suspicious/noExplicitAny: emitters with different event maps must all fit
  off(event: any, listener: (...args: any[]) => void): unknown
}
