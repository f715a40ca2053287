import type { EventEmitter } from "node:events"
import type { AddressInfo } from "node:net"
import { DnsCache } from "../proxy/backend/dns-cache.ts"
import type { NameResolver } from "../proxy/backend/name-resolver.ts"
import type { ConnectionInfo } from "../proxy/connection/record.ts"
import type { SpliceProxyEvents } from "../proxy/events.ts"
import type { ProxyLimits } from "../proxy/limits/gate.ts"
import type { LimitSharing } from "../proxy/limits/sharing.ts"
import type { CloseOptions, ListenOptions, SpliceProxyOptions } from "../proxy/options.ts"
import { SpliceProxy } from "../proxy/proxy.ts"
import type { DialEndpoint } from "../proxy/target.ts"
import type { RouteMatcher, RouteTable } from "../routing/route-table.ts"
import type { ListenTarget } from "./bindings.ts"
import type { PolicyOptions } from "./policies/options.ts"
import type { Policies } from "./policies/policies.ts"
import { ServedTable } from "./served-table.ts"
import { NO_SUCCESSORS, type Successors } from "./table-router.ts"

/** Options of a data plane. */
export interface DataPlaneOptions extends Pick<SpliceProxyOptions, "refusal" | "describeHello" | "names"> {
  /**
   * Deadlines, limits, PROXY protocol, health checks and drain, for all connections and for single listeners,
   * routes and backends: see docs/policies.md.
   */
  readonly policies?: PolicyOptions | undefined
  /** Limits of the process as a whole. */
  readonly limits?: Omit<ProxyLimits, "scope"> | undefined
  /**
   * Fixed addresses for names of external backends, asked before DNS and allowed to be any: `host` or
   * `host:port` to `address` or `address:port`. Has no effect when `names` is given.
   */
  readonly resolve?: Readonly<Record<string, string | readonly string[]>> | undefined
}

/** What the data planes of one gateway have in common, besides what its user chose. */
export interface PlaneOptions extends DataPlaneOptions {
  /** What the ids of its connections begin with: see `SpliceProxyOptions`. */
  readonly family?: string | undefined
}

/** What an active check has come to for one endpoint. */
export interface EndpointVerdict {
  /** Id of the target. */
  readonly target: string
  /** The endpoint. */
  readonly endpoint: DialEndpoint
  /** Id of the check: see `HealthCheck`. */
  readonly check: string
  /** Whether it is healthy. */
  readonly healthy: boolean
}

/** What carries connections for a gateway: one proxy in this thread, or several in workers. */
export interface DataPlane extends ListenTarget, EventEmitter<SpliceProxyEvents> {
  /**
   * Puts a table in force for connections that are routed from now on, and lets those drain whose policy says
   * so. It is in force everywhere when this returns, or settles. Sockets that have a successor serve as that one.
   */
  setTable(table: RouteTable, policies: Policies, successors?: Successors): void | Promise<void>
  /** Takes what an active check has come to. */
  endpointChecked(verdict: EndpointVerdict): void
  /** Live connections. */
  readonly connections: Iterable<ConnectionInfo> & { readonly size: number }
  /** Stops accepting, lets live connections finish, and ends those that are left when the time is over. */
  close(options?: CloseOptions): Promise<void>
}

/** What resolves names where the options give nothing that does. */
export function dnsCache(resolve: DataPlaneOptions["resolve"]): NameResolver {
  return new DnsCache(resolve === undefined ? {} : { overrides: resolve })
}

/** A data plane in this thread. */
export class LocalDataPlane extends SpliceProxy implements DataPlane {
  readonly #served: ServedTable

  /**
   * @param table - what connections are routed by
   * @param policies - what holds for them
   * @param options - of the data plane
   * @param sharing - with whom limits are shared
   * @param ownsQuic - whether the UDP port beside a listener is this plane's, where several share its TCP port
   */
  constructor(
    table: RouteMatcher,
    policies: Policies,
    options: PlaneOptions,
    sharing?: LimitSharing,
    ownsQuic: (key: string) => boolean = () => true,
  ) {
    const served = new ServedTable(table, policies, (key, policy) =>
      policy?.quic === true && !ownsQuic(key) ? { ...policy, quic: false } : policy,
    )
    const { resolve, limits, refusal, describeHello, family } = options
    const names = options.names ?? dnsCache(resolve)
    const held = { ...limits, scope: policies.gatewayScope }
    super({ router: served.router, names, refusal, describeHello, limits: held, family, sharing })
    this.#served = served
  }

  setTable(table: RouteMatcher, policies: Policies, successors: Successors = NO_SUCCESSORS): void {
    this.#served.set(this, table, policies, successors)
  }

  override listen(options: ListenOptions): Promise<AddressInfo> {
    return this.#served.listen(this, options, (adapted) => super.listen(adapted))
  }

  override unlisten(key: string): boolean {
    this.#served.forget(key)
    return super.unlisten(key)
  }

  endpointChecked({ target, endpoint, check, healthy }: EndpointVerdict): void {
    this.setEndpointHealth(target, endpoint, check, healthy)
  }
}
