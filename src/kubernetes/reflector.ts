import { deepEqual } from "../primitives/deep-equal.ts"
import type { KubernetesObject } from "../routing/resources.ts"
import type { ApiClient } from "./api-client.ts"
import { Backoff, type BackoffOptions, pause } from "./backoff.ts"
import { describeError, isExpired, isNotFound, KubernetesError } from "./errors.ts"
import { readList, slim } from "./object-list.ts"
import { apiVersionOf, type ResourceKind, resourcePath } from "./resource-kinds.ts"
import { readWatch, type WatchEvent } from "./watch-stream.ts"

/** API servers send a bookmark about once a minute: two that fail to come are a stall. */
export const DEFAULT_STALL_MS = 150_000

/** What a reflector mirrors, and how patiently. */
export interface ReflectorOptions {
  readonly client: ApiClient
  readonly kind: Pick<ResourceKind, "group" | "kind" | "plural">
  readonly version: string
  /** One namespace; all when left out. */
  readonly namespace?: string | undefined
  /** One object by name. */
  readonly name?: string | undefined
  readonly backoff: BackoffOptions
  /** Objects per page of a list. */
  readonly pageSize: number
  /** Longest silence of a watch, in milliseconds. */
  readonly stallMs: number
  /**
   * Given, an object whose `status` alone changes keeps its identity, and its newest form is put here under it. Left
   * out, every change makes a new object.
   */
  readonly newest?: WeakMap<KubernetesObject, KubernetesObject>
  readonly listener: ReflectorListener
}

/** What a reflector tells. Called synchronously. */
export interface ReflectorListener {
  /** The objects, the sync state or the trouble changed. */
  changed(): void
  /** Nothing changed but the status, or the bookkeeping, of objects: see {@link ReflectorOptions.newest}. */
  statusChanged?(): void
  /** The server says it has no such kind: versions should be discovered again. Trying goes on meanwhile. */
  gone(): void
  /** Something that people watching the logs want to know. */
  event(event: ReflectorEvent): void
}

/** Steps in the life of a watch. */
export interface ReflectorEvent {
  /**
   * `synced`: listed for the first time. `relisted`: listed again since the server had forgotten our version.
   * `failed`: a list or watch failed and is retried. `recovered`: it works again.
   */
  readonly type: "synced" | "relisted" | "failed" | "recovered"
  /** Kind that is watched, for example `TLSRoute`. */
  readonly kind: string
  /** Namespace that is watched; `undefined` for all. */
  readonly namespace: string | undefined
  /** What went wrong; for `failed` only. */
  readonly error?: unknown
  /** Wait before the next try, in milliseconds; for `failed` only. */
  readonly retryMs?: number
}

// Servers end watches after this time, spread so that the watches of many replicas do not end together.
const WATCH_SECONDS = { min: 240, spread: 240 }
// A watch that ends sooner than this without an event did not work, whatever its status said.
const SHORT_WATCH_MS = 1_000

/**
 * A local copy of one kind in one scope, kept current: a paged list, then a watch that resumes from the last
 * version seen, and a new list only when the server no longer knows that version. Objects that did not change
 * keep their identity through all of it.
 */
export class Reflector {
  readonly #options: ReflectorOptions
  readonly #apiVersion: string
  readonly #path: string
  readonly #backoff: Backoff
  readonly #stop = new AbortController()
  #objects = new Map<string, KubernetesObject>()
  #values: readonly KubernetesObject[] | undefined
  #resourceVersion: string | undefined
  #synced = false
  #trouble: string | undefined

  constructor(options: ReflectorOptions) {
    this.#options = options
    this.#apiVersion = apiVersionOf(options.kind.group, options.version)
    this.#path = resourcePath(this.#apiVersion, options.kind.plural, { namespace: options.namespace })
    this.#backoff = new Backoff(options.backoff)
  }

  /** Version in use, for example `v1`. */
  get version(): string {
    return this.#options.version
  }

  /** Whether a whole list has been read. */
  get synced(): boolean {
    return this.#synced
  }

  /** Why the copy may be out of date, in a sentence; `undefined` when all is well. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  /** The objects; the same array until one changes. */
  get values(): readonly KubernetesObject[] {
    this.#values ??= [...this.#objects.values()]
    return this.#values
  }

  /** Mirrors until {@link stop}. */
  start(): void {
    void this.#run()
  }

  /** Ends the watch; the objects stay. */
  stop(): void {
    this.#stop.abort()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) await this.#list(signal)
        await this.#watch(signal)
      } catch (error) {
        if (signal.aborted) return
        if (isNotFound(error)) this.#options.listener.gone()
        if (isExpired(error) && this.#resourceVersion !== undefined) {
          // Listing again at once is right the first time; a server that keeps forgetting is retried slowly.
          this.#resourceVersion = undefined
          if (this.#backoff.failures === 0) {
            this.#backoff.next()
            continue
          }
        }
        await this.#failed(error, signal)
      }
    }
  }

  async #failed(error: unknown, signal: AbortSignal): Promise<void> {
    const asked = error instanceof KubernetesError ? (error.retryAfterMs ?? 0) : 0
    const retryMs = Math.max(asked, this.#backoff.next())
    this.#emit("failed", { error, retryMs })
    // One broken connection is routine: it is trouble once a retry has failed as well.
    if (this.#backoff.failures > 1 || !this.#synced) this.#setTrouble(describeError(error))
    await pause(retryMs, signal)
  }

  #answered(): void {
    if (this.#trouble === undefined) return
    this.#setTrouble(undefined)
    this.#emit("recovered")
  }

  #setTrouble(trouble: string | undefined): void {
    // The wording of later failures may differ: the first tells enough, and changes nothing for routing.
    if ((this.#trouble === undefined) === (trouble === undefined)) return
    this.#trouble = trouble
    this.#options.listener.changed()
  }

  async #list(signal: AbortSignal): Promise<void> {
    const listed = new Map<string, KubernetesObject>()
    const list = { path: this.#path, pageSize: this.#options.pageSize, fieldSelector: this.#fieldSelector }
    this.#resourceVersion = await readList(this.#options.client, list, signal, (item) => this.#put(listed, item))
    signal.throwIfAborted()
    const first = !this.#synced
    this.#synced = true
    this.#replace(listed)
    this.#answered()
    this.#emit(first ? "synced" : "relisted")
    if (first) this.#options.listener.changed()
  }

  #replace(listed: Map<string, KubernetesObject>): void {
    let same = listed.size === this.#objects.size
    let statusChanged = false
    for (const [key, object] of listed) {
      const known = this.#objects.get(key)
      const change = known === undefined ? "object" : this.#compare(known, object)
      if (known === undefined || change === "object") same = false
      else listed.set(key, known)
      statusChanged ||= change === "status"
    }
    if (!same) {
      this.#objects = listed
      this.#objectsChanged()
    } else if (statusChanged) this.#options.listener.statusChanged?.()
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const started = performance.now()
    const response = await this.#options.client.open({
      method: "GET",
      path: this.#path,
      query: {
        watch: "true",
        allowWatchBookmarks: "true",
        resourceVersion: this.#resourceVersion,
        timeoutSeconds: Math.round(WATCH_SECONDS.min + Math.random() * WATCH_SECONDS.spread),
        fieldSelector: this.#fieldSelector,
      },
      signal,
      timeoutMs: this.#options.stallMs + 1_000,
    })
    if (signal.aborted) {
      response.destroy()
      return
    }
    this.#answered()
    let events = 0
    for await (const batch of readWatch(response, this.#options.stallMs)) {
      signal.throwIfAborted()
      this.#apply(batch)
      this.#backoff.reset()
      events += batch.length
    }
    if (events === 0 && performance.now() - started < SHORT_WATCH_MS) {
      throw new KubernetesError("ERR_TLSROUTE_KUBERNETES_UNREACHABLE", "the server ended the watch at once")
    }
    this.#backoff.reset()
  }

  #apply(batch: readonly WatchEvent[]): void {
    const applied = new Set<Change>()
    try {
      for (const event of batch) applied.add(this.#applyOne(event))
    } finally {
      // The watch resumes behind what is applied: whatever ends the batch, nobody tells of it again.
      if (applied.has("object")) this.#objectsChanged()
      else if (applied.has("status")) this.#options.listener.statusChanged?.()
    }
  }

  #applyOne(event: WatchEvent): Change {
    if (event.type === "ERROR") {
      const { code, reason, message } = event.object
      throw new KubernetesError("ERR_TLSROUTE_KUBERNETES_API", `the watch ended: ${message ?? reason ?? code}`, {
        ...(code === undefined ? {} : { status: code }),
        ...(reason === undefined ? {} : { reason }),
      })
    }
    const change = this.#changeBy(event)
    this.#resourceVersion = event.object.metadata.resourceVersion ?? this.#resourceVersion
    return change
  }

  #changeBy({ type, object }: Exclude<WatchEvent, { readonly type: "ERROR" }>): Change {
    if (type === "BOOKMARK") return "none"
    if (type === "DELETED") return this.#objects.delete(keyOf(object)) ? "object" : "none"
    return this.#put(this.#objects, object)
  }

  #put(objects: Map<string, KubernetesObject>, given: KubernetesObject): Change {
    const key = keyOf(given)
    const known = objects.get(key)
    const object = slim(given, this.#apiVersion, this.#options.kind.kind)
    const change = known === undefined ? "object" : this.#compare(known, object)
    if (change === "object") objects.set(key, object)
    return change
  }

  /** Tells what changed, and remembers the newest form where that is the status alone. */
  #compare(known: KubernetesObject, object: KubernetesObject): Change {
    const { newest } = this.#options
    if (sameVersion(newest?.get(known) ?? known, object)) return "none"
    if (newest === undefined || !sameButStatus(known, object)) return "object"
    const { spec } = known as { readonly spec?: unknown }
    // One spec for both: the older form lives as long as the object does.
    newest.set(known, spec === undefined ? object : ({ ...object, spec } as KubernetesObject))
    return "status"
  }

  #objectsChanged(): void {
    this.#values = undefined
    this.#options.listener.changed()
  }

  get #fieldSelector(): string | undefined {
    return this.#options.name === undefined ? undefined : `metadata.name=${this.#options.name}`
  }

  #emit(type: ReflectorEvent["type"], details: { readonly error?: unknown; readonly retryMs?: number } = {}): void {
    this.#options.listener.event({
      type,
      kind: this.#options.kind.kind,
      namespace: this.#options.namespace,
      ...details,
    })
  }
}

const keyOf = (object: KubernetesObject): string => `${object.metadata.namespace ?? ""}/${object.metadata.name}`

const sameVersion = (a: KubernetesObject, b: KubernetesObject): boolean =>
  a.metadata.resourceVersion === b.metadata.resourceVersion && a.metadata.uid === b.metadata.uid

/** What a newer form of an object brings: nothing, another status, or something that routing reads. */
type Change = "none" | "status" | "object"

/** Whether two forms of an object differ in nothing but `status` and `metadata.resourceVersion`. */
function sameButStatus(a: KubernetesObject, b: KubernetesObject): boolean {
  const { status: _, metadata: metadataOfA, ...restOfA } = a as KubernetesObject & { readonly status?: unknown }
  const { status: __, metadata: metadataOfB, ...restOfB } = b as KubernetesObject & { readonly status?: unknown }
  const resourceVersion = ""
  return (
    metadataOfA.generation === metadataOfB.generation &&
    deepEqual({ ...metadataOfA, resourceVersion }, { ...metadataOfB, resourceVersion }) &&
    deepEqual(restOfA, restOfB)
  )
}
