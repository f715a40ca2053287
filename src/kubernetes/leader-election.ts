import { hostname } from "node:os"
import type { ApiClient } from "./api-client.ts"
import { pause } from "./backoff.ts"
import { isConflict, isNotFound } from "./errors.ts"
import { microTime } from "./micro-time.ts"
import { resourcePath } from "./resource-kinds.ts"

/** Which Lease decides who leads, and how fast. The times are those of Kubernetes' own controllers. */
export interface LeaseOptions {
  /** Namespace of the Lease. */
  readonly namespace: string
  /** Name of the Lease; replicas of one gateway share it. */
  readonly name: string
  /** Name of this replica. Default: the host's name, which in a pod is the pod's, and a random suffix. */
  readonly identity?: string | undefined
  /** A holder that has not renewed for this long is taken for dead, in milliseconds. Default 15 000. */
  readonly durationMs?: number | undefined
  /** A holder that cannot renew for this long steps down, in milliseconds. Default two thirds of `durationMs`. */
  readonly renewDeadlineMs?: number | undefined
  /** Time between two tries to get or to renew, in milliseconds. Default 2 000. */
  readonly retryMs?: number | undefined
}

interface LeaseSpec {
  readonly holderIdentity?: string | null
  readonly leaseDurationSeconds?: number
  readonly acquireTime?: string
  readonly renewTime?: string
  readonly leaseTransitions?: number
}

interface Lease {
  readonly apiVersion: "coordination.k8s.io/v1"
  readonly kind: "Lease"
  readonly metadata: { readonly name: string; readonly namespace: string; readonly resourceVersion?: string }
  readonly spec?: LeaseSpec
}

/**
 * Holds one `coordination.k8s.io/v1` Lease among replicas. A holder that closes hands over at once; one that dies
 * is followed after the lease's duration. Other holders' clocks are never compared with ours: a lease counts as
 * expired when it did not change for its duration while we watched.
 */
export class LeaderElection {
  readonly identity: string
  readonly #client: ApiClient
  readonly #options: LeaseOptions
  readonly #durationMs: number
  readonly #renewDeadlineMs: number
  readonly #onChange: (leading: boolean) => void
  readonly #onError: (error: unknown) => void
  readonly #stop = new AbortController()
  readonly #loop: Promise<void>
  #leading = false
  #renewedAt = Number.NEGATIVE_INFINITY
  #observed: { readonly version: string | undefined; readonly at: number } | undefined

  constructor(
    client: ApiClient,
    options: LeaseOptions,
    on: { readonly change: (leading: boolean) => void; readonly error: (error: unknown) => void },
  ) {
    this.#client = client
    this.#options = options
    this.identity = options.identity ?? `${hostname()}_${Math.random().toString(36).slice(2, 10)}`
    this.#durationMs = options.durationMs ?? 15_000
    // A whole number: timers of requests take no other.
    this.#renewDeadlineMs = Math.ceil(options.renewDeadlineMs ?? (this.#durationMs * 2) / 3)
    this.#onChange = on.change
    this.#onError = on.error
    this.#loop = this.#run(this.#stop.signal)
  }

  /** Whether this replica holds the lease. */
  get leading(): boolean {
    // A process that was stopped for a while finds this out before its own timers tell it.
    return this.#leading && !this.#isTooLate
  }

  /** Stops, and gives the lease back when it is held. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
    if (!this.#leading) return
    this.#setLeading(false)
    await this.#release().catch((error: unknown) => this.#onError(error))
  }

  async #run(signal: AbortSignal): Promise<void> {
    const retryMs = this.#options.retryMs ?? 2_000
    while (!signal.aborted) {
      if (this.#isTooLate) this.#setLeading(false)
      try {
        await this.#tryToLead(signal)
      } catch (error) {
        if (signal.aborted) return
        // Another replica was faster: that is what the lease is for.
        if (!isConflict(error)) this.#onError(error)
      }
      if (this.#isTooLate) this.#setLeading(false)
      await pause(retryMs * (0.9 + Math.random() * 0.2), signal)
    }
  }

  /** Whether another may hold the lease by now, as it was not renewed in time. */
  get #isTooLate(): boolean {
    return performance.now() - this.#renewedAt >= this.#renewDeadlineMs
  }

  async #tryToLead(signal: AbortSignal): Promise<void> {
    const started = performance.now()
    const lease = await this.#read(signal)
    if (lease === undefined) {
      await this.#write("POST", { metadata: this.#metadata, spec: this.#ownSpec(undefined) }, signal)
    } else {
      if (!this.#isFree(lease)) {
        this.#setLeading(false)
        return
      }
      await this.#write("PUT", { metadata: lease.metadata, spec: this.#ownSpec(lease.spec) }, signal)
    }
    // From the start: the others count from when they see the renewal, which is later.
    this.#renewedAt = started
    this.#setLeading(true)
  }

  #isFree({ metadata, spec }: Lease): boolean {
    const holder = spec?.holderIdentity ?? ""
    if (holder === "" || holder === this.identity) return true
    const now = performance.now()
    if (this.#observed === undefined || this.#observed.version !== metadata.resourceVersion) {
      this.#observed = { version: metadata.resourceVersion, at: now }
      return false
    }
    const durationMs = (spec?.leaseDurationSeconds ?? 0) * 1000
    return now - this.#observed.at > durationMs
  }

  #ownSpec(before: LeaseSpec | undefined): LeaseSpec {
    const now = microTime()
    const held = before?.holderIdentity === this.identity
    return {
      holderIdentity: this.identity,
      leaseDurationSeconds: Math.max(1, Math.ceil(this.#durationMs / 1000)),
      acquireTime: held ? (before.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (before?.leaseTransitions ?? 0) + (held || before === undefined ? 0 : 1),
    }
  }

  async #release(): Promise<void> {
    const signal = AbortSignal.timeout(this.#renewDeadlineMs)
    const lease = await this.#read(signal)
    if (lease?.spec?.holderIdentity !== this.identity) return
    const spec = { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1, renewTime: microTime() }
    await this.#write("PUT", { metadata: lease.metadata, spec }, signal)
  }

  async #read(signal: AbortSignal): Promise<Lease | undefined> {
    const request = { method: "GET", path: this.#path(this.#options.name), signal, timeoutMs: this.#timeoutMs } as const
    return this.#client.send<Lease>(request).catch((error: unknown) => {
      if (isNotFound(error)) return undefined
      throw error
    })
  }

  async #write(method: "POST" | "PUT", lease: Pick<Lease, "metadata" | "spec">, signal: AbortSignal): Promise<void> {
    await this.#client.send({
      method,
      path: this.#path(method === "PUT" ? this.#options.name : undefined),
      body: { apiVersion: "coordination.k8s.io/v1", kind: "Lease", ...lease },
      signal,
      timeoutMs: this.#timeoutMs,
    })
  }

  #path(name: string | undefined): string {
    const { namespace } = this.#options
    return resourcePath("coordination.k8s.io/v1", "leases", { namespace, ...(name === undefined ? {} : { name }) })
  }

  get #metadata(): Lease["metadata"] {
    return { name: this.#options.name, namespace: this.#options.namespace }
  }

  get #timeoutMs(): number {
    return this.#renewDeadlineMs / 2
  }

  #setLeading(leading: boolean): void {
    if (this.#leading === leading) return
    this.#leading = leading
    this.#onChange(leading)
  }
}
