import type { Command } from "commander"
import { describeError, KubernetesError } from "../../kubernetes/errors.ts"
import { readClusterSnapshot } from "../../kubernetes/snapshot.ts"
import { DEFAULT_CONTROLLER_NAME } from "../../routing/options.ts"
import type { GatewayResources, ResourceProblem } from "../../routing/resources.ts"
import { addClusterFlags, type ClusterFlags, clusterAccess } from "./cluster.ts"
import { type LoadedManifests, loadManifests, understand } from "./manifests.ts"
import { addRoutingFlags, type RoutingFlags } from "./routing-flags.ts"
import { UsageError } from "./usage-error.ts"

/** Flags of commands that read manifests or a cluster. */
export interface ReadingFlags extends RoutingFlags, ClusterFlags {
  readonly cluster?: true
}

/** Adds the argument and the flags that say what is read. */
export function addReadingFlags(command: Command): Command {
  return addClusterFlags(
    addRoutingFlags(command)
      .argument("[files...]", "YAML or JSON files, directories of them, or - for standard input")
      .option("--cluster", "read the cluster of the current context instead, or of the one that these choose:"),
  )
}

/**
 * Reads manifests, or a cluster once, and builds the route table. A path or a cluster that cannot be read is a
 * {@link UsageError}.
 */
export async function loadConfiguration(files: readonly string[], flags: ReadingFlags): Promise<LoadedManifests> {
  const fromCluster = flags.cluster ?? (flags.kubeconfig !== undefined || flags.context !== undefined)
  if (fromCluster && files.length > 0) throw new UsageError("name files or a cluster, not both")
  if (!fromCluster && files.length === 0) throw new UsageError("name files to read, or a cluster with --cluster")
  return fromCluster ? loadCluster(flags) : loadManifests(files, flags)
}

async function loadCluster(flags: ReadingFlags): Promise<LoadedManifests> {
  const controllerName = flags.controllerName ?? DEFAULT_CONTROLLER_NAME
  const kubeConfig = await clusterAccess(flags)
  try {
    const read = await readClusterSnapshot({
      kubeConfig,
      controllerName,
      namespaces: flags.namespace === undefined ? undefined : [flags.namespace],
    })
    const resources = { ...read, problems: [...(read.problems ?? []), ...classProblems(read, controllerName)] }
    // As the controller would: names outside of the cluster are off there unless they are named.
    const options = { ...flags, externalBackends: flags.externalBackends ?? false } as const
    return understand({ resources, locate: () => undefined }, options)
  } catch (error) {
    if (error instanceof KubernetesError) throw new UsageError(`cannot read the cluster: ${describeError(error)}`)
    throw error
  }
}

/** Without a class of that controller nothing is served, whatever else there is. */
function classProblems({ gatewayClasses = [] }: GatewayResources, controllerName: string): readonly ResourceProblem[] {
  if (gatewayClasses.some(({ spec }) => spec?.controllerName === controllerName)) return []
  const names = [...new Set(gatewayClasses.map(({ spec }) => spec?.controllerName))].join(", ")
  const there = names === "" ? "the cluster has none" : `those of the cluster are of ${names}: see --controller-name`
  const message = `no GatewayClass is of the controller ${controllerName}, so that no Gateway is served; ${there}`
  return [{ severity: "warning", code: "NoGatewayClass", path: "", message }]
}
