import {
  anything,
  argumentRefuser,
  type Check,
  type Checks,
  callable,
  either,
  flag,
  having,
  holding,
  ipAddress,
  listOf,
  oneOf,
  optionFault,
  options,
  recordOf,
  text,
  wholeNumber,
} from "../primitives/option-checks.ts"
import { CLOSE } from "../proxy/check-options.ts"
import type { CloseOptions } from "../proxy/options.ts"
import { ROUTE_TABLE } from "../routing/check-options.ts"
import type { LocalAddressOptions } from "./bindings.ts"
import type { DataPlaneOptions } from "./data-plane.ts"
import { GatewayError } from "./errors.ts"
import type { PassthroughGatewayOptions, TableServerOptions } from "./options.ts"
import type { StartOptions } from "./start.ts"

const port = wholeNumber(0, 65_535)
// What they hold is looked at where they are read.
const policies = recordOf(anything, "policies")

const LOCAL_PORTS = "an object of local ports by the Gateway's port, such as { 443: 8443 }"
const localPorts = recordOf(port, "local ports by the Gateway's port")
const isPortName = (name: string): boolean => /^\d+$/.test(name) && port(Number(name)) === undefined

/** A Map, or a name of a port for its number, would map nothing. */
const portsByPort: Check = (value) => {
  const names = value instanceof Map ? [""] : Object.keys(Object(value))
  return names.every(isPortName) ? localPorts(value) : LOCAL_PORTS
}

const LOCAL_ADDRESS: Checks<LocalAddressOptions> = {
  address: ipAddress,
  mapPort: either(callable, portsByPort),
}

const GATEWAY: Checks<PassthroughGatewayOptions> = {
  ...LOCAL_ADDRESS,
  ...ROUTE_TABLE,
  // Looked at closely where it is followed.
  source: anything,
  policies,
  onError: oneOf("keep", "apply"),
  workers: either(oneOf("auto"), wholeNumber(1, 1024)),
  refusal: oneOf("close", "reset", "alert"),
  describeHello: flag,
  names: having("resolve"),
  limits: options<NonNullable<DataPlaneOptions["limits"]>>({
    maxHelloMemory: wholeNumber(1),
    descriptorReserve: wholeNumber(0),
  }),
  resolve: recordOf(either(text, listOf(text, "addresses")), "addresses by name"),
}

const TABLE_SERVER: Checks<TableServerOptions> = {
  ...LOCAL_ADDRESS,
  policies,
  defaultNamespace: text,
  names: having("resolve"),
}

const START: Checks<StartOptions> = { tolerateBindErrors: flag, unusable: oneOf("reject", "wait", "serve") }

/**
 * Refuses options of a gateway that cannot be what was meant.
 *
 * @throws {@link GatewayError} `ERR_TLSROUTE_OPTION`
 */
export function checkGatewayOptions(given: unknown): asserts given is PassthroughGatewayOptions {
  refuse("createPassthroughGateway", optionFault(given, GATEWAY, { source: 'fileSource("gateway.yaml")' }))
}

/**
 * Refuses options of a table server that cannot be what was meant.
 *
 * @throws {@link GatewayError} `ERR_TLSROUTE_OPTION`
 */
export function checkTableServerOptions(given: unknown): asserts given is TableServerOptions {
  refuse("TableServer", optionFault(given, TABLE_SERVER))
}

/**
 * Refuses what is no way to start.
 *
 * @throws {@link GatewayError} `ERR_TLSROUTE_OPTION`
 */
export function checkStartOptions(given: unknown): asserts given is StartOptions {
  refuse("start", optionFault(given, START))
}

/**
 * Refuses what is no way to close, before anything is closed.
 *
 * @throws {@link GatewayError} `ERR_TLSROUTE_OPTION`
 */
export function checkCloseOptions(given: unknown): asserts given is CloseOptions {
  refuse("close", optionFault(given, CLOSE))
}

/**
 * Refuses what a table server cannot serve.
 *
 * @throws {@link GatewayError} `ERR_TLSROUTE_OPTION`
 */
export function checkApplied(proxy: unknown, table: unknown, resources: unknown): void {
  refuseArgument("apply", proxy, PROXY)
  refuseArgument("apply", table, TABLE)
  refuseArgument("apply", resources, RESOURCES)
}

const PROXY = holding("the SpliceProxy first", (value) => typeof Object(value).setListenerPolicy === "function")
const TABLE = holding(
  "a table, as buildRouteTable() makes it, second",
  (value) => typeof Object(value).match === "function",
)
const RESOURCES = holding("the resources that the table was built from third", (value) => {
  return typeof value === "object" && value !== null && !Array.isArray(value)
})
const refuseArgument = argumentRefuser((message) => new GatewayError("ERR_TLSROUTE_OPTION", message))

function refuse(what: string, fault: string | undefined): void {
  if (fault !== undefined) throw new GatewayError("ERR_TLSROUTE_OPTION", `${what}: ${fault}`)
}
