import { abortSignal, anything, type Checks, text } from "../primitives/option-checks.ts"
import type { KubernetesObject } from "../routing/resources.ts"
import { ApiClient } from "./api-client.ts"
import { type ClusterAccess, loadClusterAccess } from "./cluster-access.ts"
import { refuseOptions } from "./errors.ts"
import { resourcePath } from "./resource-kinds.ts"

/** Options of {@link readNodeZone}. */
export interface NodeZoneOptions {
  /** The cluster. Left out: what {@link loadClusterAccess} finds. */
  readonly kubeConfig?: ClusterAccess | undefined
  /** Name of the Node. */
  readonly nodeName: string
  /** Gives up. */
  readonly signal?: AbortSignal | undefined
}

const OPTIONS: Checks<NodeZoneOptions> = { kubeConfig: anything, nodeName: text, signal: abortSignal }

const ZONE_LABEL = "topology.kubernetes.io/zone"

/**
 * Reads in which zone a Node is, as its label `topology.kubernetes.io/zone` tells; `undefined` when it has none. Needs
 * the right to get nodes. From Kubernetes 1.35 on a pod has the label of its node itself, for the downward API.
 *
 * @throws {@link KubernetesError} when an option cannot be used, when there is no kubeconfig to read, when the server cannot be reached, or when it
 * refuses: there is no such Node, or it may not be read.
 */
export async function readNodeZone(options: NodeZoneOptions): Promise<string | undefined> {
  refuseOptions("readNodeZone", options, OPTIONS, { nodeName: "process.env.NODE_NAME" })
  const { kubeConfig, nodeName, signal } = options
  const client = new ApiClient(kubeConfig ?? (await loadClusterAccess()))
  try {
    const { metadata } = await client.send<KubernetesObject>({
      method: "GET",
      path: resourcePath("v1", "nodes", { name: nodeName }),
      ...(signal === undefined ? {} : { signal }),
    })
    return metadata.labels?.[ZONE_LABEL]
  } finally {
    client.close()
  }
}
