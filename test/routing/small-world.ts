import fc from "fast-check"
import {
  DEFAULT_CONTROLLER_NAME,
  type GatewayResources,
  type KubernetesObject,
  type RouteTable,
  type RouteTableOptions,
} from "../../src/routing/index.ts"
import { gateway, grant, listener, route, service, slice } from "./world.ts"

/** A small world in which most things have to do with one another, and many collide. */

/** Mostly one value, so that most objects of a world have to do with one another. */
function often<T>(value: T, rarely: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 4, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: rarely })
}

const name = fc.constantFrom("a", "b", "c")
const parentName = often("a", name)
const namespace = often("default", fc.constant("other"))
const hostname = fc.constantFrom("*.com", "*.example.com", "a.example.com", "b.example.com", "BAD", "1.2.3.4")
const port = fc.constantFrom(443, 8443)
const time = fc.constantFrom(undefined, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
const metadata = fc.record({ namespace, creationTimestamp: time }).map(({ namespace, creationTimestamp }) => ({
  namespace,
  ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
}))
const selector = { matchLabels: { team: "red" } }
const anyListener = fc
  .tuple(
    fc.constantFrom("a", "b", "c", "d", "e"),
    port,
    fc.constantFrom(undefined, "*.com", "*.example.com", "a.example.com", "b.example.com"),
    often("All", fc.constantFrom("Same", "Selector")),
    often("TLS", often("TLS", fc.constant("HTTP"))),
  )
  .map(([listenerName, number, host, from, protocol]) =>
    listener(listenerName, number, host, { protocol, allowedRoutes: { namespaces: { from, selector } } }),
  )
const anyGateway = fc
  .tuple(
    parentName,
    fc.array(anyListener, { minLength: 1, maxLength: 4 }),
    metadata,
    often<readonly string[]>([], fc.constantFrom(["10.0.0.1"], ["10.0.0.2"])),
  )
  .map(([gatewayName, listeners, meta, addresses]) =>
    gateway(
      gatewayName,
      {
        listeners,
        addresses: addresses.map((value) => ({ value })),
        allowedListeners: { namespaces: { from: "All" } },
      },
      meta,
    ),
  )
const anyListenerSet = fc
  .tuple(name, parentName, fc.array(anyListener, { minLength: 1, maxLength: 3 }), metadata)
  .map(([setName, parent, listeners, meta]) => ({
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "ListenerSet",
    metadata: { name: setName, ...meta },
    spec: { parentRef: { name: parent }, listeners },
  }))
const anyBackendRef = fc
  .tuple(fc.record({ name, namespace, port, weight: fc.nat(3) }), fc.boolean())
  .map(([ref, isService]) => (isService ? ref : { ...ref, group: "example.com", kind: "Backend" }))
const anyRoute = fc
  .tuple(
    name,
    fc.array(fc.record({ kind: often("Gateway", fc.constant("ListenerSet")), name: parentName, namespace }), {
      maxLength: 3,
    }),
    fc.array(hostname, { minLength: 1, maxLength: 4 }),
    fc.array(anyBackendRef, { minLength: 1, maxLength: 3 }),
    metadata,
  )
  .map(([routeName, parentRefs, hostnames, backendRefs, meta]) =>
    route(routeName, { parentRefs, hostnames, rules: [{ backendRefs }] }, meta),
  )
const anyService = fc
  .tuple(name, metadata, port)
  .map(([serviceName, meta, number]) => service(serviceName, { ports: [{ port: number }] }, meta))
const anySlice = fc
  .tuple(
    name,
    name,
    fc.array(fc.record({ ready: fc.boolean(), serving: fc.boolean(), terminating: fc.boolean() }), { maxLength: 3 }),
  )
  .map(([serviceName, sliceName, conditions]) =>
    slice(
      serviceName,
      sliceName,
      conditions.map((condition, at) => ({ addresses: [`10.0.0.${at}`], conditions: condition })),
    ),
  )
const anyGrant = fc.tuple(namespace, namespace).map(([to, from]) => grant(to, from))
const anyNamespace = fc
  .tuple(namespace, fc.constantFrom("red", "blue"))
  .map(([ns, team]) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name: ns, labels: { team } } }))
const anyClass = fc
  .tuple(fc.constantFrom("any", "other"), fc.constantFrom(DEFAULT_CONTROLLER_NAME, "example.com/other", undefined))
  .map(([className, controllerName]) => ({
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "GatewayClass",
    metadata: controllerName === undefined ? {} : { name: className },
    spec: { controllerName },
  }))
const anyBackend = fc
  .tuple(name, namespace, fc.constantFrom("10.9.0.1", "10.9.0.2", "no address"))
  .map(([backendName, ns, address]) => ({
    apiVersion: "example.com/v1",
    kind: "Backend",
    metadata: { name: backendName, namespace: ns },
    spec: { address },
  }))
export const options: RouteTableOptions = {
  backendResolvers: {
    "example.com/Backend": ({ ref }, lookup) => {
      const { address } = (lookup.object(ref) as { spec?: { address: string } } | undefined)!.spec!
      return { endpoints: [{ address, port: 443 }] }
    },
  },
}

export const collections = {
  gatewayClasses: often([], fc.array(anyClass, { maxLength: 2 })),
  gateways: fc.array(anyGateway, { minLength: 1, maxLength: 4 }),
  listenerSets: fc.array(anyListenerSet, { maxLength: 3 }),
  tlsRoutes: fc.array(anyRoute, { minLength: 1, maxLength: 6 }),
  services: fc.array(anyService, { maxLength: 4 }),
  endpointSlices: fc.array(anySlice, { maxLength: 4 }),
  referenceGrants: fc.array(anyGrant, { maxLength: 2 }),
  namespaces: fc.array(anyNamespace, { maxLength: 2 }),
  others: fc.array(anyBackend, { maxLength: 2 }),
}
export const anyWorld: fc.Arbitrary<GatewayResources> = fc.record(collections) as fc.Arbitrary<GatewayResources>

export type World = Record<string, readonly KubernetesObject[]>

/** One step from a world to the next, keeping the identity of objects that it does not touch. */
type Step = (world: World, table: RouteTable) => World

const collection = fc.constantFrom(...Object.keys(collections))
/** Some objects go, others come. */
const replacing = fc.tuple(collection, anyWorld as fc.Arbitrary<World>, fc.nat(6)).map(
  ([key, next, keep]): Step =>
    (world) => ({ ...world, [key]: [...(world[key] ?? []).slice(0, keep), ...(next[key] ?? [])] }),
)
const reordering = fc.tuple(collection, fc.nat()).map(
  ([key, seed]): Step =>
    (world) => ({ ...world, [key]: shuffled(world[key], seed) }),
)
/** An object is written anew without a change of what it asks for. */
const touching = fc.tuple(collection, fc.nat(6)).map(
  ([key, at]): Step =>
    (world) => ({
      ...world,
      [key]: (world[key] ?? []).map((object, index) =>
        index === at ? { ...object, metadata: { ...object.metadata, generation: at } } : object,
      ),
    }),
)
/** Statuses are written back. */
export const writingStatuses: Step = (world, table) => {
  const { gatewayClasses, gateways, listenerSets, tlsRoutes } = table.statuses({ now: "2026-01-01T00:00:00Z" })
  const written = new Map<KubernetesObject, KubernetesObject>()
  for (const { object, status } of [...gatewayClasses, ...gateways, ...listenerSets, ...tlsRoutes]) {
    const withStatus: object = { ...object, status }
    written.set(object, withStatus as KubernetesObject)
  }
  const next: Record<string, readonly KubernetesObject[]> = {}
  for (const [key, objects] of Object.entries(world)) next[key] = objects.map((object) => written.get(object) ?? object)
  return next
}
export const anyStep = fc.oneof(replacing, reordering, touching, fc.constant(writingStatuses))

/** In an order that follows from the seed. */
export function shuffled<T>(list: readonly T[] | undefined, seed: number): readonly T[] {
  let state = seed
  const random = () => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff
    return state / 0x7fffffff
  }
  return (list ?? [])
    .map((value) => ({ value, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ value }) => value)
}
