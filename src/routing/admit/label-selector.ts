import { arrayOf, field, isAbsent, objectOf, stringOf } from "../../primitives/json.ts"
import { listFew } from "../../primitives/list-few.ts"

/** Label that the API server puts on every namespace. */
export const NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"

/** Decides whether labels satisfy a selector. */
export interface CompiledSelector {
  /** Keys it reads. */
  readonly keys: readonly string[]
  /** As `kubectl get -l` takes it, for messages. */
  readonly text: string
  matches(labels: ReadonlyMap<string, string>): boolean
}

type Requirement = (labels: ReadonlyMap<string, string>) => boolean

/** Compiles `metav1.LabelSelector`, or returns what is wrong with it. */
export function compileSelector(selector: unknown): CompiledSelector | { readonly error: string } {
  const object = objectOf(selector)
  if (object === undefined) return { error: "a label selector must be an object" }
  const keys: string[] = []
  const texts: string[] = []
  const requirements: Requirement[] = []
  const matchLabels = field(object, "matchLabels")
  if (!isAbsent(matchLabels)) {
    const labels = objectOf(matchLabels)
    if (labels === undefined) return { error: "matchLabels must be an object of strings" }
    for (const key of Object.keys(labels)) {
      const value = labels[key]
      if (typeof value !== "string") return { error: `matchLabels["${key}"] must be a string` }
      keys.push(key)
      texts.push(`${key}=${value}`)
      requirements.push((has) => has.get(key) === value)
    }
  }
  const expressions = field(object, "matchExpressions")
  if (!isAbsent(expressions)) {
    const list = arrayOf(expressions)
    if (list === undefined) return { error: "matchExpressions must be a list" }
    for (const expression of list) {
      const key = stringOf(field(expression, "key"))
      if (key === undefined || key === "") return { error: "matchExpressions need a key" }
      const requirement = compileExpression(key, field(expression, "operator"), field(expression, "values"))
      if (typeof requirement === "string") return { error: requirement }
      keys.push(key)
      texts.push(describeExpression(key, field(expression, "operator"), field(expression, "values")))
      requirements.push(requirement)
    }
  }
  return { keys, text: listFew(texts.map(cut), ","), matches: (labels) => requirements.every((holds) => holds(labels)) }
}

function compileExpression(key: string, operator: unknown, values: unknown): Requirement | string {
  const list = isAbsent(values) ? [] : arrayOf(values)
  if (list === undefined || list.some((value) => typeof value !== "string")) return "values must be a list of strings"
  switch (operator) {
    case "In":
      return list.length === 0 ? "In needs values" : (has) => list.includes(has.get(key))
    case "NotIn":
      return list.length === 0 ? "NotIn needs values" : (has) => !list.includes(has.get(key))
    case "Exists":
      return list.length > 0 ? "Exists takes no values" : (has) => has.has(key)
    case "DoesNotExist":
      return list.length > 0 ? "DoesNotExist takes no values" : (has) => !has.has(key)
    default:
      return "operator must be In, NotIn, Exists or DoesNotExist"
  }
}

const LONGEST = 128

/** A label for a message, cut at 128 characters: messages are kept for every route that is refused. */
export function labelText(key: string, value: string): string {
  return cut(`${key}=${value}`)
}

function cut(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
}

function describeExpression(key: string, operator: unknown, values: unknown): string {
  const list = `(${(arrayOf(values) ?? []).join(",")})`
  switch (operator) {
    case "In":
      return `${key} in ${list}`
    case "NotIn":
      return `${key} notin ${list}`
    case "Exists":
      return key
    default:
      return `!${key}`
  }
}
