import type * as Yaml from "yaml"
import { Positions } from "./positions.ts"
import type { YamlModule } from "./yaml-module.ts"

// Kubernetes objects stay below 60 levels even as CRD schemas. The composer of `yaml` recurses, and far
// enough down the stack V8 ends the whole process rather than throw, so depth is bounded before it runs.
const MAX_DEPTH = 200

/** Something wrong in a document. Line and column count from 1, from the start of the document. */
export interface DocumentFault {
  readonly severity: "error" | "warning"
  readonly code:
    | "InvalidYaml"
    | "DuplicateKey"
    | "InvalidJson"
    | "InvalidObject"
    | "Kustomization"
    | "MissingSeparator"
    | "Template"
    | "UnquotedWildcard"
  readonly message: string
  readonly line: number
  readonly column: number
}

/** The nodes of one document. */
export interface ComposedDocument {
  /** Absent when the document could not be composed, or holds an error. */
  readonly document: Yaml.Document.Parsed | undefined
  readonly positions: Positions
  readonly faults: readonly DocumentFault[]
}

/** Composes the nodes of one document, bounded in depth and in time linear in its length. */
export function composeDocument(yaml: YamlModule, text: string): ComposedDocument {
  const lines = new yaml.LineCounter()
  const positions = new Positions(yaml, lines)
  const fault = (
    offset: number,
    message: string,
    code: DocumentFault["code"] = "InvalidYaml",
    severity: DocumentFault["severity"] = "error",
  ): DocumentFault => ({ severity, code, message: oneLine(message), ...positions.at(offset) })
  const refuse = (faults: readonly DocumentFault[]): ComposedDocument => ({ document: undefined, positions, faults })

  const tokens = [...new yaml.Parser(lines.addNewLine).parse(text)]
  const tooDeep = tokens.map(findTooDeep).find((offset) => offset !== undefined)
  if (tooDeep !== undefined) return refuse([fault(tooDeep, `nested deeper than ${MAX_DEPTH} levels`)])

  const composer = new yaml.Composer({
    // A `%YAML 1.1` line would turn words and dates into other types than the strings they are here.
    schema: "core",
    merge: true,
    resolveKnownTags: false,
    stringKeys: true,
    // Its check compares every key with every other; findNodeFaults does it in linear time.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: "error",
  })
  const [document, second] = [...composer.compose(tokens, true, text.length)]
  if (document === undefined) return refuse([])
  // What follows the first error is mostly its echo.
  const [error] = document.errors
  if (error !== undefined) return refuse([fault(error.pos[0], error.message)])
  if (second !== undefined) {
    return refuse([fault(second.range[0], "a second document starts here without a line of ---")])
  }
  const faults = findNodeFaults(yaml, document).map(({ offset, message, code }) => fault(offset, message, code))
  if (faults.length > 0) return refuse(faults)
  const warnings = document.warnings.map(({ message, pos }) => fault(pos[0], message, "InvalidYaml", "warning"))
  return { document: document as Yaml.Document.Parsed, positions, faults: warnings }
}

/** The offset of the first node nested too deep, found without recursion. */
function findTooDeep(root: Yaml.CST.Token): number | undefined {
  const stack: { readonly token: Yaml.CST.Token; readonly depth: number }[] = [{ token: root, depth: 0 }]
  for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) {
    const { token, depth } = entry
    if (depth > MAX_DEPTH) return token.offset
    if (token.type === "document" && token.value) stack.push({ token: token.value, depth })
    if (!("items" in token)) continue
    for (const { key, value } of token.items) {
      if (key) stack.push({ token: key, depth: depth + 1 })
      if (value) stack.push({ token: value, depth: depth + 1 })
    }
  }
  return undefined
}

/** A fault of one node. */
interface NodeFault {
  readonly code: "DuplicateKey" | "InvalidYaml"
  readonly message: string
  readonly offset: number
}

/** Finds keys written twice in a mapping, and aliases that lead nowhere or to a node that contains them. */
function findNodeFaults(yaml: YamlModule, document: Yaml.Document): NodeFault[] {
  const faults: NodeFault[] = []
  const anchors = new Set<string>()
  const open: string[] = []
  const visit = (node: unknown): void => {
    if (!yaml.isNode(node)) return
    const offset = node.range?.[0] ?? 0
    if (yaml.isAlias(node)) {
      if (!anchors.has(node.source)) {
        faults.push({ code: "InvalidYaml", message: `no anchor &${node.source} stands before this alias`, offset })
      } else if (open.includes(node.source)) {
        const message = `the alias *${node.source} stands inside the node it refers to`
        faults.push({ code: "InvalidYaml", message, offset })
      }
      return
    }
    const { anchor } = node as Yaml.Scalar | Yaml.YAMLMap | Yaml.YAMLSeq
    if (anchor !== undefined) anchors.add(anchor)
    if (!yaml.isCollection(node)) return
    if (anchor !== undefined) open.push(anchor)
    if (yaml.isMap(node)) {
      faults.push(...findDuplicateKeys(yaml, node))
      for (const { key, value } of node.items) {
        visit(key)
        visit(value)
      }
    } else for (const item of node.items) visit(item)
    if (anchor !== undefined) open.pop()
  }
  visit(document.contents)
  return faults
}

function* findDuplicateKeys(yaml: YamlModule, map: Yaml.YAMLMap): Generator<NodeFault> {
  const seen = new Set<string>()
  for (const { key } of map.items) {
    if (!yaml.isScalar(key) || key.value === "<<") continue
    const name = String(key.value)
    if (seen.has(name)) {
      const message = `the key ${JSON.stringify(name)} is written twice in this mapping`
      yield { code: "DuplicateKey", message, offset: key.range?.[0] ?? 0 }
    }
    seen.add(name)
  }
}

function oneLine(message: string): string {
  return message.replace(/\s+/g, " ").trim()
}
