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
  readonly externalNameServices?: true
  readonly zone?: string
  readonly nodeName?: string
}

/** Adds the flags that decide how manifests are read. */
export function addRoutingFlags(command: Command): Command {
  return command
    .option(
      "-n, --namespace <namespace>",
      "namespace of objects that name none (default: default); of a cluster, the only one that is read",
      parseNamespace,
    )
    .option("--controller-name <name>", "serve GatewayClasses of this controller")
    .option("--gateway-class <names>", "serve only Gateways of these classes", parseList)
    .option(
      "--external-backends <patterns>",
      "DNS names that backendRefs without a Service may use (default: *)",
      parseList,
    )
    .option("--no-external-backends", "allow none")
    .option("--external-name-services", "let Services of type ExternalName be backends, whose name is then such a name")
    .option("--zone <zone>", "zone this runs in, for Services with trafficDistribution")
    .option("--node-name <node>", "node this runs on, for the same")
}

/** The options those flags stand for. In files of one's own, external backends are allowed unless said otherwise. */
export function routeTableOptions(flags: RoutingFlags): RouteTableOptions {
  const { externalBackends } = flags
  return {
    defaultNamespace: flags.namespace,
    controllerName: flags.controllerName,
    gatewayClassNames: flags.gatewayClass,
    externalBackends: externalBackends === false ? [] : (externalBackends ?? ["*"]),
    externalNameServices: flags.externalNameServices,
    location: { zone: flags.zone, nodeName: flags.nodeName },
  }
}
