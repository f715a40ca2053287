import type { ResourceProblem } from "../../routing/resources.ts"
import type { RouteMatcher } from "../../routing/route-table.ts"
import type { ReadPolicyOptions } from "./options.ts"

const NONE: ReadonlySet<string> = new Set()

/** Keys of the `policies` option that name nothing that is served, by a slip or because it is gone. */
export function absentObjectProblems(
  options: ReadPolicyOptions,
  table: Pick<RouteMatcher, "listeners" | "routes">,
): readonly ResourceProblem[] {
  const { listeners, routes, backends } = options
  const problems: ResourceProblem[] = []
  const look = (group: string, keys: readonly string[], find: () => ReadonlySet<string>): void => {
    const served = keys.length === 0 ? NONE : find()
    for (const key of keys) {
      if (served.has(key)) continue
      const path = `policies.${group}[${JSON.stringify(key)}]`
      const message = `policies for ${key} have no effect: nothing that is served is named so`
      problems.push({ severity: "warning", code: "PolicyWithoutObject", path, message })
    }
  }
  look("listeners", [...listeners.keys()], () => {
    const each = table.listeners.flatMap((binding) => binding.listeners)
    const parents = each.flatMap(({ parent, gateway }) => [nameOf(parent), nameOf(gateway)])
    return new Set([...parents, ...each.map(({ parent, name }) => `${nameOf(parent)}/${name}`)])
  })
  look("routes", [...routes.keys()], () => new Set(table.routes.map(({ ref }) => nameOf(ref))))
  look("backends", [...backends.keys()], () => {
    return new Set(table.routes.flatMap((route) => route.backends.map(({ ref }) => nameOf(ref))))
  })
  return problems
}

function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`
}
