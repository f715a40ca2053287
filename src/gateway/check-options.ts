import {
  anything,
  type Checks,
  callable,
  either,
  flag,
  having,
  ipAddress,
  listOf,
  oneOf,
  optionFault,
  options,
  recordOf,
  text,
  wholeNumber,
} from "../primitives/option-checks.ts"
import type { GatewayLocation } from "../routing/options.ts"
import type { LocalAddressOptions } from "./bindings.ts"
import type { DataPlaneOptions } from "./data-plane.ts"
import { GatewayError } from "./errors.ts"
import type { PassthroughGatewayOptions, TableServerOptions } from "./options.ts"

const port = wholeNumber(0, 65_535)

const LOCAL_ADDRESS: Checks<LocalAddressOptions> = {
  address: ipAddress,
  mapPort: either(callable, recordOf(port, "local ports by the Gateway's port")),
}

const GATEWAY: Checks<PassthroughGatewayOptions> = {
  ...LOCAL_ADDRESS,
  // Looked at closely where it is followed, as policies are where they are read.
  source: anything,
  policies: anything,
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
  controllerName: text,
  gatewayClassNames: listOf(text, "names"),
  defaultNamespace: text,
  externalBackends: listOf(text, "DNS names"),
  externalNameServices: flag,
  backendResolvers: recordOf(callable, "functions by group/kind"),
  gatewayAddresses: callable,
  location: options<GatewayLocation>({ zone: text, nodeName: text }),
  supportedFeatures: listOf(text, "names"),
}

const TABLE_SERVER: Checks<TableServerOptions> = {
  ...LOCAL_ADDRESS,
  policies: anything,
  defaultNamespace: text,
  onBindingChange: callable,
}

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

function refuse(what: string, fault: string | undefined): void {
  if (fault !== undefined) throw new GatewayError("ERR_TLSROUTE_OPTION", `${what}: ${fault}`)
}
