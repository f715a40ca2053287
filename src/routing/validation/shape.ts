import { suggest } from "../../primitives/suggest.ts"
import { quote, type Report, typeName } from "./report.ts"
import { didYouMean, reportUnknown } from "./unknown-fields.ts"

/**
 * What a value may be. Shapes are built once, from tables that read like the API's reference, and do two
 * things: check a value, and fill in its defaults.
 *
 * As in the API server, `null` in a field or a map counts as left out, and in a list it is a value of the wrong type.
 */
export interface Shape {
  /** Reports whatever is wrong with the value. Never throws. */
  check(value: unknown, report: Report): void
  /**
   * The value with defaults filled in and nulls taken out; the same value when there is nothing to do, and where
   * it is of the wrong type. `undefined` when the value is to be dropped.
   */
  fill(value: unknown): unknown
  /** Of a record: the fields that it may have. */
  readonly names?: ReadonlySet<string>
}

/** Checks what a shape cannot say. Runs only on values of the right shape, so `T` holds except for defaults. */
export type Rule<T> = (value: T, report: Report) => void

/** One field of a record. */
export interface Field {
  readonly shape: Shape
  readonly required: boolean
  /** What a field left out stands for; `undefined` for nothing. */
  readonly fallback: unknown
}

/** A field that must be there. */
export const required = (shape: Shape): Field => ({ shape, required: true, fallback: undefined })
/** A field that may be left out. */
export const optional = (shape: Shape): Field => ({ shape, required: false, fallback: undefined })
/** A field that stands for `fallback` when left out. */
export const defaulted = (shape: Shape, fallback: unknown): Field => ({
  shape,
  required: false,
  fallback: freeze(shape.fill(fallback)),
})

/** Makes a default unchangeable: every object that it is filled in shares it. */
function freeze(value: unknown): unknown {
  if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(freeze)
  return value
}

const same = (value: unknown): unknown => value
const pass = (): void => {}

/** Any value: a field that is known and not read. */
export const anything: Shape = { check: pass, fill: same }

/** `true` or `false`. */
export const flag: Shape = {
  check(value, report) {
    if (typeof value !== "boolean") report.breach("InvalidType", `must be true or false, not ${typeName(value)}`)
  },
  fill: same,
}

/** Limits of a string. */
export interface TextLimits {
  /** Fewest characters; 0 when left out. */
  readonly min?: number
  /** Most characters (code points). */
  readonly max?: number
  /** What the string must match. Only asked of strings within `max`. */
  readonly pattern?: RegExp
  /** Completes "must be …" when the pattern does not match. */
  readonly be?: string
  /** Ends the message about a string that does not match. */
  readonly hint?: (value: string) => string
  /** Checks a string that is within the limits above. */
  readonly rule?: Rule<string>
}

/** A string. */
export function text(limits: TextLimits = {}): Shape {
  const { min = 0, max = Number.POSITIVE_INFINITY, pattern, be = "valid", hint, rule } = limits
  return {
    check(value, report) {
      if (typeof value !== "string") {
        report.breach("InvalidType", `must be a string, not ${typeName(value)}`)
      } else if (value.length > max && lengthExceeds(value, max)) {
        report.breach("TooLong", `must have at most ${max} characters`)
      } else if (value.length < min) {
        report.breach("InvalidValue", "must not be empty")
      } else if (pattern !== undefined && !pattern.test(value)) {
        report.breach("InvalidValue", `must be ${be}, not ${quote(value)}${hint?.(value) ?? ""}`)
      } else {
        rule?.(value, report)
      }
    },
    fill: same,
  }
}

/** Counts code points, as JSON Schema does, and stops at the limit. */
function lengthExceeds(value: string, max: number): boolean {
  if (value.length > max * 2) return true
  let length = 0
  for (const _ of value) if (++length > max) return true
  return false
}

/** One of a few words. */
export function choice(...words: readonly string[]): Shape {
  const known = new Set(words)
  return {
    check(value, report) {
      if (typeof value !== "string") {
        report.breach("InvalidType", `must be one of ${words.join(", ")}, not ${typeName(value)}`)
      } else if (!known.has(value)) {
        const hint = didYouMean(suggest(value, words))
        report.breach("NotSupported", `must be one of ${words.join(", ")}, not ${quote(value)}${hint}`)
      }
    },
    fill: same,
  }
}

/** An integer between two bounds, both included. */
export function integer(min: number, max: number): Shape {
  return {
    check(value, report) {
      if (typeof value !== "number" || !Number.isInteger(value)) {
        const found = typeof value === "number" ? String(value) : typeName(value)
        const hint = typeof value === "string" && /^\d{1,9}$/.test(value) ? `; write ${value} without quotes` : ""
        report.breach("InvalidType", `must be an integer, not ${found}${hint}`)
      } else if (value < min || value > max) {
        report.breach("InvalidValue", `must be between ${min} and ${max}, not ${value}`)
      }
    },
    fill: same,
  }
}

/** Limits of a list. */
export interface ListLimits<T> {
  /** Fewest items; 0 when left out. */
  readonly min?: number
  /** Most items. */
  readonly max?: number
  /** Checks the list as a whole, when each item is well. */
  readonly rule?: Rule<readonly T[]>
}

/** A list of values of one shape. */
export function list<T = unknown>(item: Shape, limits: ListLimits<T> = {}): Shape {
  const { min = 0, max = Number.POSITIVE_INFINITY, rule } = limits
  return {
    check(value, report) {
      if (!Array.isArray(value)) return report.breach("InvalidType", `must be a list, not ${typeName(value)}`)
      if (value.length > max) return report.breach("TooMany", `must have at most ${max} items, not ${value.length}`)
      if (value.length < min) return report.breach("InvalidValue", `must have at least ${min} item`)
      const before = report.breaches
      for (let index = 0; index < value.length; index++) {
        report.enter(index)
        item.check(value[index], report)
        report.leave()
      }
      if (report.breaches === before) rule?.(value, report)
    },
    fill(value) {
      if (!Array.isArray(value)) return value
      let copy: unknown[] | undefined
      for (let index = 0; index < value.length; index++) {
        const filled = item.fill(value[index])
        if (filled === value[index]) continue
        copy ??= value.slice()
        copy[index] = filled
      }
      return copy ?? value
    },
  }
}

/** Limits of a map. */
export interface MapLimits {
  /** Most entries. */
  readonly max?: number
  /** Checks each key, entered as the present field. */
  readonly key?: Rule<string>
}

/** A map from names that the author chooses to values of one shape. */
export function map(item: Shape, { max = Number.POSITIVE_INFINITY, key: checkKey }: MapLimits = {}): Shape {
  return {
    check(value, report) {
      if (!isRecord(value)) return report.breach("InvalidType", `must be a map, not ${typeName(value)}`)
      const keys = Object.keys(value).filter((key) => isGiven(value[key]))
      if (keys.length > max) return report.breach("TooMany", `must have at most ${max} entries, not ${keys.length}`)
      for (const key of keys) {
        report.enter(key)
        checkKey?.(key, report)
        item.check(value[key], report)
        report.leave()
      }
    },
    fill(value) {
      if (!isRecord(value)) return value
      const entries = Object.entries(value)
      if (entries.every(([, entry]) => isGiven(entry))) return value
      return Object.fromEntries(entries.filter(([, entry]) => isGiven(entry)))
    },
  }
}

/** How a record treats what its table does not say. */
export interface RecordLimits<T> {
  /** Fields that are not in the table are none of our business; otherwise each is a warning. */
  readonly open?: boolean
  /** Checks the record as a whole, when each field is well. */
  readonly rule?: Rule<T>
}

/** An object with known fields. */
export function record<T = unknown>(table: Readonly<Record<string, Field>>, limits: RecordLimits<T> = {}): Shape {
  const { open = false, rule } = limits
  const fields = Object.entries(table).map(([name, field]) => ({ name, within: field.shape.names, ...field }))
  const names = new Set(Object.keys(table))
  return {
    names,
    check(value, report) {
      if (!isRecord(value)) return report.breach("InvalidType", `must be an object, not ${typeName(value)}`)
      const before = report.breaches
      let given = 0
      let missing: Set<string> | undefined
      for (const { name, shape, required } of fields) {
        const item = value[name]
        if (isGiven(item)) {
          given++
          report.enter(name)
          shape.check(item, report)
          report.leave()
        } else if (required) {
          missing ??= new Set()
          missing.add(name)
        }
      }
      if (!open && countKeys(value) > given) reportUnknown(value, fields, names, missing, report)
      if (missing !== undefined) for (const name of missing) report.breach("Required", "is required", name)
      if (report.breaches === before) rule?.(value as T, report)
    },
    fill(value) {
      if (!isRecord(value)) return value
      let copy: Record<string, unknown> | undefined
      for (const { name, shape, fallback } of fields) {
        const item = value[name]
        const filled = (isGiven(item) ? shape.fill(item) : undefined) ?? fallback
        if (filled === item) continue
        copy ??= { ...value }
        if (filled === undefined) delete copy[name]
        else copy[name] = filled
      }
      return copy ?? value
    },
  }
}

/** At least the number of the object's own keys; unlike `Object.keys`, makes no list of them. */
function countKeys(value: Record<string, unknown>): number {
  let count = 0
  for (const _ in value) count++
  return count
}

/**
 * A part of the object that has no say over the rest, such as the status: what is wrong with it is a warning,
 * and it is dropped where it could not be read safely.
 */
export function advisory(shape: Shape, isReadable: (value: unknown) => boolean): Shape {
  return {
    check(value, report) {
      const breaches = report.breaches
      report.advisory = true
      shape.check(value, report)
      report.advisory = false
      report.breaches = breaches
    },
    fill: (value) => (isReadable(value) ? shape.fill(value) : undefined),
  }
}

/** True for objects that are not lists. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** False for a field left out, or `null`. */
function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}
