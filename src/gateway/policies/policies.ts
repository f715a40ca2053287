import { CidrList } from "../../proxy/limits/cidr.ts"
import type { BackendPolicy, ConnectionPolicy, ListenerPolicy, ScopePolicy } from "../../proxy/policy.ts"
import type { GatewayResources, KubernetesObject, ObjectRef, ResourceProblem } from "../../routing/resources.ts"
import type {
  ListenerBinding,
  RouteMatch,
  RouteTable,
  TableListener,
  WeightedBackend,
} from "../../routing/route-table.ts"
import { type AnnotatedPolicies, NO_POLICIES, readAnnotations } from "./annotations.ts"
import { definite, EMPTY_LAYER, inherited, overlay, type PolicyLayer } from "./layer.ts"
import { type PolicyOptions, type ReadPolicyOptions, readPolicyOptions } from "./options.ts"
import { commonScopes, type NamedLayer, scopesOf } from "./scopes.ts"

const GATEWAY_GROUP = "gateway.networking.k8s.io"
const NOBODY = new CidrList([])

/** How a backend's endpoints are probed. */
export interface HealthCheckPolicy {
  /** What a probe does. */
  readonly kind: "tcp" | "tls"
  /** SNI of TLS probes, where it is set; else the route's own. */
  readonly serverName: string | undefined
  /** Milliseconds between probes. */
  readonly interval: number
  /** Milliseconds of one probe. */
  readonly timeout: number
  /** Good probes in a row that bring an endpoint back. */
  readonly rise: number
  /** Failed probes in a row that take it out. */
  readonly fall: number
}

/** Policies on one socket. */
export interface BindingPolicies {
  /** What holds before the SNI is known. */
  readonly listener: ListenerPolicy
  /** What holds for connections that a match sends to a backend. The same object each time. */
  connection(match: RouteMatch, backend: WeightedBackend): ConnectionPolicy
}

/** Policies of one snapshot, ready to be asked on the hot path. */
export interface Policies {
  /** Annotations that are unknown, misplaced, malformed, or at odds with another listener's on the same port. */
  readonly problems: readonly ResourceProblem[]
  /** What holds on a socket; `undefined` for one that the table does not have. */
  binding(key: string): BindingPolicies | undefined
  /** How the endpoints of a route's backend are probed, if at all. */
  healthCheck(route: ObjectRef, backend: ObjectRef): HealthCheckPolicy | undefined
}

/** Makes {@link Policies} of each snapshot; objects that did not change are not read again. */
export class PolicyCompiler {
  readonly #options: ReadPolicyOptions
  readonly #defaultNamespace: string
  readonly #read = new WeakMap<KubernetesObject, AnnotatedPolicies>()

  /**
   * @param options - the `policies` option
   * @param defaultNamespace - namespace of objects that name none, as routing has it
   * @throws PolicyError naming the setting that cannot be used
   */
  constructor(options?: PolicyOptions, defaultNamespace = "default") {
    this.#options = readPolicyOptions(options)
    this.#defaultNamespace = defaultNamespace
  }

  /** What the program asks of every connection, whatever its listener. */
  get gatewayScope(): ScopePolicy | undefined {
    return scopesOf([{ key: "gateway", layer: this.#options.gateway }])[0]
  }

  /** Reads the annotations of a snapshot for the sockets of its table. Bad ones become problems; never throws. */
  compile(resources: GatewayResources, table: Pick<RouteTable, "listeners">): Policies {
    const annotated = new Map<string, AnnotatedPolicies>()
    const problems: ResourceProblem[] = []
    const add = (kind: string, group: string, objects: readonly KubernetesObject[] = []): void => {
      for (const object of objects) {
        const read = this.#annotations(kind, group, object)
        if (read === NO_POLICIES) continue
        annotated.set(`${kind}/${object.metadata.namespace ?? this.#defaultNamespace}/${object.metadata.name}`, read)
        problems.push(...read.problems)
      }
    }
    if (this.#options.annotations === "apply") {
      add("Gateway", GATEWAY_GROUP, resources.gateways)
      add("ListenerSet", GATEWAY_GROUP, resources.listenerSets)
      add("TLSRoute", GATEWAY_GROUP, resources.tlsRoutes)
      add("Service", "", resources.services)
    }
    return new SnapshotPolicies(this.#options, annotated, problems, table.listeners)
  }

  #annotations(kind: string, group: string, object: KubernetesObject | null): AnnotatedPolicies {
    // Objects may come from anywhere, and routing has already reported those without metadata.
    const metadata = object?.metadata
    if (object === null || metadata?.annotations === undefined) return NO_POLICIES
    let read = this.#read.get(object)
    if (read === undefined) {
      const { name, namespace = this.#defaultNamespace } = metadata
      read = readAnnotations({ group, kind, namespace, name }, metadata.annotations, listenerNames(object))
      this.#read.set(object, read)
    }
    return read
  }
}

/** Names of `spec.listeners`, of an object that may not have passed validation. */
function listenerNames(object: KubernetesObject): readonly string[] {
  const { spec } = object as { readonly spec?: { readonly listeners?: unknown } | null }
  if (!Array.isArray(spec?.listeners)) return []
  return spec.listeners.flatMap((listener: { readonly name?: unknown } | null) =>
    typeof listener?.name === "string" ? [listener.name] : [],
  )
}

class SnapshotPolicies implements Policies {
  readonly #options: ReadPolicyOptions
  readonly #annotated: ReadonlyMap<string, AnnotatedPolicies>
  readonly #problems: ResourceProblem[]
  readonly #bindings: ReadonlyMap<string, BindingPolicies>

  constructor(
    options: ReadPolicyOptions,
    annotated: ReadonlyMap<string, AnnotatedPolicies>,
    problems: ResourceProblem[],
    bindings: readonly ListenerBinding[],
  ) {
    this.#options = options
    this.#annotated = annotated
    this.#problems = problems
    this.#bindings = new Map(bindings.map((binding) => [binding.key, this.#bindingPolicies(binding)]))
  }

  get problems(): readonly ResourceProblem[] {
    return this.#problems
  }

  binding(key: string): BindingPolicies | undefined {
    return this.#bindings.get(key)
  }

  healthCheck(route: ObjectRef, backend: ObjectRef): HealthCheckPolicy | undefined {
    const layers = [this.#backendLayer(backend), this.#routeLayer(route), this.#options.gateway]
    const kind = definite("healthCheck", layers)
    if (kind === "off") return undefined
    return {
      kind,
      serverName: inherited("healthCheckServerName", layers),
      interval: definite("healthCheckInterval", layers),
      timeout: definite("healthCheckTimeout", layers),
      rise: definite("healthyThreshold", layers),
      fall: definite("unhealthyThreshold", layers),
    }
  }

  #bindingPolicies(binding: ListenerBinding): BindingPolicies {
    const listener = this.#listenerPolicy(binding)
    const checked = new Set(listener.scopes.map(({ key }) => key))
    const known = new WeakMap<RouteMatch, Map<WeightedBackend, ConnectionPolicy>>()
    const connection = (match: RouteMatch, backend: WeightedBackend): ConnectionPolicy => {
      const byBackend = known.get(match) ?? new Map<WeightedBackend, ConnectionPolicy>()
      known.set(match, byBackend)
      const policy = byBackend.get(backend) ?? this.#connectionPolicy(checked, match, backend)
      byBackend.set(backend, policy)
      return policy
    }
    return { listener, connection }
  }

  /** The first listener of a socket, as the table orders them, decides what must be settled before the SNI is known. */
  #listenerPolicy(binding: ListenerBinding): ListenerPolicy {
    const [first, ...others] = binding.listeners
    const firstLayers = first === undefined ? [] : this.#layersOf(first)
    const policy = this.#beforeSni(firstLayers)
    const otherLayers = others.map((other) => this.#layersOf(other))
    others.forEach((other, index) => {
      if (first === undefined || isSame(policy, this.#beforeSni(otherLayers[index] ?? []))) return
      this.#problems.push(conflict(binding, first, other))
    })
    return { ...policy, scopes: commonScopes(firstLayers, otherLayers) }
  }

  #beforeSni(listenerLayers: readonly NamedLayer[]): BeforeSni {
    const layers = [...listenerLayers.map(({ layer }) => layer), this.#options.gateway]
    const mode = definite("acceptProxyProtocol", layers)
    const trusted = inherited("trustedProxies", layers) ?? NOBODY
    return {
      proxyProtocol: mode === "off" ? undefined : { mode, trusted },
      helloTimeout: definite("helloTimeout", layers),
      maxHelloBytes: definite("maxHelloBytes", layers),
    }
  }

  #connectionPolicy(checked: ReadonlySet<string>, match: RouteMatch, backend: WeightedBackend): ConnectionPolicy {
    const listenerLayers = this.#layersOf(match.listener)
    const routeLayer = this.#routeLayer(match.route.ref)
    const backendLayer = this.#backendLayer(backend.ref)
    const stream = [routeLayer, ...listenerLayers.map(({ layer }) => layer), this.#options.gateway]
    const all = [backendLayer, ...stream]
    const route: NamedLayer = { key: refKey(match.route.ref), layer: routeLayer }
    return {
      scopes: scopesOf([...listenerLayers, route]).filter(({ key }) => !checked.has(key)),
      dialTimeout: definite("dialTimeout", all),
      idleTimeout: definite("idleTimeout", stream),
      halfClosedTimeout: definite("halfClosedTimeout", stream),
      maxDuration: definite("maxDuration", stream),
      maxDurationJitter: definite("maxDurationJitter", stream),
      bandwidth: definite("bandwidth", stream),
      backend: this.#backendPolicy([backendLayer, routeLayer, this.#options.gateway]),
      drain: {
        onRemoval: definite("onRemoval", stream),
        onEndpointRemoval: definite("onEndpointRemoval", all),
        window: definite("drainWindow", all),
      },
    }
  }

  #backendPolicy(layers: readonly [PolicyLayer, ...PolicyLayer[]]): BackendPolicy {
    const version = definite("sendProxyProtocol", layers)
    const fields = definite("sendProxyProtocolFields", layers)
    return {
      proxyHeader: version === "off" ? undefined : { version: version === "v1" ? 1 : 2, fields },
      balance: definite("loadBalancing", layers),
      dialAttempts: definite("dialAttempts", layers),
      retryBackoff: definite("retryBackoff", layers),
      retryBudget: definite("retryBudget", layers),
      circuit: {
        // A limit counts the connections of the object that sets it: the route's own is another.
        maxConnections: definite("maxConnections", [layers[0]]),
        maxPending: definite("maxPendingConnections", layers),
      },
      health: {
        ejectAfter: definite("ejectAfter", layers),
        ejectionTime: definite("ejectionTime", layers),
        maxEjectionTime: definite("maxEjectionTime", layers),
        slowStart: definite("slowStart", layers),
        panicThreshold: definite("panicThreshold", layers),
      },
    }
  }

  /** The listener itself, the Gateway or ListenerSet that declares it, and the Gateway that a ListenerSet joins. */
  #layersOf(listener: TableListener): readonly NamedLayer[] {
    const { parent, gateway, name } = listener
    const layers = [{ key: listener.id, layer: this.#sectionLayer(parent, name) }, this.#parentLayer(parent)]
    if (parent.kind !== gateway.kind) layers.push(this.#parentLayer(gateway))
    return layers
  }

  #sectionLayer(parent: ObjectRef, name: string): PolicyLayer {
    const annotated = this.#annotated.get(refKey(parent))?.sections.get(name) ?? EMPTY_LAYER
    return overlay(annotated, this.#options.listeners.get(`${nameOf(parent)}/${name}`))
  }

  #parentLayer(parent: ObjectRef): NamedLayer {
    return { key: refKey(parent), layer: this.#ownLayer(parent, this.#options.listeners) }
  }

  #routeLayer(route: ObjectRef): PolicyLayer {
    return this.#ownLayer(route, this.#options.routes)
  }

  #backendLayer(backend: ObjectRef): PolicyLayer {
    return this.#ownLayer(backend, this.#options.backends)
  }

  #ownLayer(object: ObjectRef, options: ReadonlyMap<string, PolicyLayer>): PolicyLayer {
    return overlay(this.#annotated.get(refKey(object))?.own ?? EMPTY_LAYER, options.get(nameOf(object)))
  }
}

type BeforeSni = Omit<ListenerPolicy, "scopes">

function isSame(a: BeforeSni, b: BeforeSni): boolean {
  return (
    a.helloTimeout === b.helloTimeout &&
    a.maxHelloBytes === b.maxHelloBytes &&
    a.proxyProtocol?.mode === b.proxyProtocol?.mode &&
    a.proxyProtocol?.trusted.text === b.proxyProtocol?.trusted.text
  )
}

function conflict(binding: ListenerBinding, first: TableListener, other: TableListener): ResourceProblem {
  return {
    severity: "error",
    code: "PolicyConflict",
    object: other.parent,
    path: "metadata.annotations",
    message:
      `listener ${other.name} shares port ${binding.port} with ${first.id}, whose PROXY protocol and ClientHello ` +
      "policies are in force, since they are needed before the SNI is known; set the same on both",
  }
}

function refKey(ref: ObjectRef): string {
  return `${ref.kind}/${ref.namespace}/${ref.name}`
}

function nameOf(ref: ObjectRef): string {
  return `${ref.namespace}/${ref.name}`
}
