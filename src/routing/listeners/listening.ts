import { deepEqual } from "../../primitives/deep-equal.ts"
import { field } from "../../primitives/json.ts"
import type { Admitted } from "../admit/admission.ts"
import {
  type AdmittedGateway,
  type AdmittedGatewayClass,
  type AdmittedListenerSet,
  type AdmittedNamespace,
  admitGateway,
  admitGatewayClass,
  admitListenerSet,
  admitNamespace,
} from "../admit/gateway.ts"
import type { NamespaceLabels } from "../admit/namespace-rule.ts"
import { type ObjectChange, ObjectIndex } from "../admit/object-index.ts"
import type { ResolvedOptions } from "../options.ts"
import type { GatewayResources, ResourceProblem } from "../resources.ts"
import { type ClassSelection, selectClasses } from "./gateway-class.ts"
import { Sockets } from "./sockets.ts"
import { buildTopology, type ListenerState, type ListenerTopology } from "./topology.ts"

/** What depends on GatewayClasses, Gateways, ListenerSets and Namespaces alone. */
export interface Listening {
  readonly classes: ClassSelection
  readonly topology: ListenerTopology
  /** Listeners that take connections, in order of precedence. */
  readonly served: readonly ListenerState[]
  readonly sockets: Sockets
  readonly labels: NamespaceLabels
}

/** Objects with statuses as they are now; what was computed from them may have been computed from earlier ones. */
export interface ListeningObjects {
  readonly gatewayClasses: ReadonlyMap<string, AdmittedGatewayClass>
  readonly gateways: ReadonlyMap<string, AdmittedGateway>
  readonly listenerSets: ReadonlyMap<string, AdmittedListenerSet>
}

/** Keeps {@link Listening} up to date. */
export class ListeningIndex {
  readonly #options: ResolvedOptions
  readonly #classes
  readonly #gateways
  readonly #listenerSets
  readonly #namespaces
  #current: Listening | undefined
  #objects: ListeningObjects | undefined

  constructor(options: ResolvedOptions) {
    const { defaultNamespace } = options
    this.#options = options
    this.#classes = new ObjectIndex(admitGatewayClass, defaultNamespace, "GatewayClass")
    this.#gateways = new ObjectIndex(admitGateway, defaultNamespace, "Gateway")
    this.#listenerSets = new ObjectIndex(admitListenerSet, defaultNamespace, "ListenerSet")
    this.#namespaces = new ObjectIndex(admitNamespace, defaultNamespace, "Namespace")
  }

  /**
   * The same object as before when nothing that it depends on changed. Statuses and annotations are nothing that
   * it depends on: a Gateway's changes with every route that attaches.
   */
  update(resources: GatewayResources): Listening {
    const classes = this.#classes.update(field(resources, "gatewayClasses"))
    const gateways = this.#gateways.update(field(resources, "gateways"))
    const listenerSets = this.#listenerSets.update(field(resources, "listenerSets"))
    const namespaces = this.#namespaces.update(field(resources, "namespaces"))
    const declared = [classes, gateways, listenerSets]
    if (declared.some((changes) => changes.length > 0)) this.#objects = undefined
    const present = this.#classes.length > 0
    const changed = declared.some((changes) => changes.some(isOfSpec)) || namespaces.some(isOfLabels)
    if (this.#current === undefined || changed || this.#current.classes.everyGateway === present) {
      this.#current = this.#build(present)
    }
    return this.#current
  }

  /** The objects of the last update; never changed by a later one. */
  get objects(): ListeningObjects {
    this.#objects ??= {
      gatewayClasses: this.#classes.byKey(),
      gateways: this.#gateways.byKey(),
      listenerSets: this.#listenerSets.byKey(),
    }
    return this.#objects
  }

  problems(): readonly (() => readonly ResourceProblem[])[] {
    return [this.#classes, this.#gateways, this.#listenerSets, this.#namespaces].map((index) => index.problems())
  }

  #build(present: boolean): Listening {
    const classes = selectClasses(this.#classes.values(), present, this.#options)
    const known = this.#namespaces.byKey()
    const labels: NamespaceLabels = (namespace) => known.get(namespace)?.labels
    const topology = buildTopology(this.#gateways.values(), this.#listenerSets.values(), classes, labels, this.#options)
    const served = [...topology.gateways.values(), ...topology.listenerSets.values()]
      .flatMap((parent): readonly ListenerState[] => parent.listeners)
      .filter((state) => state.served)
    return { classes, topology, served, sockets: new Sockets(served), labels }
  }
}

/** Whether what an object asks for changed, or its place in the order of precedence. */
function isOfSpec({ before, after }: ObjectChange<Admitted<unknown>>): boolean {
  if (before === undefined || after === undefined || before.created !== after.created) return true
  return !deepEqual(field(before.object, "spec"), field(after.object, "spec"))
}

function isOfLabels({ before, after }: ObjectChange<AdmittedNamespace>): boolean {
  if (before === undefined || after === undefined) return true
  return !deepEqual(Object.fromEntries(before.labels), Object.fromEntries(after.labels))
}
