import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  buildRouteTable,
  createRouteTableBuilder,
  DEFAULT_CONTROLLER_NAME,
  formatExplanation,
  type GatewayResources,
  type KubernetesObject,
  type RouteTable,
  type RouteTableOptions,
  routeTableFromData,
} from "../../src/routing/index.ts"
import { gateway, grant, largeWorld, listener, route, service, slice } from "./world.ts"

const now = "2026-01-01T00:00:00Z"

/** Everything that a table tells, in a form that compares. */
function told(table: RouteTable): unknown {
  const data = table.toData()
  return {
    listeners: table.listeners,
    routes: table.routes,
    problems: table.problems,
    warnings: table.lint(),
    statuses: table.statuses({ now }),
    hostnames: data.listeners.map(({ listener: { id }, addresses, hostnames, winners }) => [
      id,
      addresses,
      hostnames.map((hostname, at) => `${hostname} ${data.routes[winners[at]!]!.ref.name}`).sort(),
    ]),
  }
}

function shuffled<T>(list: readonly T[] | undefined, seed: number): readonly T[] {
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

describe("the order of objects", () => {
  it("changes nothing: 20 Gateways and 500 routes each come to one result", () => {
    const world = largeWorld(20, 500)
    const expected = JSON.stringify(told(buildRouteTable(world)))
    for (const seed of [1, 2]) {
      const table = buildRouteTable({
        gateways: shuffled(world.gateways, seed),
        tlsRoutes: shuffled(world.tlsRoutes, seed + 1),
        services: shuffled(world.services, seed + 2),
        endpointSlices: shuffled(world.endpointSlices, seed + 3),
      })
      // Compared as text: a difference in megabytes of structure would be unreadable anyway.
      expect(JSON.stringify(told(table)) === expected).toBe(true)
    }
  })
})

// A small world in which most things collide.
const name = fc.constantFrom("a", "b", "c")
const namespace = fc.constantFrom("default", "other")
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
    name,
    port,
    fc.option(hostname, { nil: undefined }),
    fc.constantFrom("All", "Same", "Selector"),
    fc.constantFrom("TLS", "TLS", "TLS", "HTTP"),
  )
  .map(([listenerName, number, host, from, protocol]) =>
    listener(listenerName, number, host, { protocol, allowedRoutes: { namespaces: { from, selector } } }),
  )
const anyGateway = fc
  .tuple(
    name,
    fc.array(anyListener, { minLength: 1, maxLength: 3 }),
    metadata,
    fc.constantFrom([], ["10.0.0.1"], ["10.0.0.2"]),
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
  .tuple(name, name, fc.array(anyListener, { minLength: 1, maxLength: 3 }), metadata)
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
    fc.array(fc.record({ kind: fc.constantFrom("Gateway", "ListenerSet"), name, namespace }), { maxLength: 3 }),
    fc.array(hostname, { maxLength: 3 }),
    fc.array(anyBackendRef, { maxLength: 3 }),
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
const options: RouteTableOptions = {
  backendResolvers: {
    "example.com/Backend": ({ ref }, lookup) => {
      const { address } = (lookup.object(ref) as { spec?: { address: string } } | undefined)!.spec!
      return { endpoints: [{ address, port: 443 }] }
    },
  },
}

const collections = {
  gatewayClasses: fc.array(anyClass, { maxLength: 2 }),
  gateways: fc.array(anyGateway, { maxLength: 4 }),
  listenerSets: fc.array(anyListenerSet, { maxLength: 3 }),
  tlsRoutes: fc.array(anyRoute, { maxLength: 6 }),
  services: fc.array(anyService, { maxLength: 4 }),
  endpointSlices: fc.array(anySlice, { maxLength: 4 }),
  referenceGrants: fc.array(anyGrant, { maxLength: 2 }),
  namespaces: fc.array(anyNamespace, { maxLength: 2 }),
  others: fc.array(anyBackend, { maxLength: 2 }),
}
const anyWorld: fc.Arbitrary<GatewayResources> = fc.record(collections) as fc.Arbitrary<GatewayResources>

type World = Record<string, readonly KubernetesObject[]>

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
const writingStatuses = fc.constant<Step>((world, table) => {
  const { gatewayClasses, gateways, listenerSets, tlsRoutes } = table.statuses({ now })
  const written = new Map<KubernetesObject, KubernetesObject>()
  for (const { object, status } of [...gatewayClasses, ...gateways, ...listenerSets, ...tlsRoutes]) {
    const withStatus: object = { ...object, status }
    written.set(object, withStatus as KubernetesObject)
  }
  const next: Record<string, readonly KubernetesObject[]> = {}
  for (const [key, objects] of Object.entries(world)) next[key] = objects.map((object) => written.get(object) ?? object)
  return next
})
const anyStep = fc.oneof(replacing, reordering, touching, writingStatuses)

describe("building step by step", () => {
  it("comes to the same as building anew, and leaves earlier tables as they were", () => {
    fc.assert(
      fc.property(anyWorld, fc.array(anyStep, { maxLength: 6 }), (first, steps) => {
        const builder = createRouteTableBuilder(options)
        let world = first as World
        let table = builder.build(world)
        const tables: { table: RouteTable; before: unknown }[] = []
        for (const step of [undefined, ...steps]) {
          if (step !== undefined) {
            world = step(world, table)
            table = builder.build(world)
          }
          const before = told(table)
          expect(before).toEqual(told(buildRouteTable(world, options)))
          tables.push({ table, before })
        }
        for (const { table, before } of tables) expect(told(table)).toEqual(before)
      }),
      { numRuns: 150 },
    )
  })
})

describe("a table made of plain data", () => {
  it("matches as the table does, in another thread too", () => {
    const query = fc.record({
      port: fc.constantFrom(443, 8443, 1),
      address: fc.constantFrom(undefined, "10.0.0.1", "::ffff:10.0.0.2", "10.9.9.9"),
      serverName: fc.constantFrom(undefined, "a.example.com", "b.example.com", "x.y.example.com", "a.com", "org"),
    })
    fc.assert(
      fc.property(anyWorld, fc.array(query), (world, queries) => {
        const table = buildRouteTable(world)
        const copy = routeTableFromData(structuredClone(table.toData()))
        expect(copy.listeners).toEqual(table.listeners)
        for (const asked of queries) expect(copy.match(asked)).toEqual(table.match(asked))
      }),
    )
  })
})

describe("an explanation", () => {
  it("names as chosen and won what match returns, and only that", () => {
    fc.assert(
      fc.property(
        anyWorld,
        fc.constantFrom(undefined, "a.example.com", "x.example.com", "org"),
        port,
        (world, serverName, number) => {
          const table = buildRouteTable(world)
          const query = { port: number, serverName }
          const { result, listeners, routes } = table.explain(query)
          expect(result).toBe(table.match(query))
          expect(listeners.filter(({ outcome }) => outcome === "chosen").map((entry) => entry.listener)).toEqual(
            result.listener === undefined ? [] : [result.listener],
          )
          expect(routes.filter(({ outcome }) => outcome === "won").map((entry) => entry.route)).toEqual(
            result.matched ? [result.route.ref] : [],
          )
          expect(formatExplanation(table.explain(query))).toContain(result.matched ? result.listener.id : "refused")
        },
      ),
    )
  })
})

describe("arbitrary JSON", () => {
  const exercise = (resources: unknown): void => {
    const table = buildRouteTable(resources as GatewayResources, { externalBackends: ["*"] })
    table.match({ port: 443, serverName: "a.example.com" })
    table.explain({ port: 443, serverName: "a.example.com" })
    table.lint()
    table.statuses({ now })
    structuredClone(table.toData())
    for (const problem of table.problems) expect(problem.message).not.toBe("")
  }

  it("in place of the resources never throws", () => {
    fc.assert(fc.property(fc.jsonValue(), exercise))
    const lists = Object.fromEntries(Object.keys(collections).map((key) => [key, fc.array(fc.jsonValue())]))
    fc.assert(fc.property(fc.record(lists), exercise))
  })

  it("in any one place of sound objects never throws, and never widens what is routed", () => {
    const sound: GatewayResources = {
      gateways: [gateway("gateway", { listeners: [listener("tls", 443, "*.example.com")] })],
      tlsRoutes: [route("a")],
      services: [service("backend")],
      endpointSlices: [slice("backend", "x", [{ addresses: ["10.0.0.1"], conditions: { ready: true } }])],
      referenceGrants: [grant("default", "other")],
    }
    const paths = leaves(sound)
    const junk = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom("__proto__", 1e308, -1, Number.NaN, { __proto__: null }, JSON.parse('{"__proto__": {"x": 1}}')),
    )
    fc.assert(
      fc.property(fc.constantFrom(...paths), junk, (path, value) => {
        const world = structuredClone(sound) as unknown as Record<string, unknown>
        plant(world, path, value)
        exercise(world)
        // Hostnames and ports given as junk must not become "any": a name outside stays unrouted.
        if (path.includes("hostname") || path.includes("hostnames")) return
        const table = buildRouteTable(world as GatewayResources)
        expect(table.match({ port: 443, serverName: "outside.example.org" }).matched).toBe(false)
      }),
      { numRuns: 500 },
    )
  })
})

function leaves(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path]
  const inner = Object.entries(value).flatMap(([key, child]) => leaves(child, [...path, key]))
  return path.length === 0 ? inner : [path, ...inner]
}

function plant(world: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = world
  for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>
  at[path.at(-1)!] = value
}
