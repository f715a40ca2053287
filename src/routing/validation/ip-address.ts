const DECIMAL_BYTE = /^(?:0|[1-9]\d{0,2})$/
const HEX_GROUP = /^[0-9a-fA-F]{1,4}$/

/** True for four decimal bytes. Leading zeros are refused: readers disagree whether `010` is octal. */
export function isIPv4(text: string): boolean {
  if (text.length > 15) return false
  const bytes = text.split(".")
  return bytes.length === 4 && bytes.every((byte) => DECIMAL_BYTE.test(byte) && Number(byte) <= 255)
}

/** True for an IPv6 address as RFC 4291 section 2.2 writes it; zones (`%eth0`) are refused. */
export function isIPv6(text: string): boolean {
  if (text.length > 45 || !text.includes(":")) return false
  const gap = text.indexOf("::")
  if (gap === -1) return groupCount(text, true) === 8
  if (text.includes("::", gap + 1)) return false
  const head = text.slice(0, gap)
  const tail = text.slice(gap + 2)
  const before = head === "" ? 0 : groupCount(head, false)
  const after = tail === "" ? 0 : groupCount(tail, true)
  // RFC 4291 lets "::" stand for one group or more.
  return before >= 0 && after >= 0 && before + after <= 7
}

/** True for an IPv4 or IPv6 address, as Go's `net.ParseIP` reads them. */
export function isIP(text: string): boolean {
  return isIPv4(text) || isIPv6(text)
}

/** Number of 16-bit groups, the last two of which may be written as an IPv4 address; -1 when malformed. */
function groupCount(text: string, ipv4Tail: boolean): number {
  const groups = text.split(":")
  const last = groups[groups.length - 1] ?? ""
  const dotted = ipv4Tail && last.includes(".")
  if (dotted && !isIPv4(last)) return -1
  const hex = dotted ? groups.slice(0, -1) : groups
  if (!hex.every((group) => HEX_GROUP.test(group))) return -1
  return hex.length + (dotted ? 2 : 0)
}
