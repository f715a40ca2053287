import { EventEmitter, errorMonitor } from "node:events"
import type { NameResolver } from "../proxy/backend/dns-cache.ts"
import type { ConnectionInfo } from "../proxy/connection/record.ts"
import type { CloseOptions } from "../proxy/options.ts"
import type { SpliceProxyEvents } from "../proxy/proxy.ts"
import type { GatewayResources, ResourceProblem } from "../routing/resources.ts"
import type { Explanation, RouteQuery, RouteTable, Statuses, StatusOptions } from "../routing/route-table.ts"
import { createRouteTableBuilder, type RouteTableBuilder } from "../routing/table-builder.ts"
import type { GatewaySource } from "../sources/source.ts"
import { type BindingState, Bindings } from "./bindings.ts"
import { createDataPlane } from "./create-data-plane.ts"
import { type DataPlane, dnsCache } from "./data-plane.ts"
import { GatewayError } from "./errors.ts"
import { type EndpointHealthChange, HealthChecks } from "./health-checks.ts"
import type { PassthroughGatewayOptions } from "./options.ts"
import { AnnotationScan } from "./policies/annotated-objects.ts"
import { PolicyCompiler } from "./policies/compiler.ts"
import type { Policies } from "./policies/policies.ts"
import { assertSource, followSource } from "./source-loop.ts"

/** What a snapshot led to: the payload of the `config` event. */
export interface ConfigApplied {
  /** The table now in force. */
  readonly table: RouteTable
  /** Everything found wrong in the snapshot; its good part is in force. */
  readonly problems: readonly ResourceProblem[]
  /** Each socket the table wants, and whether it listens. */
  readonly bindings: readonly BindingState[]
}

/** Events of a {@link PassthroughGateway}, with their arguments. */
export interface GatewayEvents extends Omit<SpliceProxyEvents, "error"> {
  /** A snapshot was applied, or a binding that failed was bound since. */
  readonly config: [applied: ConfigApplied]
  /** Active checks found an endpoint unhealthy, or healthy again. */
  readonly health: [change: EndpointHealthChange]
  /** Something failed and the gateway goes on: the source threw, a port could not be bound. */
  readonly error: [error: Error]
}

type Phase =
  | { readonly name: "idle" }
  | { readonly name: "running"; readonly abort: AbortController; readonly loop: Promise<void> }
  | { readonly name: "closed"; readonly done: Promise<void> }

/**
 * Creates a TLS-passthrough gateway: configuration in, connections through.
 *
 * ```ts
 * const gateway = createPassthroughGateway({ source: fileSource("gateway.yaml") })
 * await gateway.start()
 * ```
 *
 * @param options - `source` is all it needs
 * @returns the gateway, not started yet
 * @throws {@link GatewayError} `ERR_TLSROUTE_OPTION` when an option cannot be used
 */
export function createPassthroughGateway(options: PassthroughGatewayOptions): PassthroughGateway {
  return new PassthroughGateway(options)
}

/** A running TLS-passthrough gateway. Made by {@link createPassthroughGateway}. */
export class PassthroughGateway extends EventEmitter<GatewayEvents> {
  readonly #source: GatewaySource
  readonly #builder: RouteTableBuilder
  readonly #annotations: AnnotationScan
  readonly #compiler: PolicyCompiler
  readonly #plane: DataPlane
  readonly #bindings: Bindings
  readonly #checkNames: NameResolver
  readonly #checks: HealthChecks
  #table: RouteTable
  #policies: Policies
  #phase: Phase = { name: "idle" }

  /** @internal */
  constructor(options: PassthroughGatewayOptions) {
    super()
    assertSource(options.source)
    this.#source = options.source
    this.#builder = createRouteTableBuilder(options)
    this.#annotations = new AnnotationScan(options.defaultNamespace)
    this.#compiler = new PolicyCompiler(options.policies)
    this.#table = this.#builder.build({})
    this.#policies = this.#compiler.compile([], this.#table)
    this.#plane = createDataPlane(this.#table, this.#policies, options)
    this.#checkNames = options.names ?? dnsCache(options.resolve)
    this.#checks = new HealthChecks(this.#checkNames, (change) => {
      this.#plane.endpointChecked(change)
      this.emit("health", change)
    })
    this.#bindings = new Bindings(this.#plane, options, () => this.#announce())
    for (const event of ["connection", "route", "reject", "close"] as const) this.#relay(event)
    this.#plane.on("error", (error) => this.#report(error))
  }

  /**
   * Takes the first snapshot, binds every listener and begins to serve.
   *
   * @param options - `tolerateBindErrors`: go on without the ports that cannot be bound, as after any later
   * snapshot: they are reported, and tried again. For configuration that many people write.
   * @throws {@link GatewayError} `ERR_TLSROUTE_BIND` naming the port that cannot be bound,
   * `ERR_TLSROUTE_SOURCE` when the source throws or ends before its first snapshot, `ERR_TLSROUTE_STATE` when
   * started twice, or closed before the first snapshot came. The gateway is closed after any of them.
   */
  async start(options: { readonly tolerateBindErrors?: boolean } = {}): Promise<void> {
    if (this.#phase.name !== "idle") {
      throw new GatewayError("ERR_TLSROUTE_STATE", `the gateway is ${this.#phase.name}; make a new one to start again`)
    }
    const abort = new AbortController()
    try {
      await new Promise<void>((resolve, reject) => {
        const loop = this.#follow(abort.signal, options.tolerateBindErrors ?? false, resolve, reject)
        this.#phase = { name: "running", abort, loop }
        loop.then(() => reject(this.#endedTooSoon()), reject)
      })
    } catch (error) {
      await this.close({ drainTimeout: 0 })
      throw error
    }
  }

  /**
   * Stops accepting, lets live connections finish, then ends them. Called again, the shorter time counts.
   *
   * @param options - `drainTimeout`: milliseconds that live connections may take, default 30 000; 0 ends them
   * at once. `spread`: the last part of that time, over which those that are left are ended.
   */
  close(options: CloseOptions = {}): Promise<void> {
    if (this.#phase.name === "closed") {
      void this.#plane.close(options)
      return this.#phase.done
    }
    if (this.#phase.name === "running") this.#phase.abort.abort()
    const loop = this.#phase.name === "running" ? this.#phase.loop : undefined
    this.#checks.stop()
    const done = (async () => {
      await this.#bindings.stop()
      await this.#plane.close(options)
      this.#checkNames.close?.()
      await loop?.catch(() => undefined)
    })()
    this.#phase = { name: "closed", done }
    return done
  }

  /** Closes with the default drain. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Where the gateway listens, or why it does not, socket by socket. */
  addresses(): readonly BindingState[] {
    return this.#bindings.states()
  }

  /** The table in force. */
  get routeTable(): RouteTable {
    return this.#table
  }

  /** Tells which route a name gets on a port, and why: see {@link RouteTable.explain}. */
  explain(query: RouteQuery): Explanation {
    return this.#table.explain(query)
  }

  /** Statuses of every object, with `Programmed` telling what is really bound. */
  statuses(options: Omit<StatusOptions, "bound"> = {}): Statuses {
    const bound = new Map(this.addresses().map((state) => [state.binding.key, state]))
    return this.#table.statuses({ ...options, bound })
  }

  /** Live connections. */
  get connections(): Iterable<ConnectionInfo> & { readonly size: number } {
    return this.#plane.connections
  }

  #follow(
    signal: AbortSignal,
    tolerateBindErrors: boolean,
    started: () => void,
    failedToStart: (error: Error) => void,
  ): Promise<void> {
    let first = true
    return followSource(this.#source, signal, {
      snapshot: async (resources) => {
        const failed = (await this.#apply(resources)).filter((state) => !state.bound)
        if (first && !tolerateBindErrors && failed[0] !== undefined) return failedToStart(failed[0].error)
        first = false
        for (const { error } of failed) this.#report(error)
        started()
      },
      failed: (cause) => {
        const error = new GatewayError("ERR_TLSROUTE_SOURCE", `the config source failed: ${messageOf(cause)}`, {
          cause,
        })
        if (first) failedToStart(error)
        else this.#report(error)
      },
    })
  }

  /** Why there will be no first snapshot any more. */
  #endedTooSoon(): GatewayError {
    return this.#phase.name === "closed"
      ? new GatewayError("ERR_TLSROUTE_STATE", "the gateway was closed before its source gave a snapshot")
      : new GatewayError(
          "ERR_TLSROUTE_SOURCE",
          "the config source ended without a snapshot; it must yield at least one",
        )
  }

  async #apply(resources: GatewayResources): Promise<readonly BindingState[]> {
    const table = this.#builder.build(resources)
    const policies = this.#compiler.compile(this.#annotations.scan(resources), table)
    this.#table = table
    this.#policies = policies
    await this.#plane.setTable(table, policies)
    this.#checks.update(table, policies)
    const bindings = await this.#bindings.reconcile(table.listeners)
    this.#announce()
    return bindings
  }

  // A data plane prepares an event only when somebody listens, so the gateway listens only while somebody does.
  #relay<E extends "connection" | "route" | "reject" | "close">(event: E): void {
    const pass = (...args: SpliceProxyEvents[E]) => void (this as EventEmitter).emit(event, ...args)
    const plane: EventEmitter = this.#plane
    const gateway = this as EventEmitter
    gateway.on("newListener", (name) => {
      if (name === event && gateway.listenerCount(event) === 0) plane.on(event, pass)
    })
    gateway.on("removeListener", (name) => {
      if (name === event && gateway.listenerCount(event) === 0) plane.off(event, pass)
    })
  }

  #announce(): void {
    const table = this.#table
    const policies = this.#policies
    this.emit("config", {
      table,
      // Looking for problems in thousands of objects takes time, and is for who wants to know.
      get problems() {
        return [...table.problems, ...policies.problems]
      },
      bindings: this.#bindings.states(),
    })
  }

  // An `error` event without a listener would end the process, and no input may do that.
  #report(error: Error): void {
    if (this.listenerCount("error") > 0) this.emit("error", error)
    else {
      process.emitWarning(error)
      // Metrics count errors without dealing with them.
      ;(this as EventEmitter).emit(errorMonitor, error)
    }
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
