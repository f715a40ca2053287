import type { GatewayResources, ResourceProblem } from "../routing/resources.ts"

/** The lists of {@link GatewayResources} that an API server holds. */
export type ResourceList = Exclude<
  keyof GatewayResources,
  "others" | "admitted" | "bundleVersions" | "problems" | "latest"
>

/** One kind that is watched. */
export interface ResourceKind {
  /** Its list in {@link GatewayResources}. */
  readonly list: ResourceList
  /** API group; `""` is the core group. */
  readonly group: string
  /** For example `TLSRoute`. */
  readonly kind: string
  /** Name in paths, for example `tlsroutes`. */
  readonly plural: string
  /** Versions that are understood, best first. */
  readonly versions: readonly string[]
  readonly namespaced: boolean
  /**
   * `always`: the whole kind. `referenced`: only in namespaces that hold backends of routes on our Gateways;
   * Services and EndpointSlices are most of a cluster's objects and change with every pod.
   */
  readonly scope: "always" | "referenced"
}

/** API group of the Gateway API. */
export const GATEWAY_GROUP = "gateway.networking.k8s.io"

const gatewayKind = (list: ResourceList, kind: string, plural: string, versions: readonly string[]): ResourceKind => ({
  list,
  group: GATEWAY_GROUP,
  kind,
  plural,
  versions,
  namespaced: kind !== "GatewayClass",
  scope: "always",
})

/** Every kind that routing reads. */
export const RESOURCE_KINDS: readonly ResourceKind[] = [
  gatewayKind("gatewayClasses", "GatewayClass", "gatewayclasses", ["v1", "v1beta1"]),
  gatewayKind("gateways", "Gateway", "gateways", ["v1", "v1beta1"]),
  gatewayKind("listenerSets", "ListenerSet", "listenersets", ["v1"]),
  gatewayKind("tlsRoutes", "TLSRoute", "tlsroutes", ["v1", "v1alpha3", "v1alpha2"]),
  gatewayKind("referenceGrants", "ReferenceGrant", "referencegrants", ["v1", "v1beta1"]),
  {
    list: "namespaces",
    group: "",
    kind: "Namespace",
    plural: "namespaces",
    versions: ["v1"],
    namespaced: false,
    scope: "always",
  },
  {
    list: "services",
    group: "",
    kind: "Service",
    plural: "services",
    versions: ["v1"],
    namespaced: true,
    scope: "referenced",
  },
  {
    list: "endpointSlices",
    group: "discovery.k8s.io",
    kind: "EndpointSlice",
    plural: "endpointslices",
    versions: ["v1"],
    namespaced: true,
    scope: "referenced",
  },
]

/** `gateway.networking.k8s.io/v1`, or `v1` for the core group. */
export const apiVersionOf = (group: string, version: string): string => (group === "" ? version : `${group}/${version}`)

/** Path of a collection, or of one object in it. */
export function resourcePath(
  apiVersion: string,
  plural: string,
  object: { readonly namespace?: string | undefined; readonly name?: string; readonly subresource?: string } = {},
): string {
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const namespace = object.namespace === undefined ? "" : `/namespaces/${encodeURIComponent(object.namespace)}`
  const name = object.name === undefined ? "" : `/${encodeURIComponent(object.name)}`
  const subresource = object.subresource === undefined ? "" : `/${object.subresource}`
  return `${root}${namespace}/${plural}${name}${subresource}`
}

/** What part of a kind is read: everything, one namespace, or one object by name. */
export interface Scope {
  readonly namespace?: string
  readonly name?: string
}

/** Parts of a kind that is read whole, in these namespaces or in the cluster. */
export function fixedScopes(kind: ResourceKind, namespaces: readonly string[] | undefined): readonly Scope[] {
  if (namespaces === undefined) return [{}]
  if (kind.kind === "Namespace") return namespaces.map((name) => ({ name }))
  return kind.namespaced ? namespaces.map((namespace) => ({ namespace })) : [{}]
}

/** The problem that a server has no such kind. */
export function notServed({ kind }: ResourceKind): ResourceProblem {
  const message = `the API server does not serve ${kind}: install the Gateway API CRDs to use it`
  return { severity: "warning", code: "KindNotServed", path: "", message }
}
