import { type Checks, callable, options as optionsOf, text } from "../primitives/option-checks.ts"
import type { KubernetesObject, Service } from "../routing/resources.ts"
import { ApiClient } from "./api-client.ts"
import { DEFAULT_BACKOFF } from "./backoff.ts"
import { type ClusterAccess, clusterAccess, loadClusterAccess } from "./cluster-access.ts"
import { refuseOptions } from "./errors.ts"
import { type Node, type PublishedAddress, serviceAddresses } from "./gateway-addresses.ts"
import { DEFAULT_PAGE_SIZE } from "./object-list.ts"
import { DEFAULT_STALL_MS, Reflector, type ReflectorEvent } from "./reflector.ts"

/** Options of {@link watchServiceAddresses}. */
export interface ServiceAddressesOptions {
  /** The cluster. Left out: what {@link loadClusterAccess} finds. */
  readonly kubeConfig?: ClusterAccess | undefined
  /** The Service in front of the gateway. */
  readonly service: { readonly namespace: string; readonly name: string }
  /** Called when the addresses have changed. */
  readonly onChange?: ((addresses: readonly PublishedAddress[]) => void) | undefined
  /** Told what happens, for logs and metrics. Must not throw. */
  readonly onEvent?: ((event: ReflectorEvent) => void) | undefined
}

const OPTIONS: Checks<ServiceAddressesOptions> = {
  kubeConfig: clusterAccess,
  service: optionsOf<ServiceAddressesOptions["service"]>(
    { namespace: text, name: text },
    { namespace: '"tlsroute-system"', name: '"tlsroute"' },
  ),
  onChange: callable,
  onEvent: callable,
}

/** Addresses to publish on Gateways, as the Service in front has them. Made by {@link watchServiceAddresses}. */
export interface ServiceAddresses {
  /** The addresses now; `undefined` until the Service has been looked up. */
  readonly current: readonly PublishedAddress[] | undefined
  /** Stops watching. */
  close(): void
}

const SERVICE = { group: "", kind: "Service", plural: "services" } as const
const NODE = { group: "", kind: "Node", plural: "nodes" } as const

/**
 * Follows the addresses at which clients reach the Service in front of the gateway: see
 * `Gateway.status.addresses`. Nodes are watched only while the Service is a NodePort.
 *
 * @throws {@link KubernetesError} when an option cannot be used, or there is no kubeconfig to read.
 */
export async function watchServiceAddresses(options: ServiceAddressesOptions): Promise<ServiceAddresses> {
  refuseOptions("watchServiceAddresses", options, OPTIONS, {
    service: '{ namespace: "tlsroute-system", name: "tlsroute" }',
  })
  return new ServiceWatch(new ApiClient(options.kubeConfig ?? (await loadClusterAccess())), options)
}

class ServiceWatch implements ServiceAddresses {
  readonly #client: ApiClient
  readonly #options: ServiceAddressesOptions
  readonly #service: Reflector
  #nodes: Reflector | undefined
  #current: readonly PublishedAddress[] | undefined

  constructor(client: ApiClient, options: ServiceAddressesOptions) {
    this.#client = client
    this.#options = options
    this.#service = this.#reflect(SERVICE, options.service)
  }

  get current(): readonly PublishedAddress[] | undefined {
    return this.#current
  }

  close(): void {
    this.#service.stop()
    this.#nodes?.stop()
    this.#client.close()
  }

  #reflect(
    kind: typeof SERVICE | typeof NODE,
    scope: { readonly namespace?: string; readonly name?: string },
  ): Reflector {
    const reflector = new Reflector({
      client: this.#client,
      kind,
      version: "v1",
      namespace: scope.namespace,
      name: scope.name,
      backoff: DEFAULT_BACKOFF,
      pageSize: DEFAULT_PAGE_SIZE,
      stallMs: DEFAULT_STALL_MS,
      listener: {
        changed: () => this.#changed(),
        gone: () => undefined,
        event: (event) => this.#options.onEvent?.(event),
      },
    })
    reflector.start()
    return reflector
  }

  #changed(): void {
    if (!this.#service.synced) return
    const service: Service | undefined = this.#service.values[0]
    const needsNodes = service?.spec?.type === "NodePort"
    if (needsNodes) this.#nodes ??= this.#reflect(NODE, {})
    else this.#nodes = void this.#nodes?.stop()
    if (this.#nodes !== undefined && !this.#nodes.synced) return

    const nodes = (this.#nodes?.values ?? []) as readonly (KubernetesObject & Node)[]
    const next = service === undefined ? [] : serviceAddresses(service, nodes)
    const same = this.#current?.map(({ value }) => value).join() === next.map(({ value }) => value).join()
    if (this.#current !== undefined && same) return
    this.#current = next
    this.#options.onChange?.(next)
  }
}
