import { setTimeout as delay } from "node:timers/promises"
import { type Checks, callable, listOf, milliseconds, text, wholeNumber } from "../primitives/option-checks.ts"
import { CONTROLLER_EXAMPLE, controllerNameOption } from "../routing/controller-name.ts"
import type { GatewayResources } from "../routing/resources.ts"
import { ApiClient } from "./api-client.ts"
import { DEFAULT_BACKOFF } from "./backoff.ts"
import { type ClusterAccess, clusterAccess, loadClusterAccess } from "./cluster-access.ts"
import { type ClusterEvent, ClusterWatcher } from "./cluster-watcher.ts"
import { KubernetesError, refuseOptions } from "./errors.ts"
import { DEFAULT_PAGE_SIZE } from "./object-list.ts"
import { DEFAULT_STALL_MS } from "./reflector.ts"

/** Options of {@link kubernetesSource}. */
export interface KubernetesSourceOptions {
  /**
   * The cluster, as a `KubeConfig` of `@kubernetes/client-node`. Left out: what {@link loadClusterAccess} finds.
   */
  readonly kubeConfig?: ClusterAccess | undefined
  /** Domain-prefixed name of this controller, as GatewayClasses carry it in `spec.controllerName`. */
  readonly controllerName: string
  /**
   * Read only these namespaces, with rights in these alone (GatewayClasses are cluster-wide all the same).
   * Default: the whole cluster.
   */
  readonly namespaces?: readonly string[] | undefined
  /** Told what happens between gateway and API server, for logs and metrics. Must not throw. */
  readonly onEvent?: ((event: ClusterEvent) => void) | undefined
  /**
   * Told when objects changed in `status` alone, which makes no snapshot: time to look whether all statuses are still
   * as they should be. Must not throw.
   */
  readonly onStatusChange?: (() => void) | undefined
  /** Objects per page of a list. Default 500. */
  readonly pageSize?: number | undefined
  /**
   * Longest silence of a watch before it is opened again, in milliseconds. Default 150 000: API servers send a
   * bookmark about once a minute.
   */
  readonly stallMs?: number | undefined
  /**
   * How often to ask which kinds and versions the server has, in milliseconds; a twentieth as often once it has all
   * kinds in the best version. Default 15 000.
   */
  readonly discoveryMs?: number | undefined
  /**
   * How long objects stay in force after the server stopped serving their kind, in milliseconds. Default 60 000:
   * a server that starts may not know its CRDs yet.
   */
  readonly vanishMs?: number | undefined
  /**
   * Services and EndpointSlices are watched per namespace as long as routes refer to no more namespaces than
   * this, and in the whole cluster from then on. Default 16.
   */
  readonly maxNamespaceWatches?: number | undefined
  /** A snapshot is given once nothing changed for this long, in milliseconds. Default 5. */
  readonly settleMs?: number | undefined
  /**
   * Longest time that a stream of changes holds a snapshot back, in milliseconds. Default 100. A consumer that
   * takes long over each snapshot is given fewer: at least four times as long passes between two.
   */
  readonly maxDelayMs?: number | undefined
}

const OPTIONS: Checks<KubernetesSourceOptions> = {
  kubeConfig: clusterAccess,
  controllerName: controllerNameOption,
  namespaces: listOf(text, "names"),
  onEvent: callable,
  onStatusChange: callable,
  pageSize: wholeNumber(1),
  stallMs: milliseconds,
  discoveryMs: milliseconds,
  vanishMs: milliseconds,
  maxNamespaceWatches: wholeNumber(0),
  settleMs: milliseconds,
  maxDelayMs: milliseconds,
}

// Time between two snapshots, in units of the time that the consumer took for the last one.
const REST_PER_WORK = 4

/**
 * A gateway's configuration, read and watched from a Kubernetes API server.
 *
 * The first snapshot comes when every kind has been listed once; while the server is away the last one stays in
 * force and says so in its `problems`. Bursts of changes are given as few snapshots, and objects that did not
 * change are the same objects in each. A change of `status` alone, such as the echo of one that was written, makes
 * none: {@link GatewayResources.latest} of the snapshot in force knows it. Kinds are read in the best version that the server has (TLSRoute: `v1`,
 * `v1alpha3`, `v1alpha2`), and kinds installed later are found.
 *
 * Services and EndpointSlices are read in namespaces only that routes on our Gateways refer to.
 *
 * @throws {@link KubernetesError} `ERR_TLSROUTE_KUBERNETES_OPTION` when an option cannot be used; from the iterator, when there is no kubeconfig to read or it names no cluster. An API
 * server that cannot be reached is never thrown, it is waited for.
 */
export function kubernetesSource(
  options: KubernetesSourceOptions,
): (signal: AbortSignal) => AsyncIterable<GatewayResources> {
  refuseOptions("kubernetesSource", options, OPTIONS, { controllerName: CONTROLLER_EXAMPLE })
  return (signal) => snapshots(options, signal)
}

async function* snapshots(options: KubernetesSourceOptions, signal: AbortSignal): AsyncGenerator<GatewayResources> {
  const access = options.kubeConfig ?? (await loadClusterAccess())
  if (access.getCurrentCluster() === null) throw noCluster()
  const client = new ApiClient(access)
  const changes = new ChangeSignal()
  const watcher = new ClusterWatcher({
    client,
    controllerName: options.controllerName,
    namespaces: options.namespaces,
    pageSize: options.pageSize ?? DEFAULT_PAGE_SIZE,
    stallMs: options.stallMs ?? DEFAULT_STALL_MS,
    discoveryMs: options.discoveryMs ?? 15_000,
    vanishMs: options.vanishMs ?? 60_000,
    maxNamespaceWatches: options.maxNamespaceWatches ?? 16,
    backoff: DEFAULT_BACKOFF,
    onEvent: options.onEvent ?? (() => undefined),
    onChange: () => changes.raise(),
    onStatusChange: options.onStatusChange ?? (() => undefined),
  })
  const settleMs = options.settleMs ?? 5
  const maxDelayMs = options.maxDelayMs ?? 100
  let last: GatewayResources | undefined
  let restMs = 0

  watcher.start()
  try {
    while (!signal.aborted) {
      await changes.settled(settleMs, Math.max(maxDelayMs, restMs), signal)
      if (signal.aborted) return
      if (!watcher.ready) continue
      const snapshot = watcher.snapshot
      if (snapshot === last) continue
      last = snapshot
      const given = performance.now()
      yield snapshot
      restMs = (performance.now() - given) * REST_PER_WORK
      if (restMs > settleMs) await delay(restMs, undefined, { signal }).catch(() => undefined)
    }
  } finally {
    watcher.stop()
    client.close()
  }
}

const noCluster = (): KubernetesError =>
  new KubernetesError("ERR_TLSROUTE_KUBERNETES_CONFIG", "no cluster: choose a context of the kubeconfig")

/** Remembers that something changed, and waits until no more does. */
class ChangeSignal {
  #raised = false
  #wake: (() => void) | undefined

  raise(): void {
    this.#raised = true
    this.#wake?.()
  }

  /** Waits for a change, then until `quietMs` passed without another or `maxMs` passed in all. */
  async settled(quietMs: number, maxMs: number, signal: AbortSignal): Promise<void> {
    await this.#next(signal)
    const deadline = performance.now() + maxMs
    while (this.#raised && performance.now() < deadline && !signal.aborted) {
      this.#raised = false
      await delay(quietMs, undefined, { signal }).catch(() => undefined)
    }
    this.#raised = false
  }

  async #next(signal: AbortSignal): Promise<void> {
    if (this.#raised || signal.aborted) return
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        signal.removeEventListener("abort", wake)
        this.#wake = undefined
        resolve()
      }
      signal.addEventListener("abort", wake)
      this.#wake = wake
    })
  }
}
