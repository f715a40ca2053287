import { arrayOf, field, stringOf } from "../primitives/json.ts"
import { suggest } from "../primitives/suggest.ts"
import type { GatewayResources, KubernetesObject, ObjectRef, ResourceProblem } from "../routing/resources.ts"

const GATEWAY_GROUP = "gateway.networking.k8s.io"
/** Kinds of the Gateway API that are read, in the order of a manifest. */
const OWN_KINDS = ["GatewayClass", "Gateway", "ListenerSet", "TLSRoute", "ReferenceGrant"]
const CORE_KINDS = ["Namespace", "Service"]
/** Kinds that are read, by group. */
const KINDS_READ: Readonly<Record<string, readonly string[] | undefined>> = {
  [GATEWAY_GROUP]: OWN_KINDS,
  "": CORE_KINDS,
  "discovery.k8s.io": ["EndpointSlice"],
}
/** Names that nobody else has: of another group, they are a mistake. */
const UNMISTAKABLE = new Set(["GatewayClass", "ListenerSet", "TLSRoute", "ReferenceGrant"])
/** Kinds of the Gateway API that are not read. Their names are no misspelling of others. */
const OTHER_KINDS = new Set([
  "HTTPRoute",
  "GRPCRoute",
  "TCPRoute",
  "UDPRoute",
  "BackendTLSPolicy",
  "Mesh",
  "XBackend",
  "XBackendTrafficPolicy",
  "XMesh",
])

/**
 * Tells of objects that nobody reads and somebody hardly meant to be left out: kinds that are misspelt or of another
 * group, and routes of other kinds on Gateways that are there.
 */
export function strayObjects(
  others: readonly KubernetesObject[],
  { gateways = [], listenerSets = [] }: GatewayResources,
  refOf: (object: KubernetesObject) => ObjectRef,
): readonly ResourceProblem[] {
  if (others.length === 0) return []
  const parents = new Set([...gateways, ...listenerSets].map((parent) => keyOf(refOf(parent))))
  return others.flatMap((object): ResourceProblem[] => {
    const ref = refOf(object)
    const problem = misnamedObject(ref) ?? unservedRoute(object, ref, parents)
    return problem === undefined ? [] : [problem]
  })
}

/** An object whose kind is misspelt, or of another group: somebody meant it to be read. */
export function misnamedObject(object: ObjectRef): ResourceProblem | undefined {
  const { group, kind } = object
  const own = KINDS_READ[group]
  if (own?.includes(kind)) return undefined
  const near = own === undefined || OTHER_KINDS.has(kind) ? undefined : suggest(kind, own)
  if (near !== undefined) {
    const message = `there is no kind ${kind} in ${group || "the core group"}; did you mean ${near}?`
    return { severity: "error", code: "UnknownKind", object, path: "kind", message }
  }
  const meant = meantElsewhere(object)
  if (meant === undefined) return undefined
  const where = group === "" ? "the core group" : `group ${group}`
  const message = `${kind} of ${where} is not read; did you mean apiVersion ${meant.version}, kind ${meant.kind}?`
  return { severity: "error", code: "UnknownKind", object, path: "apiVersion", message }
}

function meantElsewhere({ group, kind }: ObjectRef): { readonly version: string; readonly kind: string } | undefined {
  if (group === GATEWAY_GROUP) return undefined
  if (kind === "EndpointSlice") return { version: "discovery.k8s.io/v1", kind }
  // Nobody has a group of this name: the core group has none.
  if (group === "core" && CORE_KINDS.includes(kind)) return { version: "v1", kind }
  const plain = kind.replace(/^X(?=[A-Z])/, "")
  const meant = UNMISTAKABLE.has(plain) ? plain : isKubernetes(group) ? suggest(kind, OWN_KINDS) : undefined
  return meant === undefined ? undefined : { version: `${GATEWAY_GROUP}/v1`, kind: meant }
}

/** Groups that are Kubernetes' own: a Gateway there is no other project's. */
function isKubernetes(group: string): boolean {
  return group === "" || group === "networking.k8s.io" || group.endsWith("x-k8s.io")
}

/** A route of another kind that asks a Gateway of this configuration for what is not served. */
function unservedRoute(
  object: KubernetesObject,
  ref: ObjectRef,
  parents: ReadonlySet<string>,
): ResourceProblem | undefined {
  if (ref.group !== GATEWAY_GROUP || !ref.kind.endsWith("Route")) return undefined
  const parentRefs = arrayOf(field(field(object, "spec"), "parentRefs")) ?? []
  for (const [at, parentRef] of parentRefs.entries()) {
    const kind = stringOf(field(parentRef, "kind") ?? "Gateway") ?? ""
    const namespace = stringOf(field(parentRef, "namespace") ?? ref.namespace) ?? ""
    const name = stringOf(field(parentRef, "name")) ?? ""
    if (!parents.has(keyOf({ group: GATEWAY_GROUP, kind, namespace, name }))) continue
    const message = `${ref.kind}s take nothing from ${kind} ${name} here: TLSRoutes alone are served, and TLS is passed through unread`
    return { severity: "warning", code: "NotServed", object: ref, path: `spec.parentRefs[${at}]`, message }
  }
  return undefined
}

function keyOf({ kind, namespace, name }: ObjectRef): string {
  return `${kind} ${namespace}/${name}`
}
