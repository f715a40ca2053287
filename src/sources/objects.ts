import { holding } from "../primitives/option-checks.ts"
import { suggest } from "../primitives/suggest.ts"
import type { GatewayResources, KubernetesObject, ObjectRef, ResourceProblem } from "../routing/resources.ts"
import { refuseArgument } from "./source-error.ts"
import { strayObjects } from "./stray-objects.ts"

const OBJECTS = holding(
  "a list of Kubernetes objects",
  (value) => typeof value !== "string" && typeof Object(value)[Symbol.iterator] === "function",
)

/** The lists of {@link GatewayResources} that hold objects. */
type ObjectList = Exclude<keyof GatewayResources, "admitted" | "bundleVersions" | "problems" | "latest">

const listOfKind: ReadonlyMap<string, ObjectList> = new Map<string, ObjectList>([
  ["gateway.networking.k8s.io/GatewayClass", "gatewayClasses"],
  ["gateway.networking.k8s.io/Gateway", "gateways"],
  ["gateway.networking.k8s.io/ListenerSet", "listenerSets"],
  ["gateway.networking.k8s.io/TLSRoute", "tlsRoutes"],
  ["gateway.networking.k8s.io/ReferenceGrant", "referenceGrants"],
  ["/Namespace", "namespaces"],
  ["/Service", "services"],
  ["discovery.k8s.io/EndpointSlice", "endpointSlices"],
])

/** The API group of an `apiVersion`; `""` for the core group. */
function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/")
  return slash < 0 ? "" : apiVersion.slice(0, slash)
}

/** Names an object. The namespace is `""` when it has none: no default is made up here. */
export function refOf(object: KubernetesObject): ObjectRef {
  return {
    group: groupOf(object.apiVersion ?? ""),
    kind: object.kind ?? "",
    namespace: object.metadata.namespace ?? "",
    name: object.metadata.name,
  }
}

/** Identity of an object for maps. NUL cannot stand in any part of a valid one. */
export function keyOf(ref: ObjectRef): string {
  return `${ref.group}\0${ref.kind}\0${ref.namespace}\0${ref.name}`
}

/** One object in a document, or what is wrong with it. `path` leads there: `""`, or `items[3]` in a List. */
export type Unwrapped =
  | { readonly path: string; readonly object: KubernetesObject }
  | { readonly path: string; readonly fault: string }

/** Takes the objects out of a parsed value: itself, or the items of a List. Checks no more than routing needs to name them. */
export function* unwrapObjects(value: unknown): Generator<Unwrapped> {
  if (isRecord(value) && isList(value)) {
    const { kind, apiVersion } = value
    // Items of `kubectl get` carry their kind; items of a typed list (TLSRouteList) take it from the list.
    const implied = kind === "List" ? {} : { apiVersion, kind: kind.slice(0, -"List".length) }
    for (const [index, item] of (value.items ?? []).entries()) {
      const path = `items[${index}]`
      const complete = isRecord(item) && item["kind"] === undefined ? { ...implied, ...item } : item
      for (const inner of unwrapObjects(complete)) {
        yield { ...inner, path: inner.path === "" ? path : `${path}.${inner.path}` }
      }
    }
    return
  }
  const fault = faultOf(value)
  yield fault === undefined ? { path: "", object: value as KubernetesObject } : { path: "", fault }
}

/**
 * Sorts Kubernetes objects of any kinds into a snapshot, for a program that holds them in one list.
 * Lists (`kind: List`, `TLSRouteList`) are unwrapped, kinds that routing does not know go to `others`,
 * and values that are no Kubernetes objects become problems.
 *
 * @throws {@link SourceError} `ERR_TLSROUTE_SOURCE_OPTION` for what is no list, or nothing else to iterate over
 */
export function resourcesFromObjects(objects: Iterable<unknown>): GatewayResources {
  refuseArgument("resourcesFromObjects", objects, OBJECTS)
  const sound: KubernetesObject[] = []
  const problems: ResourceProblem[] = []
  let position = 0
  for (const value of objects) {
    for (const item of unwrapObjects(value)) {
      if ("object" in item) sound.push(item.object)
      else {
        const where = item.path === "" ? `object ${position}` : `object ${position}, ${item.path}`
        problems.push({ severity: "error", code: "InvalidObject", path: item.path, message: `${where}: ${item.fault}` })
      }
    }
    position++
  }
  return sortObjects(sound, problems)
}

/** Sorts objects by kind. A list that equals the previous snapshot's is that very list. */
export function sortObjects(
  objects: Iterable<KubernetesObject>,
  problems: readonly ResourceProblem[],
  previous: GatewayResources = {},
): GatewayResources {
  const lists: Partial<Record<ObjectList, KubernetesObject[]>> = {}
  for (const object of objects) {
    const list = listOfKind.get(`${groupOf(object.apiVersion ?? "")}/${object.kind}`) ?? "others"
    lists[list] ??= []
    lists[list].push(object)
  }
  for (const [name, list] of Object.entries(lists)) {
    const before = previous[name as ObjectList]
    if (before !== undefined && sameElements(before, list)) lists[name as ObjectList] = before as KubernetesObject[]
  }
  // The kinds are as said; their fields are for routing to validate.
  const resources = lists as unknown as GatewayResources
  const found = [...problems, ...strayObjects(lists.others ?? [], resources, refOf)]
  return { ...resources, ...(found.length > 0 && { problems: found }) }
}

/** Whether two lists hold the same objects, by identity and in order. */
export function sameElements(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((element, index) => element === b[index])
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** Go writes an empty list as null. */
function isList(
  value: Record<string, unknown>,
): value is { kind: string; apiVersion?: unknown; items: unknown[] | null } {
  const { kind, items } = value
  return typeof kind === "string" && kind.endsWith("List") && (items === null || Array.isArray(items))
}

/** What a field that must be there was probably written as. */
function misspelt(value: Readonly<Record<string, unknown>>, field: string): string {
  const [slip] = field in value ? [] : Object.keys(value).filter((key) => suggest(key, [field]) !== undefined)
  return slip === undefined ? "" : `; ${slip} is not a field here: did you mean ${field}?`
}

function faultOf(value: unknown): string | undefined {
  if (!isRecord(value)) return "not a Kubernetes object: expected a mapping with apiVersion, kind and metadata"
  for (const field of ["apiVersion", "kind"]) {
    if (typeof value[field] !== "string" || value[field] === "") return `${field} is missing or not a string`
  }
  const metadata = value["metadata"]
  if (!isRecord(metadata)) return `metadata is missing or not a mapping${misspelt(value, "metadata")}`
  if (typeof metadata["name"] !== "string" || metadata["name"] === "") {
    return `metadata.name is missing or not a string${misspelt(metadata, "name")}`
  }
  const namespace = metadata["namespace"]
  if (namespace !== undefined && namespace !== null && typeof namespace !== "string") {
    return "metadata.namespace is not a string"
  }
  return undefined
}
