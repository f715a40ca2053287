import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import { describe, expect, it } from "vitest"
import { annotationName, POLICY_KEYS } from "../../../src/gateway/policies/fields.ts"
import { fieldOf } from "../../../src/gateway/policies/layer.ts"

const path = new URL("../../../docs/policies.md", import.meta.url)
const root = fileURLToPath(new URL("../../..", import.meta.url))
const begin = "<!-- policies: begin -->"
const end = "<!-- policies: end -->"
const kinds = { listener: "Gateway, ListenerSet", route: "TLSRoute", backend: "Service" }

function table(): string {
  const rows = POLICY_KEYS.map((key) => {
    const { levels, scope, initialText, description, type } = fieldOf(key)
    const on = levels.map((level) => kinds[level]).join(", ")
    return `| \`${annotationName(key)}\` | ${description} | ${type.syntax} | ${initialText} | ${on} | ${scope} |`
  })
  return [
    "| Policy | What it does | Value | Default | Annotation of | Levels |",
    "| --- | --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n")
}

/** The formatter pads the columns of tables. */
function plain(text: string): string {
  return text.replaceAll(/ +/g, " ").replaceAll(/-{3,}/g, "---").replaceAll(/\n+/g, "\n")
}

/** What TypeScript tells an editor of each `idleTimeout` in a program. */
function documented(program: string): readonly string[] {
  const file = fileURLToPath(new URL("program.ts", import.meta.url))
  const text = `import type { PolicyOptions, PolicySettings } from "../../../src/gateway/policies/options.ts"\n${program}`
  const { fileExists, readFile, readDirectory } = ts.sys
  const service = ts.createLanguageService({
    fileExists,
    readFile,
    readDirectory,
    getScriptFileNames: () => [file],
    getScriptVersion: () => "1",
    getScriptSnapshot: (path) => ts.ScriptSnapshot.fromString(path === file ? text : (readFile(path) ?? "")),
    getCompilationSettings: () => ({
      ...{ strict: true, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler },
      ...{ allowImportingTsExtensions: true, noEmit: true },
    }),
    getCurrentDirectory: () => root,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
  })
  return [...text.matchAll(/idleTimeout/g)].map(({ index }) =>
    ts.displayPartsToString(service.getQuickInfoAtPosition(file, index)?.documentation),
  )
}

describe("docs/policies.md", () => {
  it("lists every policy as the code has it; UPDATE_DOCS=1 rewrites the list", () => {
    const text = readFileSync(path, "utf8")
    const [before = "", rest = ""] = text.split(begin)
    const after = rest.slice(rest.indexOf(end))
    const wanted = `${before}${begin}\n${table()}\n${after}`
    if (process.env["UPDATE_DOCS"] === "1") writeFileSync(path, wanted)
    expect(plain(readFileSync(path, "utf8"))).toBe(plain(wanted))
  })
})

describe("what an editor tells of a policy", () => {
  const source = readFileSync(new URL("../../../src/gateway/policies/fields.ts", import.meta.url), "utf8")
  const [, values = ""] = source.split("export interface PolicyValues {")

  it.each(POLICY_KEYS)("has the default of %s", (key) => {
    const [before = ""] = values.split(`\n  ${key}: `)
    const comment = before.slice(before.lastIndexOf("/**")).replaceAll(/\s+(\* )?/g, " ")
    expect(comment).toContain(`Default: ${fieldOf(key).initialText}.`)
  })

  it("is told where it is set, for everything and for one object", () => {
    const program =
      'export const all: PolicyOptions = { idleTimeout: "10m", routes: { "shop/checkout": { idleTimeout: "1m" } } }\n' +
      'export const one: PolicySettings<"listener"> = { idleTimeout: 60_000 }'
    const wanted = "Without a byte either way. Default: 1h."
    expect(documented(program)).toEqual([wanted, wanted, wanted])
  }, 60_000)
})
