import { Command, Option } from "../shared/commander.ts"
import { addReadingFlags, loadConfiguration, type ReadingFlags } from "../shared/configuration.ts"
import { locateProblems, withoutEchoes } from "../shared/problems.ts"
import {
  type CheckReport,
  githubReport,
  jsonReport,
  type ReportFormat,
  sarifReport,
  textReport,
} from "./check-report.ts"

interface CheckFlags extends ReadingFlags {
  readonly json?: true
  readonly format?: ReportFormat
  readonly strict?: true
}

/**
 * `tlsroute check`: reports everything wrong in manifests, each with its place, or in a cluster. Exit code 1 when there are
 * errors; with `--strict`, when there are warnings too.
 */
export function checkCommand(): Command {
  return addReadingFlags(new Command("check"))
    .description("find what is wrong in manifests, with file, line and column, or in a cluster")
    .option("--strict", "let warnings fail too")
    .addOption(
      new Option(
        "--format <format>",
        "text for people, json, github for annotations in GitHub Actions, or sarif for code scanning (default: text)",
      ).choices(Object.keys(FORMATS)),
    )
    .option("--json", "the same as --format json")
    .action(check)
}

const FORMATS: Readonly<Record<ReportFormat, (report: CheckReport) => void>> = {
  text: textReport,
  json: jsonReport,
  github: githubReport,
  sarif: sarifReport,
}

async function check(files: readonly string[], flags: CheckFlags): Promise<void> {
  const { table, policies, locate, ...loaded } = await loadConfiguration(files, flags)
  const found = table.lint("everything", ({ key }) => policies.binding(key)?.listener.starttls === undefined)
  const problems = locateProblems(withoutEchoes([...loaded.problems, ...found]), locate)
  const errors = problems.filter(({ severity }) => severity === "error").length
  const warnings = problems.length - errors
  const failed = errors > 0 || (flags.strict === true && warnings > 0)
  const listeners = table.listeners.reduce((sum, binding) => sum + binding.listeners.length, 0)
  const routes = table.routes.length

  if (failed) process.exitCode = 1
  FORMATS[flags.format ?? (flags.json ? "json" : "text")]({ failed, errors, warnings, listeners, routes, problems })
}
