import type { SpliceProxy } from "../proxy/proxy.ts"
import type { RouteDecision, RouteRequest, Router } from "../proxy/router.ts"
import type { GatewayResources, ResourceProblem } from "../routing/resources.ts"
import type { RouteTable } from "../routing/route-table.ts"
import { buildRouteTable } from "../routing/table-builder.ts"
import { type BindingState, Bindings } from "./bindings.ts"
import { checkApplied, checkTableServerOptions } from "./check-options.ts"
import { GatewayError } from "./errors.ts"
import type { TableServerOptions } from "./options.ts"
import { AnnotationScan } from "./policies/annotated-objects.ts"
import { PolicyCompiler } from "./policies/compiler.ts"
import type { Policies } from "./policies/policies.ts"
import { RemovalCheck } from "./removal.ts"
import { type Successors, TableRouter } from "./table-router.ts"

/**
 * Serves route tables with a {@link SpliceProxy}: it is the proxy's router, and keeps the proxy's listeners in step
 * with the table. For a controller that brings its own source, its own statuses, or its own proxy; all others use
 * {@link createPassthroughGateway}.
 *
 * ```ts
 * const server = new TableServer({ address: "127.0.0.1" })
 * const proxy = new SpliceProxy({ router: server })
 * const builder = createRouteTableBuilder()
 * for await (const resources of snapshots()) await server.apply(proxy, builder.build(resources), resources)
 * ```
 */
export class TableServer implements Router {
  readonly #options: TableServerOptions
  readonly #compiler: PolicyCompiler
  readonly #annotations: AnnotationScan
  readonly #router: TableRouter
  #policies: Policies
  #successors: Successors = new Map()
  #bindings: Bindings | undefined
  #proxy: SpliceProxy | undefined

  /**
   * @param options - everything may be left out
   * @throws {@link GatewayError} `ERR_TLSROUTE_OPTION`, and {@link PolicyError} naming the policy that cannot be used
   */
  constructor(options: TableServerOptions = {}) {
    checkTableServerOptions(options)
    this.#options = options
    this.#compiler = new PolicyCompiler(options.policies)
    this.#annotations = new AnnotationScan(options.defaultNamespace)
    const empty = buildRouteTable({})
    this.#policies = this.#compiler.compile([], empty)
    this.#router = new TableRouter(empty, this.#policies)
  }

  /** Decides by the table in force. The proxy calls it. */
  route(request: RouteRequest): RouteDecision {
    return this.#router.route(request)
  }

  /**
   * Puts a table in force: connections from now on are routed by it, ports open and close, established connections go
   * on. A port that cannot be bound is tried again. Calls run one after another.
   *
   * @param proxy - the one that has this as its router; the same each time
   * @param table - what to serve
   * @param resources - the snapshot it was built from, for policies in annotations; left out, they do not count
   * @returns each socket that the table wants, and whether it listens
   * @throws {@link GatewayError} `ERR_TLSROUTE_OPTION` for what cannot be served, `ERR_TLSROUTE_STATE` for another proxy
   * than before
   */
  async apply(
    proxy: SpliceProxy,
    table: RouteTable,
    resources: GatewayResources = {},
  ): Promise<readonly BindingState[]> {
    checkApplied(proxy, table, resources)
    const bindings = this.#bindingsOf(proxy)
    this.#policies = this.#compiler.compile(this.#annotations.scan(resources), table)
    this.#successors = bindings.successors(table.listeners)
    this.#router.setTable(table, this.#policies, this.#successors)
    const keys = [...bindings.states().map(({ binding }) => binding.key), ...this.#successors.keys()]
    const inForce = keys.map((key) => this.#setPolicy(proxy, key))
    const check = new RemovalCheck(table)
    proxy.drainRemoved((connection) => check.removalOf(connection))
    proxy.forgetUnused()
    await Promise.all(inForce)
    return bindings.reconcile(table.listeners)
  }

  /** What is wrong with the policies in force. */
  get problems(): readonly ResourceProblem[] {
    return this.#policies.problems
  }

  /** Each socket that the table wants, and whether it listens. */
  addresses(): readonly BindingState[] {
    return this.#bindings?.states() ?? []
  }

  /** Binds nothing more. What is bound stays so until the proxy is closed. */
  stop(): void {
    this.#bindings?.stop()
  }

  #bindingsOf(proxy: SpliceProxy): Bindings {
    if (this.#proxy !== undefined && this.#proxy !== proxy) {
      throw new GatewayError("ERR_TLSROUTE_STATE", "a TableServer serves one proxy; make another one for another proxy")
    }
    this.#proxy = proxy
    this.#bindings ??= new Bindings(
      {
        listen: async (options) => {
          const policies = this.#policies
          const address = await proxy.listen({ ...options, policy: this.#policyOf(options.key) })
          // Others may have come into force while the port was being bound.
          if (policies !== this.#policies) await this.#setPolicy(proxy, options.key)
          return address
        },
        unlisten: (key) => proxy.unlisten(key),
        quicState: (key) => proxy.quicState(key),
      },
      this.#options,
      () => this.#options.onBindingChange?.(this.addresses()),
    )
    return this.#bindings
  }

  async #setPolicy(proxy: SpliceProxy, key: string): Promise<void> {
    if (proxy.address(key) !== undefined) await proxy.setListenerPolicy(key, this.#policyOf(key))
  }

  #policyOf(key: string) {
    return this.#policies.binding(this.#successors.get(key) ?? key)?.listener
  }
}
