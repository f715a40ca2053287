/** An IP address as 4 or 16 bytes. */
export type IpBytes = readonly number[]

const DECIMAL_BYTE = /^(0|[1-9]\d{0,2})$/
const HEX_GROUP = /^[0-9a-f]{1,4}$/i

/** Bytes of an IPv4 or IPv6 literal without zone or brackets, or `undefined`. Strict: no octal, no short forms. */
export function parseIp(text: string): IpBytes | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text)
}

/** One spelling per address: IPv4-mapped IPv6 becomes IPv4, IPv6 follows RFC 5952. `undefined` when it is no IP address. */
export function canonicalIp(text: string): string | undefined {
  const bytes = parseIp(text)
  if (bytes === undefined) return undefined
  const ipv4 = embeddedIpv4(bytes, MAPPED)
  if (ipv4 !== undefined) return ipv4.join(".")
  return formatIpv6(bytes)
}

/** IPv4 address carried in the last four bytes under a prefix of twelve; an IPv4 address is returned as it is. */
function embeddedIpv4(bytes: IpBytes, prefix: IpBytes): IpBytes | undefined {
  if (bytes.length === 4) return bytes
  return prefix.every((byte, at) => bytes[at] === byte) ? bytes.slice(12) : undefined
}

/** `::ffff:0:0/96`, IPv4-mapped addresses. */
const MAPPED: IpBytes = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]

function parseIpv4(text: string): IpBytes | undefined {
  const parts = text.split(".")
  if (parts.length !== 4) return undefined
  const bytes: number[] = []
  for (const part of parts) {
    if (!DECIMAL_BYTE.test(part) || Number(part) > 255) return undefined
    bytes.push(Number(part))
  }
  return bytes
}

function parseIpv6(text: string): IpBytes | undefined {
  if (text.length > 45) return undefined
  const halves = text.split("::")
  if (halves.length > 2) return undefined
  const head = groups(halves[0] ?? "", halves.length === 1)
  if (halves.length === 1) return head?.length === 16 ? head : undefined
  const tail = groups(halves[1] ?? "", true)
  if (head === undefined || tail === undefined || head.length + tail.length > 14) return undefined
  return [...head, ...new Array<number>(16 - head.length - tail.length).fill(0), ...tail]
}

/** Bytes of groups separated by `:`; the last may be dotted IPv4 where `dotted` allows. */
function groups(text: string, dotted: boolean): number[] | undefined {
  if (text === "") return []
  const bytes: number[] = []
  const parts = text.split(":")
  for (const [at, part] of parts.entries()) {
    if (dotted && at === parts.length - 1 && part.includes(".")) {
      const ipv4 = parseIpv4(part)
      if (ipv4 === undefined) return undefined
      bytes.push(...ipv4)
      continue
    }
    if (!HEX_GROUP.test(part)) return undefined
    const value = Number.parseInt(part, 16)
    bytes.push(value >> 8, value & 0xff)
  }
  return bytes
}

function formatIpv6(bytes: IpBytes): string {
  const words: string[] = []
  for (let at = 0; at < 16; at += 2) words.push((((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16))
  const zeros = longestZeroRun(words)
  if (zeros.length < 2) return words.join(":")
  return `${words.slice(0, zeros.start).join(":")}::${words.slice(zeros.start + zeros.length).join(":")}`
}

function longestZeroRun(words: readonly string[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < words.length; start++) {
    let end = start
    while (words[end] === "0") end++
    if (end - start > best.length) best = { start, length: end - start }
    if (end > start) start = end
  }
  return best
}
