import type { KubernetesObject } from "../routing/resources.ts"
import type { ApiClient } from "./api-client.ts"
import { KubernetesError } from "./errors.ts"

/** Objects per page of a list. */
export const DEFAULT_PAGE_SIZE = 500

interface Page {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string }
  readonly items?: readonly KubernetesObject[] | null
}

/** One list to read. */
export interface ListRequest {
  /** Path of the collection. */
  readonly path: string
  readonly pageSize: number
  readonly fieldSelector?: string | undefined
}

/**
 * Reads a list page by page, and gives the resource version that it is of.
 *
 * @param take - is given every object
 */
export async function readList(
  client: ApiClient,
  { path, pageSize, fieldSelector }: ListRequest,
  signal: AbortSignal,
  take: (object: KubernetesObject) => void,
): Promise<string> {
  let page: Page = {}
  do {
    const query = { limit: pageSize, continue: page.metadata?.continue, fieldSelector }
    page = await client.send<Page>({ method: "GET", path, query, signal })
    for (const item of page.items ?? []) take(item)
  } while ((page.metadata?.continue ?? "") !== "")
  const version = page.metadata?.resourceVersion
  if (version === undefined) {
    throw new KubernetesError("ERR_TLSROUTE_KUBERNETES_PROTOCOL", `the list ${path} has no resourceVersion`)
  }
  return version
}

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

/**
 * The object without the bookkeeping that is often larger than the rest, and with the apiVersion and kind that
 * the items of a list leave out.
 */
export function slim(object: KubernetesObject, apiVersion: string, kind: string): KubernetesObject {
  const { managedFields: _, ...metadata } = object.metadata as KubernetesObject["metadata"] & {
    readonly managedFields?: unknown
  }
  if (metadata.annotations?.[LAST_APPLIED] === undefined) return { ...object, apiVersion, kind, metadata }
  const { [LAST_APPLIED]: __, ...annotations } = metadata.annotations
  return { ...object, apiVersion, kind, metadata: { ...metadata, annotations } }
}
