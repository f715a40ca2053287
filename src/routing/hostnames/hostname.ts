import { anyText, refuseArgument } from "../../primitives/option-checks.ts"

/**
 * Hostnames as Gateway API compares them: exact (`a.example.com`), wildcard (`*.example.com`, any number
 * of labels before the suffix) and any (`*`, how a hostname that was left out is written here).
 */

/** Stands for a hostname that was left out: every name, and no name at all. */
export const ANY_HOSTNAME = "*"

const PATTERN = /^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/
const MAX_LENGTH = 253

/**
 * Whether `text` may stand in `hostnames` or `listeners[].hostname`: lower case, at most 253 characters,
 * a wildcard only as the whole first label, no IP address, no trailing dot. What is no text may not.
 */
export function isHostname(text: string): boolean {
  return typeof text === "string" && text.length <= MAX_LENGTH && PATTERN.test(text) && !IPV4.test(text)
}

/**
 * Whether `hostname` (exact, wildcard or `*`) matches the one name `name`. A wildcard never matches its own suffix.
 *
 * @throws {@link OptionError} when one of them is no text
 */
export function hostnameMatches(hostname: string, name: string): boolean {
  refuseOtherThanText("hostnameMatches", hostname, name)
  if (hostname === ANY_HOSTNAME) return true
  if (!isWildcard(hostname)) return hostname === name
  return name.length >= hostname.length && name.endsWith(hostname.slice(1))
}

/**
 * The hostname that matches exactly the names that both match, or `undefined` when there are none.
 *
 * @throws {@link OptionError} when one of them is no text: a hostname that was left out is {@link ANY_HOSTNAME}
 */
export function intersectHostnames(a: string, b: string): string | undefined {
  refuseOtherThanText("intersectHostnames", a, b)
  if (a === b || b === ANY_HOSTNAME) return a
  if (a === ANY_HOSTNAME) return b
  const wildA = isWildcard(a)
  const wildB = isWildcard(b)
  if (wildA && wildB) return a.length > b.length ? nested(a, b) : nested(b, a)
  if (wildA) return hostnameMatches(a, b) ? b : undefined
  if (wildB) return hostnameMatches(b, a) ? a : undefined
  return undefined
}

/**
 * How specific a hostname is: exact before wildcard, wildcards by the number of labels after `*`, `*` last.
 * A greater number is more specific; only numbers of hostnames that share a name compare meaningfully.
 *
 * @throws {@link OptionError} when it is no text
 */
export function hostnameSpecificity(hostname: string): number {
  refuseOtherThanText("hostnameSpecificity", hostname)
  if (hostname === ANY_HOSTNAME) return 0
  return isWildcard(hostname) ? labelCount(hostname, 1) : Number.POSITIVE_INFINITY
}

/** Every other hostname that matches all that `hostname` does, most specific first: `a.x.y` → `*.x.y`, `*.y`, `*`. */
export function widerHostnames(hostname: string): readonly string[] {
  if (hostname === ANY_HOSTNAME) return []
  const wider: string[] = []
  const from = isWildcard(hostname) ? 2 : 0
  for (let dot = hostname.indexOf(".", from); dot !== -1; dot = hostname.indexOf(".", dot + 1)) {
    wider.push(`*${hostname.slice(dot)}`)
  }
  return [...wider, ANY_HOSTNAME]
}

/** Whether `hostname` is a wildcard with a suffix. */
export function isWildcard(hostname: string): boolean {
  return hostname.length > 1 && hostname.charCodeAt(0) === 0x2a
}

function refuseOtherThanText(what: string, ...given: readonly string[]): void {
  for (const text of given) if (typeof text !== "string") refuseArgument(what, text, anyText)
}

function nested(longer: string, shorter: string): string | undefined {
  return longer.endsWith(shorter.slice(1)) ? longer : undefined
}

/** Number of dots from `from` on: for `*.example.com` from 1, that is 2. */
function labelCount(hostname: string, from: number): number {
  let dots = 0
  for (let at = hostname.indexOf(".", from); at !== -1; at = hostname.indexOf(".", at + 1)) dots++
  return dots
}
