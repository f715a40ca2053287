import { abortSignal, type Checks, listOf, text, wholeNumber } from "../primitives/option-checks.ts"
import { CONTROLLER_EXAMPLE, controllerNameOption } from "../routing/controller-name.ts"
import type { GatewayResources, KubernetesObject, ResourceProblem } from "../routing/resources.ts"
import { ApiClient } from "./api-client.ts"
import { readBundleVersions } from "./bundle-versions.ts"
import { type ClusterAccess, clusterAccess, loadClusterAccess } from "./cluster-access.ts"
import { discover } from "./discovery.ts"
import { describeError, KubernetesError, refuseOptions } from "./errors.ts"
import { DEFAULT_PAGE_SIZE, readList, slim } from "./object-list.ts"
import { referencedNamespaces } from "./references.ts"
import {
  apiVersionOf,
  fixedScopes,
  notServed,
  RESOURCE_KINDS,
  type ResourceKind,
  type ResourceList,
  resourcePath,
  type Scope,
} from "./resource-kinds.ts"

/** Options of {@link readClusterSnapshot}. */
export interface ClusterSnapshotOptions {
  /** The cluster. Left out: what {@link loadClusterAccess} finds. */
  readonly kubeConfig?: ClusterAccess | undefined
  /** Domain-prefixed name of the controller whose Gateways count, as GatewayClasses carry it. */
  readonly controllerName: string
  /** Read only these namespaces. Default: the whole cluster. */
  readonly namespaces?: readonly string[] | undefined
  /** Objects per page of a list. Default 500. */
  readonly pageSize?: number | undefined
  /** Gives up. */
  readonly signal?: AbortSignal | undefined
}

const OPTIONS: Checks<ClusterSnapshotOptions> = {
  kubeConfig: clusterAccess,
  controllerName: controllerNameOption,
  namespaces: listOf(text, "names"),
  pageSize: wholeNumber(1),
  signal: abortSignal,
}

/**
 * Reads once what {@link kubernetesSource} would follow: what a gateway on this cluster would serve now, whether one
 * runs there or not. A kind that the server does not have, or that may not be read, is a problem of the snapshot.
 *
 * @throws {@link KubernetesError} when an option cannot be used, when there is no kubeconfig to read, when the server cannot be reached, or when it
 * lets none of the objects be read.
 */
export async function readClusterSnapshot(options: ClusterSnapshotOptions): Promise<GatewayResources> {
  refuseOptions("readClusterSnapshot", options, OPTIONS, { controllerName: CONTROLLER_EXAMPLE })
  const client = new ApiClient(options.kubeConfig ?? (await loadClusterAccess()))
  const signal = options.signal ?? new AbortController().signal
  try {
    return await readSnapshot(client, options, signal)
  } finally {
    client.close()
  }
}

interface Found {
  readonly list: ResourceList
  readonly objects: readonly KubernetesObject[]
  readonly problems: readonly ResourceProblem[]
  readonly error?: unknown
}

async function readSnapshot(
  client: ApiClient,
  { controllerName, namespaces, pageSize = DEFAULT_PAGE_SIZE }: ClusterSnapshotOptions,
  signal: AbortSignal,
): Promise<GatewayResources> {
  const served = await discover(client, RESOURCE_KINDS, signal)
  const read = (kind: ResourceKind, scopes: readonly Scope[]): Promise<Found> =>
    readKind(client, kind, served.get(kind), scopes, pageSize, signal)
  const always = await Promise.all(
    RESOURCE_KINDS.filter(({ scope }) => scope === "always").map((kind) => read(kind, fixedScopes(kind, namespaces))),
  )
  const refused = always.find(({ error }) => error !== undefined)
  if (refused !== undefined && always.every(({ objects }) => objects.length === 0)) throw refused.error

  const referenced = [...referencedNamespaces(listsOf(always), controllerName)].map((namespace) => ({ namespace }))
  const backends = await Promise.all(
    RESOURCE_KINDS.filter(({ scope }) => scope === "referenced").map((kind) => read(kind, referenced)),
  )
  const all = [...always, ...backends]
  const lists = listsOf(all)
  return {
    ...lists,
    // No class at all means files that do without; on a cluster it means that no Gateway is ours.
    ...(lists.gatewayClasses?.length === 0 ? { gateways: [] } : {}),
    admitted: true,
    bundleVersions: await readBundleVersions(client, signal),
    problems: all.flatMap(({ problems }) => problems),
  }
}

// The server answers for the shape: it validates every object against the kind's schema.
const listsOf = (found: readonly Found[]): GatewayResources =>
  Object.fromEntries(found.map(({ list, objects }) => [list, objects])) as unknown as GatewayResources

async function readKind(
  client: ApiClient,
  kind: ResourceKind,
  version: string | undefined,
  scopes: readonly Scope[],
  pageSize: number,
  signal: AbortSignal,
): Promise<Found> {
  const { list } = kind
  if (version === undefined) return { list, objects: [], problems: [notServed(kind)] }
  const apiVersion = apiVersionOf(kind.group, version)
  const objects: KubernetesObject[] = []
  try {
    for (const { namespace, name } of scopes) {
      const path = resourcePath(apiVersion, kind.plural, { namespace })
      const fieldSelector = name === undefined ? undefined : `metadata.name=${name}`
      await readList(client, { path, pageSize, fieldSelector }, signal, (object) => {
        objects.push(slim(object, apiVersion, kind.kind))
      })
    }
    return { list, objects, problems: [] }
  } catch (error) {
    if (!(error instanceof KubernetesError) || error.status === undefined) throw error
    const message = `${kind.kind} objects cannot be read from the API server: ${describeError(error)}`
    return { list, objects, problems: [{ severity: "error", code: "NotReadable", path: "", message }], error }
  }
}
