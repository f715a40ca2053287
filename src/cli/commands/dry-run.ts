import { json as readJson } from "node:stream/consumers"
import { http } from "../../kubernetes/node-http.ts"
import { tableJson } from "../admin/table-json.ts"
import { type LoadedManifests, loadManifests } from "../shared/manifests.ts"
import { formatProblem, locateProblems } from "../shared/problems.ts"
import type { RoutingFlags } from "../shared/routing-flags.ts"
import type { ServingFlags } from "../shared/serving.ts"
import { type DescribedTable, describeTable, type TableChanges, tableChanges } from "../shared/table-changes.ts"
import { printable, printJson, terminal } from "../shared/terminal.ts"
import { UsageError } from "../shared/usage-error.ts"

/** Time that a running gateway has to say what it serves. */
const ASK_MS = 5_000

/**
 * `tlsroute run --dry-run`: what would change in the gateway that `--admin` reaches; with none, all is new. Exit code 1
 * when the manifests have errors.
 */
export async function dryRun(files: readonly string[], flags: RoutingFlags & ServingFlags): Promise<void> {
  const loaded = await loadManifests(files, flags)
  const running = flags.admin === undefined ? NOTHING : await tableBehind(flags.admin)
  const changes = tableChanges(running, describeTable(tableJson(loaded.table)))
  const problems = locateProblems([...loaded.problems], loaded.locate)
  if (problems.some(({ severity }) => severity === "error")) process.exitCode = 1
  if (flags.json) printJson({ ...changes, problems })
  else printChanges(changes, problems)
}

const NOTHING: DescribedTable = { ports: [], routes: [] }

function printChanges(changes: TableChanges, problems: LoadedManifests["problems"]): void {
  const out = terminal(process.stdout)
  for (const problem of problems) out.line(formatProblem(problem, out))
  const sections = [
    ["green", "+ opens", changes.opened],
    ["red", "- closes", changes.closed],
    ["green", "+ adds", changes.added],
    ["red", "- removes", changes.removed],
    ["yellow", "~ reroutes", changes.rerouted],
  ] as const
  for (const [style, verb, list] of sections) {
    for (const what of list) out.line(`${out.style(style, verb)} ${printable(what)}`)
  }
  if (sections.every(([, , list]) => list.length === 0)) out.line("nothing would change")
}

async function tableBehind({ host = "127.0.0.1", port }: NonNullable<ServingFlags["admin"]>): Promise<DescribedTable> {
  try {
    const { listeners, routes } = (await ask(host, port)) as Parameters<typeof describeTable>[0]
    return describeTable({ listeners, routes })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new UsageError(`no gateway tells at --admin ${host}:${port} what it serves: ${why}`)
  }
}

function ask(host: string, port: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(ASK_MS)
    http
      .get({ host, port, path: "/routes", agent: false, signal }, (response) => {
        if (response.statusCode === 200) readJson(response).then(resolve, reject)
        else reject(new Error(`it answers ${response.statusCode}`))
      })
      .on("error", reject)
  })
}
