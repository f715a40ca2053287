import { deepStrictEqual, ok } from "node:assert/strict"
import * as yaml from "yaml"
import { parseDocument, splitDocuments } from "../../src/sources/manifest.ts"
import { unwrapObjects } from "../../src/sources/objects.ts"

/**
 * Takes the bytes as a manifest. Reading never throws; every part of the text is in one document; faults are told in
 * one line, at a place that the document has; what JSON says, YAML is read to say too.
 */
export function fuzz(data: Buffer): void {
  const text = data.toString("utf8")
  const documents = splitDocuments(text)
  ok(text.startsWith(documents.map((document) => document.text).join("")))
  let line = 0
  for (const document of documents) {
    deepStrictEqual(document.line, line)
    line += lines(document.text) - 1
    expectSound(document.text)
  }
  expectJson(text)
  deepStrictEqual(Object.keys(Object.prototype), [])
}

function expectSound(text: string): void {
  const { objects, faults } = parseDocument(yaml, text)
  for (const { object } of objects) {
    deepStrictEqual(
      [typeof object.apiVersion, typeof object.kind, typeof object.metadata.name],
      ["string", "string", "string"],
    )
  }
  for (const { message, line, column } of faults) {
    ok(message !== "" && !/[\r\n]/.test(message), `a message of several lines: ${JSON.stringify(message)}`)
    ok(line >= 1 && line <= lines(text) && column >= 1, `no line ${line}, column ${column}`)
  }
}

function expectJson(text: string): void {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return
  }
  const canonical = JSON.stringify(value, null, 2)
  // A merge key, and nothing else, means something to YAML that it does not to JSON.
  if (canonical.includes("<<") || depth(value) > 150) return
  const { objects } = parseDocument(yaml, canonical)
  const expected = [...unwrapObjects(value)].filter((item) => "object" in item)
  deepStrictEqual(objects, expected)
}

function lines(text: string): number {
  return text.split("\n").length
}

function depth(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depth))
}
