import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join, relative, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { buildPackage } from "../support/built-package.ts"
import { freePort } from "../support/free-port.ts"
import { type InstalledPackage, installPackage } from "../support/installed-package.ts"

const root = resolve(import.meta.dirname, "../..")
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const subpaths = Object.keys(manifest.exports).filter((path) => path !== "./package.json")

let out: string
let files: readonly string[]
let remove: () => void

beforeAll(() => {
  ;({ directory: out, remove } = buildPackage())
  files = readdirSync(out, { recursive: true, encoding: "utf8" }).filter((file) => /\.c?js$/.test(file))
}, 120_000)

afterAll(() => remove())

function source(file: string): string {
  return readFileSync(join(out, file), "utf8")
}

function built(subpath: string, condition: "import" | "require"): string {
  return join(out, manifest.exports[subpath][condition].default.replace("./dist/", ""))
}

describe("the built package", () => {
  it("takes its helpers for lowered syntax from tslib, in ESM and in CommonJS", () => {
    const esm = files.filter(
      (file) => file.endsWith(".js") && /from ?["']tslib\/tslib\.es6\.mjs["']/.test(source(file)),
    )
    const cjs = files.filter((file) => file.endsWith(".cjs") && /require\(["']tslib["']\)/.test(source(file)))
    expect(esm).not.toEqual([])
    expect(cjs).not.toEqual([])
  })

  it("repeats none of tslib's helpers, nor esbuild's own in their place", () => {
    const helper =
      /(?:var|function|const|let) (__addDisposableResource|__disposeResources|__using|__callDispose|__awaiter|__decorate|__rest|__spreadArray|__async\w*)\b/
    for (const file of files) expect(helper.exec(source(file))?.[1], file).toBeUndefined()
  })

  it("is the same wherever it is built: it names no folder of the machine", () => {
    for (const file of files) expect(source(file), file).not.toContain(root)
  })

  it("is in ASCII, which takes half the memory of anything else while the program runs", () => {
    for (const file of files) expect(source(file).match(/.*[^\0-\x7f].*/)?.[0], file).toBeUndefined()
  })

  it("loads nothing of Node's that serving has no use for: TLS, HTTP, fetch, a parser of CommonJS", () => {
    const { stdout } = spawnSync(
      process.execPath,
      [
        "--input-type=module",
        "--eval",
        "await import(process.argv[1]); console.log(process.moduleLoadList.join())",
      ].concat(pathToFileURL(built(".", "import")).href),
      { encoding: "utf8" },
    )
    expect(stdout).toMatch(/NativeModule net\b/)
    expect(stdout.match(/\b(NativeModule (tls|https?|http2)|undici|cjs-module-lexer)\b/)?.[0]).toBeUndefined()
  })

  it("leaves no `using` declaration for Node 20 to stumble over", () => {
    for (const file of files) expect(source(file), file).not.toMatch(/^\s*(await )?using \w+ =/m)
  })

  it.each(subpaths)("exports the same names from %s to import and to require", async (subpath) => {
    const esm = await import(pathToFileURL(built(subpath, "import")).href)
    const cjs = createRequire(import.meta.url)(built(subpath, "require"))
    const names = Object.keys(esm).filter((name) => name !== "default" && name !== "module.exports")
    expect(names.toSorted()).toEqual(Object.keys(cjs).toSorted())
    expect(names.length).toBeGreaterThan(0)
  })

  it("shares one copy of each class between its entries", async () => {
    for (const condition of ["import", "require"] as const) {
      const load = (subpath: string) =>
        condition === "import"
          ? import(pathToFileURL(built(subpath, "import")).href)
          : createRequire(import.meta.url)(built(subpath, "require"))
      const face = await load(".")
      const sources = await load("./sources")
      expect(face.SourceError).toBe(sources.SourceError)
    }
  })

  it.each(["./client-hello", "./routing"])("keeps %s free of Node's modules", (subpath) => {
    const seen = new Set<string>()
    const visit = (file: string): void => {
      if (seen.has(file)) return
      seen.add(file)
      for (const [, specifier] of source(file).matchAll(
        /^(?:import|(?:import|export)\b[^"'(]*\bfrom|\} from) ?["']([^"']+)["'];?$/gm,
      )) {
        expect(specifier, `${file} imports ${specifier}`).toMatch(/^(\.|tslib\/)/)
        if (specifier?.startsWith(".")) visit(specifier.replace("./", ""))
      }
    }
    visit(built(subpath, "import").slice(out.length + 1))
    expect(seen.size).toBeGreaterThan(0)
  })
})

describe("the package in an empty project, with tslib and nothing else", () => {
  let installed: InstalledPackage

  beforeAll(() => {
    installed = installPackage(out)
  })

  afterAll(() => installed.remove())

  function node(...args: readonly string[]) {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: installed.directory, encoding: "utf8" })
    return { status, stdout, stderr }
  }

  const at = (path: string): string => join(installed.directory, "node_modules/tlsroute", path)

  const command = (...args: readonly string[]) =>
    node(join(installed.directory, "node_modules/tlsroute", manifest.bin.tlsroute), ...args)

  it("holds what its entries reach and the pages that go with it, and no more", () => {
    const reached = new Set<string>()
    const visit = (file: string): void => {
      if (reached.has(file)) return
      reached.add(file)
      // The modules of the live page are texts, each on a line of its own, whose imports a browser follows.
      const code = source(file).replaceAll(/^var page_default\d* = .*$|^var \w+_default\d* = ['"]\/\/ .*$/gm, "")
      for (const [, specifier = ""] of code.matchAll(/["'](\.\/[^"'\n]+\.c?js)["']/g)) visit(specifier.slice(2))
    }
    for (const subpath of subpaths) {
      for (const condition of ["import", "require"] as const) visit(relative(out, built(subpath, condition)))
    }
    visit(manifest.bin.tlsroute.replace("./dist/", ""))
    const code = installed.files.filter((file) => file.startsWith("dist/"))
    expect(code.toSorted()).toEqual([...reached].map((file) => `dist/${file}`).toSorted())
    const pages = installed.files.filter((file) => !file.startsWith("dist/"))
    for (const file of pages) expect(file).toMatch(/^(docs|examples|deploy)\/|^[A-Z]+(\.md)?$|^package\.json$/)
  })

  it("holds every page, example, picture and manifest that its pages link to", () => {
    const pages = installed.files.filter((file) => file.endsWith(".md"))
    const links = pages.flatMap((page) => {
      const text = readFileSync(at(page), "utf8")
      return [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path = ""]) => join(dirname(page), path))
    })
    expect(links.length).toBeGreaterThan(50)
    // The two pages that lead into the sources and tests say that those are in the repository.
    const dead = links.filter((link) => !/^(src|test)\//.test(link) && !existsSync(at(link)))
    expect(dead).toEqual([])
  })

  it("runs the first example of its README as it stands", async () => {
    const readme = readFileSync(join(root, "README.md"), "utf8")
    const example = /^```ts\n(.*?)^```$/ms.exec(readme)?.[1] ?? ""
    // Port 8000 may be another program's here.
    const program = example.replaceAll("8000", String(await freePort()))
    writeFileSync(join(installed.directory, "gateway.mjs"), program)
    const child = spawn(process.execPath, ["gateway.mjs"], { cwd: installed.directory })
    const output: string[] = []
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text) => output.push(text))
    const exited = once(child, "exit")
    while (!output.join("").includes("httpbin.org:443") && child.exitCode === null) {
      await Promise.race([once(child.stdout, "data"), exited])
    }
    child.kill("SIGTERM")
    expect([await exited, output.join("")]).toEqual([
      [0, null],
      expect.stringMatching(/bound: true(.|\n)*httpbin\.org/),
    ])
  })

  // Metrics are for a program that has prom-client: its own peer.
  it.each(subpaths.filter((path) => path !== "./metrics"))("gives %s to import and to require", (subpath) => {
    const name = join("tlsroute", subpath)
    const tell = "const { length } = Object.keys(entry); if (length === 0) throw new Error('empty')"
    const imported = node("--input-type=module", "--eval", `import * as entry from "${name}"; ${tell}`)
    expect(imported).toEqual({ status: 0, stdout: "", stderr: "" })
    const required = node("--input-type=commonjs", "--eval", `const entry = require("${name}"); ${tell}`)
    expect(required).toEqual({ status: 0, stdout: "", stderr: "" })
  })

  it("says in one line what the command needs, first commander, then what reads its configuration", () => {
    const missing = (name: string) => ({
      status: 2,
      stdout: "",
      stderr: expect.stringMatching(new RegExp(`^tlsroute: [^\\n]*npm install ${name}\n$`)),
    })
    writeFileSync(join(installed.directory, "gateway.yaml"), "")
    expect(command("--version")).toEqual({ status: 0, stdout: `${manifest.version}\n`, stderr: "" })
    expect(command("--help")).toEqual(missing("commander"))
    installed.add("commander")
    expect(command("--help")).toMatchObject({ status: 0, stderr: "" })
    for (const args of [["check"], ["run"], ["explain", "--port", "443"]]) {
      expect(command(...args, "gateway.yaml"), args[0]).toEqual(missing("yaml"))
    }
    expect(command("controller")).toEqual(missing("@kubernetes/client-node"))
    installed.add("yaml")
    expect(command("check", "gateway.yaml")).toMatchObject({ status: 0, stderr: "" })
  })

  it("runs the commands of its README as they stand", () => {
    for (const name of ["commander", "yaml"]) installed.add(name)
    const [, block = ""] = /^```sh\n(cp .*?)^```$/ms.exec(readFileSync(at("README.md"), "utf8")) ?? []
    const [copy = "", ...lines] = block.split("\n").map((line) => line.replace(/ *#.*/, ""))
    expect(spawnSync(copy, { cwd: installed.directory, shell: true }).status).toBe(0)
    const ends = lines.filter((line) => /^npx tlsroute (check|explain|help)/.test(line))
    expect(ends).toHaveLength(3)
    for (const line of ends) expect(command(...line.split(" ").slice(2)), line).toMatchObject({ status: 0 })
    // The others go on until they are ended: their flags are what the command knows.
    for (const line of lines.filter((other) => /^npx tlsroute (run|top|hello)/.test(other))) {
      const flags = line.split(" ").filter((word) => word.startsWith("--"))
      const [, , name = ""] = line.split(" ")
      for (const flag of flags) expect(command(name, "--help").stdout, line).toContain(flag)
    }
  })
})
