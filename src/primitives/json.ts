/** Total readers of untrusted JSON: each answers `undefined` for what is not there or is of another type. */

/** A JSON object. Read it with {@link field}, which sees own properties only. */
export type JsonObject = Readonly<Record<string, unknown>>

/** `value` as an object that is no array. */
export function objectOf(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined
}

/** Own property `name` of `value`; names such as `__proto__` never reach a prototype. */
export function field(value: unknown, name: string): unknown {
  const object = objectOf(value)
  return object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined
}

/** `value` as an array. */
export function arrayOf(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? (value as readonly unknown[]) : undefined
}

/** `value` as a string. */
export function stringOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined
}

/** `value` as an integer from `least` to `most`. */
export function integerOf(value: unknown, least: number, most: number): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= least && value <= most ? value : undefined
}

/** Own string entries of an object, such as labels. */
export function stringMapOf(value: unknown): ReadonlyMap<string, string> {
  const object = objectOf(value)
  const map = new Map<string, string>()
  if (object === undefined) return map
  for (const key of Object.keys(object)) {
    const text = object[key]
    if (typeof text === "string") map.set(key, text)
  }
  return map
}

/** Whether a field is left out. `null` counts as left out, as the API server treats it. */
export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null
}

/** What is there of a list: the list itself when nothing is missing, as lists that are filtered keep room for more. */
export function presentOf<T>(list: readonly (T | undefined)[]): readonly T[] {
  return list.includes(undefined) ? list.filter((item) => item !== undefined) : (list as readonly T[])
}
