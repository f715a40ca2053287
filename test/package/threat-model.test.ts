import { existsSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import ts from "typescript"
import { describe, expect, it } from "vitest"

const root = resolve(import.meta.dirname, "../..")
const page = readFileSync(join(root, "docs/security.md"), "utf8")

const HEADING = "| promise | shown by |"
/** A link to a test file and titles in it, each with rows of its table where it has one. */
const ENTRY = /^\[[^\]]+\]\(\.\.\/(test\/[^)]+)\): (`.+`\)?)$/
const TITLE = /^`([^`]+)`(?: \((`[^`]+`(?:, `[^`]+`)*)\))?(?:, |$)/

/** What a test file has: its tests, as `describe > title`, and every string in it, for rows of its tables. */
interface TestFile {
  readonly titles: ReadonlySet<string>
  readonly strings: ReadonlySet<string>
}

/** `onLinux` is a `describe` of test/faults. */
const GROUPS = new Set(["describe", "onLinux"])
const TESTS = new Set(["it", "test"])

function read(file: string): TestFile {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), "utf8"), ts.ScriptTarget.ES2022, true)
  const titles = new Set<string>()
  const strings = new Set<string>()
  const visit = (node: ts.Node, path: readonly string[]): void => {
    let inner = path
    if (ts.isStringLiteralLike(node)) strings.add(node.text)
    if (ts.isCallExpression(node)) {
      const callee = node.expression.getText()
      const [called = ""] = /^\w+/.exec(callee) ?? []
      const title = titleOf(node.arguments[0])
      // A test that never runs shows nothing.
      const isTold = title !== undefined && !/\.(skip|todo|fails|only)\b/.test(callee)
      if (isTold && GROUPS.has(called)) inner = [...path, title]
      if (isTold && TESTS.has(called)) titles.add([...path, title].join(" > "))
    }
    ts.forEachChild(node, (child) => visit(child, inner))
  }
  visit(source, [])
  return { titles, strings }
}

/** As it is written: `%s` and `${…}` stay. */
function titleOf(node: ts.Expression | undefined): string | undefined {
  if (node === undefined) return undefined
  if (ts.isStringLiteralLike(node)) return node.text
  return ts.isTemplateExpression(node) ? node.getText().slice(1, -1) : undefined
}

/** Rows of every table of promises on a page: the promise, and what shows it. */
function promises(markdown: string): readonly (readonly [promise: string, shown: string])[] {
  const lines = markdown.split("\n").map((line) => line.replaceAll(/ +/g, " ").trim())
  return lines.flatMap((line, index) => {
    if (line !== HEADING) return []
    const rows = lines.slice(index + 2)
    const end = rows.findIndex((row) => !row.startsWith("|"))
    return rows.slice(0, end === -1 ? undefined : end).map((row) => {
      const [, promise = "", shown = ""] = row.split("|").map((cell) => cell.trim())
      return [promise, shown] as const
    })
  })
}

/** Everything that keeps a page's promises from being shown by the tests they name. */
function unshown(markdown: string): readonly string[] {
  return promises(markdown).flatMap(([promise, shown]) => {
    const faults = shown.split("<br>").flatMap((entry) => faultsOf(entry.trim()))
    return faults.map((fault) => `${promise}: ${fault}`)
  })
}

function faultsOf(entry: string): readonly string[] {
  const [, file, titles = ""] = ENTRY.exec(entry) ?? []
  if (file === undefined) return [`"${entry}" names no test`]
  if (!file.endsWith(".test.ts") || !existsSync(join(root, file))) return [`there is no ${file}`]
  const { titles: known, strings } = read(file)
  const faults: string[] = []
  for (let rest = titles; rest !== ""; ) {
    const [matched, title = "", rows = ""] = TITLE.exec(rest) ?? []
    if (matched === undefined) return [...faults, `"${rest}" is no list of titles`]
    rest = rest.slice(matched.length)
    if (!known.has(title)) faults.push(`${file} has no test "${title}"`)
    for (const [, row = ""] of rows.matchAll(/`([^`]+)`/g)) {
      if (!strings.has(row)) faults.push(`${file} has no row "${row}"`)
    }
  }
  return faults
}

describe("the promises of docs/security.md", () => {
  it("are each shown by tests that are there, by these names", () => {
    expect(promises(page).length).toBeGreaterThan(30)
    expect(unshown(page)).toEqual([])
  })

  const refusals = "[refusals](../test/client-hello/refusals.test.ts)"
  it.each([
    ["no test", "", '"" names no test'],
    ["a file that is not there", "[x](../test/x.test.ts): `x`", "there is no test/x.test.ts"],
    ["a file that is no test", "[x](../test/client-hello/build.ts): `x`", "there is no test/client-hello/build.ts"],
    ["a file alone", refusals, `"${refusals}" names no test`],
    ["words behind a title", `${refusals}: \`refused > x\` and \`y\``, '"`refused > x` and `y`" is no list of titles'],
    [
      "a title that is not there",
      `${refusals}: \`refused > nothing\``,
      'test/client-hello/refusals.test.ts has no test "refused > nothing"',
    ],
    [
      "a title without its group",
      `${refusals}: \`show every code there is\``,
      'test/client-hello/refusals.test.ts has no test "show every code there is"',
    ],
    [
      "a row that is not there",
      `${refusals}: \`refused > %s (%s) with %s\` (\`two names\`, \`three names\`)`,
      'test/client-hello/refusals.test.ts has no row "three names"',
    ],
  ])("would not be, by %s", (_, shown, fault) => {
    expect(unshown(`${HEADING}\n|--|--|\n| Nothing is lost | ${shown} |\n\nMore.`)).toEqual([
      `Nothing is lost: ${fault}`,
    ])
  })
})
