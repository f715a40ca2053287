import {
  anyText,
  anything,
  type Checks,
  callable,
  either,
  flag,
  holding,
  ipAddress,
  listOf,
  options,
  recordOf,
  refuseArgument,
  refuseOptions,
  text,
  wholeNumber,
} from "../primitives/option-checks.ts"
import { isExternalPattern } from "./backends/external-name.ts"
import { controllerNameOption } from "./controller-name.ts"
import type { GatewayLocation, RouteTableOptions } from "./options.ts"
import type { ObjectRef } from "./resources.ts"
import type { RouteQuery, RouteTableData, StatusOptions } from "./route-table.ts"

/** What {@link RouteTableOptions} may be. */
export const ROUTE_TABLE: Checks<RouteTableOptions> = {
  controllerName: controllerNameOption,
  gatewayClassNames: listOf(text, "names"),
  defaultNamespace: text,
  externalBackends: listOf(
    holding(
      'a DNS name ("a.example"), a wildcard ("*.example"), "*" or an IP address',
      (value) => typeof value === "string" && isExternalPattern(value),
    ),
    "DNS names",
  ),
  externalNameServices: flag,
  backendResolvers: recordOf(callable, "functions by group/kind"),
  gatewayAddresses: callable,
  location: options<GatewayLocation>({ zone: text, nodeName: text }),
  supportedFeatures: listOf(text, "names"),
}

const QUERY: Checks<RouteQuery> = {
  port: wholeNumber(0, 65_535),
  address: ipAddress,
  serverName: anyText,
}

/** The address of a socket is whatever the system says it is. */
const LOOKUP: Checks<RouteQuery> = { ...QUERY, port: anything, address: anything }

const STATUS: Checks<StatusOptions> = {
  now: text,
  bound: holding("a Map by the keys of bindings", (value) => value instanceof Map),
  addresses: either(callable, listOf(options({ type: text, value: text }), "addresses")),
  policyProblems: listOf(anything, "problems"),
}

const isList = (value: unknown): boolean => Array.isArray(value)
const DATA = holding(
  "what toData() of a table gives",
  (value) => isList(Object(value).routes) && isList(Object(value).listeners),
)
const REFERENCE = holding(
  "what names an object: { namespace, name }",
  (value) => typeof Object(value).name === "string",
)

/** @throws {@link OptionError} when the options cannot be what was meant */
export function checkRouteTableOptions(given: unknown): asserts given is RouteTableOptions {
  refuseOptions("buildRouteTable", given, ROUTE_TABLE)
}

/** @throws {@link OptionError} when nothing can be looked up by it */
export function checkRouteQuery(given: unknown): asserts given is RouteQuery {
  refuseOptions("explain", given, QUERY, { port: "443" })
}

/**
 * Looks closely only at what does not look right at a glance: this is asked for every connection.
 *
 * @throws {@link OptionError} when nothing can be looked up by it
 */
export function checkLookup(query: RouteQuery): void {
  if (typeof Object(query).port === "number" && typeof query.serverName === "string") return
  refuseOptions("match", query, LOOKUP, { port: "443" })
}

/** @throws {@link OptionError} when no statuses can be told by them */
export function checkStatusOptions(given: unknown): asserts given is StatusOptions {
  refuseOptions("statuses", given, STATUS)
}

/** @throws {@link OptionError} for what no table gave */
export function checkTableData(given: unknown): asserts given is RouteTableData {
  refuseArgument("routeTableFromData", given, DATA)
}

/** @throws {@link OptionError} for what names no object */
export function checkReference(what: string, given: unknown): asserts given is ObjectRef {
  refuseArgument(what, given, REFERENCE)
}

/** Those of wider options that are of a route table. */
export function routeTableOptions(wider: RouteTableOptions): RouteTableOptions {
  return Object.fromEntries(Object.entries(wider).filter(([name]) => Object.hasOwn(ROUTE_TABLE, name)))
}
