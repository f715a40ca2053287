import type { ApiClient } from "./api-client.ts"
import { isNotFound } from "./errors.ts"
import { apiVersionOf, type ResourceKind } from "./resource-kinds.ts"

interface ApiGroup {
  readonly versions?: readonly { readonly version: string }[]
}

interface ApiResourceList {
  readonly resources?: readonly { readonly name: string; readonly kind: string }[]
}

/** The version to use of each kind, for example `v1alpha3`; kinds that the server does not have are left out. */
export type ServedVersions = ReadonlyMap<ResourceKind, string>

/** Asks the server which versions of the kinds it serves, and picks the best of each. */
export async function discover(
  client: ApiClient,
  kinds: readonly ResourceKind[],
  signal: AbortSignal,
): Promise<ServedVersions> {
  const groups = new Map<string, ResourceKind[]>()
  for (const kind of kinds) {
    const group = groups.get(kind.group)
    if (group === undefined) groups.set(kind.group, [kind])
    else group.push(kind)
  }
  const found = await Promise.all([...groups].map(([group, members]) => discoverGroup(client, group, members, signal)))
  return new Map(found.flat())
}

async function discoverGroup(
  client: ApiClient,
  group: string,
  kinds: readonly ResourceKind[],
  signal: AbortSignal,
): Promise<readonly (readonly [ResourceKind, string])[]> {
  const served = await servedVersions(client, group, signal)
  const wanted = new Set(kinds.flatMap((kind) => kind.versions).filter((version) => served.has(version)))
  const plurals = new Map<string, ReadonlySet<string>>()
  await Promise.all(
    [...wanted].map(async (version) => plurals.set(version, await pluralsOf(client, group, version, signal))),
  )
  return kinds.flatMap((kind) => {
    const version = kind.versions.find((candidate) => plurals.get(candidate)?.has(kind.plural))
    return version === undefined ? [] : [[kind, version] as const]
  })
}

async function servedVersions(client: ApiClient, group: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
  // The core group is older than groups and has one version.
  if (group === "") return new Set(["v1"])
  const answer = await absentAs<ApiGroup>({}, client.send({ method: "GET", path: `/apis/${group}`, signal }))
  return new Set(answer.versions?.map(({ version }) => version))
}

async function pluralsOf(
  client: ApiClient,
  group: string,
  version: string,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const apiVersion = apiVersionOf(group, version)
  const path = group === "" ? `/api/${version}` : `/apis/${apiVersion}`
  const answer = await absentAs<ApiResourceList>({}, client.send({ method: "GET", path, signal }))
  return new Set(answer.resources?.map(({ name }) => name))
}

async function absentAs<T>(absent: T, answer: Promise<T>): Promise<T> {
  return answer.catch((error: unknown) => {
    if (isNotFound(error)) return absent
    throw error
  })
}
