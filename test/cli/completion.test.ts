import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process"
import { chmod, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { Cli } from "./cli.ts"

let cli: Cli
let directory: string
const sessions: ChildProcessWithoutNullStreams[] = []

beforeAll(async () => {
  cli = await Cli.build()
  directory = cli.folder
  const program = join(directory, "tlsroute")
  await writeFile(program, `#!/bin/sh\nexec ${cli.commandLine([])} "$@"\n`)
  await chmod(program, 0o755)
  await writeFile(join(directory, "gateway.yaml"), "")
})

afterEach(() => {
  for (const session of sessions.splice(0)) session.kill("SIGKILL")
})

afterAll(async () => {
  await cli[Symbol.asyncDispose]()
})

const shells = [
  { shell: "bash", start: "bash --norc --noprofile -i", load: "source <(tlsroute completion bash)" },
  { shell: "zsh", start: "zsh -f -i", load: "autoload -U compinit; compinit -u; source <(tlsroute completion zsh)" },
  { shell: "fish", start: "fish --no-config -i", load: "tlsroute completion fish | source" },
]

/** Why a shell is not tried. A terminal for it comes from script(1). */
function missing(shell: string): string | undefined {
  const scripts = spawnSync("script", ["--version"], { encoding: "utf8" }).stdout?.includes("util-linux") ?? false
  if (!scripts) return "script of util-linux is not installed"
  return spawnSync(shell, ["--version"]).status === 0 ? undefined : `${shell} is not installed`
}

/** A shell in a terminal of its own, with the command's completion. */
async function open(start: string, load: string) {
  const environment = { ...process.env, PATH: `${directory}:${process.env["PATH"]}`, TERM: "dumb", HOME: directory }
  const session = spawn("script", ["-qec", start, "/dev/null"], { cwd: directory, env: environment, stdio: "pipe" })
  sessions.push(session)
  let shown = ""
  session.stdout.setEncoding("utf8").on("data", (text: string) => {
    shown += text
  })
  const type = async (keys: string, expected: string) => {
    shown = ""
    session.stdin.write(keys)
    await expect.poll(() => stripVTControlCharacters(shown)).toContain(expected)
  }
  await type(`${load}; echo "rea""dy"\n`, "\nready")
  return type
}

describe.each(shells)("in $shell, the tabulator", ({ shell, start, load }) => {
  const reason = missing(shell)
  const title = "completes commands, flags, their values, topics and files"

  test.skipIf(reason !== undefined)(reason === undefined ? title : `${title} (skipped: ${reason})`, async () => {
    const type = await open(start, load)
    const clear = "\u0015"
    await type("tlsroute ru\t", "tlsroute run ")
    await type(`${clear}tlsroute run --log-le\t`, "--log-level ")
    await type(`${clear}tlsroute run --log-level err\t`, "--log-level error")
    await type(`${clear}tlsroute help pol\t`, "help policies")
    await type(`${clear}tlsroute check ga\t`, "gateway.yaml")
    await type(`${clear}tlsroute run --config ga\t`, "--config gateway.yaml")
  })
})

test("a shell that is not known is told which are", async () => {
  expect(await cli.run(["completion", "tcsh"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("Allowed choices are bash, zsh, fish."),
  })
})
