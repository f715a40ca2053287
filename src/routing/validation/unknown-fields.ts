import { suggest } from "../../primitives/suggest.ts"
import type { Report } from "./report.ts"

/** What is known of a field for which another one may have been meant. */
export interface KnownField {
  readonly name: string
  /** Fields of the record in it. */
  readonly within: ReadonlySet<string> | undefined
}

/** A field that is missed, and there under another name, is one mistake: it is taken out of those missing. */
export function reportUnknown(
  value: Record<string, unknown>,
  fields: readonly KnownField[],
  names: ReadonlySet<string>,
  missing: Set<string> | undefined,
  report: Report,
): void {
  for (const key of Object.keys(value)) {
    // Looking for what was meant takes time, and is not worth it for what is not reported.
    if (report.isFull) return
    if (names.has(key) || value[key] === undefined) continue
    const sibling = suggest(key, names) ?? relative(key, names)
    // A status is written by programs: what is missing in it counts, whatever else is there.
    if (sibling !== undefined && !report.advisory && missing?.delete(sibling)) {
      report.misspelt(key, sibling)
      continue
    }
    const parent = sibling === undefined ? fields.find(({ within }) => within?.has(key)) : undefined
    const meant = parent === undefined ? sibling : `${parent.name}.${key}`
    report.warn("UnknownField", `is not a field here, and has no effect${didYouMean(meant)}`, key)
  }
}

/** Fewest characters that two names must share. */
const SHARED = 4

/** A field whose name ends another's, as `port` does `servicePort`, or begins with it, as `hostname` does with `host`. */
function relative(key: string, names: ReadonlySet<string>): string | undefined {
  const wanted = key.toLowerCase()
  if (wanted.length < SHARED) return undefined
  return [...names].find((name) => {
    const known = name.toLowerCase()
    return (known.length >= SHARED && wanted.endsWith(known)) || known.startsWith(wanted)
  })
}

/** Ends a message with what was probably meant. */
export function didYouMean(meant: string | undefined): string {
  return meant === undefined ? "" : `; did you mean ${meant}?`
}
