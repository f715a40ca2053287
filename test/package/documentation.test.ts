import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import ts from "typescript"
import { describe, expect, it } from "vitest"
import { parseAllDocuments } from "yaml"
import { validateObject } from "../../src/routing/validation/validate.ts"

const root = resolve(import.meta.dirname, "../..")

/** TypeScript that a reader may copy: a fenced block of a page, or of a comment in the sources. */
interface Example {
  readonly where: string
  readonly file: string
  readonly code: string
}

const pages = ["README.md", ...readdirSync(join(root, "docs")).map((name) => join("docs", name))]
const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).map((name) => join("src", name))
const examples = [...pages, ...sources].filter((name) => /\.(md|ts)$/.test(name)).flatMap(examplesIn)

function examplesIn(name: string): Example[] {
  const text = readFileSync(join(root, name), "utf8")
  return [...text.matchAll(/^( \* )?```ts\n(.*?)^(?: \* )?```$/gms)].map(({ index, 1: star, 2: block = "" }) => {
    const line = text.slice(0, index).split("\n").length
    return {
      where: `${name}:${line}`,
      // Beside the sources, so that modules are found from there.
      file: join(root, `example-${name.replaceAll(/\W/g, "-")}-${line}.ts`),
      // Without an import or export it would share its names with the others.
      code: `${star === undefined ? block : block.replace(/^ \* ?/gm, "")}\nexport {}\n`,
    }
  })
}

// An example beside the thing it shows leaves names to the reader: `socket`, `source`, the thing itself. What TypeScript
// says of those: that it cannot find them, and that it cannot tell what is passed to them.
const LEFT_TO_THE_READER: ReadonlySet<number> = new Set([2304, 2552, 18004, 7006, 7031])

function check(): ReadonlyMap<string, readonly string[]> {
  const { options } = ts.convertCompilerOptionsFromJson(
    {
      ...ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile).config.compilerOptions,
      paths: { tlsroute: ["./src/index.ts"], "tlsroute/*": ["./src/*/index.ts"] },
      noUnusedLocals: false,
    },
    root,
  )
  const code = new Map(examples.map((example) => [example.file, example.code]))
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = (file) => code.has(file) || fileExists(file)
  host.readFile = (file) => code.get(file) ?? readFile(file)
  host.getSourceFile = (file, ...rest) => {
    const text = code.get(file)
    return text === undefined ? getSourceFile(file, ...rest) : ts.createSourceFile(file, text, ts.ScriptTarget.ES2022)
  }
  const program = ts.createProgram([...code.keys()], options, host)
  return new Map(
    examples.map(({ where, file }) => {
      const source = program.getSourceFile(file)
      if (source === undefined) throw new Error(`${where} was not read`)
      const faults = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
      const isWhole = where.startsWith("README.md")
      return [
        where,
        faults
          .filter((fault) => isWhole || !LEFT_TO_THE_READER.has(fault.code))
          .map((fault) => ts.flattenDiagnosticMessageText(fault.messageText, " ")),
      ]
    }),
  )
}

describe("the documentation", () => {
  it("shows TypeScript that compiles: in the README, in docs and in the sources", () => {
    expect(examples.length).toBeGreaterThan(10)
    expect(Object.fromEntries([...check()].filter(([, faults]) => faults.length > 0))).toEqual({})
  }, 120_000)

  it("shows manifests that an API server takes", () => {
    const manifests = pages
      .filter((name) => name.endsWith(".md"))
      .flatMap((name) => [...readFileSync(join(root, name), "utf8").matchAll(/^```yaml\n(.*?)^```$/gms)])
      .flatMap(([, block = ""]) => parseAllDocuments(block).map((document) => document.toJS()))
      // An excerpt that shows annotations alone is no whole object.
      .filter((object) => /^gateway\.networking/.test(object?.apiVersion) && object.spec !== undefined)
    expect(manifests.length).toBeGreaterThan(3)
    const errors = manifests.flatMap((object) => validateObject(object)).filter(({ severity }) => severity === "error")
    expect(errors).toEqual([])
  })

  const texts = [
    ...pages,
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "examples/README.md",
    "test/fuzz/README.md",
  ]
    .filter((name) => name.endsWith(".md"))
    .map((name) => ({ name, text: readFileSync(join(root, name), "utf8") }))

  it("links to files that are there", () => {
    const links = texts.flatMap(({ name, text }) =>
      [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link = ""]) => join(root, dirname(name), link)),
    )
    expect(links.length).toBeGreaterThan(20)
    expect(links.filter((link) => !existsSync(link))).toEqual([])
  })

  it("links to headings that are there", () => {
    const headings = (file: string) =>
      new Set(
        [...readFileSync(file, "utf8").matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
          heading
            .toLowerCase()
            .replaceAll(/[^\w\- ]/g, "")
            .replaceAll(" ", "-"),
        ),
      )
    const links = texts.flatMap(({ name, text }) =>
      [...text.matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)].map(([, page = "", anchor = ""]) => ({
        file: page === "" ? join(root, name) : join(root, dirname(name), page),
        anchor,
      })),
    )
    expect(links.length).toBeGreaterThan(5)
    expect(links.filter(({ file, anchor }) => file.endsWith(".md") && !headings(file).has(anchor))).toEqual([])
  })

  it("names npm scripts that are there", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
    const named = texts.flatMap(({ text }) => [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, script = ""]) => script))
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter((script) => scripts[script] === undefined)).toEqual([])
  })
})
