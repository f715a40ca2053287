import { isIPv4, isIPv6 } from "node:net"

const V4_MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] as const

/**
 * Reads an IP literal into 4 or 16 bytes. An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) becomes the
 * IPv4 address it stands for: a dual-stack socket reports IPv4 clients that way, and one client must not
 * count as two. A zone (`%eth0`) is dropped.
 *
 * @returns the bytes in network order, or `undefined` when the text is no IP literal.
 */
export function parseIpAddress(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return parseIPv4(text)
  if (!isIPv6(text)) return undefined
  const bytes = parseIPv6(text)
  return isV4Mapped(bytes) ? bytes.subarray(12) : bytes
}

/**
 * Writes 4 or 16 bytes as an IP literal: dotted decimal, or the canonical text form of RFC 5952. An
 * IPv4-mapped IPv6 address is written as IPv4.
 */
export function formatIpAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".")
  if (isV4Mapped(bytes)) return bytes.subarray(12).join(".")
  return formatIPv6(bytes)
}

/** One spelling per address: RFC 5952, IPv4-mapped as IPv4, no zone. Text that is no IP literal is returned as it is. */
export function canonicalIpAddress(text: string): string {
  if (isIPv4(text)) return text
  const bytes = parseIpAddress(text)
  return bytes === undefined ? text : formatIpAddress(bytes)
}

/** The 16 bytes of an address as IPv6, IPv4 mapped. */
export function toIPv6Bytes(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 16) return bytes
  const mapped = new Uint8Array(16)
  mapped.set(V4_MAPPED_PREFIX)
  mapped.set(bytes, 12)
  return mapped
}

function isV4Mapped(bytes: Uint8Array): boolean {
  return V4_MAPPED_PREFIX.every((byte, index) => bytes[index] === byte)
}

function parseIPv4(text: string): Uint8Array {
  return Uint8Array.from(text.split("."), Number)
}

function parseIPv6(text: string): Uint8Array {
  const zone = text.indexOf("%")
  const address = zone === -1 ? text : text.slice(0, zone)
  const bytes = new Uint8Array(16)
  const gap = address.indexOf("::")
  const head = gap === -1 ? address : address.slice(0, gap)
  const tail = gap === -1 ? "" : address.slice(gap + 2)
  bytes.set(groupBytes(head))
  const tailBytes = groupBytes(tail)
  bytes.set(tailBytes, 16 - tailBytes.length)
  return bytes
}

function groupBytes(text: string): number[] {
  if (text === "") return []
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
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
