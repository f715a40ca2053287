const V4_MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] as const
const DECIMAL_BYTE = /^(?:0|[1-9]\d{0,2})$/
const HEX_GROUP = /^[0-9a-f]{1,4}$/i
const LONGEST_IPV6 = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".length

/**
 * Reads an IP literal into 4 or 16 bytes, as Go's `net.ParseIP` and Node.js do: no short forms, no brackets, no zone,
 * and no leading zeros in decimal bytes, since readers disagree whether `010` is octal.
 *
 * @returns the bytes in network order, or `undefined` when the text is no IP literal.
 */
export function parseIp(text: string): Uint8Array | undefined {
  const bytes = text.includes(":") ? parseIPv6(text) : parseIPv4(text)
  return bytes === undefined ? undefined : Uint8Array.from(bytes)
}

/** True for four decimal bytes. */
export function isIPv4(text: string): boolean {
  return parseIPv4(text) !== undefined
}

/** True for an IPv6 address as RFC 4291 section 2.2 writes it. */
export function isIPv6(text: string): boolean {
  return text.includes(":") && parseIPv6(text) !== undefined
}

/** True for an IPv4 or IPv6 address. */
export function isIP(text: string): boolean {
  return isIPv4(text) || isIPv6(text)
}

/** `fe80::1%eth0` without its zone (RFC 4007 section 11), which means something on one machine only. */
export function withoutZone(text: string): string {
  const zone = text.indexOf("%")
  return zone === -1 ? text : text.slice(0, zone)
}

/**
 * An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) as the IPv4 address it stands for; others as they are. A
 * dual-stack socket reports IPv4 clients that way, and one client must not count as two.
 */
export function unmapped(bytes: Uint8Array): Uint8Array {
  return bytes.length === 16 && V4_MAPPED_PREFIX.every((byte, index) => bytes[index] === byte)
    ? bytes.subarray(12)
    : bytes
}

/** The 16 bytes of an address as IPv6, IPv4 mapped. */
export function toIPv6Bytes(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 16) return bytes
  const mapped = new Uint8Array(16)
  mapped.set(V4_MAPPED_PREFIX)
  mapped.set(bytes, 12)
  return mapped
}

/**
 * Writes 4 or 16 bytes as an IP literal: dotted decimal, or the canonical text form of RFC 5952. An
 * IPv4-mapped IPv6 address is written as IPv4.
 */
export function formatIp(bytes: Uint8Array): string {
  const plain = unmapped(bytes)
  return plain.length === 4 ? plain.join(".") : formatIPv6(plain)
}

/** One spelling per address: RFC 5952, IPv4-mapped as IPv4. `undefined` when the text is no IP literal. */
export function canonicalIp(text: string): string | undefined {
  const bytes = parseIp(text)
  return bytes === undefined ? undefined : formatIp(bytes)
}

function parseIPv4(text: string): readonly number[] | undefined {
  const parts = text.split(".")
  if (parts.length !== 4) return undefined
  return parts.every((part) => DECIMAL_BYTE.test(part) && Number(part) <= 255) ? parts.map(Number) : undefined
}

function parseIPv6(text: string): readonly number[] | undefined {
  if (text.length > LONGEST_IPV6) return undefined
  const gap = text.indexOf("::")
  if (gap === -1) {
    const bytes = groupBytes(text, true)
    return bytes?.length === 16 ? bytes : undefined
  }
  const head = text.slice(0, gap)
  const tail = text.slice(gap + 2)
  const before = head === "" ? [] : groupBytes(head, false)
  const after = tail === "" ? [] : groupBytes(tail, true)
  if (before === undefined || after === undefined) return undefined
  const zeros = 16 - before.length - after.length
  // RFC 4291 lets "::" stand for one group or more.
  return zeros < 2 ? undefined : [...before, ...new Array<number>(zeros).fill(0), ...after]
}

/** Bytes of groups between colons, the last two of which may be written as an IPv4 address. */
function groupBytes(text: string, ipv4Tail: boolean): readonly number[] | undefined {
  const groups = text.split(":")
  const last = groups.at(-1) ?? ""
  const ipv4 = ipv4Tail && last.includes(".") ? parseIPv4(last) : []
  if (ipv4 === undefined) return undefined
  const hex = ipv4.length === 0 ? groups : groups.slice(0, -1)
  if (!hex.every((group) => HEX_GROUP.test(group))) return undefined
  return [...hex.map((group) => Number.parseInt(group, 16)).flatMap((value) => [value >> 8, value & 0xff]), ...ipv4]
}

function formatIPv6(bytes: Uint8Array): string {
  const groups: number[] = []
  for (let index = 0; index < 16; index += 2) groups.push(((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0))
  const zeros = longestZeroRun(groups)
  const hex = groups.map((group) => group.toString(16))
  if (zeros.length < 2) return hex.join(":")
  return `${hex.slice(0, zeros.start).join(":")}::${hex.slice(zeros.start + zeros.length).join(":")}`
}

/** RFC 5952 section 4.2.3: the longest run is shortened, the first of equals. */
function longestZeroRun(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 }
  let start = -1
  for (let index = 0; index <= groups.length; index++) {
    if (groups[index] === 0) {
      if (start === -1) start = index
      continue
    }
    if (start !== -1 && index - start > best.length) best = { start, length: index - start }
    start = -1
  }
  return best
}
