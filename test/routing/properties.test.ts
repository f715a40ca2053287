import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  buildRouteTable,
  createRouteTableBuilder,
  formatExplanation,
  type GatewayResources,
  intersectHostnames,
  type RouteTable,
  routeTableFromData,
} from "../../src/routing/index.ts"
import { anyStep, anyWorld, collections, options, shuffled, type World, writingStatuses } from "./small-world.ts"
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
  }, 120_000)
})

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

describe("building a large world step by step", () => {
  it("comes to the same as building anew, wherever in its lists something comes, changes or goes", () => {
    const names = Array.from({ length: 700 }, (_, at) => `r${at}`)
    const named = (name: string, hostname = `${name}.example.com`) =>
      route(name, { hostnames: [hostname], rules: [{ backendRefs: [{ name: "web", port: 443 }] }] })
    const anyChange = fc.record({
      at: fc.nat(699),
      out: fc.nat(2),
      come: fc.array(fc.constantFrom(...names, "new"), { maxLength: 2 }),
    })
    fc.assert(
      fc.property(fc.array(anyChange, { minLength: 1, maxLength: 5 }), (changes) => {
        const builder = createRouteTableBuilder()
        let world: GatewayResources = { gateways: [gateway("gateway")], tlsRoutes: names.map((name) => named(name)) }
        builder.build(world)
        for (const { at, out, come } of changes) {
          const tlsRoutes = [...(world.tlsRoutes ?? [])]
          tlsRoutes.splice(at, out, ...come.map((name) => named(name, `${name}-${at}.example.com`)))
          world = { ...world, tlsRoutes }
          const text = JSON.stringify(told(builder.build(world)))
          // Compared as text, as above.
          expect(text === JSON.stringify(told(buildRouteTable(world)))).toBe(true)
        }
      }),
      { numRuns: 8 },
    )
  }, 60_000)
})

describe("statuses", () => {
  const later = "2026-02-02T00:00:00Z"
  const allOf = (table: RouteTable, time: string) => {
    const { gatewayClasses, gateways, listenerSets, tlsRoutes } = table.statuses({ now: time })
    return [...gatewayClasses, ...gateways, ...listenerSets, ...tlsRoutes]
  }

  it("need not be written again once they are written", () => {
    fc.assert(
      fc.property(anyWorld, (world) => {
        const table = buildRouteTable(world, options)
        const written = writingStatuses(world as World, table)
        for (const { changed } of allOf(buildRouteTable(written, options), later)) expect(changed).toBe(false)
      }),
    )
  })

  it("keep what others wrote, in its order, and only add to it", () => {
    const condition = fc.constantFrom("example.com/A", "example.com/B", "example.com/C").map((type) => ({
      type,
      status: "True",
      reason: "Theirs",
      message: "",
      lastTransitionTime: now,
    }))
    const conditions = fc.uniqueArray(condition, { maxLength: 3, selector: ({ type }) => type })
    const parent = fc.record({
      parentRef: fc.record({ name: fc.constantFrom("a", "b") }),
      controllerName: fc.constant("example.com/other"),
      conditions,
    })
    const theirs = fc.record({ conditions, parents: fc.array(parent, { maxLength: 4 }), ofTheirs: fc.constant(1) })
    fc.assert(
      fc.property(anyWorld, theirs, (world, { conditions, parents, ofTheirs }) => {
        const marked = {
          ...world,
          gateways: world.gateways!.map((object) => ({ ...object, status: { conditions, ofTheirs } })),
          tlsRoutes: world.tlsRoutes!.map((object) => ({ ...object, status: { parents } })),
        } as unknown as GatewayResources
        const statuses = buildRouteTable(marked, options).statuses({ now: later })
        for (const { status } of statuses.gateways) {
          expect(status.conditions!.slice(0, conditions.length)).toEqual(conditions)
          expect(status).toHaveProperty("ofTheirs", 1)
        }
        for (const { status } of statuses.tlsRoutes) expect(status.parents!.slice(0, parents.length)).toEqual(parents)
      }),
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
        fc.constantFrom(443, 8443),
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

describe("the linter", () => {
  it("warns of a hostname when and only when no connection comes to the route by it", () => {
    const names = ["a.example.com", "b.example.com", "zz.example.com", "zz.com"]
    fc.assert(
      fc.property(anyWorld, (world) => {
        const table = buildRouteTable(world, options)
        const used = new Set<string>()
        for (const { port, address } of table.listeners) {
          const addresses = address === undefined ? ["10.0.0.1", "10.0.0.2", "10.9.9.9"] : [address]
          for (const [local, serverName] of addresses.flatMap((each) => names.map((one) => [each, one] as const))) {
            const won = table.explain({ port, address: local, serverName }).routes.find((r) => r.outcome === "won")
            if (won !== undefined) used.add(`${won.route.namespace}/${won.route.name} ${won.routeHostname}`)
          }
        }
        const warned = table.lint().filter(({ code }) => code === "NeverMatches" || code === "ShadowedHostname")
        for (const { ref } of table.routes) {
          const ofRoute = warned.filter(({ object }) => object?.namespace === ref.namespace && object.name === ref.name)
          const paths = new Set(ofRoute.map(({ path }) => path))
          const object = world.tlsRoutes!.find(
            ({ metadata: { name, namespace } }) => name === ref.name && namespace === ref.namespace,
          )
          const written = object!.spec.hostnames!
          for (const hostname of table.hostnamesOf(ref)) {
            const isWarned = paths.has("spec.hostnames") || paths.has(`spec.hostnames[${written.indexOf(hostname)}]`)
            const isUsed = used.has(`${ref.namespace}/${ref.name} ${hostname}`)
            // A hostname that says nothing beyond another one of the route is of no use, and no harm either.
            if (isUsed) expect(isWarned).toBe(false)
            else if (!isWarned) expect(isCovered(hostname, table.hostnamesOf(ref))).toBe(true)
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  const isCovered = (hostname: string, hostnames: readonly string[]) =>
    hostnames.some((other) => other !== hostname && intersectHostnames(other, hostname) !== undefined)
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
