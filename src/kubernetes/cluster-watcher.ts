import type {
  EndpointSlice,
  Gateway,
  GatewayClass,
  GatewayResources,
  KubernetesObject,
  ListenerSet,
  Namespace,
  ReferenceGrant,
  ResourceProblem,
  Service,
  TLSRoute,
} from "../routing/resources.ts"
import type { ApiClient } from "./api-client.ts"
import { Backoff, type BackoffOptions, pause } from "./backoff.ts"
import { readBundleVersions } from "./bundle-versions.ts"
import { discover, type ServedVersions } from "./discovery.ts"
import { KindMirror } from "./kind-mirror.ts"
import { referencedNamespaces } from "./references.ts"
import type { ReflectorEvent } from "./reflector.ts"
import {
  fixedScopes,
  notServed,
  RESOURCE_KINDS,
  type ResourceKind,
  type ResourceList,
  type Scope,
} from "./resource-kinds.ts"

/** What {@link ClusterWatcher} is told; every value is given. */
export interface WatcherOptions {
  readonly client: ApiClient
  readonly controllerName: string
  readonly namespaces: readonly string[] | undefined
  readonly pageSize: number
  readonly stallMs: number
  readonly discoveryMs: number
  readonly vanishMs: number
  readonly maxNamespaceWatches: number
  readonly backoff: BackoffOptions
  readonly onEvent: (event: ClusterEvent) => void
  readonly onChange: () => void
  readonly onStatusChange: () => void
}

const NO_GATEWAYS: readonly Gateway[] = []

/** How often CRDs are asked for their version: it changes when somebody upgrades them. */
const BUNDLE_VERSIONS_MS = 300_000

// Where every kind is there in its best version, nothing better can come; one that goes is told of by its watch.
const COMPLETE_REST = 20

/** What happens between the gateway and the API server, for logs and metrics. */
export type ClusterEvent =
  | ReflectorEvent
  /** The server serves a kind in this version, or (`undefined`) does not serve it. Told when it changes. */
  | { readonly type: "discovered"; readonly kind: string; readonly version: string | undefined }
  /** The server could not be asked what it serves. */
  | { readonly type: "discovery-failed"; readonly error: unknown; readonly retryMs: number }

/** Mirrors every kind of {@link RESOURCE_KINDS}: decides versions and scopes, and joins the parts. */
export class ClusterWatcher {
  readonly #options: WatcherOptions
  readonly #mirrors: ReadonlyMap<ResourceKind, KindMirror>
  readonly #missingSince = new Map<ResourceKind, number>()
  readonly #newest = new WeakMap<KubernetesObject, KubernetesObject>()
  readonly #latest = <T extends KubernetesObject>(object: T): T => (this.#newest.get(object) as T | undefined) ?? object
  readonly #stop = new AbortController()
  #rediscover = new AbortController()
  #discovered = false
  #referencesOf: readonly unknown[] = []
  #clusterWide = false
  #bundleVersions: readonly string[] | undefined
  #bundleVersionsReadAt = Number.NEGATIVE_INFINITY
  #snapshot: GatewayResources | undefined

  constructor(options: WatcherOptions) {
    this.#options = options
    const { client, backoff, pageSize, stallMs, onEvent } = options
    const listener = {
      changed: () => this.#changed(),
      statusChanged: () => {
        if (!this.#stop.signal.aborted) options.onStatusChange()
      },
      gone: () => this.#rediscover.abort(),
      event: onEvent,
    }
    this.#mirrors = new Map(
      RESOURCE_KINDS.map((kind) => {
        return [kind, new KindMirror({ client, kind, backoff, pageSize, stallMs, newest: this.#newest, listener })]
      }),
    )
  }

  /** Discovers and watches until {@link stop}. */
  start(): void {
    void this.#discoverForever(this.#stop.signal)
  }

  /** Ends every watch. */
  stop(): void {
    this.#stop.abort()
    for (const mirror of this.#mirrors.values()) mirror.stop()
  }

  /** Whether every kind, and every namespace referred to, has been listed. */
  get ready(): boolean {
    if (!this.#discovered) return false
    this.#followReferences()
    return [...this.#mirrors.values()].every((mirror) => mirror.settled)
  }

  /** All objects; the same snapshot, and the same lists in it, as long as nothing but statuses changed. */
  get snapshot(): GatewayResources {
    const gatewayClasses = this.#list<GatewayClass>("gatewayClasses")
    const next: GatewayResources = {
      gatewayClasses,
      // To routing, no class at all means files that do without; on a cluster it means that no Gateway is ours.
      gateways: gatewayClasses.length === 0 ? NO_GATEWAYS : this.#list<Gateway>("gateways"),
      listenerSets: this.#list<ListenerSet>("listenerSets"),
      tlsRoutes: this.#list<TLSRoute>("tlsRoutes"),
      referenceGrants: this.#list<ReferenceGrant>("referenceGrants"),
      namespaces: this.#list<Namespace>("namespaces"),
      services: this.#list<Service>("services"),
      endpointSlices: this.#list<EndpointSlice>("endpointSlices"),
      admitted: true,
      bundleVersions: this.#bundleVersions,
      problems: this.#problems(),
      latest: this.#latest,
    }
    if (this.#snapshot === undefined || !sameSnapshot(this.#snapshot, next)) this.#snapshot = next
    return this.#snapshot
  }

  // The server answers for the shape: it validates every object against the kind's schema.
  #list<T extends KubernetesObject>(list: ResourceList): readonly T[] {
    for (const mirror of this.#mirrors.values()) if (mirror.kind.list === list) return mirror.values as readonly T[]
    return []
  }

  #problems(): readonly ResourceProblem[] {
    return [...this.#mirrors.values()].flatMap((mirror): ResourceProblem[] => {
      const { kind } = mirror.kind
      const common = { severity: "warning", path: "" } as const
      if (this.#missingSince.has(mirror.kind)) return [notServed(mirror.kind)]
      if (mirror.trouble === undefined) return []
      const message = `${kind} objects cannot be read from the API server, the last known ones stay in force: ${mirror.trouble}`
      return [{ ...common, code: "WatchFailing", message }]
    })
  }

  #changed(): void {
    if (this.#stop.signal.aborted) return
    this.#options.onChange()
  }

  async #discoverForever(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.#options.backoff)
    while (!signal.aborted) {
      // What asks for another discovery while this one is under way gets it.
      this.#rediscover = new AbortController()
      let waitMs: number
      try {
        const served = await discover(this.#options.client, RESOURCE_KINDS, signal)
        if (signal.aborted) return
        this.#adopt(served)
        await this.#readBundleVersions(signal)
        backoff.reset()
        // Spread, so that the replicas of one rollout do not ask together.
        waitMs = this.#options.discoveryMs * (isComplete(served) ? COMPLETE_REST : 1) * (0.5 + Math.random() / 2)
      } catch (error) {
        if (signal.aborted) return
        waitMs = backoff.next()
        this.#options.onEvent({ type: "discovery-failed", error, retryMs: waitMs })
        if (!this.#discovered) this.#rediscover = new AbortController()
      }
      await pause(waitMs, AbortSignal.any([signal, this.#rediscover.signal]))
      // A kind that is gone asks at once, and again and again while the server is not sure of itself.
      if (this.#rediscover.signal.aborted) await pause(backoff.next(), signal)
    }
  }

  async #readBundleVersions(signal: AbortSignal): Promise<void> {
    const now = performance.now()
    if (now - this.#bundleVersionsReadAt < BUNDLE_VERSIONS_MS) return
    const versions = await readBundleVersions(this.#options.client, signal)
    this.#bundleVersionsReadAt = now
    if (versions?.join() === this.#bundleVersions?.join()) return
    this.#bundleVersions = versions
    this.#changed()
  }

  #adopt(served: ServedVersions): void {
    for (const [kind, mirror] of this.#mirrors) {
      const version = served.get(kind)
      if (version === undefined) this.#missing(kind, mirror)
      else this.#found(kind, mirror, version)
    }
    this.#discovered = true
    this.#changed()
  }

  #found(kind: ResourceKind, mirror: KindMirror, version: string): void {
    this.#missingSince.delete(kind)
    if (mirror.version !== version) this.#options.onEvent({ type: "discovered", kind: kind.kind, version })
    if (kind.scope === "always") mirror.follow(version, fixedScopes(kind, this.#options.namespaces))
  }

  /** A server that starts may not know all its kinds yet: what was known stays in force for a while. */
  #missing(kind: ResourceKind, mirror: KindMirror): void {
    const now = performance.now()
    const since = this.#missingSince.get(kind)
    if (since === undefined) {
      this.#missingSince.set(kind, now)
      this.#options.onEvent({ type: "discovered", kind: kind.kind, version: undefined })
    } else if (now - since >= this.#options.vanishMs) mirror.clear()
  }

  #followReferences(): void {
    const resources = {
      gatewayClasses: this.#list<GatewayClass>("gatewayClasses"),
      gateways: this.#list<Gateway>("gateways"),
      listenerSets: this.#list<ListenerSet>("listenerSets"),
      tlsRoutes: this.#list<TLSRoute>("tlsRoutes"),
    }
    const inputs = Object.values(resources)
    if (inputs.every((list, index) => list === this.#referencesOf[index])) return
    this.#referencesOf = inputs

    const referenced = referencedNamespaces(resources, this.#options.controllerName)
    // Many watches cost more than one that brings too much. Once wide it stays so: going back and forth costs most.
    const mayWiden = this.#options.namespaces === undefined
    this.#clusterWide ||= mayWiden && referenced.size > this.#options.maxNamespaceWatches
    const scopes: readonly Scope[] = this.#clusterWide ? [{}] : [...referenced].map((namespace) => ({ namespace }))
    for (const [kind, mirror] of this.#mirrors) {
      if (kind.scope === "referenced") mirror.follow(kind.versions[0] ?? "v1", scopes)
    }
  }
}

const isComplete = (served: ServedVersions): boolean =>
  RESOURCE_KINDS.every((kind) => served.get(kind) === kind.versions[0])

function sameSnapshot(a: GatewayResources, b: GatewayResources): boolean {
  const { problems: known = [], ...listsOfA } = a
  const { problems: found = [], ...listsOfB } = b
  const sameLists = Object.entries(listsOfA).every(([list, objects]) => listsOfB[list as ResourceList] === objects)
  return sameLists && known.length === found.length && known.every(({ message }, i) => message === found[i]?.message)
}
