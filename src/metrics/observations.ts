import { errorMonitor } from "node:events"
import type { LookupFailure } from "../proxy/backend/name-resolver.ts"
import type { Ejection } from "../proxy/health/endpoint-health.ts"
import type { DropCounts } from "../proxy/quic/drops.ts"
import type { ResourceProblem } from "../routing/resources.ts"
import { BoundedLabels } from "./bounded-labels.ts"
import type { MetricsSource } from "./source.ts"
import { Tallies } from "./tallies.ts"

/** What of a `config` event is counted. */
interface AppliedConfig {
  readonly table: {
    readonly routes: readonly { readonly ref: { readonly namespace: string; readonly name: string } }[]
  }
  readonly problems: readonly ResourceProblem[]
  readonly kept?: readonly ResourceProblem[]
  readonly bindings: readonly { readonly bound: boolean }[]
}

/** The configuration in force, in numbers. */
export interface ConfigState {
  /** Seconds since 1970. */
  readonly appliedAt: number
  readonly routes: number
  readonly errors: number
  readonly warnings: number
  readonly keptObjects: number
  readonly bound: number
  readonly unbound: number
}

/** How often something happened, by what sets it apart. */
export type Counts = ReadonlyMap<string, number>

/** Routes that are told apart where nothing else is said. */
const DEFAULT_MAX_ROUTES = 10_000

/** Hears all that a gateway or proxy tells of itself, and counts it, for whoever wants to read it. */
export class Observations {
  /** What it carries. */
  readonly tallies: Tallies
  readonly #source: MetricsSource
  readonly #targets: BoundedLabels
  readonly #hosts: BoundedLabels
  readonly #dropped = new Map<string, number>()
  readonly #errors = new Map<string, number>()
  readonly #ejections = new Map<string, number>()
  readonly #lookupFailures = new Map<string, number>()
  readonly #unhealthy = new Map<string, number>()
  #workerRestarts = 0
  #configsApplied = 0
  #config: ConfigState | undefined

  /**
   * @param source - what is heard, from now on
   * @param maxRoutes - routes told apart, and targets, and names; further ones are counted together, as `other`
   */
  constructor(source: MetricsSource, maxRoutes = DEFAULT_MAX_ROUTES) {
    this.#source = source
    this.#targets = new BoundedLabels(maxRoutes)
    this.#hosts = new BoundedLabels(maxRoutes)
    this.tallies = new Tallies(source, maxRoutes)
    for (const [event, listener] of this.#listeners) source.on(event, listener)
  }

  /** Datagrams that went nowhere, by reason. */
  get dropped(): Counts {
    return this.#dropped
  }

  /** Failures that no single client caused, by code. */
  get errors(): Counts {
    return this.#errors
  }

  /** Ejections of endpoints, by target. */
  get ejections(): Counts {
    return this.#ejections
  }

  /** Lookups that failed, by name. */
  get lookupFailures(): Counts {
    return this.#lookupFailures
  }

  /** Endpoints that active checks find unhealthy, by target; targets without any are left out. */
  get unhealthy(): Counts {
    return this.#unhealthy
  }

  /** Workers that died and were replaced. */
  get workerRestarts(): number {
    return this.#workerRestarts
  }

  /** Snapshots applied. */
  get configsApplied(): number {
    return this.#configsApplied
  }

  /** `undefined` before the first, and of a proxy, which has none. */
  get config(): ConfigState | undefined {
    return this.#config
  }

  /** Hears no more. */
  close(): void {
    this.tallies.close()
    for (const [event, listener] of this.#listeners) this.#source.off(event, listener)
  }

  readonly #listeners: readonly Parameters<MetricsSource["on"]>[] = [
    ["drops", (drops: DropCounts) => this.#drop(drops)],
    ["eject", ({ target }: Ejection) => count(this.#ejections, this.#targets.admit(target))],
    ["lookupFailed", ({ host }: LookupFailure) => count(this.#lookupFailures, this.#hosts.admit(host))],
    ["health", (change: { readonly target: string; readonly healthy: boolean }) => this.#check(change)],
    ["worker", () => this.#workerRestarts++],
    ["config", (applied: AppliedConfig) => this.#configure(applied)],
    // A listener for "error" would make it look as if someone dealt with errors.
    [errorMonitor, (error: Error & { readonly code?: unknown }) => this.#fail(error)],
  ]

  #drop(drops: DropCounts): void {
    for (const [reason, more] of Object.entries(drops)) count(this.#dropped, reason, more)
  }

  #fail({ code, name }: Error & { readonly code?: unknown }): void {
    count(this.#errors, typeof code === "string" ? code : name)
  }

  #check({ target, healthy }: { readonly target: string; readonly healthy: boolean }): void {
    count(this.#unhealthy, target, healthy ? -1 : 1)
    if ((this.#unhealthy.get(target) ?? 0) <= 0) this.#unhealthy.delete(target)
  }

  #configure({ table, problems, kept = [], bindings }: AppliedConfig): void {
    const bound = bindings.filter((binding) => binding.bound).length
    // What a gateway calls its problems it has to look for at each call.
    const found = problems.map(({ severity }) => severity)
    this.#configsApplied += 1
    this.#config = {
      appliedAt: Date.now() / 1000,
      routes: table.routes.length,
      errors: found.filter((severity) => severity === "error").length,
      warnings: found.filter((severity) => severity === "warning").length,
      keptObjects: new Set(kept.map(({ object }) => `${object?.kind} ${object?.namespace}/${object?.name}`)).size,
      bound,
      unbound: bindings.length - bound,
    }
    this.tallies.configured(table.routes.map(({ ref }) => `${ref.namespace}/${ref.name}`))
  }
}

function count(counts: Map<string, number>, key: string, more = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + more)
}
