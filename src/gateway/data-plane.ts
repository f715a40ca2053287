import type { EventEmitter } from "node:events"
import { DnsCache } from "../proxy/names.ts"
import type { CloseOptions, SpliceProxyOptions } from "../proxy/options.ts"
import { SpliceProxy, type SpliceProxyEvents } from "../proxy/proxy.ts"
import type { ConnectionInfo } from "../proxy/record.ts"
import type { RouteMatcher, RouteTable } from "../routing/route-table.ts"
import type { ListenTarget } from "./bindings.ts"
import { TableRouter } from "./table-router.ts"

/** Options of a data plane. */
export interface DataPlaneOptions extends Omit<SpliceProxyOptions, "router"> {
  /**
   * Fixed addresses for names of external backends, asked before DNS and allowed to be any: `host` or
   * `host:port` to `address` or `address:port`. Has no effect when `names` is given.
   */
  readonly resolve?: Readonly<Record<string, string | readonly string[]>> | undefined
}

/** What carries connections for a gateway: one proxy in this thread, or several in workers. */
export interface DataPlane extends ListenTarget, EventEmitter<SpliceProxyEvents> {
  /** Puts a table in force for connections that are routed from now on. */
  setTable(table: RouteTable): void
  /** Live connections. */
  readonly connections: Iterable<ConnectionInfo> & { readonly size: number }
  /** Stops accepting, lets live connections finish, and ends those that are left when the time is over. */
  close(options?: CloseOptions): Promise<void>
}

/** A data plane in this thread. */
export class LocalDataPlane extends SpliceProxy implements DataPlane {
  readonly #router: TableRouter

  constructor(table: RouteMatcher, options: DataPlaneOptions) {
    const router = new TableRouter(table)
    const names = options.names ?? new DnsCache(options.resolve === undefined ? {} : { overrides: options.resolve })
    super({ ...options, names, router })
    this.#router = router
  }

  setTable(table: RouteMatcher): void {
    this.#router.setTable(table)
  }
}
