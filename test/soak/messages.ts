import type { ConnectionOutcome } from "../../src/proxy/connection/record.ts"
import type { GatewayResources } from "../../src/routing/resources.ts"

/** What the gateway's process is told. */
export type ToGateway =
  | { readonly type: "configure"; readonly config: GatewayResources }
  /** Answered by a {@link GatewayStatus}. */
  | { readonly type: "status" }
  /** Closes the gateway and lets the process end by itself, if nothing keeps it. */
  | { readonly type: "close" }

/** What became of a connection, as the gateway tells it. */
export interface SoakRecord {
  /** Of the listener that took it. */
  readonly gatewayPort: number
  readonly clientPort: number
  readonly serverName: string | undefined
  /** Address and port that it was sent to; empty when it was not. */
  readonly endpoint: string
  readonly outcome: ConnectionOutcome
  readonly detail: string | undefined
  readonly bytesFromClient: number
  readonly bytesFromBackend: number
  /** Milliseconds from accept to the end. */
  readonly time: number
}

/** What the gateway's process holds. */
export interface GatewayStatus {
  readonly live: number
  readonly records: number
  readonly descriptors: number
  /** What keeps the process alive, by kind: sockets, servers, timers. */
  readonly resources: Readonly<Record<string, number>>
  /** Gateway ports that it listens on. */
  readonly listening: readonly number[]
  /** After a full collection. */
  readonly memory: NodeJS.MemoryUsage
}

/** What the gateway's process tells. */
export type FromGateway =
  /** A configuration is in force; where each Gateway port is bound. */
  | { readonly type: "config"; readonly ports: Readonly<Record<number, number>> }
  | { readonly type: "records"; readonly records: readonly SoakRecord[] }
  | { readonly type: "status"; readonly status: GatewayStatus }
  | { readonly type: "error"; readonly message: string }
