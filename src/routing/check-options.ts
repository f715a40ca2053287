import {
  type Checks,
  callable,
  flag,
  holding,
  ipAddress,
  listOf,
  options,
  recordOf,
  refuseOptions,
  text,
  wholeNumber,
} from "../primitives/option-checks.ts"
import { isExternalPattern } from "./backends/external-name.ts"
import { controllerNameOption } from "./controller-name.ts"
import type { GatewayLocation, RouteTableOptions } from "./options.ts"
import type { RouteQuery } from "./route-table.ts"

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
  serverName: holding("text", (value) => typeof value === "string"),
}

/** @throws {@link OptionError} when the options cannot be what was meant */
export function checkRouteTableOptions(given: unknown): asserts given is RouteTableOptions {
  refuseOptions("buildRouteTable", given, ROUTE_TABLE)
}

/** @throws {@link OptionError} when nothing can be looked up by it */
export function checkRouteQuery(given: unknown): asserts given is RouteQuery {
  refuseOptions("explain", given, QUERY, { port: "443" })
}

/** Those of wider options that are of a route table. */
export function routeTableOptions(wider: RouteTableOptions): RouteTableOptions {
  return Object.fromEntries(Object.entries(wider).filter(([name]) => Object.hasOwn(ROUTE_TABLE, name)))
}
