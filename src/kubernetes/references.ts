import type { BackendRef, GatewayResources, ParentReference, TLSRoute } from "../routing/resources.ts"
import { GATEWAY_GROUP } from "./resource-kinds.ts"

type Inputs = Pick<GatewayResources, "gatewayClasses" | "gateways" | "listenerSets" | "tlsRoutes">

/**
 * Namespaces that hold Services named by routes which point at a Gateway of this controller, or at a ListenerSet
 * on one. Whether those routes are accepted does not matter here: too many is harmless, too few is not.
 */
export function referencedNamespaces(resources: Inputs, controllerName: string): ReadonlySet<string> {
  const classes = new Set<string>()
  for (const { metadata, spec } of resources.gatewayClasses ?? []) {
    if (spec?.controllerName === controllerName) classes.add(metadata.name)
  }
  const parents = new Set<string>()
  for (const { metadata, spec } of resources.gateways ?? []) {
    if (classes.has(spec?.gatewayClassName)) parents.add(`Gateway/${metadata.namespace ?? ""}/${metadata.name}`)
  }
  for (const { metadata, spec } of resources.listenerSets ?? []) {
    const parent = spec?.parentRef
    if (parent !== undefined && parents.has(parentKey(parent, metadata.namespace))) {
      parents.add(`ListenerSet/${metadata.namespace ?? ""}/${metadata.name}`)
    }
  }
  const namespaces = new Set<string>()
  for (const route of resources.tlsRoutes ?? []) {
    if (!route.spec?.parentRefs?.some((ref) => parents.has(parentKey(ref, route.metadata.namespace)))) continue
    for (const ref of serviceRefs(route)) namespaces.add(ref.namespace ?? route.metadata.namespace ?? "")
  }
  namespaces.delete("")
  return namespaces
}

function parentKey(ref: ParentReference, namespace: string | undefined): string {
  if ((ref.group ?? GATEWAY_GROUP) !== GATEWAY_GROUP) return ""
  return `${ref.kind ?? "Gateway"}/${ref.namespace ?? namespace ?? ""}/${ref.name}`
}

function serviceRefs(route: TLSRoute): readonly BackendRef[] {
  return (route.spec.rules ?? [])
    .flatMap((rule) => rule.backendRefs ?? [])
    .filter((ref) => (ref.group ?? "") === "" && (ref.kind ?? "Service") === "Service")
}
