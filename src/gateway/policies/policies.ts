import { CidrList } from "../../proxy/limits/cidr.ts"
import type { BackendPolicy, ConnectionPolicy, HealthCheck, ListenerPolicy, ScopePolicy } from "../../proxy/policy.ts"
import type { StarttlsPolicy } from "../../proxy/starttls/policy.ts"
import { STARTTLS_PROTOCOLS } from "../../proxy/starttls/protocols.ts"
import type { ObjectRef, ResourceProblem } from "../../routing/resources.ts"
import type {
  ListenerBinding,
  RouteMatch,
  RouteMatcher,
  TableListener,
  WeightedBackend,
} from "../../routing/route-table.ts"
import { absentObjectProblems } from "./absent-objects.ts"
import type { AnnotatedObject } from "./annotated-objects.ts"
import type { AnnotatedPolicies } from "./annotations.ts"
import { definite, EMPTY_LAYER, inherited, overlay, type PolicyLayer } from "./layer.ts"
import type { ReadPolicyOptions } from "./options.ts"
import { idleQuicProblems, quicListenerProblems, quicObjectProblems } from "./quic-problems.ts"
import { commonScopes, type NamedLayer, scopesOf } from "./scopes.ts"
import { starttlsProblems } from "./starttls-problems.ts"

const NOBODY = new CidrList([])

/** Policies on one socket. */
export interface BindingPolicies {
  /** What holds before the SNI is known. */
  readonly listener: ListenerPolicy
  /** What holds for connections that a match sends to a backend. */
  connection(match: RouteMatch, backend: WeightedBackend): ConnectionPolicy
}

/** Policies of one snapshot, ready to be asked on the hot path. */
export interface Policies {
  /** Annotations that are unknown, misplaced, malformed, or at odds with another listener's on the same port. */
  readonly problems: readonly ResourceProblem[]
  /** What is asked of every connection, whatever its listener. */
  readonly gatewayScope: ScopePolicy | undefined
  /** What holds on a socket; `undefined` for one that the table does not have. */
  binding(key: string): BindingPolicies | undefined
  /** How the endpoints of a route's backend are probed, if at all, for connections that begin in a certain way. */
  healthCheck(route: ObjectRef, backend: ObjectRef, starttls: StarttlsPolicy | undefined): HealthCheck | undefined
  /** Whether any endpoint is probed. */
  readonly hasHealthChecks: boolean
  /** What they were compiled from, as plain data for another thread; see `PolicyCompiler.compile`. */
  readonly annotated: readonly AnnotatedObject[]
}

/** Annotations that were read, with the objects they came from. */
export interface ReadAnnotations {
  readonly objects: readonly AnnotatedObject[]
  /** By `kind/namespace/name`. */
  readonly byObject: ReadonlyMap<string, AnnotatedPolicies>
}

/** Policies over one table. */
export class SnapshotPolicies implements Policies {
  readonly annotated: readonly AnnotatedObject[]
  readonly gatewayScope: ScopePolicy | undefined
  readonly hasHealthChecks: boolean
  readonly #options: ReadPolicyOptions
  readonly #annotated: ReadonlyMap<string, AnnotatedPolicies>
  readonly #problems: ResourceProblem[]
  readonly #bindings: ReadonlyMap<string, BindingPolicies>

  constructor(options: ReadPolicyOptions, read: ReadAnnotations, table: Pick<RouteMatcher, "listeners" | "routes">) {
    this.annotated = read.objects
    this.gatewayScope = scopesOf([{ key: "gateway", layer: options.gateway }])[0]
    this.#options = options
    this.#annotated = read.byObject
    this.#problems = [...read.byObject.values()].flatMap(({ problems }) => problems)
    this.#problems.push(...absentObjectProblems(options, table))
    this.hasHealthChecks = this.#layers().some(({ healthCheck = "off" }) => healthCheck !== "off")
    this.#bindings = new Map(table.listeners.map((binding) => [binding.key, this.#bindingPolicies(binding)]))
    const isOn = [...this.#bindings.values()].some(({ listener }) => listener.quic)
    this.#findQuicProblems(read, isOn)
  }

  get problems(): readonly ResourceProblem[] {
    return this.#problems
  }

  binding(key: string): BindingPolicies | undefined {
    return this.#bindings.get(key)
  }

  healthCheck(route: ObjectRef, backend: ObjectRef, starttls: StarttlsPolicy | undefined): HealthCheck | undefined {
    if (!this.hasHealthChecks) return undefined
    const layers = [this.#backendLayer(backend), this.#routeLayer(route), this.#options.gateway] as const
    return healthCheckOf(layers, route, starttls)
  }

  #bindingPolicies(binding: ListenerBinding): BindingPolicies {
    const listener = this.#listenerPolicy(binding)
    const checked = new Set(listener.scopes.map(({ key }) => key))
    const { starttls } = listener
    return { listener, connection: (match, backend) => this.#connectionPolicy(checked, starttls, match, backend) }
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
    if (first !== undefined) this.#problems.push(...starttlsProblems(binding.port, first, policy))
    for (const listener of binding.listeners) {
      const layers = [...this.#layersOf(listener).map(({ layer }) => layer), this.#options.gateway]
      if (definite("quic", layers) === "on") this.#problems.push(...quicListenerProblems(listener, layers, policy.quic))
    }
    return { ...policy, scopes: commonScopes(firstLayers, otherLayers) }
  }

  #findQuicProblems({ objects, byObject }: ReadAnnotations, isOn: boolean): void {
    for (const { ref } of objects) {
      const { own = EMPTY_LAYER } = byObject.get(refKey(ref)) ?? {}
      if (!isOn) this.#problems.push(...idleQuicProblems(ref, own))
      else if (ref.kind === "TLSRoute" || ref.kind === "Service") this.#problems.push(...quicObjectProblems(ref, own))
    }
  }

  #beforeSni(listenerLayers: readonly NamedLayer[]): BeforeSni {
    const layers = [...listenerLayers.map(({ layer }) => layer), this.#options.gateway]
    const mode = definite("acceptProxyProtocol", layers)
    const trusted = inherited("trustedProxies", layers) ?? NOBODY
    const starttls = definite("starttls", layers)
    const greetingName = definite("starttlsName", layers)
    return {
      proxyProtocol: mode === "off" ? undefined : { mode, trusted },
      starttls: starttls === "off" ? undefined : { protocol: STARTTLS_PROTOCOLS[starttls], greetingName },
      helloTimeout: definite("helloTimeout", layers),
      maxHelloBytes: definite("maxHelloBytes", layers),
      refusal: inherited("refusal", layers),
      keepalive: definite("clientKeepalive", layers),
      quic: definite("quic", layers) === "on" && mode !== "required" && starttls === "off",
    }
  }

  #connectionPolicy(
    checked: ReadonlySet<string>,
    starttls: StarttlsPolicy | undefined,
    match: RouteMatch,
    backend: WeightedBackend,
  ): ConnectionPolicy {
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
      quicIdleTimeout: definite("quicIdleTimeout", stream),
      maxDuration: definite("maxDuration", stream),
      maxDurationJitter: definite("maxDurationJitter", stream),
      bandwidth: definite("bandwidth", stream),
      backend: this.#backendPolicy([backendLayer, routeLayer, this.#options.gateway], match.route.ref, starttls),
      drain: {
        onRemoval: definite("onRemoval", stream),
        onEndpointRemoval: definite("onEndpointRemoval", all),
        window: definite("drainWindow", all),
      },
    }
  }

  #backendPolicy(
    layers: readonly [PolicyLayer, ...PolicyLayer[]],
    route: ObjectRef,
    starttls: StarttlsPolicy | undefined,
  ): BackendPolicy {
    const version = headerVersion(layers)
    const fields = definite("sendProxyProtocolFields", layers)
    const maxBytes = definite("sendProxyProtocolMaxBytes", layers)
    return {
      proxyHeader: version === undefined ? undefined : { version, fields, maxBytes },
      keepalive: definite("backendKeepalive", layers),
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
      check: this.hasHealthChecks ? healthCheckOf(layers, route, starttls) : undefined,
    }
  }

  #layers(): readonly PolicyLayer[] {
    const { gateway, routes, backends } = this.#options
    const annotated = Array.from(this.#annotated.values(), ({ own }) => own)
    return [gateway, ...routes.values(), ...backends.values(), ...annotated]
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

function healthCheckOf(
  layers: readonly [PolicyLayer, ...PolicyLayer[]],
  route: ObjectRef,
  starttls: StarttlsPolicy | undefined,
): HealthCheck | undefined {
  const kind = definite("healthCheck", layers)
  if (kind === "off") return undefined
  const serverName = kind === "tls" ? inherited("healthCheckServerName", layers) : undefined
  const [interval, timeout] = [definite("healthCheckInterval", layers), definite("healthCheckTimeout", layers)]
  const [rise, fall] = [definite("healthyThreshold", layers), definite("unhealthyThreshold", layers)]
  // TLS probes send the route's own name, so that what they find concerns that route alone.
  const whose = kind === "tls" && serverName === undefined ? nameOf(route) : (serverName ?? "")
  const proxyHeader = headerVersion(layers)
  // A connection is enough for a TCP probe, whatever would be spoken over it.
  const spoken = kind === "tls" && starttls !== undefined ? starttls : undefined
  const way = spoken === undefined ? [] : [spoken.protocol.name, spoken.greetingName]
  const id = [kind, whose, interval, timeout, rise, fall, proxyHeader ?? "plain", ...way].join(" ")
  return { id, kind, serverName, proxyHeader, starttls: spoken, interval, timeout, rise, fall }
}

/** Version of the PROXY protocol header that the backend is sent, by clients' connections and probes alike. */
function headerVersion(layers: readonly [PolicyLayer, ...PolicyLayer[]]): 1 | 2 | undefined {
  const version = definite("sendProxyProtocol", layers)
  if (version === "off") return undefined
  return version === "v1" ? 1 : 2
}

type BeforeSni = Omit<ListenerPolicy, "scopes">

function isSame(a: BeforeSni, b: BeforeSni): boolean {
  return (
    a.helloTimeout === b.helloTimeout &&
    a.maxHelloBytes === b.maxHelloBytes &&
    a.refusal === b.refusal &&
    a.keepalive === b.keepalive &&
    a.starttls?.protocol === b.starttls?.protocol &&
    a.starttls?.greetingName === b.starttls?.greetingName &&
    a.quic === b.quic &&
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
      `listener ${other.name} shares port ${binding.port} with ${first.id}, whose PROXY protocol, STARTTLS, QUIC and ` +
      "ClientHello policies are in force, since they are needed before the SNI is known; set the same on both",
  }
}

function refKey(ref: ObjectRef): string {
  return `${ref.kind}/${ref.namespace}/${ref.name}`
}

function nameOf(ref: ObjectRef): string {
  return `${ref.namespace}/${ref.name}`
}
