import type { RequestOptions } from "node:https"
import { type Checks, having, text } from "../primitives/option-checks.ts"
import { adviceOnPackage } from "../primitives/optional-package.ts"
import { KubernetesError, refuseOptions } from "./errors.ts"

/**
 * How to reach a cluster, and as whom. A `KubeConfig` of `@kubernetes/client-node` (1.4 or 2.x) is one;
 * anything else that fills in request options will do. Asked before every request, so that tokens may rotate.
 */
export interface ClusterAccess {
  /** The API server's URL; `null` when no context is chosen. */
  getCurrentCluster(): { readonly server: string } | null
  /** Adds certificates, headers and an agent to the options of one request. */
  applyToHTTPSOptions(options: RequestOptions): Promise<void>
}

/** Where {@link loadClusterAccess} looks. */
export interface ClusterAccessOptions {
  /**
   * Path of a kubeconfig file. Left out: `$KUBECONFIG`, `~/.kube/config`, then the service account of the
   * pod, as `kubectl` does.
   */
  readonly kubeconfig?: string | undefined
  /** Context of the kubeconfig; its current context when left out. */
  readonly context?: string | undefined
}

const OPTIONS: Checks<ClusterAccessOptions> = { kubeconfig: text, context: text }

/** What a {@link ClusterAccess} must have. */
export const clusterAccess = having("getCurrentCluster", "applyToHTTPSOptions")

/**
 * Reads a kubeconfig, or the service account inside a pod, with `@kubernetes/client-node`.
 *
 * @throws {@link KubernetesError} `ERR_TLSROUTE_KUBERNETES_PEER_MISSING` when that package is not installed,
 * `ERR_TLSROUTE_KUBERNETES_CONFIG` when the file cannot be read or names no such context,
 * `ERR_TLSROUTE_KUBERNETES_OPTION` when an option cannot be used.
 */
export async function loadClusterAccess(options: ClusterAccessOptions = {}): Promise<ClusterAccess> {
  refuseOptions("loadClusterAccess", options, OPTIONS)
  const { KubeConfig } = await importClient()
  const config = new KubeConfig()
  try {
    if (options.kubeconfig === undefined) config.loadFromDefault()
    else config.loadFromFile(options.kubeconfig)
  } catch (cause) {
    const from = options.kubeconfig ?? "the default kubeconfig"
    throw new KubernetesError("ERR_TLSROUTE_KUBERNETES_CONFIG", `cannot read ${from}: check the path and its YAML`, {
      cause,
    })
  }
  if (options.context !== undefined) {
    if (config.getContextObject(options.context) === null) {
      const known = config.getContexts().map((context) => context.name)
      throw new KubernetesError(
        "ERR_TLSROUTE_KUBERNETES_CONFIG",
        `the kubeconfig has no context "${options.context}"; it has: ${known.join(", ") || "none"}`,
      )
    }
    config.setCurrentContext(options.context)
  }
  return config
}

async function importClient(): Promise<typeof import("@kubernetes/client-node")> {
  try {
    return await import("@kubernetes/client-node")
  } catch (cause) {
    throw new KubernetesError(
      "ERR_TLSROUTE_KUBERNETES_PEER_MISSING",
      adviceOnPackage("reading a kubeconfig needs", "@kubernetes/client-node", cause),
      { cause },
    )
  }
}
