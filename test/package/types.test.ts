import { execFileSync, spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join, resolve } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"

const root = resolve(import.meta.dirname, "../..")
const folders = ["examples/typescript", "test/package/types"].map((folder) => join(root, folder))
const files = folders.flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))
const programs = files.filter((file) => file.endsWith(".ts"))

let directory: string

// A project of its own, with what is built and its declarations, and the programs copied in.
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "tlsroute-types-"))
  const installed = join(directory, "node_modules/tlsroute")
  mkdirSync(installed, { recursive: true })
  const tsup = join(root, "node_modules/tsup/dist/cli-default.js")
  execFileSync(process.execPath, [tsup, "--out-dir", join(installed, "dist")], { cwd: root, stdio: "pipe" })
  cpSync(join(root, "package.json"), join(installed, "package.json"))
  for (const name of ["@types/node", "undici-types"]) {
    mkdirSync(dirname(join(directory, "node_modules", name)), { recursive: true })
    cpSync(join(root, "node_modules", name), join(directory, "node_modules", name), { recursive: true })
  }
  for (const program of programs) cpSync(program, join(directory, basename(program)))
  writeFileSync(join(directory, "package.json"), '{ "private": true, "type": "module" }\n')
}, 240_000)

afterAll(() => rmSync(directory, { recursive: true, force: true }))

it.each([
  ["node16", "Node16", "Node16"],
  ["nodenext", "NodeNext", "NodeNext"],
  ["bundler", "ESNext", "Bundler"],
])(
  "the TypeScript examples, and options in variables, compile against the package as %s resolves it",
  (name, module, moduleResolution) => {
    const project = join(directory, `tsconfig.${name}.json`)
    const compilerOptions = {
      ...{
        target: "ES2022",
        lib: ["ES2023", "ESNext.Disposable"],
        types: ["node"],
        noEmit: true,
        module,
        moduleResolution,
      },
      ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: false },
    }
    writeFileSync(project, JSON.stringify({ compilerOptions, files: programs.map((program) => basename(program)) }))
    const tsc = join(root, "node_modules/typescript/bin/tsc")
    const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", project], { cwd: directory, encoding: "utf8" })
    expect(stdout).toBe("")
    expect(status).toBe(0)
  },
  120_000,
)
