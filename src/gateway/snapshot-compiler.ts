import { routeTableOptions } from "../routing/check-options.ts"
import type { RouteTableOptions } from "../routing/options.ts"
import type { GatewayResources, KubernetesObject, ObjectRef, ResourceProblem } from "../routing/resources.ts"
import type { RouteTable } from "../routing/route-table.ts"
import { createRouteTableBuilder, type RouteTableBuilder } from "../routing/table-builder.ts"
import { AnnotationScan } from "./policies/annotated-objects.ts"
import { PolicyCompiler } from "./policies/compiler.ts"
import type { PolicyOptions } from "./policies/options.ts"
import type { Policies } from "./policies/policies.ts"

/**
 * What becomes of an object that was good and turns bad. `keep`: its last good version stays in force. `apply`: its
 * bad parts have no effect, as with an API server.
 */
export type OnError = "keep" | "apply"

/** What a snapshot makes. */
export interface CompiledSnapshot {
  readonly table: RouteTable
  readonly policies: Policies
  /** What is wrong with objects whose last good version stays in force. */
  readonly kept: readonly ResourceProblem[]
}

type ObjectList = "tlsRoutes" | (typeof OTHER_LISTS)[number]

// What routes attach and refer to comes first: a route is not at fault for a Gateway that is.
const OTHER_LISTS = [
  "gatewayClasses",
  "gateways",
  "listenerSets",
  "referenceGrants",
  "namespaces",
  "services",
  "endpointSlices",
] as const

const KINDS: Readonly<Record<ObjectList, string>> = {
  gatewayClasses: "GatewayClass",
  gateways: "Gateway",
  listenerSets: "ListenerSet",
  referenceGrants: "ReferenceGrant",
  namespaces: "Namespace",
  services: "Service",
  endpointSlices: "EndpointSlice",
  tlsRoutes: "TLSRoute",
}

/** Makes a table and policies of each snapshot, and does again only what a change touches. */
export class SnapshotCompiler {
  readonly #builder: RouteTableBuilder
  readonly #annotations: AnnotationScan
  readonly #policies: PolicyCompiler
  readonly #namespace: string
  readonly #onError: OnError
  /** The last good version of each object. */
  #good: ReadonlyMap<string, KubernetesObject> = new Map()

  /**
   * @param options - how snapshots are read, and policies of the program
   * @param onError - what becomes of objects that turn bad
   * @throws PolicyError naming the setting that cannot be used
   */
  constructor(options: RouteTableOptions & { readonly policies?: PolicyOptions | undefined }, onError: OnError) {
    this.#builder = createRouteTableBuilder(routeTableOptions(options))
    this.#namespace = options.defaultNamespace ?? "default"
    this.#annotations = new AnnotationScan(options.defaultNamespace)
    this.#policies = new PolicyCompiler(options.policies)
    this.#onError = onError
  }

  /** Makes what a snapshot says. Never throws, whatever it holds. */
  compile(resources: GatewayResources): CompiledSnapshot {
    const compiled = this.#build(resources)
    if (this.#onError === "apply") return { ...compiled, kept: [] }
    const others = this.#keepGood(resources, compiled, OTHER_LISTS)
    const routes = this.#keepGood(others.resources, others, ["tlsRoutes"])
    this.#remember(routes.resources, routes)
    return { table: routes.table, policies: routes.policies, kept: [...others.kept, ...routes.kept] }
  }

  #build(resources: GatewayResources): Pick<CompiledSnapshot, "table" | "policies"> {
    const table = this.#builder.build(resources)
    return { table, policies: this.#policies.compile(this.#annotations.scan(resources), table) }
  }

  /** Puts good versions of some kinds in the place of bad ones. */
  #keepGood(
    resources: GatewayResources,
    compiled: Pick<CompiledSnapshot, "table" | "policies">,
    names: readonly ObjectList[],
  ): CompiledSnapshot & { readonly resources: GatewayResources } {
    const errors = errorsByObject(compiled)
    const kept: ResourceProblem[] = []
    const lists: Partial<Record<ObjectList, readonly KubernetesObject[]>> = {}
    for (const name of errors.size === 0 ? [] : names) {
      const list: unknown = resources[name]
      if (!Array.isArray(list)) continue
      const next = list.map((object: KubernetesObject) => {
        const key = this.#keyOf(name, object)
        const good = this.#good.get(key)
        const found = errors.get(key)
        if (good === undefined || good === object || found === undefined) return object
        const stays = `; the last good version of this ${KINDS[name]} stays in force`
        kept.push(...found.map((problem) => ({ ...problem, message: `${problem.message}${stays}` })))
        return good
      })
      if (next.some((object, index) => object !== list[index])) lists[name] = next
    }
    if (kept.length === 0) return { ...compiled, resources, kept }
    const repaired = { ...resources, ...lists } as GatewayResources
    return { ...this.#build(repaired), resources: repaired, kept }
  }

  #remember(resources: GatewayResources, compiled: Pick<CompiledSnapshot, "table" | "policies">): void {
    const errors = errorsByObject(compiled)
    const good = new Map<string, KubernetesObject>()
    for (const name of [...OTHER_LISTS, "tlsRoutes"] as const) {
      const list: unknown = resources[name]
      if (!Array.isArray(list)) continue
      for (const object of list as readonly KubernetesObject[]) {
        const key = this.#keyOf(name, object)
        // One that stays in force may be wrong by now for what others became; it is the best there is.
        if (!errors.has(key) || this.#good.get(key) === object) good.set(key, object)
      }
    }
    this.#good = good
  }

  #keyOf(list: ObjectList, object: KubernetesObject | null | undefined): string {
    const { namespace, name } = Object(object?.metadata) as Partial<KubernetesObject["metadata"]>
    const isClusterWide = list === "gatewayClasses" || list === "namespaces"
    return keyOf(KINDS[list], isClusterWide ? "" : namespace || this.#namespace, name ?? "")
  }
}

function errorsByObject({
  table,
  policies,
}: Pick<CompiledSnapshot, "table" | "policies">): ReadonlyMap<string, readonly ResourceProblem[]> {
  const errors = new Map<string, ResourceProblem[]>()
  // Served by nobody for a slip of the pen is as bad as not valid.
  for (const problem of [...table.problems, ...table.lint("parents"), ...policies.problems]) {
    if (problem.severity !== "error" || problem.object === undefined) continue
    const key = keyOfRef(problem.object)
    const found = errors.get(key)
    if (found === undefined) errors.set(key, [problem])
    else found.push(problem)
  }
  return errors
}

function keyOfRef({ kind, namespace, name }: ObjectRef): string {
  return keyOf(kind, namespace, name)
}

function keyOf(kind: string, namespace: unknown, name: unknown): string {
  return `${kind} ${namespace}/${name}`
}
