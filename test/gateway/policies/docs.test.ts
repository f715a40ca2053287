import { readFileSync, writeFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { annotationName, POLICY_KEYS } from "../../../src/gateway/policies/fields.ts"
import { fieldOf } from "../../../src/gateway/policies/layer.ts"

const path = new URL("../../../docs/policies.md", import.meta.url)
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
