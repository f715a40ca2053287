import { describe, expect, test } from "vitest"
import * as yaml from "yaml"
import { parseDocument, splitDocuments } from "../../src/sources/manifest.ts"
import { composeDocument } from "../../src/sources/yaml-document.ts"

const object = (rest: string) => `apiVersion: v1\nkind: Service\nmetadata: {name: x}\n${rest}`
const parse = (text: string) => parseDocument(yaml, text)
const values = (text: string) => parse(text).objects.map((item) => item.object)

describe("splitDocuments", () => {
  test.each([
    ["one document without a marker", "a: 1\n", ["a: 1\n"], [0]],
    ["a marker between documents", "a: 1\n---\nb: 1\n", ["a: 1\n", "---\nb: 1\n"], [0, 1]],
    ["a comment after the marker", "a: 1\n--- # next\nb: 1\n", ["a: 1\n", "--- # next\nb: 1\n"], [0, 1]],
    ["comments before the first marker", "# licence\n\n---\na: 1\n", ["# licence\n\n---\na: 1\n"], [0]],
    [
      "directives before a marker",
      "a: 1\n...\n%YAML 1.2\n---\nb: 1\n",
      ["a: 1\n...\n", "%YAML 1.2\n---\nb: 1\n"],
      [0, 2],
    ],
    ["CRLF line ends", "a: 1\r\n---\r\nb: 1\r\n", ["a: 1\r\n", "---\r\nb: 1\r\n"], [0, 1]],
    ["an indented marker in a block scalar", "a: |\n  x\n  ---\n  y\n", ["a: |\n  x\n  ---\n  y\n"], [0]],
    ["dashes that go on", "----: 1\n---x: 2\n", ["----: 1\n---x: 2\n"], [0]],
    ["a comment at the end", "a: 1\n...\n# end\n", ["a: 1\n...\n"], [0]],
    [
      "byte order marks of files put one behind another",
      "a: 1\n\ufeffb: 1\n\ufeff---\nc: 1\n---\n\ufeffd: 1\n",
      ["a: 1\nb: 1\n", "---\nc: 1\n", "---\nd: 1\n"],
      [0, 2, 4],
    ],
    ["nothing", "", [], []],
    ["only comments", "# nothing\n", [], []],
  ])("with %s", (_what, text, parts, lines) => {
    const documents = splitDocuments(text)
    expect(documents.map((document) => document.text)).toEqual(parts)
    expect(documents.map((document) => document.line)).toEqual(lines)
  })
})

describe("parseDocument", () => {
  test("reads YAML, and JSON as YAML", () => {
    expect(values(object("spec: {ports: [{port: 443}]}\n"))).toMatchObject([{ spec: { ports: [{ port: 443 }] } }])
    expect(values('{\n\t"apiVersion": "v1",\n\t"kind": "Service",\n\t"metadata": {"name": "x"}\n}\n')).toHaveLength(1)
  })

  test("takes an empty document for nothing", () => {
    for (const text of ["---\n", "--- # nothing\n...\n", "null\n"]) {
      expect(parse(text)).toEqual({ objects: [], faults: [] })
    }
  })

  test("keeps dates, words and odd tags as strings, whatever version the document declares", () => {
    const [value] = values(`%YAML 1.1\n---\n${object("spec: {a: 2024-01-01, b: yes, c: on}\n")}`)
    expect(value).toMatchObject({ spec: { a: "2024-01-01", b: "yes", c: "on" } })
  })

  test("expands anchors and merge keys", () => {
    const [value] = values(object("a: &base {port: 1}\nb: {<<: *base, name: y}\n"))
    expect(value).toMatchObject({ b: { port: 1, name: "y" } })
  })

  test("keeps a key named __proto__ a plain key", () => {
    const [value] = values(object("__proto__: {polluted: true}\n"))
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  test.each([
    ["a quote left open", object('spec: "x\n'), "InvalidYaml", 5],
    ["a tab as indentation", object("spec:\n\ta: 1\n"), "InvalidYaml", 5],
    ["bad indentation", object("spec:\n  - x\n - y\n"), "InvalidYaml", 6],
    ["a key written twice", object("spec: {}\nspec: {}\n"), "DuplicateKey", 5],
    ["a key written twice deep down", object("spec:\n  - a: 1\n    b: 1\n    a: 2\n"), "DuplicateKey", 7],
    ["a key written twice in JSON", '{"apiVersion": "v1",\n"kind": "X",\n"kind": "Y"}', "DuplicateKey", 3],
    ["an alias without anchor", object("spec:\n  - *nothing\n"), "InvalidYaml", 5],
    ["an alias inside its own anchor", object("spec: &a\n  b: *a\n"), "InvalidYaml", 5],
    ["a mapping as key", object("? {a: 1}\n: 2\n"), "InvalidYaml", 4],
    ["no kind", "# who?\napiVersion: v1\nmetadata: {name: x}\n", "InvalidObject", 2],
    ["a scalar for an object", "\nhello\n", "InvalidObject", 2],
  ])("refuses a document with %s, naming the line", (_what, text, code, line) => {
    const { objects, faults } = parse(text)
    expect(objects).toEqual([])
    expect(faults).toMatchObject([{ severity: "error", code, line }])
  })

  test.each(["List", "TLSRouteList"])("takes a %s without items for nothing, as [] or as Go writes it", (kind) => {
    for (const items of ["[]", "null", ""]) {
      expect(parse(`apiVersion: v1\nkind: ${kind}\nitems: ${items}\n`)).toEqual({ objects: [], faults: [] })
    }
  })

  test("takes the sound items of a List and names the line of the others", () => {
    const { objects, faults } = parse(
      "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: x}}\n- {kind: Service}\n",
    )
    expect(objects).toHaveLength(1)
    expect(faults).toMatchObject([{ code: "InvalidObject", line: 5 }])
  })

  test("warns of tags it does not know", () => {
    expect(parse(object("spec: !custom x\n"))).toMatchObject({
      objects: [{ object: { spec: "x" } }],
      faults: [{ severity: "warning", line: 4, column: 7 }],
    })
  })

  test.each([
    ["flow sequences", "[".repeat(20_000)],
    ["flow mappings", "{a: ".repeat(20_000)],
    ["sequences on one line", "- ".repeat(20_000)],
    ["complex keys", "? ".repeat(20_000)],
    ["closed sequences", `${"[".repeat(1_000)}${"]".repeat(1_000)}`],
  ])("refuses %s nested without end", (_what, text) => {
    expect(parse(text)).toMatchObject({ objects: [], faults: [{ message: "nested deeper than 200 levels" }] })
  })

  test("refuses aliases that multiply", () => {
    const rows = Array.from({ length: 9 }, (_, i) => `a${i}: &a${i} [${Array(9).fill(i === 0 ? "x" : `*a${i - 1}`)}]`)
    const { objects, faults } = parse(object(rows.join("\n")))
    expect(objects).toEqual([])
    expect(faults).toMatchObject([{ severity: "error", code: "InvalidYaml" }])
  })

  test("takes as many plain aliases as a long List needs", () => {
    const rows = Array.from({ length: 900 }, (_, i) => `  k${i}: *labels`)
    expect(parse(object(`a: &labels {app: web}\nb:\n${rows.join("\n")}\n`)).faults).toEqual([])
  })
})

describe("Positions", () => {
  const text = [
    "apiVersion: v1",
    "kind: List",
    "items:",
    "  - metadata:",
    "      annotations:",
    "        tlsroute.dev/idle-timeout: 1h",
    "        tlsroute: x",
    "    spec:",
    "      listeners:",
    "        - name: a",
    "        - name: b",
    "          tls: &tls",
    "            mode: Terminate",
    "        - name: c",
    "          tls: *tls",
    "          hostname:",
  ].join("\n")

  test.each([
    ["a scalar, where it stands", "items[0].spec.listeners[1].tls.mode", 13, 19],
    ["a mapping, at its key", "items[0].spec.listeners[1].tls", 12, 11],
    ["a list, at its key", "items[0].spec.listeners", 9, 7],
    ["an item of a list", "items[0].spec.listeners[1]", 11, 11],
    ["through an alias, at the anchor", "items[0].spec.listeners[2].tls.mode", 13, 19],
    ["an empty value, at its key", "items[0].spec.listeners[2].hostname", 16, 11],
    ["a missing field, at the deepest one there is", "items[0].spec.listeners[1].tls.options.x", 12, 11],
    ["a missing item, at the list", "items[0].spec.listeners[7]", 9, 7],
    ["a key with dots", "items[0].metadata.annotations.tlsroute.dev/idle-timeout", 6, 36],
    ["a key in brackets", "items[0].metadata.annotations[tlsroute.dev/idle-timeout]", 6, 36],
    ["a key in brackets and quotes", 'items[0].metadata.annotations["tlsroute.dev/idle-timeout"]', 6, 36],
    ["the whole document", "", 1, 1],
  ])("find %s", (_what, path, line, column) => {
    const { document, positions } = composeDocument(yaml, text)
    expect(document && positions.of(document, path)).toEqual({ line, column })
  })
})
