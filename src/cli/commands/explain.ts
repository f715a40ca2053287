import { explainLookup } from "../../gateway/explain.ts"
import { listFew } from "../../primitives/list-few.ts"
import { formatExplanation } from "../../routing/report/format-explanation.ts"
import type { RouteTable } from "../../routing/route-table.ts"
import { parseAddress, parsePort, parseServerName } from "../shared/arguments.ts"
import { Command } from "../shared/commander.ts"
import { addReadingFlags, loadConfiguration, type ReadingFlags } from "../shared/configuration.ts"
import { formatProblem, locateProblems, routesWithoutParent, withoutEchoes } from "../shared/problems.ts"
import { printable, printJson, terminal } from "../shared/terminal.ts"
import { UsageError } from "../shared/usage-error.ts"

interface ExplainFlags extends ReadingFlags {
  readonly port?: number
  readonly sni?: string
  readonly address?: string
  readonly json?: true
}

/** `tlsroute explain`: tells which route a name gets, and why every other one did not. Exit code 1 when none does. */
export function explainCommand(): Command {
  return addReadingFlags(new Command("explain"))
    .description("tell which route a connection gets, and why")
    .option("--port <port>", "port that the connection comes to, as the Gateway says", parsePort)
    .option("--sni <name>", "server name in the ClientHello; left out, it has none", parseServerName)
    .option("--address <address>", "local address it comes to, where Gateways have own addresses", parseAddress)
    .option("--json", "print one JSON object")
    .action(explain)
}

async function explain(files: readonly string[], flags: ExplainFlags): Promise<void> {
  const { port } = flags
  if (port === undefined) throw new UsageError("say which port the connection comes to: --port 443")
  const { table, policies, locate } = await loadConfiguration(files, flags)
  const { sni, address } = flags
  const explanation = explainLookup(table, policies, { port, address, serverName: sni })
  if (!explanation.result.matched) process.exitCode = 1
  if (flags.json) return printJson(explanation)
  const out = terminal(process.stdout)
  for (const line of formatExplanation(explanation).split("\n")) {
    out.line(printable(line).replace("✓", out.style("green", "✓")).replace("✗", out.style("red", "✗")))
  }
  if (!explanation.result.matched && explanation.result.reason === "NoListener") out.line(listenersThere(table))
  // What is wrong elsewhere may be why the route is not the expected one.
  const log = terminal(process.stderr)
  // With no listener at all, also what is no more than odd elsewhere: that there is nothing in a file.
  const isBare = table.listeners.length === 0
  const errors = table.problems.filter(({ severity }) => isBare || severity === "error")
  for (const problem of locateProblems(withoutEchoes([...errors, ...routesWithoutParent(table)]), locate)) {
    log.line(formatProblem(problem, log))
  }
}

/** Where there are listeners, for who has asked where there is none. */
function listenersThere({ listeners }: RouteTable): string {
  if (listeners.length === 0) return "no listener is served at all"
  const there = listeners.map(({ key, port, address }) => (address === undefined ? String(port) : key))
  return `listeners are on ${listeners.length === 1 ? "port" : "ports"} ${listFew(there)}`
}
