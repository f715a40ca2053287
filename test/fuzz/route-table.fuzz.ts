import { deepStrictEqual, ok } from "node:assert/strict"
import {
  applyDefaults,
  buildRouteTable,
  createRouteTableBuilder,
  formatExplanation,
  type GatewayResources,
  hostnameMatches,
  type ObjectStatus,
  type RouteTable,
  type RouteTableOptions,
  routeTableFromData,
  type StatusOptions,
  validateObject,
} from "../../src/routing/index.ts"
import { Choices } from "./choices.ts"
import { growWorld, type World } from "./worlds.ts"

const now = "2026-01-01T00:00:00Z"
const later = "2026-02-02T00:00:00Z"

const options: RouteTableOptions = {
  externalBackends: ["*.example.org", "db.example.net", "127.0.0.1"],
  externalNameServices: true,
  backendResolvers: {
    // Reads untrusted fields without care, so that it throws and answers nonsense too.
    "example.com/Backend": ({ ref, port }, lookup) => {
      const found = lookup.object(ref) as { spec?: { answer?: unknown } } | undefined
      return found === undefined ? lookup.service(ref.namespace, ref.name, port ?? 443) : (found.spec!.answer as never)
    },
  },
}

/**
 * Takes the bytes as JSON of one snapshot, or else as choices that grow a few snapshots of objects, most of them sound.
 * Nothing throws; built step by step or at once, in any order, the table is the same; it matches what its listeners and
 * routes say; and statuses that were written need not be written again.
 */
export function fuzz(data: Buffer): void {
  const builder = createRouteTableBuilder(options)
  let before: { readonly table: RouteTable; readonly told: unknown } | undefined
  for (const world of worlds(data)) {
    const table = builder.build(world)
    const whole = told(table)
    deepStrictEqual(whole, told(buildRouteTable(world, options)))
    if (!hasTwins(table)) deepStrictEqual(whole, told(buildRouteTable(reversed(world), options)))
    if (before !== undefined) deepStrictEqual(told(before.table), before.told)
    before = { table, told: whole }
    expectSoundMatches(table)
    expectSettled(world, table)
    expectValidation(world)
  }
}

function* worlds(data: Buffer): Iterable<GatewayResources> {
  const json = parsed(data)
  if (json !== undefined) {
    yield json as GatewayResources
    return
  }
  const choices = new Choices(data)
  let world: World = {}
  for (let step = 0; step < 3 && !choices.isOver; step++) {
    world = growWorld(world, choices)
    yield world as GatewayResources
  }
}

function parsed(data: Buffer): unknown {
  if (data[0] !== 0x7b && data[0] !== 0x5b) return undefined
  try {
    return JSON.parse(data.toString("utf8"))
  } catch {
    return undefined
  }
}

/** Everything that a table tells, in a form that compares. */
function told(table: RouteTable): unknown {
  const { routes, listeners } = table.toData()
  return {
    listeners: table.listeners,
    routes: table.routes,
    problems: table.problems,
    warnings: table.lint(),
    statuses: table.statuses({ now }),
    statusesOfSome: table.statuses({ now, bound: someBound(table), addresses: [{ value: "192.0.2.1" }] }),
    hostnames: listeners.map(({ listener, addresses, hostnames, winners }) => [
      listener,
      addresses,
      hostnames.map((hostname, at) => `${hostname} ${JSON.stringify(routes[winners[at] ?? -1]?.ref)}`).sort(),
    ]),
  }
}

/** Reports of a data plane that could bind some sockets only. */
function someBound(table: RouteTable): NonNullable<StatusOptions["bound"]> {
  const failed = { bound: false, message: "not now", code: "EADDRNOTAVAIL" } as const
  return new Map(table.listeners.slice(1).map(({ key }, at) => [key, at % 2 === 0 ? { bound: true } : failed]))
}

const hasTwins = (table: RouteTable): boolean =>
  table.problems.some(({ code, path }) => code === "Duplicate" && path === "metadata.name")

function reversed(world: GatewayResources): GatewayResources {
  if (typeof world !== "object" || world === null) return world
  return Object.fromEntries(
    Object.entries(world).map(([key, list]) => [
      key,
      // Problems of the source are told in its own order.
      Array.isArray(list) && key !== "problems" ? list.toReversed() : list,
    ]),
  )
}

const NAMES = [undefined, "a.example.com", "b.example.com", "x.a.example.com", "example.com", "a.example.org", "other"]
const ADDRESSES = [undefined, "10.0.0.1", "::ffff:10.0.0.2", "fd00::1", "192.0.2.9"]

function expectSoundMatches(table: RouteTable): void {
  const copy = routeTableFromData(structuredClone(table.toData()))
  for (const port of new Set([443, ...table.listeners.map((binding) => binding.port)])) {
    for (const address of ADDRESSES) {
      for (const serverName of NAMES) {
        const query = { port, address, serverName }
        const match = table.match(query)
        deepStrictEqual(copy.match(query), plain(match))
        const explanation = table.explain(query)
        ok(explanation.result === match)
        ok(formatExplanation(explanation).length > 0)
        if (match.listener !== undefined) ok(takes(match.listener.hostname ?? "*", serverName))
        if (match.matched) ok(takes(match.hostname, serverName) && table.routes.includes(match.route))
      }
    }
  }
}

const takes = (hostname: string, name: string | undefined): boolean =>
  name === undefined ? hostname === "*" : hostnameMatches(hostname, name)

/** A match without what it carries beside. */
function plain(match: ReturnType<RouteTable["match"]>): unknown {
  if (!match.matched) return match
  const { matched, listener, route, hostname } = match
  return { matched, listener, route, hostname }
}

function expectSettled(world: GatewayResources, table: RouteTable): void {
  const written = new Map<unknown, unknown>()
  const { gatewayClasses, gateways, listenerSets, tlsRoutes } = table.statuses({ now })
  const all: readonly ObjectStatus<object>[] = [...gatewayClasses, ...gateways, ...listenerSets, ...tlsRoutes]
  for (const { object, status } of all) written.set(object, { ...object, status })
  const next = Object.fromEntries(
    Object.entries(world ?? {}).map(([key, list]) => [
      key,
      Array.isArray(list) ? list.map((object) => written.get(object) ?? object) : list,
    ]),
  )
  const statuses = buildRouteTable(next, options).statuses({ now: later })
  for (const list of Object.values(statuses) as readonly (readonly ObjectStatus<object>[])[]) {
    for (const { changed, ref } of list) ok(!changed, `the status of ${ref.kind} ${ref.name} would be written for ever`)
  }
}

function expectValidation(world: GatewayResources): void {
  for (const list of Object.values(world ?? {})) {
    if (!Array.isArray(list)) continue
    for (const object of list) {
      ok(validateObject(object).every(({ message }) => message.length > 0))
      const filled = applyDefaults(object)
      deepStrictEqual(applyDefaults(filled), filled)
    }
  }
}
