import { ANY_HOSTNAME } from "./hostname.ts"
import type { ObjectRef } from "./resources.ts"
import type { Explanation, TableRoute, WeightedBackend } from "./route-table.ts"

/** Writes an explanation as a tree of lines for people. */
export function formatExplanation(explanation: Explanation): string {
  const { query, result, listeners, routes } = explanation
  const where = query.address === undefined ? `port ${query.port}` : `${query.address} port ${query.port}`
  const lines = [`${query.serverName ?? "(no SNI)"} on ${where}`]
  lines.push(
    ...branch(
      "listeners",
      listeners.map(({ listener, outcome, reason }) => [
        `${mark(outcome === "chosen")} ${listener.id} (${listener.hostname ?? "any hostname"}): ${reason}`,
      ]),
    ),
  )
  lines.push(
    ...branch(
      "routes",
      routes.map(({ route, routeHostname, outcome, reason }) => {
        const hostname = routeHostname === ANY_HOSTNAME ? "any hostname" : routeHostname
        return [`${mark(outcome === "won")} ${named(route)} (${hostname}): ${reason}`]
      }),
    ),
  )
  if (result.matched) lines.push(...branch(`backends of ${named(result.route.ref)}`, backendLines(result.route)))
  else lines.push(`✗ refused: ${result.reason}`)
  return lines.join("\n")
}

function backendLines(route: TableRoute): readonly string[][] {
  if (route.totalWeight === 0) return [["✗ no backend has a weight above 0: every connection is refused"]]
  return route.backends.map((backend) => {
    const share = `${((100 * backend.weight) / route.totalWeight).toFixed(backend.weight === route.totalWeight ? 0 : 1)} %`
    return [`${mark(backend.target.kind !== "invalid")} ${share} ${named(backend.ref)} → ${targetText(backend)}`]
  })
}

function targetText({ target }: WeightedBackend): string {
  if (target.kind === "invalid") return `refused, ${target.reason}: ${target.message}`
  if (target.kind === "name") return `${target.host}:${target.port} (DNS)`
  return target.endpoints
    .map(({ address, port }) => (address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`))
    .join(", ")
}

function branch(title: string, children: readonly (readonly string[])[]): readonly string[] {
  if (children.length === 0) return []
  return [title, ...children.flat().map((line, at, all) => `${at === all.length - 1 ? "└─" : "├─"} ${line}`)]
}

function mark(good: boolean): string {
  return good ? "✓" : "✗"
}

function named(ref: ObjectRef): string {
  return `${ref.kind} ${ref.namespace}/${ref.name}`
}
