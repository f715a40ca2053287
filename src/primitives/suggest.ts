/** Longest name that is compared; longer ones are no slip of the pen, and would cost time. */
const LONGEST = 64

/** The candidate that `name` was probably meant to be, or `undefined` when none is close. Their order does not count. */
export function suggest(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length > LONGEST) return undefined
  const wanted = name.toLowerCase()
  let best: string | undefined
  let bestDistance = wanted.length < 4 ? 2 : 3
  for (const candidate of candidates) {
    // Each character that one has more of is a step at least.
    if (Math.abs(candidate.length - wanted.length) > bestDistance) continue
    const distance = editDistance(wanted, candidate.toLowerCase())
    if (distance < bestDistance || (distance === bestDistance && best !== undefined && candidate < best)) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/**
 * Whether `name` is `meant` with one slip of the pen: a character more, less or another, or two of them swapped. Not where
 * that is a digit or in a part of two characters: `edge-1` and `edge-2`, `edge-eu` and `edge-us` are both meant.
 */
export function isSlip(name: string, meant: string): boolean {
  const shorter = Math.min(name.length, meant.length)
  let start = 0
  while (start < shorter && name[start] === meant[start]) start++
  let end = 0
  while (end < shorter - start && name[name.length - 1 - end] === meant[meant.length - 1 - end]) end++
  const [is, was] = [name, meant].map((text) => text.slice(start, text.length - end)) as [string, string]
  const isSwapped = is.length === 2 && was === `${is[1]}${is[0]}`
  if (!isSwapped && (is.length > 1 || was.length > 1)) return false
  const part = (text: string): string =>
    `${/[^-./]*$/.exec(text.slice(0, start))?.[0]}${/^[^-./]*/.exec(text.slice(start))?.[0]}`
  return name !== meant && !/\d/.test(`${is}${was}`) && part(name).length > 2 && part(meant).length > 2
}

/** Insertions, deletions and replacements that turn one string into the other (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1]
    for (let j = 0; j < to.length; j++) {
      const replaced = (row[j] ?? 0) + (from[i] === to[j] ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
