import { holding, refuseArgument } from "../../primitives/option-checks.ts"
import { ANY_HOSTNAME } from "../hostnames/hostname.ts"
import type { ObjectRef } from "../resources.ts"
import type { ExplainedRoute, Explanation, TableRoute, WeightedBackend } from "../route-table.ts"

const EXPLANATION = holding("what explain() gives", (value) => Object(value).query !== undefined)

/**
 * Writes an explanation as a tree of lines for people. Where thousands of routes do not match, a few of them are shown.
 *
 * @param explanation - of a table, or of a gateway, which knows how connections begin on the port too
 * @throws `OptionError` for what is no explanation
 */
export function formatExplanation(
  explanation: Explanation & { readonly starttls?: string | undefined; readonly quic?: boolean | undefined },
): string {
  refuseArgument("formatExplanation", explanation, EXPLANATION)
  const { query, result, listeners, routes } = explanation
  const where = query.address === undefined ? `port ${query.port}` : `${query.address} port ${query.port}`
  const lines = [`${query.serverName ?? "(no SNI)"} on ${where}`]
  lines.push(
    ...branch(
      "listeners",
      some(
        listeners.map(({ listener, outcome, reason }) => {
          return `${mark(outcome === "chosen")} ${listener.id} (${listener.hostname ?? "any hostname"}): ${reason}`
        }),
      ),
    ),
  )
  const outcomes = ["won", "lost", "not-attached", "no-match"] as const
  lines.push(
    ...branch(
      "routes",
      outcomes.flatMap((outcome) => some(routes.filter((route) => route.outcome === outcome).map(routeLine))),
    ),
  )
  if (result.matched) lines.push(...branch(`backends of ${named(result.route.ref)}`, backendLines(result.route)))
  else lines.push(`✗ refused: ${result.reason}`)
  const { starttls, quic } = explanation
  if (starttls !== undefined) lines.push(`before TLS, clients and the backend are spoken to in ${starttls} (starttls)`)
  if (quic) lines.push(`the same over QUIC, on UDP port ${query.port} (quic)`)
  return lines.join("\n")
}

function routeLine({ route, routeHostname, outcome, reason }: ExplainedRoute): string {
  const hostname = routeHostname === ANY_HOSTNAME ? "any hostname" : routeHostname
  return `${mark(outcome === "won")} ${named(route)} (${hostname}): ${reason}`
}

function backendLines(route: TableRoute): readonly string[] {
  if (route.totalWeight === 0) return ["✗ no backend has a weight above 0: every connection is refused"]
  return route.backends.map((backend) => {
    const share = `${((100 * backend.weight) / route.totalWeight).toFixed(backend.weight === route.totalWeight ? 0 : 1)} %`
    return `${mark(backend.target.kind !== "invalid")} ${share} ${backendName(backend)} → ${targetText(backend)}`
  })
}

/** A Service's name has neither dot nor colon: such a one is a DNS name or an address, and so is one that is dialled as it stands. */
function backendName({ ref, target }: WeightedBackend): string {
  const isDialled = target.kind === "name" && target.host === ref.name.toLowerCase()
  const isExternal = ref.group === "" && ref.kind === "Service" && (/[.:]/.test(ref.name) || isDialled)
  return isExternal ? `external backend ${ref.name}` : named(ref)
}

function targetText({ target }: WeightedBackend): string {
  if (target.kind === "invalid") return `refused, ${target.reason}: ${target.message}`
  if (target.kind === "name") return `${target.host}:${target.port} (DNS)`
  return target.endpoints
    .map(({ address, port }) => (address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`))
    .join(", ")
}

const SHOWN = 10

/** The first few lines, and how many more there are. */
function some(lines: readonly string[]): readonly string[] {
  const rest = lines.length - SHOWN
  return rest > 1 ? [...lines.slice(0, SHOWN), `… and ${rest} more like it`] : lines
}

function branch(title: string, lines: readonly string[]): readonly string[] {
  if (lines.length === 0) return []
  return [title, ...lines.map((line, at) => `${at === lines.length - 1 ? "└─" : "├─"} ${line}`)]
}

function mark(good: boolean): string {
  return good ? "✓" : "✗"
}

function named(ref: ObjectRef): string {
  return `${ref.kind} ${ref.namespace}/${ref.name}`
}
