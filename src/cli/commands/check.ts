import { Command } from "commander"
import { addReadingFlags, loadConfiguration, type ReadingFlags } from "../shared/configuration.ts"
import { formatProblem, locateProblems } from "../shared/problems.ts"
import { count, printJson, terminal } from "../shared/terminal.ts"

interface CheckFlags extends ReadingFlags {
  readonly json?: true
}

/** `tlsroute check`: reports everything wrong in manifests, each with its place, or in a cluster. Exit code 1 when there are errors. */
export function checkCommand(): Command {
  return addReadingFlags(new Command("check"))
    .description("find what is wrong in manifests, with file, line and column, or in a cluster")
    .option("--json", "print one JSON object")
    .action(check)
}

async function check(files: readonly string[], flags: CheckFlags): Promise<void> {
  const { table, locate, ...loaded } = await loadConfiguration(files, flags)
  const problems = locateProblems([...loaded.problems, ...table.lint()], locate)
  const errors = problems.filter(({ severity }) => severity === "error").length
  const warnings = problems.length - errors
  const listeners = table.listeners.reduce((sum, binding) => sum + binding.listeners.length, 0)
  const routes = table.routes.length

  if (errors > 0) process.exitCode = 1
  if (flags.json) return printJson({ ok: errors === 0, errors, warnings, listeners, routes, problems })
  const out = terminal(process.stdout)
  for (const problem of problems) out.line(formatProblem(problem, out))
  const served = `${count(listeners, "listener")} and ${count(routes, "route")} served`
  const found = `${count(errors, "error")}, ${count(warnings, "warning")}`
  out.line(`${out.style(errors > 0 ? "red" : "green", found)}; ${served}`)
}
