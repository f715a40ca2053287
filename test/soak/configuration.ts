import type { RefusalMode } from "../../src/proxy/policy.ts"
import type { BackendRef, Gateway, GatewayResources, TLSRoute } from "../../src/routing/resources.ts"
import { gateway, listener, resources, route, service } from "../support/resources.ts"
import type { ListenerName, RouteName } from "./plan.ts"
import { Random } from "./random.ts"

/** What configurations are for: ports of the backends, one that nobody listens on, and what the gateway can do. */
export interface Ports {
  readonly a: number
  readonly b: number
  /** Of the backend that wants PROXY headers. */
  readonly proxied: number
  readonly dead: number
  /** Whether the gateway asks the zone that changes. */
  readonly hasZone: boolean
  /**
   * Whether a listener may go. node:cluster, by which workers are processes, forgets connections that it is handing to a
   * worker whose listener goes: they stay open until the process ends (docs/operations.md).
   */
  readonly mayUnlisten: boolean
}

/** Ports of the Gateways, of one listener each. */
export const GATEWAY_PORTS: Readonly<Record<ListenerName, number>> = { first: 443, closing: 9443, flapping: 8443 }
/** How they refuse. */
export const REFUSALS: Readonly<Record<ListenerName, RefusalMode>> = {
  first: "alert",
  closing: "close",
  flapping: "reset",
}
/** Bytes in a second that the `capped` route lets through each way. */
export const CAP = 2_000_000

/** The configuration before the first change, and after the last. */
export function restingConfiguration(ports: Ports): GatewayResources {
  return configuration(ports, {
    hasListener: !ports.mayUnlisten,
    moving: [ports.a],
    flapping: undefined,
    hasDraining: false,
    weights: [3, 1],
    nonsense: [],
    revision: 0,
  })
}

/** The configuration after so many changes: the same for the same seed and number. */
export function changedConfiguration(seed: number, change: number, ports: Ports): GatewayResources {
  const random = new Random(seed, 0x636f6e66, change)
  const { a, b, dead } = ports
  return configuration(ports, {
    hasListener: random.percent(50) || !ports.mayUnlisten,
    moving: random.pick([2, [a]], [2, [b]], [2, [a, b]], [2, [dead, a]], [1, [dead]], [1, []]),
    flapping: random.pick([1, undefined], [1, "a"], [1, "b"]),
    hasDraining: random.percent(60),
    weights: [1 + random.below(5), random.below(5)],
    nonsense: random.percent(30) ? nonsense(random) : [],
    revision: change,
  })
}

interface Choices {
  readonly hasListener: boolean
  readonly moving: readonly number[]
  readonly flapping: "a" | "b" | undefined
  readonly hasDraining: boolean
  readonly weights: readonly [a: number, b: number]
  readonly nonsense: readonly unknown[]
  readonly revision: number
}

function configuration(ports: Ports, choices: Choices): GatewayResources {
  const listeners: readonly ListenerName[] = ["first", "closing", ...(choices.hasListener ? ["flapping" as const] : [])]
  const [weightOfA, weightOfB] = choices.weights
  const routes: TLSRoute[] = [
    soakRoute("stable", ["a"]),
    soakRoute("proxied", ["proxied"]),
    soakRoute("weighted", ["a", "b"], [weightOfA, weightOfB]),
    soakRoute("moving", ["moving"]),
    ports.hasZone ? named(ports.a) : soakRoute("named", ["a"]),
    annotated(soakRoute("capped", ["a"]), { bandwidth: String(CAP) }),
    annotated(soakRoute("patient", ["a"]), { "half-closed-timeout": "4s" }),
    ...(choices.flapping === undefined ? [] : [soakRoute("flapping", [choices.flapping])]),
    ...(choices.hasDraining
      ? [annotated(soakRoute("draining", ["b"]), { "on-removal": "drain", "drain-window": "200ms" })]
      : []),
    ...(choices.nonsense as TLSRoute[]),
  ]
  const proxied = service("proxied", [ports.proxied])
  return resources(
    { gateways: listeners.map(soakGateway), tlsRoutes: routes },
    service("a", [ports.a]),
    service("b", [ports.b]),
    movingService(choices.moving),
    {
      ...proxied,
      services: proxied.services.map((each) =>
        annotated(each, {
          "send-proxy-protocol": "v2",
          "send-proxy-protocol-fields": "authority, unique-id, crc32c",
          // What nobody can read is reported, and changes nothing.
          ...(choices.revision % 3 === 1 ? { "idle-timeout": "soon", "no-such-policy": "1" } : {}),
        }),
      ),
    },
  )
}

/** With a slice of its own also when it has no endpoint: without any, the Service's own address would stand for them. */
function movingService(ports: readonly number[]): GatewayResources {
  const { services, endpointSlices } = service("moving", ports.length > 0 ? ports : [0])
  if (ports.length > 0) return { services, endpointSlices }
  return { services, endpointSlices: endpointSlices.map((slice) => ({ ...slice, endpoints: [] })) }
}

/** Its backend is a DNS name, of a zone that changes at every question. */
function named(port: number): TLSRoute {
  return everywhere(route("named", ["*.named.example", "raw.named.example"], [{ name: "backend.soak.test", port }]))
}

function soakGateway(name: ListenerName): Gateway {
  return annotated(gateway([listener(name, GATEWAY_PORTS[name])], name), { refusal: REFUSALS[name] })
}

/** The route, attached to every Gateway, there or not. */
function everywhere(of: TLSRoute): TLSRoute {
  return { ...of, spec: { ...of.spec, parentRefs: Object.keys(GATEWAY_PORTS).map((name) => ({ name })) } }
}

function soakRoute(name: RouteName, services: readonly string[], weights?: readonly number[]): TLSRoute {
  const refs: BackendRef[] = services.map((service, index) => ({
    name: service,
    port: 443,
    ...(weights === undefined ? {} : { weight: weights[index] ?? 1 }),
  }))
  return everywhere(route(name, [`*.${name}.example`, `raw.${name}.example`], refs))
}

function annotated<T extends { readonly metadata: object }>(object: T, policies: Readonly<Record<string, string>>): T {
  const annotations = Object.fromEntries(
    Object.entries(policies).map(([name, value]) => [`tlsroute.dev/${name}`, value]),
  )
  return { ...object, metadata: { ...object.metadata, annotations } }
}

/** Objects that no API server would let through. */
function nonsense(random: Random): readonly unknown[] {
  return [
    null,
    7,
    { kind: "TLSRoute", metadata: { name: "x" } },
    { ...route("broken", ["UPPER..case"], []), spec: random.percent(50) ? "nothing" : { hostnames: 7, rules: [null] } },
    // Of equal age, the name that comes first in the alphabet has the hostname.
    everywhere(route("zz-thief", ["*.stable.example", "raw.stable.example"], [{ name: "no-such-service", port: 443 }])),
  ].slice(0, 1 + random.below(5))
}
