import type { Command } from "commander"
import { type ClusterAccess, loadClusterAccess } from "../../kubernetes/cluster-access.ts"
import { KubernetesError } from "../../kubernetes/errors.ts"
import { UsageError } from "./usage-error.ts"

/** Flags that choose a cluster. */
export interface ClusterFlags {
  readonly kubeconfig?: string
  readonly context?: string
}

/** Adds the flags that choose a cluster. */
export function addClusterFlags(command: Command): Command {
  return command
    .option("--kubeconfig <file>", "kubeconfig (default: $KUBECONFIG, ~/.kube/config, or the pod's service account)")
    .option("--context <name>", "context of the kubeconfig")
}

/** How to reach the cluster that the flags choose. What cannot be read is a {@link UsageError}. */
export async function clusterAccess({ kubeconfig, context }: ClusterFlags): Promise<ClusterAccess> {
  try {
    const access = await loadClusterAccess({
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
    })
    if (access.getCurrentCluster() !== null) return access
  } catch (error) {
    if (error instanceof KubernetesError) throw new UsageError(error.message)
    throw error
  }
  throw new UsageError("the kubeconfig has no current context: name one with --context")
}
