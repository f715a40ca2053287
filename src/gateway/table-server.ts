import type { NameResolver } from "../proxy/backend/name-resolver.ts"
import { GuardedEmitter } from "../proxy/guarded-emitter.ts"
import type { ListenerPolicy } from "../proxy/policy.ts"
import type { SpliceProxy } from "../proxy/proxy.ts"
import type { RouteDecision, RouteRequest, Router } from "../proxy/router.ts"
import type { GatewayResources, ResourceProblem } from "../routing/resources.ts"
import type { RouteTable, Statuses, StatusOptions } from "../routing/route-table.ts"
import { buildRouteTable } from "../routing/table-builder.ts"
import { type BindingState, Bindings } from "./bindings.ts"
import { checkApplied, checkTableServerOptions } from "./check-options.ts"
import { dnsCache } from "./data-plane.ts"
import { GatewayError } from "./errors.ts"
import type { TableServerEvents } from "./events.ts"
import { HealthChecks } from "./health-checks.ts"
import type { TableServerOptions } from "./options.ts"
import { AnnotationScan } from "./policies/annotated-objects.ts"
import { PolicyCompiler } from "./policies/compiler.ts"
import { statesOf, statusesOf } from "./served-states.ts"
import { ServedTable } from "./served-table.ts"

/**
 * Serves route tables with a {@link SpliceProxy}: it is the proxy's router, keeps the proxy's listeners in step with
 * the table, holds policies, probes endpoints, and lets connections of removed routes drain, as policies say. For a
 * controller that brings its own source, its own statuses, or its own proxy; all others use
 * {@link createPassthroughGateway}. One server serves one proxy; a process may have several of both.
 *
 * ```ts
 * const server = new TableServer({ address: "127.0.0.1", policies: { healthCheck: "tcp" } })
 * const proxy = new SpliceProxy({ router: server })
 * const builder = createRouteTableBuilder()
 * for await (const resources of snapshots()) {
 *   await server.apply(proxy, builder.build(resources), resources)
 *   publish(server.statuses())
 * }
 * server.stop()
 * await proxy.close()
 * ```
 */
export class TableServer extends GuardedEmitter<TableServerEvents> implements Router {
  readonly #options: TableServerOptions
  readonly #compiler: PolicyCompiler
  readonly #annotations: AnnotationScan
  readonly #served: ServedTable
  readonly #checks: HealthChecks
  readonly #ownNames: NameResolver | undefined
  #table: RouteTable = buildRouteTable({})
  #bindings: Bindings | undefined
  #proxy: SpliceProxy | undefined
  #applying = 0
  #isStopped = false

  /**
   * @param options - everything may be left out
   * @throws {@link GatewayError} `ERR_TLSROUTE_OPTION`, and {@link PolicyError} naming the policy that cannot be used
   */
  constructor(options: TableServerOptions = {}) {
    super()
    checkTableServerOptions(options)
    this.#options = options
    this.#compiler = new PolicyCompiler(options.policies)
    this.#annotations = new AnnotationScan(options.defaultNamespace)
    const policies = this.#compiler.compile([], this.#table)
    const everywhere = policies.gatewayScope === undefined ? [] : [policies.gatewayScope]
    this.#served = new ServedTable(this.#table, policies, (_, policy) => within(everywhere, policy))
    const names = options.names ?? dnsCache(undefined)
    this.#ownNames = options.names === undefined ? names : undefined
    this.#checks = new HealthChecks(names, (change) => {
      const { target, endpoint, check, healthy } = change
      this.#proxy?.setEndpointHealth(target, endpoint, check, healthy)
      this.tell("health", change)
    })
  }

  /** Decides by the table in force. The proxy calls it. */
  route(request: RouteRequest): RouteDecision {
    return this.#served.router.route(request)
  }

  /**
   * Puts a table in force: connections from now on are routed by it, ports open and close, established connections go
   * on. A port that cannot be bound is tried again, and the event `bindings` tells when that changes. Calls run one
   * after another.
   *
   * @param proxy - the one that has this as its router; the same each time
   * @param table - what to serve
   * @param resources - the snapshot it was built from, for policies in annotations; left out, they do not count
   * @returns each socket that the table wants, and whether it listens; it does not reject for a port
   * @throws {@link GatewayError} `ERR_TLSROUTE_OPTION` for what cannot be served, `ERR_TLSROUTE_STATE` when the server is
   * stopped, or serves another proxy
   */
  async apply(
    proxy: SpliceProxy,
    table: RouteTable,
    resources: GatewayResources = {},
  ): Promise<readonly BindingState[]> {
    checkApplied(proxy, table, resources)
    const bindings = this.#bindingsOf(proxy)
    this.#table = table
    const policies = this.#compiler.compile(this.#annotations.scan(resources), table)
    this.#applying++
    try {
      this.#served.set(proxy, table, policies, bindings.successors(table.listeners))
      this.#checks.update(table, policies)
      await bindings.reconcile(table.listeners)
      return this.addresses()
    } finally {
      this.#applying--
    }
  }

  /** What is wrong with the objects in force, and with their policies. */
  get problems(): readonly ResourceProblem[] {
    return [...this.#table.problems, ...this.#served.policies.problems]
  }

  /** Each socket that the table wants, and whether it listens. */
  addresses(): readonly BindingState[] {
    return statesOf(this.#bindings?.states() ?? [], this.#served.policies)
  }

  /**
   * Statuses of every object in force, with `Programmed` telling what is really bound, and which policies are refused.
   * Worth writing after {@link apply}, and when the event `bindings` comes.
   */
  statuses(options: Omit<StatusOptions, "bound" | "policyProblems"> = {}): Statuses {
    return statusesOf(this.#table, this.addresses(), this.#served.policies, options)
  }

  /** Binds and probes nothing more. What is bound stays so until the proxy is closed. */
  stop(): void {
    this.#isStopped = true
    this.#bindings?.stop()
    this.#checks.stop()
    this.#ownNames?.close?.()
  }

  #bindingsOf(proxy: SpliceProxy): Bindings {
    if (this.#isStopped) throw new GatewayError("ERR_TLSROUTE_STATE", "the TableServer is stopped; make a new one")
    if (this.#bindings === undefined || this.#proxy === undefined) {
      this.#proxy = proxy
      proxy.on("quic", () => this.#changed())
      this.#bindings = new Bindings(
        {
          listen: (options) => this.#served.listen(proxy, options, (adapted) => proxy.listen(adapted)),
          unlisten: (key) => {
            this.#served.forget(key)
            return proxy.unlisten(key)
          },
          quicState: (key) => proxy.quicState(key),
        },
        this.#options,
        () => this.#changed(),
      )
    } else if (this.#proxy !== proxy) {
      const message = "a TableServer serves one proxy; make another one for another proxy"
      throw new GatewayError("ERR_TLSROUTE_STATE", message)
    }
    return this.#bindings
  }

  // What changes while a table is applied is told by what `apply` returns.
  #changed(): void {
    if (this.#applying === 0 && !this.#isStopped) this.tell("bindings", this.addresses())
  }
}

/** Adds what is asked of every connection to what a socket asks. */
function within(everywhere: ListenerPolicy["scopes"], policy: ListenerPolicy | undefined): ListenerPolicy | undefined {
  return policy === undefined ? undefined : { ...policy, scopes: [...everywhere, ...policy.scopes] }
}
