import type { ApiClient } from "./api-client.ts"
import { isForbidden, isNotFound } from "./errors.ts"
import { GATEWAY_GROUP, RESOURCE_KINDS, resourcePath } from "./resource-kinds.ts"

const ANNOTATION = `${GATEWAY_GROUP}/bundle-version`
/** A CRD's schema is half a megabyte; its metadata is enough. */
const METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
const NAMES = RESOURCE_KINDS.filter(({ group }) => group === GATEWAY_GROUP).map(
  ({ plural }) => `${plural}.${GATEWAY_GROUP}`,
)

interface PartialObject {
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> }
}

/**
 * Which versions of the Gateway API the server's CRDs are of, one entry for each that there is, `""` for one that
 * does not tell. `undefined` when there is none, or when they may not be read: serving needs no such right.
 */
export async function readBundleVersions(
  client: ApiClient,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  try {
    const found = await Promise.all(NAMES.map((name) => readBundleVersion(client, name, signal)))
    const versions = found.filter((version) => version !== undefined)
    return versions.length === 0 ? undefined : versions
  } catch (error) {
    if (isForbidden(error)) return undefined
    throw error
  }
}

async function readBundleVersion(client: ApiClient, name: string, signal: AbortSignal): Promise<string | undefined> {
  const path = resourcePath("apiextensions.k8s.io/v1", "customresourcedefinitions", { name })
  try {
    const { metadata } = await client.send<PartialObject>({ method: "GET", path, accept: METADATA_ONLY, signal })
    return metadata?.annotations?.[ANNOTATION] ?? ""
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}
