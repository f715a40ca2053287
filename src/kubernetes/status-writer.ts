import { isDeepStrictEqual } from "node:util"
import type { KubernetesObject } from "../routing/resources.ts"
import type { ObjectStatus, Statuses } from "../routing/route-table.ts"
import { ApiClient } from "./api-client.ts"
import { Backoff, DEFAULT_BACKOFF, pause } from "./backoff.ts"
import { type ClusterAccess, loadClusterAccess } from "./cluster-access.ts"
import { isConflict, isNotFound, KubernetesError } from "./errors.ts"
import { LeaderElection, type LeaseOptions } from "./leader-election.ts"
import { RateLimit } from "./rate-limit.ts"
import { apiVersionOf, RESOURCE_KINDS, resourcePath } from "./resource-kinds.ts"
import { statusPatch } from "./status-merge.ts"

/** Options of {@link startStatusWriter}. */
export interface StatusWriterOptions {
  /** The cluster. Left out: what {@link loadClusterAccess} finds. */
  readonly kubeConfig?: ClusterAccess
  /** Name of this controller: route parents that carry another are never touched. */
  readonly controllerName: string
  /** With several replicas: the Lease whose holder alone writes. Left out, this one always writes. */
  readonly lease?: LeaseOptions
  /** Writes per second in the long run. Default 50. */
  readonly writesPerSecond?: number
  /** Writes at once after a pause. Default 100. */
  readonly burst?: number
  /** Writes under way at the same time. Default 8. */
  readonly concurrency?: number
  /** Told what happens, for logs and metrics. Must not throw. */
  readonly onEvent?: (event: StatusWriterEvent) => void
}

/** What a {@link StatusWriter} tells. */
export type StatusWriterEvent =
  /** A status was written. */
  | { readonly type: "status-written"; readonly kind: string; readonly namespace: string; readonly name: string }
  /** A status could not be written. With `retryMs` it is tried again; without, not until it changes. */
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

type AnyStatus = ObjectStatus<KubernetesObject & { readonly status?: object }>

interface Attempt {
  readonly basedOn: string | undefined
  readonly status: unknown
}

const MAX_CONFLICTS = 8
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
 * @throws {@link KubernetesError} when there is no kubeconfig to read. A server that cannot be reached is not
 * thrown, it is waited for.
 */
export async function startStatusWriter(options: StatusWriterOptions): Promise<StatusWriter> {
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
  readonly #rate: RateLimit
  readonly #backoff = new Backoff(DEFAULT_BACKOFF)
  readonly #stop = new AbortController()
  readonly #queue = new Map<string, AnyStatus>()
  readonly #busy = new Set<string>()
  readonly #attempts = new Map<string, Attempt>()
  #latest: (() => Statuses) | undefined
  #statuses: ReadonlySet<AnyStatus> = new Set()
  #refresh: NodeJS.Timeout | undefined
  #refreshAt = 0
  #pausedUntil = 0
  #dispatching = false
  #idle: (() => void)[] = []

  /** @internal */
  constructor(client: ApiClient, options: StatusWriterOptions) {
    this.#client = client
    this.#options = options
    this.#rate = new RateLimit(options.writesPerSecond ?? 50, options.burst ?? 100)
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
    return this.#queue.size + this.#busy.size
  }

  /**
   * Takes the statuses of the newest snapshot; what was not written of older ones is forgotten. A function is
   * called when this replica writes, and only as often as writing needs.
   */
  write(statuses: Statuses | (() => Statuses)): void {
    this.#latest = typeof statuses === "function" ? statuses : () => statuses
    this.#scheduleFill()
  }

  /** Resolves once nothing is left to write. */
  async flushed(): Promise<void> {
    if (this.pending === 0 && this.#refresh === undefined) return
    await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Stops, and hands the Lease over. What was not written is left to the next holder. */
  async close(): Promise<void> {
    clearTimeout(this.#refresh)
    this.#refresh = undefined
    this.#queue.clear()
    this.#latest = undefined
    this.#stop.abort()
    await this.#election?.close()
    this.#settle()
    this.#client.close()
  }

  /** Stops as {@link StatusWriter.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #scheduleFill(): void {
    if (this.#refresh !== undefined || this.#stop.signal.aborted || !this.leading) return
    // Never at once: who takes in a new configuration would wait for all statuses to be computed.
    this.#refresh = setTimeout(() => this.#fill(), Math.max(0, this.#refreshAt - performance.now()))
  }

  #fill(): void {
    clearTimeout(this.#refresh)
    this.#refresh = undefined
    this.#queue.clear()
    const started = performance.now()
    const statuses = this.leading ? this.#latest?.() : undefined
    const list = statuses === undefined ? [] : inOrder(statuses)
    this.#statuses = new Set(list)
    const present = new Set<string>()
    for (const status of list) {
      const key = keyOf(status)
      present.add(key)
      if (status.changed && !this.#isRepeated(key, status)) this.#queue.set(key, status)
    }
    for (const key of this.#attempts.keys()) if (!present.has(key)) this.#attempts.delete(key)
    const now = performance.now()
    this.#refreshAt = now + Math.max(MIN_REST_MS, (now - started) * REST_PER_WORK)
    void this.#dispatch()
  }

  /** Between a write and the watch that tells of it, snapshots still hold the old object: it is not written again. */
  #isRepeated(key: string, { object, status }: AnyStatus): boolean {
    const attempt = this.#attempts.get(key)
    if (attempt === undefined || attempt.basedOn !== object.metadata.resourceVersion) return false
    return isDeepStrictEqual(attempt.status, withoutTimes(status))
  }

  /** Starts writes as the rate allows; what waits for its turn may still be replaced by something newer. */
  async #dispatch(): Promise<void> {
    if (this.#dispatching) return
    this.#dispatching = true
    const { signal } = this.#stop
    while (this.#queue.size > 0 && this.#busy.size < (this.#options.concurrency ?? 8) && !signal.aborted) {
      await this.#rate.take(signal)
      await pause(Math.max(0, this.#pausedUntil - performance.now()), signal)
      const next = this.#dequeue()
      if (next === undefined) break
      const [key, status] = next
      this.#busy.add(key)
      void this.#writeOne(key, status).finally(() => {
        this.#busy.delete(key)
        void this.#dispatch()
      })
    }
    this.#dispatching = false
    this.#settle()
  }

  #dequeue(): readonly [string, AnyStatus] | undefined {
    for (const [key, status] of this.#queue) {
      if (this.#busy.has(key)) continue
      this.#queue.delete(key)
      return [key, status]
    }
    return undefined
  }

  async #writeOne(key: string, status: AnyStatus): Promise<void> {
    const { signal } = this.#stop
    const { kind, namespace, name } = status.ref
    try {
      const written = await this.#update(status, signal)
      this.#backoff.reset()
      this.#attempts.set(key, {
        basedOn: status.object.metadata.resourceVersion,
        status: withoutTimes(status.status),
      })
      if (written) this.#emit({ type: "status-written", kind, namespace, name })
    } catch (error) {
      if (signal.aborted || isNotFound(error)) return
      const retryMs = this.#retryAfter(error)
      this.#emit({ type: "status-failed", kind, namespace, name, error, retryMs })
      if (retryMs === undefined) {
        const basedOn = status.object.metadata.resourceVersion
        this.#attempts.set(key, { basedOn, status: withoutTimes(status.status) })
        return
      }
      this.#pausedUntil = performance.now() + retryMs
      // Unless a newer one has come meanwhile.
      if (!this.#queue.has(key) && this.#statuses.has(status)) this.#queue.set(key, status)
    }
  }

  /** `undefined` when trying again would give the same answer. */
  #retryAfter(error: unknown): number | undefined {
    if (!(error instanceof KubernetesError)) return undefined
    if (error.status === 400 || error.status === 422) return undefined
    return Math.max(error.retryAfterMs ?? 0, this.#backoff.next())
  }

  async #update({ ref, object, status }: AnyStatus, signal: AbortSignal): Promise<boolean> {
    const path = pathOf(ref, object)
    let current: KubernetesObject & { readonly status?: object } = object
    for (let conflicts = 0; ; conflicts++) {
      const patch = statusPatch({
        current: current.status as Readonly<Record<string, unknown>> | undefined,
        base: object.status as Readonly<Record<string, unknown>> | undefined,
        desired: status as Readonly<Record<string, unknown>>,
        controllerName: this.#options.controllerName,
      })
      if (patch === undefined) return false
      const { resourceVersion } = current.metadata
      try {
        await this.#client.send({
          method: "PATCH",
          path: `${path}/status`,
          body: { metadata: { resourceVersion }, status: patch },
          signal,
        })
        return true
      } catch (error) {
        if (!isConflict(error) || conflicts >= MAX_CONFLICTS) throw error
      }
      current = await this.#client.send<typeof current>({ method: "GET", path, signal })
      // Computed from another spec, or for another object of that name: the next snapshot knows better.
      const { uid, generation } = object.metadata
      if (current.metadata.uid !== uid || current.metadata.generation !== generation) return false
    }
  }

  #leadershipChanged(leading: boolean): void {
    this.#attempts.clear()
    this.#emit({ type: "leader", leading, identity: this.#election?.identity ?? "" })
    this.#fill()
  }

  #settle(): void {
    if ((this.pending > 0 || this.#refresh !== undefined) && !this.#stop.signal.aborted) return
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

function pathOf(ref: AnyStatus["ref"], object: KubernetesObject): string {
  const kind = RESOURCE_KINDS.find((candidate) => candidate.group === ref.group && candidate.kind === ref.kind)
  if (kind === undefined) {
    throw new KubernetesError("ERR_TLSROUTE_KUBERNETES_PROTOCOL", `${ref.kind} is not a kind that has a status here`)
  }
  const apiVersion = object.apiVersion ?? apiVersionOf(kind.group, kind.versions[0] ?? "v1")
  const namespace = kind.namespaced ? ref.namespace : undefined
  return resourcePath(apiVersion, kind.plural, { namespace, name: ref.name })
}

/** The status with every `lastTransitionTime` left out: it differs with each computation. */
const withoutTimes = (status: unknown): unknown =>
  JSON.parse(JSON.stringify(status, (key, value: unknown) => (key === "lastTransitionTime" ? undefined : value)))
