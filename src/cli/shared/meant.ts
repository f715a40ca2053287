import { arrayOf, field, stringOf } from "../../primitives/json.ts"
import { suggest } from "../../primitives/suggest.ts"
import type { GatewayResources, ObjectRef, ResourceProblem } from "../../routing/resources.ts"
import type { RouteTable } from "../../routing/route-table.ts"

/** Most problems that get a suggestion: each is looked for among all there is. */
const MOST = 100

/**
 * Adds what was probably meant where a backendRef names a Service that is not there, or a grant is for a namespace that
 * is nearly the route's. For who may read all that was read: statuses are for everybody, and do without.
 */
export function withMeant(
  problems: readonly ResourceProblem[],
  { routes }: Pick<RouteTable, "routes">,
  resources: GatewayResources,
  defaultNamespace: string,
): readonly ResourceProblem[] {
  const namespaceOf = (object: unknown) => stringOf(field(field(object, "metadata"), "namespace")) ?? defaultNamespace
  const nameOf = (object: unknown) => stringOf(field(field(object, "metadata"), "name")) ?? ""

  const serviceMeant = ({ namespace, name }: ObjectRef): string => {
    const there = (resources.services ?? []).filter((each) => namespaceOf(each) === namespace).map(nameOf)
    const meant = suggest(name, there)
    return meant === undefined ? "" : `; did you mean ${meant}?`
  }
  const grantMeant = (from: string, { namespace }: ObjectRef): string => {
    for (const grant of resources.referenceGrants ?? []) {
      if (namespaceOf(grant) !== namespace) continue
      const names = (arrayOf(field(field(grant, "spec"), "from")) ?? []).map((each) =>
        stringOf(field(each, "namespace")),
      )
      const slip = names.find((each) => each !== undefined && suggest(each, [from]) !== undefined)
      if (slip !== undefined && !names.includes(from)) {
        return `; ReferenceGrant ${namespace}/${nameOf(grant)} is for namespace ${slip}: did you mean ${from}?`
      }
    }
    return ""
  }

  let rest = MOST
  return problems.map((problem) => {
    const { code, object, message } = problem
    if (object === undefined || (code !== "BackendNotFound" && code !== "RefNotPermitted")) return problem
    if (rest-- <= 0) return problem
    const refs = routes
      .filter(({ ref }) => ref.namespace === object.namespace && ref.name === object.name)
      .flatMap(({ backends }) => backends.map(({ ref }) => ref))
    const [hint] = refs.flatMap((ref) => {
      if (code === "RefNotPermitted") {
        return message.endsWith(` refer to ${ref.kind} ${ref.name}`) ? [grantMeant(object.namespace, ref)] : []
      }
      const isHere = ref.namespace === object.namespace && ref.kind === "Service"
      return isHere && message === `there is no Service ${ref.namespace}/${ref.name}` ? [serviceMeant(ref)] : []
    })
    return hint === undefined || hint === "" ? problem : { ...problem, message: `${message}${hint}` }
  })
}
