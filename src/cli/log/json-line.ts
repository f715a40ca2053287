/**
 * JSON on one line of printable ASCII. Clients choose what goes into their ClientHello: nothing of it may
 * reach a terminal or a log collector as a control character, a line break, or text that changes direction.
 */
export function jsonLine(value: unknown): string {
  const text = JSON.stringify(value, (_, item) => (typeof item === "bigint" ? item.toString() : item)) ?? "null"
  return text.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
}

/** What stands for itself in such a line: printable ASCII but the quote and the backslash. */
const PLAIN = /^[ !#-[\]-~]*$/

/** A string as {@link jsonLine} writes it, at less cost where nothing is to be escaped. */
export function jsonText(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : jsonLine(text)
}
