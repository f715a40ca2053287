import {
  type Checks,
  callable,
  flag,
  milliseconds,
  options as optionsOf,
  positive,
  text,
  wholeNumber,
} from "../primitives/option-checks.ts"
import { CONTROLLER_EXAMPLE, controllerNameOption } from "../routing/controller-name.ts"
import type { ObjectRef } from "../routing/resources.ts"
import type { Statuses } from "../routing/route-table.ts"
import { ApiClient } from "./api-client.ts"
import { type ClusterAccess, clusterAccess, loadClusterAccess } from "./cluster-access.ts"
import { isNotFound, refuseOptions } from "./errors.ts"
import { EventRecorder } from "./event-recorder.ts"
import type { Failure } from "./kind-pauses.ts"
import { LeaderElection, type LeaseOptions } from "./leader-election.ts"
import { type EventDraft, statusEvents } from "./status-events.ts"
import { StatusQueue } from "./status-queue.ts"
import { type AnyStatus, updateStatus } from "./status-update.ts"

/** Options of {@link startStatusWriter}. */
export interface StatusWriterOptions {
  /** The cluster. Left out: what {@link loadClusterAccess} finds. */
  readonly kubeConfig?: ClusterAccess | undefined
  /** Name of this controller: route parents that carry another are never touched. */
  readonly controllerName: string
  /** With several replicas: the Lease whose holder alone writes. Left out, this one always writes. */
  readonly lease?: LeaseOptions | undefined
  /**
   * Whether to write Events (`events.k8s.io/v1`) about what changed in the statuses that are written, for
   * `kubectl describe`. Needs the rights to create and patch them. Default false.
   */
  readonly events?: boolean | undefined
  /** Writes per second in the long run. Default 200; API servers have a fairness of their own. */
  readonly writesPerSecond?: number | undefined
  /** Writes at once after a pause. Default 200. */
  readonly burst?: number | undefined
  /** Writes under way at the same time. Default 8. */
  readonly concurrency?: number | undefined
  /** Told what happens, for logs and metrics. Must not throw. */
  readonly onEvent?: ((event: StatusWriterEvent) => void) | undefined
}

/** What a {@link StatusWriter} tells. */
export type StatusWriterEvent =
  /** A status was written. */
  | { readonly type: "status-written"; readonly kind: string; readonly namespace: string; readonly name: string }
  /**
   * A status could not be written. With `retryMs` it is tried again; without, not until it changes. Of a kind whose
   * writes go on failing, one is told of now and then.
   */
  | {
      readonly type: "status-failed"
      readonly kind: string
      readonly namespace: string
      readonly name: string
      readonly error: unknown
      readonly retryMs: number | undefined
    }
  /** This replica became, or stopped being, the one that writes. */
  | { readonly type: "leader"; readonly leading: boolean; readonly identity: string }
  /** The Lease could not be read or renewed. */
  | { readonly type: "lease-failed"; readonly error: unknown }
  /** Events could not be written: `lost` of them since the last time that this was told. */
  | { readonly type: "events-failed"; readonly error: unknown; readonly lost: number }

const OPTIONS: Checks<StatusWriterOptions> = {
  kubeConfig: clusterAccess,
  controllerName: controllerNameOption,
  lease: optionsOf<LeaseOptions>(
    {
      namespace: text,
      name: text,
      identity: text,
      durationMs: milliseconds,
      renewDeadlineMs: milliseconds,
      retryMs: milliseconds,
    },
    { namespace: '"tlsroute-system"', name: '"tlsroute"' },
  ),
  events: flag,
  writesPerSecond: positive("writes"),
  burst: wholeNumber(1),
  concurrency: wholeNumber(1),
  onEvent: callable,
}

interface Attempt {
  readonly basedOn: string | undefined
  readonly status: unknown
}

// Statuses are computed this often at most, and rest four times as long as computing them took.
const MIN_REST_MS = 100
const REST_PER_WORK = 4

/**
 * Starts writing statuses to a cluster. Give it the statuses after every change of configuration:
 *
 * ```ts
 * gateway.on("config", () => writer.write(() => gateway.statuses()))
 * ```
 *
 * and once more when others changed statuses, as `onStatusChange` of {@link kubernetesSource} tells: what they took away
 * is written again.
 *
 * @throws {@link KubernetesError} when an option cannot be used, or there is no kubeconfig to read. A server that cannot be reached is not
 * thrown, it is waited for.
 */
export async function startStatusWriter(options: StatusWriterOptions): Promise<StatusWriter> {
  refuseOptions("startStatusWriter", options, OPTIONS, { controllerName: CONTROLLER_EXAMPLE })
  return new StatusWriter(new ApiClient(options.kubeConfig ?? (await loadClusterAccess())), options)
}

/**
 * Writes the statuses that differ from what the server has, through the status subresource: read-modify-write
 * with the object's resourceVersion, tried again on conflict with what is there then. Made by
 * {@link startStatusWriter}.
 */
export class StatusWriter {
  readonly #client: ApiClient
  readonly #options: StatusWriterOptions
  readonly #election: LeaderElection | undefined
  readonly #recorder: EventRecorder | undefined
  readonly #queue: StatusQueue
  readonly #attempts = new Map<string, Attempt>()
  #latest: (() => Statuses) | undefined
  #statuses: ReadonlyMap<string, AnyStatus> = new Map()
  #refresh: NodeJS.Timeout | undefined
  #refreshAt = 0
  #closed = false
  #idle: (() => void)[] = []

  /** @internal */
  constructor(client: ApiClient, options: StatusWriterOptions) {
    this.#client = client
    this.#options = options
    this.#queue = new StatusQueue({
      writesPerSecond: options.writesPerSecond ?? 200,
      burst: options.burst ?? 200,
      concurrency: options.concurrency ?? 8,
      write: (key, status, signal) => this.#writeOne(key, status, signal),
      failed: (key, status, error, failure) => this.#failed(key, status, error, failure),
      idle: () => this.#settle(),
    })
    if (options.events === true) {
      this.#recorder = new EventRecorder({
        client,
        controllerName: options.controllerName,
        instance: options.lease?.identity,
        onFailed: (error, lost) => this.#emit({ type: "events-failed", error, lost }),
      })
    }
    if (options.lease === undefined) return
    this.#election = new LeaderElection(client, options.lease, {
      change: (leading) => this.#leadershipChanged(leading),
      error: (error) => this.#emit({ type: "lease-failed", error }),
    })
  }

  /** Whether this replica writes. */
  get leading(): boolean {
    return this.#election?.leading ?? true
  }

  /** Statuses still to be written. */
  get pending(): number {
    return this.#queue.pending
  }

  /**
   * Takes the statuses of the newest snapshot; what was not written of older ones is forgotten. A function is
   * called when this replica writes, and only as often as writing needs.
   */
  write(statuses: Statuses | (() => Statuses)): void {
    this.#latest = typeof statuses === "function" ? statuses : () => statuses
    this.#scheduleFill()
  }

  /**
   * Writes an Event about an object that has a status here, such as an endpoint of a route that does not answer. Does
   * nothing on a replica that does not write, or without the option `events`.
   */
  record({ kind, namespace, name }: Pick<ObjectRef, "kind" | "namespace" | "name">, draft: EventDraft): void {
    const known = this.#statuses.get(`${kind}/${namespace}/${name}`)
    if (known !== undefined && this.leading) this.#recorder?.record(known, draft)
  }

  /** Resolves once nothing is left to write. */
  async flushed(): Promise<void> {
    if (this.pending > 0 || this.#refresh !== undefined) {
      await new Promise<void>((resolve) => this.#idle.push(resolve))
    }
    await this.#recorder?.flushed()
  }

  /** Stops, and hands the Lease over. What was not written is left to the next holder. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#refresh)
    this.#refresh = undefined
    this.#latest = undefined
    this.#queue.close()
    this.#recorder?.close()
    await this.#election?.close()
    this.#settle()
    this.#client.close()
  }

  /** Stops as {@link StatusWriter.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #scheduleFill(): void {
    if (this.#refresh !== undefined || this.#closed || !this.leading) return
    // Never at once: who takes in a new configuration would wait for all statuses to be computed.
    this.#refresh = setTimeout(() => this.#fill(), Math.max(0, this.#refreshAt - performance.now()))
  }

  #fill(): void {
    clearTimeout(this.#refresh)
    this.#refresh = undefined
    const started = performance.now()
    const statuses = this.leading ? this.#latest?.() : undefined
    this.#statuses = new Map(statuses === undefined ? [] : inOrder(statuses).map((status) => [keyOf(status), status]))
    for (const key of this.#attempts.keys()) if (!this.#statuses.has(key)) this.#attempts.delete(key)
    const changed = [...this.#statuses].filter(([key, status]) => status.changed && !this.#isRepeated(key, status))
    const now = performance.now()
    this.#refreshAt = now + Math.max(MIN_REST_MS, (now - started) * REST_PER_WORK)
    this.#queue.replace(changed, (status) => this.#statuses.get(keyOf(status)) === status)
  }

  /** Between a write and the watch that tells of it, snapshots still hold the old object: it is not written again. */
  #isRepeated(key: string, { object, status }: AnyStatus): boolean {
    const attempt = this.#attempts.get(key)
    if (attempt === undefined) return false
    if (attempt.basedOn === object.metadata.resourceVersion) return equalButTimes(attempt.status, status)
    this.#attempts.delete(key)
    return false
  }

  async #writeOne(key: string, status: AnyStatus, signal: AbortSignal): Promise<void> {
    const { controllerName } = this.#options
    // It was under way when the statuses were computed again, and is written by now.
    if (this.#isRepeated(key, status)) return
    try {
      const change = await updateStatus(this.#client, status, controllerName, signal)
      this.#remember(key, status)
      if (change === undefined) return
      const { kind, namespace, name } = status.ref
      this.#emit({ type: "status-written", kind, namespace, name })
      if (this.#recorder === undefined) return
      for (const draft of statusEvents(status.ref, change.before, change.after, controllerName)) {
        if (namespace !== "") this.#recorder.record(status, draft)
      }
    } catch (error) {
      // An object that is gone needs no status.
      if (!isNotFound(error)) throw error
    }
  }

  #failed(key: string, status: AnyStatus, error: unknown, { retryMs, isNews }: Failure): void {
    const { kind, namespace, name } = status.ref
    if (isNews) this.#emit({ type: "status-failed", kind, namespace, name, error, retryMs })
    // It would be refused again.
    if (retryMs === undefined) this.#remember(key, status)
  }

  #remember(key: string, { object, status }: AnyStatus): void {
    this.#attempts.set(key, { basedOn: object.metadata.resourceVersion, status })
  }

  #leadershipChanged(leading: boolean): void {
    this.#attempts.clear()
    this.#emit({ type: "leader", leading, identity: this.#election?.identity ?? "" })
    this.#fill()
  }

  #settle(): void {
    if ((this.pending > 0 || this.#refresh !== undefined) && !this.#closed) return
    const waiting = this.#idle
    this.#idle = []
    for (const resolve of waiting) resolve()
  }

  #emit(event: StatusWriterEvent): void {
    this.#options.onEvent?.(event)
  }
}

/** Gateways first: routes are many, and what they attach to should be known by then. */
const inOrder = (statuses: Statuses): readonly AnyStatus[] =>
  [
    ...statuses.gatewayClasses,
    ...statuses.gateways,
    ...statuses.listenerSets,
    ...statuses.tlsRoutes,
  ] as readonly AnyStatus[]

const keyOf = ({ ref }: AnyStatus): string => `${ref.kind}/${ref.namespace}/${ref.name}`

/** Whether two statuses say the same; every `lastTransitionTime` differs with each computation. */
function equalButTimes(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b
  const fields = new Set([...Object.keys(a), ...Object.keys(b)])
  fields.delete("lastTransitionTime")
  return [...fields].every((field) =>
    equalButTimes((a as Record<string, unknown>)[field], (b as Record<string, unknown>)[field]),
  )
}
