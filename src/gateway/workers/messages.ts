import type { AddressInfo } from "node:net"
import type { LookupFailure } from "../../proxy/backend/name-resolver.ts"
import type { ConnectionRecord, ConnectionSnapshot, Rejection, Waiting } from "../../proxy/connection/record.ts"
import type { SpliceProxyEvents } from "../../proxy/events.ts"
import type { Ejection } from "../../proxy/health/endpoint-health.ts"
import type { LimitMemory } from "../../proxy/limits/shared-memory.ts"
import type { CloseOptions } from "../../proxy/options.ts"
import type { DropCounts } from "../../proxy/quic/drops.ts"
import type { QuicState } from "../../proxy/quic/quic-ports.ts"
import type { RouteDecision } from "../../proxy/router.ts"
import type { RouteTableData } from "../../routing/route-table.ts"
import type { EndpointVerdict, PlaneOptions } from "../data-plane.ts"
import type { AnnotatedObject } from "../policies/annotated-objects.ts"
import type { Successors } from "../table-router.ts"
import type { ConnectionReport } from "./connection-reports.ts"

/** Events that travel from workers, and only while somebody listens. */
export type RelayedEvent = Exclude<keyof SpliceProxyEvents, "error" | "quic">

/** A table with what its policies are compiled from. */
export interface Configuration {
  readonly table: RouteTableData
  readonly annotated: readonly AnnotatedObject[]
  readonly successors: Successors
}

/** Which part of the limits is a worker's. */
export type LimitPart =
  /** A thread: it counts in memory that all share. */
  | { readonly memory: LimitMemory; readonly proxy: number }
  /** A process: one of so many, with an equal share. */
  | { readonly memory: undefined; readonly proxies: number }

/** What a worker is started with. */
export interface WorkerStart {
  /** Number of the worker, from 0. */
  readonly index: number
  /** How many there are. */
  readonly count: number
  readonly limits: LimitPart
  readonly options: PlaneOptions
  readonly configuration: Configuration
  /** Endpoints that active checks have found unhealthy. */
  readonly unhealthy: readonly EndpointVerdict[]
  readonly events: readonly RelayedEvent[]
}

/** What the main thread asks, each answered by a `done` or `failed` with the same id. */
export type WorkerRequest =
  | {
      readonly type: "listen"
      readonly key: string
      readonly host: string | undefined
      readonly port: number
      readonly reusePort: boolean
    }
  | { readonly type: "unlisten"; readonly key: string }
  | { readonly type: "configure"; readonly configuration: Configuration }
  | { readonly type: "close"; readonly options: CloseOptions }

/** What the main thread sends. */
export type ToWorker =
  | { readonly type: "start"; readonly start: WorkerStart }
  | { readonly type: "request"; readonly id: number; readonly request: WorkerRequest }
  | { readonly type: "checked"; readonly verdict: EndpointVerdict }
  | { readonly type: "events"; readonly events: readonly RelayedEvent[] }

/** An event as it travels: live views as plain copies. */
export type EventMessage =
  | { readonly event: "connection"; readonly connection: ConnectionSnapshot }
  | {
      readonly event: "route"
      readonly connection: ConnectionSnapshot
      /** Without its policy, which holds what cannot travel. */
      readonly decision: Omit<RouteDecision & { readonly action: "forward" }, "policy">
    }
  | { readonly event: "reject"; readonly connection: ConnectionSnapshot; readonly rejection: Rejection }
  | { readonly event: "waiting"; readonly connection: ConnectionSnapshot; readonly waiting: Waiting }
  | { readonly event: "close"; readonly record: ConnectionRecord }
  | { readonly event: "drops"; readonly drops: DropCounts }
  | { readonly event: "eject"; readonly ejection: Ejection }
  | { readonly event: "lookupFailed"; readonly failure: LookupFailure }

/** An error as it travels. */
export interface ErrorMessage {
  readonly message: string
  readonly code: string | undefined
  /** The system's own code, of a port that could not be bound. */
  readonly reason?: string
}

/** What a worker sends. */
export type FromWorker =
  /** It has loaded and reads messages from here on: a process loses those that come before. */
  | { readonly type: "loaded" }
  | { readonly type: "done"; readonly id: number; readonly address: AddressInfo | undefined }
  | { readonly type: "failed"; readonly id: number; readonly error: ErrorMessage }
  | { readonly type: "happened"; readonly events: readonly EventMessage[] }
  | { readonly type: "error"; readonly error: ErrorMessage }
  | { readonly type: "quic"; readonly listener: string; readonly state: QuicState | undefined }
  | ({
      readonly type: "report"
      /** Live connections, all told. */
      readonly size: number
    } & ConnectionReport)
