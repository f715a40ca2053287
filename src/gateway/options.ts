import type { OneOf } from "../primitives/one-of.ts"
import type { NameResolver } from "../proxy/backend/name-resolver.ts"
import type { RouteTableOptions } from "../routing/options.ts"
import type { GatewaySource } from "../sources/source.ts"
import type { LocalAddressOptions } from "./bindings.ts"
import type { DataPlaneOptions } from "./data-plane.ts"
import type { PolicyOptions } from "./policies/options.ts"

/** Options of a gateway. Everything but `source` may be left out. */
export interface PassthroughGatewayOptions extends RouteTableOptions, LocalAddressOptions, DataPlaneOptions {
  /** Where configuration comes from: one snapshot, or a function that yields them. */
  readonly source: GatewaySource
  /**
   * What becomes of an object that was good and turns bad. `keep`: its last good version stays in force, and the
   * `config` event tells. `apply`: its bad parts have no effect, as with an API server. Default: `keep` for
   * {@link fileSource}, `apply` for any other source.
   */
  readonly onError?: OneOf<"keep" | "apply"> | undefined
  /**
   * Workers that carry the connections, for more than one core: a number, or `auto` for as many as there are
   * cores. They are threads that share ports where Node.js and the system can (22.12 and later, on Linux),
   * else processes of `node:cluster`, which cost more for each connection, as a process warning tells
   * (`TLSROUTE_WORKER_PROCESSES`); `schedulingPolicy` of `node:cluster` is then `SCHED_NONE`. Options for the data
   * plane must then be plain data. Default 1: this thread.
   */
  readonly workers?: number | OneOf<"auto"> | undefined
}

/** Options of a `TableServer`. Deadlines, limits and refusals that its proxy has hold where no policy says otherwise. */
export interface TableServerOptions extends LocalAddressOptions {
  /** Policies of the program, for all connections and for single listeners, routes and backends: see docs/policies.md. */
  readonly policies?: PolicyOptions | undefined
  /** Namespace of objects that name none, as the table was built with. Default: `default`. */
  readonly defaultNamespace?: string | undefined
  /** Resolves names of external backends for health checks: what the proxy is given. Default: a new `DnsCache`. */
  readonly names?: NameResolver | undefined
}
