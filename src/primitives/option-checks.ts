import { isIP, withoutZone } from "./ip-address.ts"
import { listFew } from "./list-few.ts"
import { suggest } from "./suggest.ts"

/**
 * Arguments that cannot be what was meant, in TypeScript or in JavaScript: an option that there is not, with the one that
 * was probably meant, or a value that cannot be used.
 */
export class OptionError extends TypeError {
  override readonly name = "OptionError"
  /** Stable, for machines. */
  readonly code = "ERR_TLSROUTE_OPTION"
}

/**
 * What a value should have been; `undefined` when it is that. Where it is of the right kind and something within it is
 * not, a function says so that is given the path to the value.
 */
export type Check = (value: unknown) => string | Fault | undefined

type Fault = (path: string) => string

/** A check for each option that there is: the compiler sees to it that none is forgotten. */
export type Checks<Options> = { readonly [Name in keyof Required<Options>]: Check }

/**
 * Says what is wrong with options that a program gives, in TypeScript or in JavaScript.
 *
 * @param given - the options
 * @param checks - what there is
 * @param required - options that may not be left out, each with an example
 * @param within - path to the options, where they are options within options
 * @returns what is wrong and what to do; `undefined` when all is well
 */
export function optionFault<Options>(
  given: unknown,
  checks: Checks<Options>,
  required: { readonly [Name in keyof Options]?: string } = {},
  within = "",
): string | undefined {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    const missing = Object.entries(required)[0]
    const example = missing === undefined ? "" : `, for example { ${missing[0]}: ${missing[1]} }`
    return given === undefined
      ? `options are missing${example}`
      : `options must be an object${example}, not ${told(given)}`
  }
  const named = given as Readonly<Record<string, unknown>>
  for (const name in required) {
    const example = required[name]
    if (named[name] !== undefined) continue
    const near = Object.keys(given).find((word) => suggest(word, [name]) !== undefined && !Object.hasOwn(checks, word))
    const meant = near === undefined ? "" : `; did you mean it by "${near}"?`
    const told = Object.hasOwn(given, name) ? ", not undefined" : ""
    return `the option "${within}${name}" is missing, for example ${name}: ${String(example)}${told}${meant}`
  }
  // A parser is made for each connection: no list of names and values is made for its options.
  for (const name in named) {
    if (!Object.hasOwn(named, name)) continue
    const value = named[name]
    if (!Object.hasOwn(checks, name)) {
      const meant = suggest(name, Object.keys(checks))
      const hint = meant === undefined ? `there are ${listFew(Object.keys(checks))}` : `did you mean "${meant}"?`
      return `there is no option "${within}${name}"; ${hint}`
    }
    if (value === undefined) continue
    const fault = faultOf(within + name, value, (checks as Record<string, Check>)[name] ?? anything)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** Refuses what is wrong with options. `what` is the function, as its caller knows it. */
type Refuse = <Options>(
  what: string,
  given: unknown,
  checks: Checks<Options>,
  required?: { readonly [Name in keyof Options]?: string },
) => void

/** @returns what throws the error that is made of a message, where options cannot be what was meant */
export function refuser(error: (message: string) => Error): Refuse {
  return (what, given, checks, required) => {
    const fault = optionFault(given, checks, required)
    if (fault !== undefined) throw error(`${what}: ${fault}`)
  }
}

/** Refuses an argument that is not what a function takes. `what` is the function, as its caller knows it. */
type RefuseArgument = (what: string, given: unknown, check: Check) => void

/** @returns what throws the error that is made of a message, where an argument cannot be what was meant */
export function argumentRefuser(error: (message: string) => Error): RefuseArgument {
  return (what, given, check) => {
    const fault = check(given)
    if (typeof fault === "function") throw error(`${what}: ${fault("")}`)
    if (fault !== undefined) throw error(`${what}: it must be given ${fault}, not ${told(given)}`)
  }
}

const optionError = (message: string) => new OptionError(message)

/** For functions that have no error of their own: throws {@link OptionError}. */
export const refuseOptions = refuser(optionError)

/** The same, for an argument that is no object of options. */
export const refuseArgument = argumentRefuser(optionError)

function faultOf(path: string, value: unknown, check: Check): string | undefined {
  const fault = check(value)
  if (typeof fault === "function") return fault(path)
  return fault && `the option "${path}" must be ${fault}, not ${told(value)}`
}

/** Anything: what it is used for looks at it closely. */
export const anything: Check = () => undefined

/** @returns a check for values that hold, by a word for them */
export function holding(expected: string, holds: (value: unknown) => boolean): Check {
  return (value) => (holds(value) ? undefined : expected)
}

/** Text that is not empty. */
export const text = holding("text that is not empty", (value) => typeof value === "string" && value !== "")

/** True or false. */
export const flag = holding("true or false", (value) => typeof value === "boolean")

/** A function. */
export const callable = holding("a function", (value) => typeof value === "function")

/** Text, which may be empty. */
export const anyText = holding("text", (value) => typeof value === "string")

/** What was read from a socket. */
export const bytes = holding("bytes, as a socket gives them that has no encoding: a Buffer or Uint8Array", isBytes)

/** Bytes of any realm: those of a test runner's are not those of Node.js's own. */
export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array || Object.prototype.toString.call(value) === "[object Uint8Array]"
}

/** An IP address. */
export const ipAddress = holding("an IP address", (value) => typeof value === "string" && isIP(withoutZone(value)))

/** One of these words. */
export function oneOf(...words: readonly string[]): Check {
  return holding(`one of ${words.map((word) => `"${word}"`).join(", ")}`, (value) => words.includes(value as string))
}

/** A whole number in these bounds. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): Check {
  const bounds = max === Number.MAX_SAFE_INTEGER ? `, ${min} or more` : ` from ${min} to ${max}`
  return holding(
    `a whole number${bounds}`,
    (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
  )
}

/** A number in these bounds, or `Infinity`. */
export function atLeast(min: number, unit = ""): Check {
  return holding(`a number${unit}, ${min} or more`, (value) => typeof value === "number" && value >= min)
}

/** A number above 0 of such things, or `Infinity`. */
export function positive(unit: string): Check {
  return holding(`a number of ${unit} above 0`, (value) => typeof value === "number" && value > 0)
}

/** Either of these. */
export function either(...checks: readonly Check[]): Check {
  return (value) => {
    const faults = checks.map((check) => check(value))
    if (faults.includes(undefined)) return undefined
    // A value of the right kind for one of them is told what is wrong within.
    return faults.find((fault) => typeof fault === "function") ?? faults.join(", or ")
  }
}

/** A list of such values. */
export function listOf(each: Check, what: string): Check {
  return (value) => {
    if (!Array.isArray(value)) return `a list of ${what}`
    const wrong = value.findIndex((one) => each(one) !== undefined)
    return wrong === -1 ? undefined : (path) => faultOf(`${path}[${wrong}]`, value[wrong], each) ?? ""
  }
}

/** An object whose values are such. */
export function recordOf(each: Check, what: string): Check {
  return (value) => {
    if (!isRecord(value)) return `an object of ${what}`
    const wrong = Object.keys(value).find((name) => each(value[name]) !== undefined)
    return wrong === undefined ? undefined : (path) => faultOf(`${path}.${wrong}`, value[wrong], each) ?? ""
  }
}

/** An object with these methods. */
export function having(...methods: readonly string[]): Check {
  return holding(
    `an object with ${methods.map((name) => `${name}()`).join(" and ")}`,
    (value) => isRecord(value) && methods.every((name) => typeof value[name] === "function"),
  )
}

/** Options within options, of which those with an example may not be left out. */
export function options<Options>(
  checks: Checks<Options>,
  required?: { readonly [Name in keyof Options]?: string },
): Check {
  return (value) => {
    if (!isRecord(value)) return "an object of options"
    if (optionFault(value, checks, required) === undefined) return undefined
    return (path) => optionFault(value, checks, required, `${path}.`) ?? ""
  }
}

/** A signal of an `AbortController`. */
export const abortSignal = holding("an AbortSignal", (value) => value instanceof AbortSignal)

/** Milliseconds, `Infinity` among them. */
export const milliseconds = atLeast(0, " of milliseconds")

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** A value of anything, in a few words. */
function told(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  if (typeof value === "function") return "a function"
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : `a list that begins with ${told(value[0])}`
  return typeof value === "object" && value !== null ? "an object" : String(value)
}
