import type { KubernetesObject } from "../routing/resources.ts"
import type { ObjectStatus } from "../routing/route-table.ts"
import type { ApiClient } from "./api-client.ts"
import { isConflict, KubernetesError } from "./errors.ts"
import { apiVersionOf, RESOURCE_KINDS, resourcePath } from "./resource-kinds.ts"
import { statusPatch } from "./status-merge.ts"

/** The status of an object of any kind. */
export type AnyStatus = ObjectStatus<KubernetesObject & { readonly status?: object }>

/** What a write changed. */
export interface StatusChange {
  /** The status that was replaced. */
  readonly before: unknown
  /** The status that the server has now. */
  readonly after: unknown
}

type Stored = KubernetesObject & { readonly status?: object }

const MAX_CONFLICTS = 8

/**
 * Writes one status through the status subresource: with the object's resourceVersion, and again on conflict with
 * what is there then. `undefined` when the server has it already, or when the object is by now another than the status
 * was computed for.
 *
 * @throws {@link KubernetesError} as the server answered
 */
export async function updateStatus(
  client: ApiClient,
  { ref, object, status }: AnyStatus,
  controllerName: string,
  signal: AbortSignal,
): Promise<StatusChange | undefined> {
  const path = pathOf(ref, object)
  let current: Stored = object
  for (let conflicts = 0; ; conflicts++) {
    const patch = statusPatch({
      current: current.status as Readonly<Record<string, unknown>> | undefined,
      base: object.status as Readonly<Record<string, unknown>> | undefined,
      desired: status as Readonly<Record<string, unknown>>,
      controllerName,
    })
    if (patch === undefined) return undefined
    const { resourceVersion } = current.metadata
    const body = { metadata: { resourceVersion }, status: patch }
    try {
      const written = await client.send<Stored>({ method: "PATCH", path: `${path}/status`, body, signal })
      return { before: current.status, after: written.status }
    } catch (error) {
      if (!isConflict(error) || conflicts >= MAX_CONFLICTS) throw error
    }
    current = await client.send<Stored>({ method: "GET", path, signal })
    // Computed from another spec, or for another object of that name: the next snapshot knows better.
    const { uid, generation } = object.metadata
    if (current.metadata.uid !== uid || current.metadata.generation !== generation) return undefined
  }
}

function pathOf(ref: AnyStatus["ref"], object: KubernetesObject): string {
  const kind = RESOURCE_KINDS.find((candidate) => candidate.group === ref.group && candidate.kind === ref.kind)
  if (kind === undefined) {
    throw new KubernetesError("ERR_TLSROUTE_KUBERNETES_PROTOCOL", `${ref.kind} is not a kind that has a status here`)
  }
  const apiVersion = object.apiVersion ?? apiVersionOf(kind.group, kind.versions[0] ?? "v1")
  const namespace = kind.namespaced ? ref.namespace : undefined
  return resourcePath(apiVersion, kind.plural, { namespace, name: ref.name })
}
