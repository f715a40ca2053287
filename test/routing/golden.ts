import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect } from "vitest"
import { parseAllDocuments, stringify } from "yaml"
import {
  buildRouteTable,
  type GatewayResources,
  type RouteTable,
  type RouteTableOptions,
  type StatusOptions,
} from "../../src/routing/index.ts"

const CASES = join(import.meta.dirname, "cases")
const NOW = "2026-01-01T00:00:00Z"

const COLLECTIONS: Readonly<Record<string, keyof GatewayResources>> = {
  GatewayClass: "gatewayClasses",
  Gateway: "gateways",
  ListenerSet: "listenerSets",
  TLSRoute: "tlsRoutes",
  ReferenceGrant: "referenceGrants",
  Namespace: "namespaces",
  Service: "services",
  EndpointSlice: "endpointSlices",
}

/** What a case may say beside its objects, in a first document of kind `Case`. */
interface CaseSettings {
  readonly options?: RouteTableOptions
  readonly status?: {
    readonly bound?: Readonly<Record<string, { bound: true } | { bound: false; message: string; code?: string }>>
    readonly addresses?: { value: string }[]
  }
  readonly bundleVersions?: readonly string[]
  readonly admitted?: boolean
  readonly queries?: readonly { port: number; serverName?: string; address?: string }[]
}

export function caseNames(): readonly string[] {
  const suffix = ".in.yaml"
  return readdirSync(CASES)
    .filter((file) => file.endsWith(suffix))
    .map((file) => file.slice(0, -suffix.length))
    .sort()
}

const inputFile = (name: string): string => join(CASES, `${name}.in.yaml`)
export const outputFile = (name: string): string => join(CASES, `${name}.out.yaml`)

/** Reads a case, builds its table and writes everything it tells as YAML. */
export function renderCase(name: string): string {
  const documents = parseAllDocuments(readFileSync(inputFile(name), "utf8")).map((document) => document.toJS())
  const settings: CaseSettings = documents.find((object) => object?.kind === "Case") ?? {}
  const { bundleVersions, admitted } = settings
  const resources = { ...collect(documents), bundleVersions, admitted }
  const table = buildRouteTable(resources, settings.options)
  return stringify(describeTable(table, settings), { lineWidth: 0, aliasDuplicateObjects: false })
}

function collect(objects: readonly { kind?: string }[]): GatewayResources {
  const resources: Record<string, unknown[]> = {}
  for (const object of objects) {
    if (object === null || object.kind === "Case") continue
    const collection = COLLECTIONS[object.kind ?? ""] ?? "others"
    resources[collection] ??= []
    resources[collection].push(object)
  }
  return resources as GatewayResources
}

function describeTable(table: RouteTable, settings: CaseSettings): unknown {
  const bound = settings.status?.bound
  const status: StatusOptions = {
    now: NOW,
    ...(bound === undefined ? {} : { bound: new Map(Object.entries(bound)) }),
    ...(settings.status?.addresses === undefined ? {} : { addresses: settings.status.addresses }),
  }
  const statuses = table.statuses(status)
  const { listeners } = table.toData()
  return {
    listen: Object.fromEntries(table.listeners.map(({ key, listeners: ids }) => [key, ids.map(({ id }) => id)])),
    hostnames: Object.fromEntries(
      listeners.map(({ listener, hostnames, winners }) => [
        listener.id,
        Object.fromEntries(
          hostnames.map((hostname, at) => [hostname, named(table.toData().routes[winners[at]!]!.ref)]).sort(),
        ),
      ]),
    ),
    routes: Object.fromEntries(
      table.routes.map(({ ref, backends, totalWeight }) => [
        named(ref),
        { totalWeight, backends: backends.map(({ path, weight, target }) => ({ path, weight, target })) },
      ]),
    ),
    ...(settings.queries === undefined ? {} : { matches: settings.queries.map((query) => answer(table, query)) }),
    problems: table.problems.map(
      ({ severity, code, object, path, message }) =>
        `${severity} ${code} ${object?.kind} ${object && named(object)} ${path}: ${message}`,
    ),
    warnings: table
      .lint()
      .map(({ code, object, path, message }) => `${code} ${object && named(object)} ${path}: ${message}`),
    statuses: Object.fromEntries(
      Object.entries(statuses).map(([kind, list]) => [
        kind,
        Object.fromEntries(
          list.map(({ ref, status: value, changed }: (typeof statuses.gateways)[number]) => [
            named(ref),
            { changed, ...(brief(value) as object) },
          ]),
        ),
      ]),
    ),
  }
}

/** Writes each whole condition, and each kind, on one line. */
function brief(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(brief)
  if (typeof value !== "object" || value === null) return value
  const fields = value as Record<string, unknown>
  if ("lastTransitionTime" in fields) {
    const { type, status, reason, message, observedGeneration, lastTransitionTime, ...rest } = fields
    expect(rest).toEqual({})
    return `${type}=${status} ${reason} (generation ${observedGeneration}, since ${lastTransitionTime}): ${message}`
  }
  if (Object.keys(fields).join() === "group,kind") return `${fields["group"]}/${fields["kind"]}`
  return Object.fromEntries(Object.entries(fields).map(([key, inner]) => [key, brief(inner)]))
}

function answer(table: RouteTable, query: { port: number; serverName?: string; address?: string }): unknown {
  const result = table.match({ port: query.port, serverName: query.serverName, address: query.address })
  const asked = `${query.address ?? ""}:${query.port} ${query.serverName ?? "(no SNI)"}`
  if (!result.matched)
    return { [asked]: `${result.reason}${result.listener === undefined ? "" : ` at ${result.listener.id}`}` }
  return { [asked]: `${result.listener.id} → ${result.hostname} → ${named(result.route.ref)}` }
}

function named(ref: { namespace: string; name: string }): string {
  return ref.namespace === "" ? ref.name : `${ref.namespace}/${ref.name}`
}
