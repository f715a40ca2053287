import { Command } from "commander"
import type { Endpoint, Explanation, WeightedBackend } from "../routing/route-table.ts"
import { parseAddress, parsePort } from "./arguments.ts"
import { loadManifests } from "./manifests.ts"
import { formatProblem, formatRef, locateProblems } from "./problems.ts"
import { addRoutingFlags, type RoutingFlags } from "./routing-flags.ts"
import { printable, printJson, type Terminal, terminal } from "./terminal.ts"

interface ExplainFlags extends RoutingFlags {
  readonly port: number
  readonly sni?: string
  readonly address?: string
  readonly json?: true
}

/** `tlsroute explain`: tells which route a name gets, and why every other one did not. Exit code 1 when none does. */
export function explainCommand(): Command {
  return addRoutingFlags(new Command("explain"))
    .description("tell which route a connection gets, and why")
    .argument("<files...>", "YAML or JSON files, directories of them, or - for standard input")
    .requiredOption("--port <port>", "port that the connection comes to, as the Gateway says", parsePort)
    .option("--sni <name>", "server name in the ClientHello; left out, it has none")
    .option("--address <address>", "local address it comes to, where Gateways have own addresses", parseAddress)
    .option("--json", "print one JSON object")
    .action(explain)
}

async function explain(files: readonly string[], flags: ExplainFlags): Promise<void> {
  const { table, locate } = await loadManifests(files, flags)
  const { port, sni, address } = flags
  const explanation = table.explain({ port, address, serverName: sni?.toLowerCase() })
  if (!explanation.result.matched) process.exitCode = 1
  if (flags.json) return printJson(explanation)
  const out = terminal(process.stdout)
  print(explanation, out)
  const errors = locateProblems(table.problems, locate).filter(({ severity }) => severity === "error")
  const log = terminal(process.stderr)
  for (const problem of errors) log.line(formatProblem(problem, log))
}

function print({ query, result, listeners, routes }: Explanation, out: Terminal): void {
  const asked = query.serverName === undefined ? "no server name" : printable(query.serverName)
  out.line(
    result.matched
      ? `${out.style("green", "route")} ${out.style("bold", formatRef(result.route.ref))} serves ${asked} on port ${query.port}, by ${result.hostname}`
      : `${out.style("red", "no route")} serves ${asked} on port ${query.port}: ${result.reason}`,
  )
  if (listeners.length > 0) {
    out.line()
    out.line("Listeners")
    for (const { listener, outcome, reason } of listeners) {
      out.line(`  ${mark(outcome, out)} ${listener.id} (${listener.hostname ?? "any name"}): ${printable(reason)}`)
    }
  }
  if (routes.length > 0) {
    out.line()
    out.line("Routes")
    for (const { route, routeHostname, outcome, reason } of routes) {
      out.line(`  ${mark(outcome, out)} ${formatRef(route)} (${printable(routeHostname)}): ${printable(reason)}`)
    }
  }
  if (!result.matched) return
  const { backends, totalWeight } = result.route
  out.line()
  out.line("Backends")
  if (totalWeight === 0) out.line(`  ${out.style("red", "none")}: the weights sum to 0, so every connection is refused`)
  for (const backend of backends) {
    const share = totalWeight === 0 ? 0 : (100 * backend.weight) / totalWeight
    out.line(`  ${share.toFixed(share % 1 === 0 ? 0 : 1).padStart(5)} %  ${describeBackend(backend, out)}`)
  }
}

function mark(outcome: string, out: Terminal): string {
  const style = outcome === "chosen" || outcome === "won" ? "green" : "dim"
  return out.style(style, outcome.padEnd("not-attached".length))
}

function describeBackend({ ref, port, target }: WeightedBackend, out: Terminal): string {
  const name = printable(`${formatRef(ref)}${port === undefined ? "" : `:${port}`}`)
  if (target.kind === "invalid")
    return `${name} ${out.style("red", "refused")}, ${target.reason}: ${printable(target.message)}`
  if (target.kind === "name") return `${printable(target.host)}:${target.port} through DNS`
  const shown = target.endpoints.slice(0, 5).map(formatEndpoint)
  const more = target.endpoints.length > shown.length ? ` and ${target.endpoints.length - shown.length} more` : ""
  return `${name} at ${shown.join(", ")}${more}`
}

function formatEndpoint({ address, port }: Endpoint): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`
}
