import type { SpliceProxyEvents } from "../proxy/events.ts"
import type { ResourceProblem } from "../routing/resources.ts"
import type { RouteTable } from "../routing/route-table.ts"
import type { BindingState } from "./bindings.ts"
import type { EndpointHealthChange } from "./health-checks.ts"

/** What a snapshot led to: the payload of the `config` event. */
export interface ConfigApplied {
  /** The table now in force. */
  readonly table: RouteTable
  /** Everything found wrong in the snapshot; its good part is in force. */
  readonly problems: readonly ResourceProblem[]
  /** Those of them that are with objects whose last good version stays in force: see the option `onError`. */
  readonly kept: readonly ResourceProblem[]
  /** Each socket the table wants, and whether it listens. */
  readonly bindings: readonly BindingState[]
}

/** A worker that died: the payload of the `worker` event. */
export interface WorkerDeath {
  /** Its number, from 0, which the one that takes its place has too. */
  readonly worker: number
  /** How it ended. */
  readonly reason: string
  /** Connections that ended with it, as far as they were known. */
  readonly lost: number
}

/** Events of a {@link PassthroughGateway}, with their arguments. */
export interface GatewayEvents extends Omit<SpliceProxyEvents, "error" | "quic"> {
  /** A snapshot was applied, or a binding that failed was bound since, over TCP or UDP. */
  readonly config: [applied: ConfigApplied]
  /** Active checks found an endpoint unhealthy, or healthy again. */
  readonly health: [change: EndpointHealthChange]
  /** A worker died, and is being replaced; an `error` follows. */
  readonly worker: [death: WorkerDeath]
  /** Something failed and the gateway goes on: the source threw, a port could not be bound. */
  readonly error: [error: Error]
}

/** Events of a {@link TableServer}, with their arguments. */
export interface TableServerEvents {
  /** A port that could not be bound was bound since, or failed otherwise, over TCP or UDP: statuses change with it. */
  readonly bindings: [states: readonly BindingState[]]
  /** Active checks found an endpoint unhealthy, or healthy again. The proxy has been told. */
  readonly health: [change: EndpointHealthChange]
  /** A listener of another event threw. Without a listener it becomes a process warning. */
  readonly error: [error: Error]
}
