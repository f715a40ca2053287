import type { LookupFailure } from "./backend/name-resolver.ts"
import type { ConnectionInfo, ConnectionRecord, Rejection, Waiting } from "./connection/record.ts"
import type { Ejection } from "./health/endpoint-health.ts"
import type { DropCounts } from "./quic/drops.ts"
import type { QuicState } from "./quic/quic-ports.ts"
import type { RouteDecision } from "./router.ts"

/** Events of a `SpliceProxy`, with their arguments. For one connection they come in this order. */
export interface SpliceProxyEvents {
  /** A connection was accepted. */
  connection: [connection: ConnectionInfo]
  /** Its ClientHello was read, and the router chose a target. */
  route: [connection: ConnectionInfo, decision: RouteDecision & { readonly action: "forward" }]
  /** It was refused: no byte of it has reached, or will reach, a backend. */
  reject: [connection: ConnectionInfo, rejection: Rejection]
  /** It waits for its backend for longer than is usual, over TCP: once for each of the reasons, and it goes on. */
  waiting: [connection: ConnectionInfo, waiting: Waiting]
  /** It is over, routed or refused: once for every connection. */
  close: [record: ConnectionRecord]
  /** Datagrams that came over QUIC and went nowhere, since the last of these events: at most one each second. */
  drops: [drops: DropCounts]
  /** An endpoint is left out for a while, as connects to it have failed. */
  eject: [ejection: Ejection]
  /** A backend's name could not be looked up, whether or not an outdated answer makes up for it. */
  lookupFailed: [failure: LookupFailure]
  /** A listener takes QUIC from now on, or cannot, or, where the state is `undefined`, is not to any more. */
  quic: [listener: string, state: QuicState | undefined]
  /** Something failed that no single client did; the proxy goes on. Without a listener it becomes a process warning. */
  error: [error: Error]
}
