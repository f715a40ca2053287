/**
 * A list in parts of a few hundred elements. A list with few changes has the parts of the one before it, all but a few:
 * what is made of a part is made once, and what lives long is not copied.
 */
export type Parts<T> = readonly (readonly T[])[]

const LONGEST_PART = 256

/** A list in parts: those of `before`, where it has the same elements. */
export function partsOf<T>(list: readonly T[], before: Parts<T> = []): Parts<T> {
  const parts: (readonly T[])[] = []
  let taken = 0
  let expected = 0
  for (const part of before) {
    const start = findNear(list, part, Math.max(taken, expected - LONGEST_PART), expected + LONGEST_PART)
    expected += part.length
    if (start === undefined) continue
    cut(list, taken, start, parts)
    parts.push(part)
    taken = start + part.length
    expected = taken
  }
  cut(list, taken, list.length, parts)
  return parts
}

/** What two lists do not share, one after the other. */
export function unshared<T>(
  before: Parts<T>,
  after: Parts<T>,
): { readonly before: readonly T[]; readonly after: readonly T[] } {
  const had = new Set(before)
  const has = new Set(after)
  return {
    before: before.filter((part) => !has.has(part)).flat(),
    after: after.filter((part) => !had.has(part)).flat(),
  }
}

/** Remembers what `make` makes of a part, for as long as there is that part. */
export function oncePerPart<T, R>(make: (part: readonly T[]) => R): (part: readonly T[]) => R {
  const made = new WeakMap<readonly T[], { readonly of: R }>()
  return (part) => {
    let known = made.get(part)
    if (known === undefined) {
      known = { of: make(part) }
      made.set(part, known)
    }
    return known.of
  }
}

/** Where a part is in a list, if it begins between two places: looked for everywhere, lists that share nothing would take long. */
function findNear<T>(list: readonly T[], part: readonly T[], from: number, to: number): number | undefined {
  const last = Math.min(to, list.length - part.length)
  let start = from
  while (start <= last && list[start] !== part[0]) start++
  if (start > last) return undefined
  for (let at = 1; at < part.length; at++) if (list[start + at] !== part[at]) return undefined
  return start
}

/** Cuts some elements of a list into parts of much the same length, so that one that grows does not leave crumbs. */
function cut<T>(list: readonly T[], from: number, to: number, parts: (readonly T[])[]): void {
  const count = Math.ceil((to - from) / LONGEST_PART)
  for (let at = 0; at < count; at++) {
    const start = from + Math.floor(((to - from) * at) / count)
    parts.push(list.slice(start, from + Math.floor(((to - from) * (at + 1)) / count)))
  }
}
