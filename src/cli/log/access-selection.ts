import { type ConnectionRecord, UNPROVEN_CLIENT } from "../../proxy/connection/record.ts"
import { UNREMARKABLE } from "../../proxy/connection/unremarkable.ts"

/** Which connections have a line of their own. */
export type AccessSelection = "all" | "none" | { readonly shareOfOthers: number }

/**
 * Reads `all`, `none`, `failures`, or a share such as `1%`: that share of the connections, drawn at random, and every
 * failure. A failure is a connection that was refused, or that its backend reset.
 *
 * @returns `undefined` when it is none of them
 */
export function parseAccessSelection(text: string): AccessSelection | undefined {
  if (text === "all" || text === "none") return text
  if (text === "failures") return { shareOfOthers: 0 }
  const [, digits] = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text) ?? []
  const share = Number(digits) / 100
  return share >= 0 && share <= 1 ? { shareOfOthers: share } : undefined
}

/**
 * Whether a connection has a line.
 *
 * @param selection - which ones have
 * @param record - what became of it
 * @param logProbes - whether connections have one at all that end without a byte, or whose client has never answered over
 * QUIC, of which a flood has thousands; of those whose client has no address any more there is nothing to tell
 */
export function isSelected(
  selection: AccessSelection,
  { outcome, detail, clientAddress }: Pick<ConnectionRecord, "outcome" | "detail" | "clientAddress">,
  logProbes = false,
): boolean {
  if (detail === UNPROVEN_CLIENT && !logProbes) return false
  if (outcome === "probe" && (!logProbes || clientAddress === "")) return false
  if (typeof selection === "string") return selection === "all"
  return !UNREMARKABLE.has(outcome) || Math.random() < selection.shareOfOthers
}
