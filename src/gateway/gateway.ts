import { describe } from "../primitives/describe.ts"
import { wordOf } from "../primitives/one-of.ts"
import { OptionError } from "../primitives/option-checks.ts"
import type { NameResolver } from "../proxy/backend/name-resolver.ts"
import type { ConnectionInfo } from "../proxy/connection/record.ts"
import { GuardedEmitter } from "../proxy/guarded-emitter.ts"
import type { CloseOptions } from "../proxy/options.ts"
import type { GatewayResources, ResourceProblem } from "../routing/resources.ts"
import type { RouteQuery, RouteTable, Statuses, StatusOptions } from "../routing/route-table.ts"
import type { GatewaySource } from "../sources/source.ts"
import { type BindingState, Bindings } from "./bindings.ts"
import { checkCloseOptions, checkGatewayOptions, checkStartOptions } from "./check-options.ts"
import { createDataPlane } from "./create-data-plane.ts"
import { type DataPlane, dnsCache } from "./data-plane.ts"
import { GatewayError } from "./errors.ts"
import { EventRelay, RELAYED } from "./event-relay.ts"
import type { GatewayEvents } from "./events.ts"
import { explainLookup, type GatewayExplanation } from "./explain.ts"
import { HealthChecks } from "./health-checks.ts"
import type { PassthroughGatewayOptions } from "./options.ts"
import { statesOf, statusesOf } from "./served-states.ts"
import { type CompiledSnapshot, type OnError, SnapshotCompiler } from "./snapshot-compiler.ts"
import { assertSource, followSource } from "./source-loop.ts"
import { type StartOptions, whyUnusable } from "./start.ts"

type Phase =
  | { readonly name: "idle" }
  | { readonly name: "running"; readonly loop: Promise<void> }
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
export class PassthroughGateway extends GuardedEmitter<GatewayEvents> {
  readonly #source: GatewaySource
  readonly #compiler: SnapshotCompiler
  readonly #plane: DataPlane
  readonly #bindings: Bindings
  /** Resolves names of health checks. One that the program gives is the data plane's to close. */
  readonly #ownNames: NameResolver | undefined
  readonly #checks: HealthChecks
  #compiled: CompiledSnapshot
  readonly #life = new AbortController()
  readonly #relays: readonly EventRelay[]
  #phase: Phase = { name: "idle" }
  #isApplying = false

  /** @internal */
  constructor(options: PassthroughGatewayOptions) {
    super()
    checkGatewayOptions(options)
    assertSource(options.source)
    this.#source = options.source
    this.#compiler = new SnapshotCompiler(options, wordOf<OnError>(options.onError ?? onErrorOf(options.source)))
    this.#compiled = this.#compiler.compile({})
    this.#plane = createDataPlane(this.#compiled.table, this.#compiled.policies, options, (death) =>
      this.tell("worker", death),
    )
    const names = options.names ?? dnsCache(options.resolve)
    this.#ownNames = options.names === undefined ? names : undefined
    this.#checks = new HealthChecks(names, (change) => {
      this.#plane.endpointChecked(change)
      this.tell("health", change)
    })
    this.#bindings = new Bindings(this.#plane, options, () => this.#announce())
    this.#relays = RELAYED.map((event) => new EventRelay(event, this.#plane, this))
    for (const relay of this.#relays) relay.watch()
    this.#plane.on("error", (error) => this.tell("error", error))
    // What changes while a snapshot is applied is told with it.
    this.#plane.on("quic", () => {
      if (this.#phase.name === "running" && !this.#isApplying) this.#announce()
    })
  }

  /**
   * Takes the first snapshot, binds every listener and begins to serve.
   *
   * @param options - what to go on without
   * @throws {@link GatewayError} `ERR_TLSROUTE_BIND` naming the port that cannot be bound,
   * `ERR_TLSROUTE_SOURCE` when the source throws or ends before its first snapshot, `ERR_TLSROUTE_UNUSABLE`, with the
   * problems, when the first snapshot asks for no port or a file of it could not be read, `ERR_TLSROUTE_STATE` when
   * started twice, or closed before the first snapshot came. The gateway is closed after any of them.
   * `ERR_TLSROUTE_OPTION`, and nothing is begun, when an option cannot be used.
   */
  async start(options: StartOptions = {}): Promise<void> {
    checkStartOptions(options)
    if (this.#phase.name !== "idle") {
      throw new GatewayError("ERR_TLSROUTE_STATE", `the gateway is ${this.#phase.name}; make a new one to start again`)
    }
    try {
      await new Promise<void>((resolve, reject) => {
        const loop = this.#follow(options, resolve, reject)
        this.#phase = { name: "running", loop }
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
   * @throws {@link GatewayError} `ERR_TLSROUTE_OPTION`, and nothing is closed, when an option cannot be used
   */
  async close(options: CloseOptions = {}): Promise<void> {
    checkCloseOptions(options)
    return this.#close(options)
  }

  #close(options: CloseOptions): Promise<void> {
    if (this.#phase.name === "closed") {
      void this.#plane.close(options)
      return this.#phase.done
    }
    this.#life.abort()
    const loop = this.#phase.name === "running" ? this.#phase.loop : undefined
    this.#checks.stop()
    this.#bindings.stop()
    const done = (async () => {
      await this.#plane.close(options)
      this.#ownNames?.close?.()
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
    return statesOf(this.#bindings.states(), this.#compiled.policies)
  }

  /** The table in force. */
  get routeTable(): RouteTable {
    return this.#compiled.table
  }

  /** What is wrong with objects whose last good version stays in force: see the option `onError`. */
  get kept(): readonly ResourceProblem[] {
    return this.#compiled.kept
  }

  /** Tells which route a name gets on a port, and why, as {@link RouteTable.explain} does, and how connections begin there. */
  explain(query: RouteQuery): GatewayExplanation {
    const { table, policies } = this.#compiled
    return explainLookup(table, policies, query)
  }

  /** Statuses of every object, with `Programmed` telling what is really bound, and which policies are refused. */
  statuses(options: Omit<StatusOptions, "bound" | "policyProblems"> = {}): Statuses {
    const { table, policies } = this.#compiled
    return statusesOf(table, this.addresses(), policies, options)
  }

  /** Live connections. */
  get connections(): Iterable<ConnectionInfo> & { readonly size: number } {
    return this.#plane.connections
  }

  #follow(
    { tolerateBindErrors = false, unusable = "reject" }: StartOptions,
    started: () => void,
    failedToStart: (error: Error) => void,
  ): Promise<void> {
    let first = true
    const { signal } = this.#life
    return followSource(this.#source, signal, {
      snapshot: async (resources) => {
        this.#isApplying = true
        const applied = await this.#apply(resources, signal).finally(() => {
          this.#isApplying = false
        })
        const failed = applied.filter((state) => !state.bound)
        if (signal.aborted) return
        const fault = first && unusable !== "serve" ? whyUnusable(this.#compiled) : undefined
        if (fault !== undefined) return unusable === "wait" ? undefined : failedToStart(fault)
        if (first && !tolerateBindErrors && failed[0] !== undefined) return failedToStart(failed[0].error)
        first = false
        for (const { error } of failed) this.tell("error", error)
        started()
      },
      failed: (cause) => {
        // What makes tables of snapshots asks functions of the program's options, which are not the source.
        const error =
          cause instanceof OptionError
            ? new GatewayError("ERR_TLSROUTE_OPTION", cause.message, { cause })
            : new GatewayError("ERR_TLSROUTE_SOURCE", `the config source failed: ${describe(cause)}`, { cause })
        if (first && unusable !== "wait") failedToStart(error)
        else this.tell("error", error)
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

  async #apply(resources: GatewayResources, signal: AbortSignal): Promise<readonly BindingState[]> {
    const compiled = this.#compiler.compile(resources)
    const { table, policies } = compiled
    this.#compiled = compiled
    await this.#plane.setTable(table, policies, this.#bindings.successors(table.listeners))
    if (signal.aborted) return []
    this.#checks.update(table, policies)
    const bindings = await this.#bindings.reconcile(table.listeners)
    if (signal.aborted) return []
    this.#announce()
    return bindings
  }

  /** Same as for any emitter. What the gateway itself goes on to hear, it hears all the same. */
  override removeAllListeners(event?: keyof GatewayEvents): this {
    // Node.js tells absent from undefined here.
    if (event === undefined) super.removeAllListeners()
    else super.removeAllListeners(event)
    for (const relay of this.#relays) relay.watch()
    return this
  }

  #announce(): void {
    const { table, policies, kept } = this.#compiled
    this.tell("config", {
      table,
      // Looking for problems in thousands of objects takes time, and is for who wants to know.
      get problems() {
        return [...kept, ...table.problems, ...policies.problems]
      },
      kept,
      bindings: this.addresses(),
    })
  }
}

/** What a source asks for, where the program does not. */
function onErrorOf(source: GatewaySource): OnError {
  return typeof source === "function" ? (source.onError ?? "apply") : "apply"
}
