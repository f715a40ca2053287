import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join, resolve } from "node:path"
import { promisify } from "node:util"
import { build as esbuild } from "esbuild"
import { build as vite } from "vite"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Configuration, type Stats, webpack } from "webpack"
import { buildPackage } from "../support/built-package.ts"

const root = resolve(import.meta.dirname, "../..")

let built: string
let directory: string
let remove: () => void
const elsewhere = mkdtempSync(join(tmpdir(), "tlsroute-bundles-"))

beforeAll(() => {
  ;({ directory: built, remove } = buildPackage())
  directory = mkdtempSync(join(root, "node_modules", ".cache", "tlsroute-bundles-"))
}, 120_000)

afterAll(() => {
  remove()
  for (const each of [directory, elsewhere]) rmSync(each, { recursive: true, force: true })
})

/** A program that starts a gateway, with these workers, or reads a file. */
function program(name: string, what: "1" | "2" | "yaml"): string {
  const file = join(directory, `${name}.js`)
  const body =
    what === "yaml"
      ? `readResources(process.argv[2]).then(() => console.log("read"), (error) => console.log(error.message))`
      : `try { createPassthroughGateway({ source: {}, workers: ${what} }).close({ drainTimeout: 0 }).then(() => console.log("closed")) }
         catch (error) { console.log(error.code, error.message) }`
  writeFileSync(
    file,
    `import { createPassthroughGateway, readResources } from ${JSON.stringify(join(built, "index.js"))}\n${body}\n`,
  )
  return file
}

const bundlers = [
  ["esbuild as ESM", (file: string) => esbuildAs("esm", file)],
  ["esbuild as CommonJS", (file: string) => esbuildAs("cjs", file)],
  ["Vite for SSR", viteSsr],
  ["webpack as ESM", (file: string) => webpackAs("module", file)],
  ["webpack as CommonJS", (file: string) => webpackAs("commonjs2", file)],
] as const

async function esbuildAs(format: "esm" | "cjs", file: string): Promise<string> {
  const outfile = file.replace(/\.js$/, format === "esm" ? ".out.mjs" : ".out.cjs")
  await esbuild({ entryPoints: [file], outfile, bundle: true, platform: "node", format, logLevel: "silent" })
  return outfile
}

async function viteSsr(file: string): Promise<string> {
  const outDir = file.replace(/\.js$/, "-out")
  await vite({
    ...{ root: directory, configFile: false, logLevel: "silent", ssr: { noExternal: true } },
    build: { ssr: file, outDir, rollupOptions: { output: { entryFileNames: "main.mjs", codeSplitting: false } } },
  })
  return join(outDir, "main.mjs")
}

async function webpackAs(type: "module" | "commonjs2", file: string): Promise<string> {
  const name = `${basename(file, ".js")}.webpack.${type === "module" ? "mjs" : "cjs"}`
  // webpack writes the place of a module into the bundle. Where the bundle runs, the package is not.
  const copy = join(directory, `${basename(file, ".js")}-package`)
  cpSync(built, copy, { recursive: true })
  const configuration: Configuration = {
    ...{ entry: file, mode: "production", target: "node20", context: directory },
    output: { path: directory, filename: name, library: { type }, module: type === "module", asyncChunks: false },
    experiments: { outputModule: type === "module" },
    ...{ optimization: { minimize: false }, resolve: { alias: { [built]: copy } } },
    // Peers that are not installed are for programs that use them.
    externals: ["@kubernetes/client-node", "prom-client"],
  }
  const stats = await promisify<Configuration, Stats | undefined>(webpack)(configuration)
  rmSync(copy, { recursive: true })
  if (stats?.hasErrors()) throw new Error(stats.toString({ all: false, errors: true }))
  return join(directory, name)
}

function run(file: string, ...args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(process.execPath, [file, ...args], { encoding: "utf8", timeout: 60_000 })
  return `${stdout}${stderr}`.trim()
}

describe.each(bundlers)("a program that is bundled by %s", (name, bundle) => {
  const word = name.replace(/\W/g, "")

  it("serves in its own thread", async () => {
    expect(run(await bundle(program(`${word}1`, "1")))).toBe("closed")
  })

  it("with workers is told at once what to do", async () => {
    const told = run(await bundle(program(`${word}2`, "2")))
    expect(told).toContain("ERR_TLSROUTE_OPTION workers run a file of the package tlsroute that is not in this bundle")
    expect(told).toContain("esbuild: external, webpack: externals, Vite: ssr.external")
  })

  it("reads files, or is told that the package yaml is to be left out of the bundle", async () => {
    const file = join(directory, "empty.yaml")
    if (!existsSync(file)) writeFileSync(file, "")
    expect(run(await bundle(program(`${word}yaml`, "yaml")), file)).toMatch(
      /^read$|^the package yaml cannot be loaded .*leave it out of the bundle/,
    )
  })
})

describe.each([
  ["CommonJS", "cjs"],
  ["ESM", "esm"],
] as const)("the command, bundled in one file as %s", (_, format) => {
  async function bundled(name: string, external: readonly string[], banner = ""): Promise<string> {
    // Away from this repository, where what is left out is not found.
    const outfile = join(elsewhere, `${name}.${format === "esm" ? "mjs" : "cjs"}`)
    const packages = ["prom-client", "@kubernetes/client-node", "@pnpm/tabtab", ...external]
    const options = { bundle: true, platform: "node", format, logLevel: "silent", banner: { js: banner } } as const
    await esbuild({ ...options, entryPoints: [join(built, "cli.js")], outfile, external: packages })
    return outfile
  }

  const require =
    format === "esm"
      ? 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url)'
      : ""

  it("tells that commander is missing, and its version all the same", async () => {
    const file = await bundled("alone", ["commander", "yaml"])
    expect(run(file, "check", "x")).toBe("tlsroute: the command needs the package commander: run npm install commander")
    expect(run(file, "--version")).toMatch(/^\d+\.\d+\.\d+/)
  })

  it("tells that yaml is missing", async () => {
    expect(run(await bundled("without-yaml", ["yaml"], require), "check", import.meta.filename)).toBe(
      "tlsroute: reading files needs the package yaml: run npm install yaml",
    )
  })

  it("reads manifests with what it was bundled with", async () => {
    const manifest = join(elsewhere, "gateway.yaml")
    writeFileSync(manifest, "apiVersion: v1\nkind: List\nitems: []\n")
    expect(run(await bundled("whole", [], require), "check", manifest)).toContain("0 errors")
  })

  it("runs, or tells what to do, where what it was bundled with cannot run as it is bundled", async () => {
    expect(run(await bundled("bare", []), "--help")).toMatch(
      /^Usage: tlsroute|^tlsroute: the package commander cannot be loaded .*leave it out of the bundle/,
    )
  })
})
