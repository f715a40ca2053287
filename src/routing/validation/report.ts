import type { ProblemCode } from "../problem-codes.ts"
import type { ObjectRef, ResourceProblem } from "../resources.ts"

/** Step of a field path: a field's name, a list's index, or a map's key. */
export type PathSegment = string | number

/** Most errors, and most warnings, that one object is reported with; a hostile object cannot fill the memory. */
const LIMIT = 100

/** Collects what is wrong with one object, and knows where in the object the check is. */
export class Report {
  /** What was found, in the order of the fields. */
  readonly problems: ResourceProblem[] = []
  /** Breaches of the schema so far, whatever their severity; grows even where the limit drops the problem. */
  breaches = 0
  /** Those of the breaches that make a value unsafe to read: a wrong type, or a required field left out. */
  unreadable = 0
  /** Paths of fields that must be there, and are, under a name that is misspelt. */
  readonly misspelled: string[] = []
  /** Set while the check is in a part that has no say over the object, such as its status. */
  advisory = false

  readonly #refer: () => ObjectRef
  #object: ObjectRef | undefined
  readonly #path: PathSegment[] = []
  #errors = 0
  #warnings = 0

  /** `refer` names the object, and is asked at the first problem: most objects have none. */
  constructor(refer: () => ObjectRef) {
    this.#refer = refer
  }

  /** True when no more warnings are taken. */
  get isFull(): boolean {
    return this.#warnings >= LIMIT
  }

  /** Steps into a field; {@link leave} steps out of it. */
  enter(segment: PathSegment): void {
    this.#path.push(segment)
  }

  /** Steps out of the field entered last. */
  leave(): void {
    this.#path.pop()
  }

  /** Reports a breach of the schema at the present field, or at one below it. */
  breach(code: ProblemCode, message: string, ...below: PathSegment[]): void {
    this.breaches++
    if (code === "InvalidType" || code === "Required") this.unreadable++
    this.#add(this.advisory ? "warning" : "error", code, message, below)
  }

  /** Reports a field that must be there and is misspelt, once: as the mistake that it is, not as two. */
  misspelt(name: string, meant: string): void {
    this.breaches++
    this.unreadable++
    this.misspelled.push(formatPath([...this.#path, meant]))
    const message = `is not a field here; did you mean ${meant}, which is required?`
    this.#add("error", "UnknownField", message, [name])
  }

  /** Reports something that is valid, yet hardly meant, at the present field or at one below it. */
  warn(code: ProblemCode, message: string, ...below: PathSegment[]): void {
    this.#add("warning", code, message, below)
  }

  #add(severity: "error" | "warning", code: ProblemCode, message: string, below: readonly PathSegment[]): void {
    const count = severity === "error" ? ++this.#errors : ++this.#warnings
    if (count > LIMIT) return
    const path = formatPath(below.length === 0 ? this.#path : [...this.#path, ...below])
    this.#object ??= this.#refer()
    this.problems.push({ severity, code, object: this.#object, path, message })
  }
}

const PLAIN_NAME = /^[A-Za-z_][\w-]*$/

/** Longest name in a path: that of the longest key a label can have. */
const LONGEST_NAME = 317

/**
 * Writes a field path: `spec.listeners[0].tls.mode`, and `metadata.labels["example.com/team"]` for names that
 * are not plain words (the name in JSON's quotes). Names are cut at 317 characters.
 */
function formatPath(path: readonly PathSegment[]): string {
  let text = ""
  for (const segment of path) {
    if (typeof segment === "number") text += `[${segment}]`
    else text += formatName(segment.slice(0, LONGEST_NAME), text === "")
  }
  return text
}

function formatName(name: string, first: boolean): string {
  if (!PLAIN_NAME.test(name)) return `[${JSON.stringify(name)}]`
  return first ? name : `.${name}`
}

/** Names a value's type as messages do. */
export function typeName(value: unknown): string {
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  if (typeof value === "object") return "an object"
  return `a ${typeof value}`
}

/** Quotes a string for a message, cut at 64 characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text)
}
