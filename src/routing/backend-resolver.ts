import type { KubernetesObject, ObjectRef } from "./resources.ts"
import type { BackendRefusal, Endpoint } from "./route-table.ts"

/** What a resolver is asked. */
export interface BackendRequest {
  /** The object that a backendRef names. References across namespaces were permitted before. */
  readonly ref: ObjectRef
  /** `port` of the backendRef. */
  readonly port: number | undefined
}

/** The snapshot as a resolver reads it. What it reads is noted: it is asked again when that changes. */
export interface BackendLookup {
  /** An object of `resources.others`. Untrusted: read its fields with care. */
  object(ref: ObjectRef): KubernetesObject | undefined
  /** What a backendRef to this Service resolves to. */
  service(namespace: string, name: string, port: number): BackendResolution
}

/** What a backendRef resolves to, or why it does not. */
export type BackendResolution =
  | { readonly endpoints: readonly Endpoint[] }
  | { readonly host: string; readonly port: number; readonly anyAddress?: boolean }
  | { readonly refused: BackendRefusal; readonly message: string }

/**
 * Resolves backendRefs of one kind. Pure: the answer may depend on the request and on what was looked up,
 * and on nothing else. What it throws refuses the backend, with BackendNotFound.
 */
export type BackendResolver = (request: BackendRequest, lookup: BackendLookup) => BackendResolution
