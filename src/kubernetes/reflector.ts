import type { KubernetesObject } from "../routing/resources.ts"
import type { ApiClient } from "./api-client.ts"
import { Backoff, type BackoffOptions, pause } from "./backoff.ts"
import { describeError, isExpired, isNotFound, KubernetesError } from "./errors.ts"
import { apiVersionOf, type ResourceKind, resourcePath } from "./resource-kinds.ts"
import { readWatch, type WatchEvent } from "./watch-stream.ts"

/** Objects per page of a list. */
export const DEFAULT_PAGE_SIZE = 500

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
  readonly listener: ReflectorListener
}

/** What a reflector tells. Called synchronously. */
export interface ReflectorListener {
  /** The objects, the sync state or the trouble changed. */
  changed(): void
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

interface ObjectList {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string }
  readonly items?: readonly KubernetesObject[] | null
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
    let page: ObjectList = {}
    do {
      page = await this.#options.client.send<ObjectList>({
        method: "GET",
        path: this.#path,
        query: {
          limit: this.#options.pageSize,
          continue: page.metadata?.continue,
          fieldSelector: this.#fieldSelector,
        },
        signal,
      })
      for (const item of page.items ?? []) this.#put(listed, item)
    } while ((page.metadata?.continue ?? "") !== "")
    if (page.metadata?.resourceVersion === undefined) {
      throw new KubernetesError("ERR_TLSROUTE_KUBERNETES_PROTOCOL", `the list ${this.#path} has no resourceVersion`)
    }
    this.#resourceVersion = page.metadata.resourceVersion
    const first = !this.#synced
    this.#synced = true
    this.#replace(listed)
    this.#answered()
    this.#emit(first ? "synced" : "relisted")
    if (first) this.#options.listener.changed()
  }

  #replace(listed: Map<string, KubernetesObject>): void {
    let same = listed.size === this.#objects.size
    for (const [key, object] of listed) {
      const known = this.#objects.get(key)
      if (known !== undefined && sameVersion(known, object)) listed.set(key, known)
      else same = false
    }
    if (same) return
    this.#objects = listed
    this.#objectsChanged()
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
    this.#answered()
    let events = 0
    for await (const batch of readWatch(response, this.#options.stallMs)) {
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
    let changed = false
    for (const event of batch) {
      if (event.type === "ERROR") {
        if (changed) this.#objectsChanged()
        const { code, reason, message } = event.object
        throw new KubernetesError("ERR_TLSROUTE_KUBERNETES_API", `the watch ended: ${message ?? reason ?? code}`, {
          ...(code === undefined ? {} : { status: code }),
          ...(reason === undefined ? {} : { reason }),
        })
      }
      this.#resourceVersion = event.object.metadata.resourceVersion ?? this.#resourceVersion
      if (event.type === "BOOKMARK") continue
      if (event.type === "DELETED") changed = this.#objects.delete(keyOf(event.object)) || changed
      else changed = this.#put(this.#objects, event.object) || changed
    }
    if (changed) this.#objectsChanged()
  }

  #put(objects: Map<string, KubernetesObject>, object: KubernetesObject): boolean {
    const key = keyOf(object)
    const known = objects.get(key)
    if (known !== undefined && sameVersion(known, object)) return false
    objects.set(key, slim(object, this.#apiVersion, this.#options.kind.kind))
    return true
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

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

/**
 * The object without the bookkeeping that is often larger than the rest, and with the apiVersion and kind that
 * the items of a list leave out.
 */
function slim(object: KubernetesObject, apiVersion: string, kind: string): KubernetesObject {
  const { managedFields: _, ...metadata } = object.metadata as KubernetesObject["metadata"] & {
    readonly managedFields?: unknown
  }
  if (metadata.annotations?.[LAST_APPLIED] === undefined) return { ...object, apiVersion, kind, metadata }
  const { [LAST_APPLIED]: __, ...annotations } = metadata.annotations
  return { ...object, apiVersion, kind, metadata: { ...metadata, annotations } }
}
