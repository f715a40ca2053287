import { readFile } from "node:fs/promises"
import { resolve } from "node:path"
import type { TestCluster } from "./cluster.ts"
import { installCrds } from "./crds.ts"

const root = resolve(import.meta.dirname, "../../..")

/** Namespace of the plain manifests. */
export const SYSTEM = "tlsroute-system"

/** The chart's folder. */
export const CHART = resolve(root, "deploy/helm/tlsroute")

/**
 * Installs the CRDs and deploy/manifests, as the guide does, and gives a kubeconfig of its ServiceAccount: what
 * the controller does in a test, it does with these rights. `server` is where that kubeconfig finds the API; `kinds` are
 * those whose CRDs are installed, by default all.
 */
export async function installTlsroute(
  cluster: TestCluster,
  server?: string,
  kinds?: readonly string[],
): Promise<string> {
  await installCrds(cluster, "standard", kinds)
  await cluster.apply(await readFile(resolve(root, "deploy/manifests/tlsroute.yaml"), "utf8"))
  return cluster.kubeconfigOf(SYSTEM, "tlsroute", server)
}
