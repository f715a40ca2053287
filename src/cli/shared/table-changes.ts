import type { tableJson } from "../admin/table-json.ts"

/** What a table serves, in words that are the same for what is the same. */
export interface DescribedTable {
  /** Sockets. */
  readonly ports: readonly string[]
  /** Routes, with all that decides where their connections go. */
  readonly routes: readonly { readonly name: string; readonly goes: string }[]
}

/** How one table differs from another. */
export interface TableChanges {
  /** Sockets that would be opened. */
  readonly opened: readonly string[]
  /** Sockets that would be closed. */
  readonly closed: readonly string[]
  /** Routes that would come. */
  readonly added: readonly string[]
  /** Routes that would go. */
  readonly removed: readonly string[]
  /** Routes that would take other names or go to other backends, with both. */
  readonly rerouted: readonly string[]
}

/** Describes a table, of this process or as another told it. */
export function describeTable({
  listeners,
  routes,
}: Pick<ReturnType<typeof tableJson>, "listeners" | "routes">): DescribedTable {
  return {
    ports: listeners.map(({ key }) => key),
    routes: routes.map(({ route, hostnames, backends }) => {
      const names = [...hostnames].sort().join(", ") || "every name"
      const where = backends.map(({ backend, port, weight, target }) => {
        const service = port === undefined ? backend : `${backend}:${port}`
        return `${service} (weight ${weight}, ${describeTarget(target)})`
      })
      return { name: route, goes: `${names} to ${where.join(" and ") || "nothing"}` }
    }),
  }
}

/** Compares what is served with what would be. */
export function tableChanges(before: DescribedTable, after: DescribedTable): TableChanges {
  const was = new Map(before.routes.map(({ name, goes }) => [name, goes]))
  const is = new Map(after.routes.map(({ name, goes }) => [name, goes]))
  return {
    opened: after.ports.filter((port) => !before.ports.includes(port)),
    closed: before.ports.filter((port) => !after.ports.includes(port)),
    added: after.routes.filter(({ name }) => !was.has(name)).map(({ name, goes }) => `${name}: ${goes}`),
    removed: before.routes.filter(({ name }) => !is.has(name)).map(({ name }) => name),
    rerouted: after.routes.flatMap(({ name, goes }) => {
      const old = was.get(name)
      return old === undefined || old === goes ? [] : [`${name}: ${goes}; now ${old}`]
    }),
  }
}

type Target = ReturnType<typeof tableJson>["routes"][number]["backends"][number]["target"]

function describeTarget(target: Target): string {
  if (target.kind === "name") return `${target.host}:${target.port}`
  if (target.kind === "invalid") return target.reason
  const endpoints = target.endpoints.map(({ address, port }) => `${address}:${port}`).sort()
  return endpoints.length === 0 ? "no endpoint" : endpoints.join(", ")
}
