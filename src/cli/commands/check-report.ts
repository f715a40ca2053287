import { version } from "../../../package.json"
import type { ResourceProblem } from "../../routing/resources.ts"
import { formatProblem, formatSubject } from "../shared/problems.ts"
import { count, printable, printJson, terminal } from "../shared/terminal.ts"

/** How `tlsroute check` may write what it found. */
export type ReportFormat = "text" | "json" | "github" | "sarif"

/** What `tlsroute check` found. */
export interface CheckReport {
  /** Whether the command fails. */
  readonly failed: boolean
  readonly errors: number
  readonly warnings: number
  /** Listeners that are served. */
  readonly listeners: number
  /** Routes that are attached. */
  readonly routes: number
  readonly problems: readonly ResourceProblem[]
}

/** For people: a line for each problem, and a last one that counts. */
export function textReport(report: CheckReport): void {
  const out = terminal(process.stdout)
  for (const problem of report.problems) out.line(formatProblem(problem, out))
  out.line(`${out.style(report.failed ? "red" : "green", found(report))}; ${served(report)}`)
}

/** For programs: one JSON object. */
export function jsonReport({ failed, ...report }: CheckReport): void {
  printJson({ ok: !failed, ...report })
}

/** For GitHub Actions: workflow commands, which it shows at the lines of a change. */
export function githubReport(report: CheckReport): void {
  for (const problem of report.problems) {
    const { severity, code, location } = problem
    const properties = [
      ["file", location?.file],
      ["line", location?.line],
      ["col", location?.column],
      ["title", code],
    ].flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${escapeProperty(String(value))}`]))
    process.stdout.write(`::${severity} ${properties.join(",")}::${escapeData(textOf(problem))}\n`)
  }
  process.stdout.write(`${found(report)}; ${served(report)}\n`)
}

/** What ends a workflow command, or a property of one, is written by its number. */
function escapeData(text: string): string {
  return printable(text).replace(/[%\r\n]/g, percent)
}

function escapeProperty(text: string): string {
  return printable(text).replace(/[%\r\n:,]/g, percent)
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`
}

/** For code scanning: the Static Analysis Results Interchange Format, version 2.1.0. */
export function sarifReport({ problems }: CheckReport): void {
  const rules = [...new Set(problems.map(({ code }) => code))].sort()
  printJson({
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "tlsroute", version, rules: rules.map((id) => ({ id })) } },
        columnKind: "utf16CodeUnits",
        results: problems.map((problem) => ({
          ruleId: problem.code,
          ruleIndex: rules.indexOf(problem.code),
          level: problem.severity,
          message: { text: textOf(problem) },
          locations: sarifLocations(problem),
        })),
      },
    ],
  })
}

function sarifLocations({ location }: ResourceProblem): readonly unknown[] {
  if (location === undefined) return []
  const { file, line, column } = location
  const region = line === undefined ? {} : { region: { startLine: line, startColumn: column ?? 1 } }
  // A URI reference, in which a colon or a space would be read as something else.
  const uri = file.split("/").map(encodeURIComponent).join("/")
  return [{ physicalLocation: { artifactLocation: { uri }, ...region } }]
}

function textOf(problem: ResourceProblem): string {
  const subject = formatSubject(problem)
  return subject === "" ? problem.message : `${subject}: ${problem.message}`
}

function found({ errors, warnings }: CheckReport): string {
  return `${count(errors, "error")}, ${count(warnings, "warning")}`
}

function served({ listeners, routes }: CheckReport): string {
  return `${count(listeners, "listener")} and ${count(routes, "route")} served`
}
