import { field } from "../primitives/json.ts"
import type { KubernetesObject } from "../routing/resources.ts"
import { helpWith } from "./document-help.ts"
import { unwrapObjects } from "./objects.ts"
import { composeDocument, type DocumentFault } from "./yaml-document.ts"
import type { YamlModule } from "./yaml-module.ts"

// Expanded aliases, counted along chains, so that a chain of aliases to aliases reaches it at once.
const MAX_ALIASES = 1000

/** One document of a manifest: its text, and the line of the file (from 0) it starts on. */
export interface DocumentText {
  readonly text: string
  readonly line: number
}

/** One object of a document. */
export interface DocumentObject {
  readonly object: KubernetesObject
  /** Field path of the object in the document: `""`, or `items[3]` in a List. */
  readonly path: string
}

/** What a document says. A document with an error gives no objects other than those whole in a List. */
export interface ParsedDocument {
  readonly objects: readonly DocumentObject[]
  readonly faults: readonly DocumentFault[]
}

/**
 * Splits a manifest where YAML does: at lines that start with `---`, which no scalar may contain at column 0
 * (YAML 1.2.2 section 9.1.2). Comments and directives before a marker stay with the document they introduce.
 */
export function splitDocuments(whole: string): DocumentText[] {
  // Files that were put one behind another keep their byte order marks.
  const text = whole.replace(/^\ufeff/gm, "")
  const documents: DocumentText[] = []
  const marker = /^(?:---|\.\.\.)(?=[ \t\r\n]|$)/gm
  let start = 0
  let line = 0
  const take = (end: number): void => {
    const part = text.slice(start, end)
    if (isPrelude(part)) return
    documents.push({ text: part, line })
    start = end
    line += countLines(part)
  }
  for (const { index, 0: mark } of text.matchAll(marker)) take(mark === "..." ? endOfLine(text, index) : index)
  take(text.length)
  return documents
}

/** Reads one document. Never throws. */
export function parseDocument(yaml: YamlModule, text: string): ParsedDocument {
  const { document, positions, faults } = composeDocument(yaml, text)
  if (document === undefined) return { objects: [], faults: helpWith(text, faults) }
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES })
  } catch (thrown) {
    // Too many aliases.
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    return { objects: [], faults: [...faults, invalid("InvalidYaml", message, positions.at(0))] }
  }
  if (value === null || value === undefined) return { objects: [], faults }

  if (isKustomization(value)) {
    const message = "a kustomization, which kubectl makes manifests of: kubectl kustomize DIRECTORY | tlsroute check -"
    return {
      objects: [],
      faults: [...faults, { severity: "warning", code: "Kustomization", message, ...positions.at(0) }],
    }
  }
  const objects: DocumentObject[] = []
  const nonObjects: DocumentFault[] = []
  for (const item of unwrapObjects(value)) {
    if ("object" in item) objects.push(item)
    else nonObjects.push(invalid("InvalidObject", item.fault, positions.of(document, item.path)))
  }
  return { objects, faults: [...faults, ...nonObjects] }
}

/** `kustomization.yaml`, whose type may be left out. */
function isKustomization(value: unknown): boolean {
  const kind = field(value, "kind")
  if (kind === undefined && field(value, "apiVersion") === undefined) return Array.isArray(field(value, "resources"))
  const apiVersion = field(value, "apiVersion")
  return (
    kind === "Kustomization" && (apiVersion === undefined || String(apiVersion).startsWith("kustomize.config.k8s.io/"))
  )
}

function invalid(
  code: DocumentFault["code"],
  message: string,
  position: { readonly line: number; readonly column: number },
): DocumentFault {
  return { severity: "error", code, message, ...position }
}

/** Nothing but blank lines, comments and directives: no document yet. */
function isPrelude(text: string): boolean {
  return !/^(?!%)[ \t]*[^#\s]/m.test(text)
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf("\n", from)
  return end < 0 ? text.length : end + 1
}

function countLines(text: string): number {
  let count = 0
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++
  return count
}
