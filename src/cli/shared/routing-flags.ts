import type { Command } from "commander"
import type { RouteTableOptions } from "../../routing/options.ts"
import { parseList, parseNamespace } from "./arguments.ts"

/** Flags of every command that reads manifests. */
export interface RoutingFlags {
  readonly namespace?: string
  readonly controllerName?: string
  readonly gatewayClass?: readonly string[]
  /** False with `--no-external-backends`. */
  readonly externalBackends?: readonly string[] | false
}

/** Adds the flags that decide how manifests are read. */
export function addRoutingFlags(command: Command): Command {
  return command
    .option("-n, --namespace <namespace>", "namespace of objects that name none (default: default)", parseNamespace)
    .option("--controller-name <name>", "serve GatewayClasses of this controller")
    .option("--gateway-class <names>", "serve only Gateways of these classes", parseList)
    .option(
      "--external-backends <patterns>",
      "DNS names that backendRefs without a Service may use (default: *)",
      parseList,
    )
    .option("--no-external-backends", "allow none")
}

/** The options those flags stand for. In files of one's own, external backends are allowed unless said otherwise. */
export function routeTableOptions(flags: RoutingFlags): RouteTableOptions {
  const { externalBackends } = flags
  return {
    defaultNamespace: flags.namespace,
    controllerName: flags.controllerName,
    gatewayClassNames: flags.gatewayClass,
    externalBackends: externalBackends === false ? [] : (externalBackends ?? ["*"]),
  }
}
