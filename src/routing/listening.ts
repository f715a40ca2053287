import {
  type AdmittedGatewayClass,
  admitGateway,
  admitGatewayClass,
  admitListenerSet,
  admitNamespace,
} from "./admitted-gateway.ts"
import { Sockets } from "./dispatch.ts"
import { type ClassSelection, selectClasses } from "./gateway-class.ts"
import { field } from "./json.ts"
import { buildTopology, type ListenerState, type ListenerTopology, type NamespaceLabels } from "./listeners.ts"
import { ObjectIndex } from "./object-index.ts"
import type { ResolvedOptions } from "./options.ts"
import type { GatewayResources, ResourceProblem } from "./resources.ts"

/** What depends on GatewayClasses, Gateways, ListenerSets and Namespaces alone. */
export interface Listening {
  readonly classes: ClassSelection
  readonly allClasses: readonly AdmittedGatewayClass[]
  readonly topology: ListenerTopology
  /** Listeners that take connections, in order of precedence. */
  readonly served: readonly ListenerState[]
  readonly sockets: Sockets
  readonly labels: NamespaceLabels
}

/** Keeps {@link Listening} up to date. */
export class ListeningIndex {
  readonly #options: ResolvedOptions
  readonly #classes
  readonly #gateways
  readonly #listenerSets
  readonly #namespaces
  #current: Listening | undefined

  constructor(options: ResolvedOptions) {
    const { defaultNamespace } = options
    this.#options = options
    this.#classes = new ObjectIndex(admitGatewayClass, defaultNamespace, "GatewayClass")
    this.#gateways = new ObjectIndex(admitGateway, defaultNamespace, "Gateway")
    this.#listenerSets = new ObjectIndex(admitListenerSet, defaultNamespace, "ListenerSet")
    this.#namespaces = new ObjectIndex(admitNamespace, defaultNamespace, "Namespace")
  }

  /** The same object as before when nothing that it depends on changed. */
  update(resources: GatewayResources): Listening {
    const changes = [
      this.#classes.update(field(resources, "gatewayClasses")),
      this.#gateways.update(field(resources, "gateways")),
      this.#listenerSets.update(field(resources, "listenerSets")),
      this.#namespaces.update(field(resources, "namespaces")),
    ]
    if (this.#current === undefined || changes.some((change) => change.length > 0)) this.#current = this.#build()
    return this.#current
  }

  problems(): readonly (() => readonly ResourceProblem[])[] {
    return [this.#classes, this.#gateways, this.#listenerSets, this.#namespaces].map((index) => index.problems())
  }

  #build(): Listening {
    const allClasses = [...this.#classes.values()]
    const classes = selectClasses(allClasses, this.#classes.length > 0, this.#options)
    // A copy, so that what is built now does not see later snapshots.
    const known = new Map([...this.#namespaces.values()].map((namespace) => [namespace.key, namespace.labels]))
    const labels: NamespaceLabels = (namespace) => known.get(namespace)
    const topology = buildTopology(this.#gateways.values(), this.#listenerSets.values(), classes, labels, this.#options)
    const served = [...topology.gateways.values(), ...topology.listenerSets.values()]
      .flatMap((parent): readonly ListenerState[] => parent.listeners)
      .filter((state) => state.served)
    return { classes, allClasses, topology, served, sockets: new Sockets(served), labels }
  }
}
