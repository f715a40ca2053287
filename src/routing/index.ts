/**
 * Gateway API semantics for TLS passthrough, as a pure function: objects in; a route table, statuses, problems and
 * explanations out. No sockets, no clocks, no files: what it gives depends on what it is given.
 *
 * @module tlsroute/routing
 * @packageDocumentation
 */
export { OptionError } from "../primitives/option-checks.ts"
export type { BackendLookup, BackendRequest, BackendResolution, BackendResolver } from "./backend-resolver.ts"
export {
  ANY_HOSTNAME,
  hostnameMatches,
  hostnameSpecificity,
  intersectHostnames,
  isHostname,
} from "./hostnames/hostname.ts"
export {
  DEFAULT_CONTROLLER_NAME,
  DEFAULT_SUPPORTED_FEATURES,
  type GatewayLocation,
  type RouteTableOptions,
} from "./options.ts"
export { formatExplanation } from "./report/format-explanation.ts"
export type * from "./resources.ts"
export type * from "./route-table.ts"
export { buildRouteTable, createRouteTableBuilder, type RouteTableBuilder } from "./table-builder.ts"
export { routeTableFromData } from "./table-data.ts"
export type { Channel } from "./validation/channel.ts"
export type { ValidatedKind } from "./validation/kinds.ts"
export { applyDefaults, type ValidateOptions, validateObject } from "./validation/validate.ts"
