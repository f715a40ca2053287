import type * as Yaml from "yaml"
import type { YamlModule } from "./yaml-module.ts"

/** Lines and columns in one document, counted from 1. */
export class Positions {
  readonly #yaml: YamlModule
  readonly #lines: Yaml.LineCounter

  constructor(yaml: YamlModule, lines: Yaml.LineCounter) {
    this.#yaml = yaml
    this.#lines = lines
  }

  /** Of an offset into the text. */
  at(offset: number): { line: number; column: number } {
    const { line, col } = this.#lines.linePos(offset)
    // An offset before the first token is line 0 to the counter.
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }

  /**
   * Of a field path such as `spec.listeners[0].tls.mode`: the scalar it names, or the key that introduces
   * a mapping or list. A path that leads nowhere gives the deepest node on the way: that is where the field is missing.
   */
  of(document: Yaml.Document.Parsed, path: string): { line: number; column: number } {
    const { isMap, isSeq, isScalar, isAlias } = this.#yaml
    let node: unknown = document.contents
    let offset = document.contents?.range?.[0] ?? 0
    let rest = path
    while (rest !== "") {
      if (isAlias(node)) node = node.resolve(document)
      if (isMap(node)) {
        const step = findPair(this.#yaml, node, rest)
        if (step === undefined) break
        const { key, value } = step.pair
        const named = isScalar(value) && value.source !== undefined && value.source !== "" ? value : key
        offset = (named as Yaml.Node).range?.[0] ?? offset
        node = value
        rest = step.rest
        continue
      }
      const [bracket, index] = /^\[(\d+)\]\.?/.exec(rest) ?? []
      if (!isSeq(node) || bracket === undefined) break
      const item: unknown = node.items[Number(index)]
      if (item === undefined) break
      offset = (item as Yaml.Node).range?.[0] ?? offset
      node = item
      rest = rest.slice(bracket.length)
    }
    return this.at(offset)
  }
}

/** Finds the pair a path goes through: the longest key that starts it, since keys of annotations hold dots too. */
function findPair(
  yaml: YamlModule,
  map: Yaml.YAMLMap,
  path: string,
): { pair: Yaml.Pair<unknown, unknown>; rest: string } | undefined {
  const quoted = /^\[(?:"([^"]*)"|'([^']*)'|([^\]]*))\]/.exec(path)
  const wanted = quoted ? (quoted[1] ?? quoted[2] ?? quoted[3]) : undefined
  let best: { pair: Yaml.Pair<unknown, unknown>; rest: string } | undefined
  for (const pair of map.items) {
    const key = yaml.isScalar(pair.key) ? String(pair.key.value) : undefined
    if (key === undefined) continue
    let rest: string
    if (quoted) {
      if (key !== wanted) continue
      rest = path.slice(quoted[0].length)
    } else {
      if (!path.startsWith(key)) continue
      rest = path.slice(key.length)
      if (rest !== "" && !rest.startsWith(".") && !rest.startsWith("[")) continue
    }
    if (rest.startsWith(".")) rest = rest.slice(1)
    if (best === undefined || rest.length < best.rest.length) best = { pair, rest }
  }
  return best
}
