import { type Checks, text } from "../primitives/option-checks.ts"
import { CONTROLLER_EXAMPLE, controllerNameOption } from "../routing/controller-name.ts"
import { ApiClient } from "./api-client.ts"
import { type ClusterAccess, clusterAccess, loadClusterAccess } from "./cluster-access.ts"
import { isConflict, KubernetesError, refuseOptions } from "./errors.ts"
import { apiVersionOf, GATEWAY_GROUP, resourcePath } from "./resource-kinds.ts"

/** Options of {@link ensureGatewayClass}. */
export interface EnsureGatewayClassOptions {
  /** The cluster. Left out: what {@link loadClusterAccess} finds. */
  readonly kubeConfig?: ClusterAccess | undefined
  /** Name of the GatewayClass. */
  readonly name: string
  /** Its `spec.controllerName`. */
  readonly controllerName: string
}

const OPTIONS: Checks<EnsureGatewayClassOptions> = {
  kubeConfig: clusterAccess,
  name: text,
  controllerName: controllerNameOption,
}

const CLASS_API = apiVersionOf(GATEWAY_GROUP, "v1")

/**
 * Creates a GatewayClass unless there is one of that name.
 *
 * @returns whether it was created
 * @throws {@link KubernetesError} when an option cannot be used; when the server cannot be reached or refuses; with reason `AlreadyExists` when
 * the class belongs to another controller, which cannot be changed.
 */
export async function ensureGatewayClass(options: EnsureGatewayClassOptions): Promise<boolean> {
  refuseOptions("ensureGatewayClass", options, OPTIONS, { name: '"tlsroute"', controllerName: CONTROLLER_EXAMPLE })
  const client = new ApiClient(options.kubeConfig ?? (await loadClusterAccess()))
  const { name, controllerName } = options
  const path = resourcePath(CLASS_API, "gatewayclasses")
  const body = { apiVersion: CLASS_API, kind: "GatewayClass", metadata: { name }, spec: { controllerName } }
  try {
    await client.send({ method: "POST", path, body })
    return true
  } catch (error) {
    if (!isConflict(error)) throw error
    const known = await client.send<typeof body>({
      method: "GET",
      path: resourcePath(CLASS_API, "gatewayclasses", { name }),
    })
    if (known.spec.controllerName === controllerName) return false
    throw new KubernetesError(
      "ERR_TLSROUTE_KUBERNETES_API",
      `the GatewayClass "${name}" belongs to the controller ${known.spec.controllerName}: choose another name`,
      { status: 409, reason: "AlreadyExists" },
    )
  } finally {
    client.close()
  }
}
