import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { CADDY, hasGo, hasPython, PEER, PYTHON, VENV } from "./programs.ts"

const run = promisify(execFile)
const here = (...path: readonly string[]) => join(import.meta.dirname, "..", ...path)

/** Builds or installs the programs of other projects. What they need is fetched the first time. */
export default async function setup(): Promise<void> {
  const build = (output: string, folder: string) => run("go", ["build", "-o", output, "."], { cwd: here(folder) })
  await Promise.all([
    ...(hasGo() ? [build(PEER, "go"), build(CADDY, "caddy")] : []),
    ...(hasPython() ? [install()] : []),
  ])
}

async function install(): Promise<void> {
  await run("python3", ["-m", "venv", VENV])
  await run(PYTHON, ["-m", "pip", "install", "--quiet", "--requirement", here("python", "requirements.txt")])
}
