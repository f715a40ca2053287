/**
 * A reader of PROXY protocol headers to hold the real one against: whole input only, plain where that one is
 * quick, and written from the specification alone. Where several things are wrong it names them all.
 */
import type { ProxyHeader } from "../../../src/proxy/proxy-protocol/header.ts"
import type { ProxyHeaderResult } from "../../../src/proxy/proxy-protocol/parser.ts"

/** A result as plain data, byte fields in hex. */
export type Answer =
  | { readonly status: "incomplete" | "absent" }
  | { readonly status: "invalid"; readonly codes: readonly string[] }
  | { readonly status: "complete"; readonly bytes: number; readonly header: PlainHeader }

interface PlainHeader {
  readonly version: 1 | 2
  readonly command: "local" | "proxy"
  readonly addresses: ProxyHeader["addresses"]
  readonly authority: string | undefined
  readonly alpn: string | undefined
  readonly uniqueId: string | undefined
  readonly ssl: string | undefined
  readonly tlvs: readonly (readonly [type: number, value: string])[]
}

const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n"
const LONGEST_LINE = 107
const ALPN = 0x01
const AUTHORITY = 0x02
const CRC32C = 0x03
const UNIQUE_ID = 0x05
const SSL = 0x20

/** What the parser under test should answer to these bytes. */
export function reference(input: Uint8Array, maxBytes = 4096): Answer {
  const bytes = Buffer.from(input)
  const text = bytes.toString("latin1")
  if (text === "") return { status: "incomplete" }
  if (text.startsWith("PROXY ")) return line(text)
  if (text.startsWith(SIGNATURE)) return binary(bytes, maxBytes)
  return { status: "PROXY ".startsWith(text) || SIGNATURE.startsWith(text) ? "incomplete" : "absent" }
}

/** What the parser under test did answer. */
export function answer(result: ProxyHeaderResult): Answer {
  if (result.status === "invalid") return { status: "invalid", codes: [result.error.code] }
  if (result.status !== "complete") return { status: result.status }
  const { header, bytesConsumed } = result
  return {
    status: "complete",
    bytes: bytesConsumed,
    header: {
      ...header,
      alpn: hex(header.alpn),
      uniqueId: hex(header.uniqueId),
      ssl: hex(header.ssl),
      tlvs: header.tlvs.map(({ type, value }) => [type, hex(value) ?? ""]),
    },
  }
}

/** Whether an answer agrees with the reference's: any one of what is wrong will do. */
export function agrees(given: Answer, expected: Answer): boolean {
  if (given.status !== "invalid" || expected.status !== "invalid") return false
  return given.codes.every((code) => expected.codes.includes(code))
}

/** The same bytes with the checksum put right, where they hold a whole header with one field for it. */
export function withRightChecksum(input: Uint8Array): Buffer | undefined {
  const bytes = Buffer.from(input)
  if (!bytes.toString("latin1").startsWith(SIGNATURE) || bytes.length < 16) return undefined
  const end = 16 + bytes.readUInt16BE(14)
  const at = 16 + ([0, 12, 36, 216][bytes.readUInt8(13) >> 4] ?? 0)
  if (bytes.length < end || at > end) return undefined
  const field = fields(bytes.subarray(at, end))?.find(({ type, value }) => type === CRC32C && value.length === 4)
  if (field === undefined) return undefined
  bytes.fill(0, at + field.at, at + field.at + 4)
  bytes.writeUInt32BE(checksum(bytes.subarray(0, end)), at + field.at)
  return bytes
}

/** CRC-32C (RFC 3720 appendix B.4), bit by bit. */
function checksum(bytes: Uint8Array): number {
  let sum = 0xffffffff
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = (sum & 1) === 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1
  }
  return ~sum >>> 0
}

// Version 1 (section 2.1)

function line(text: string): Answer {
  const end = text.indexOf("\n") + 1
  if (end === 0 || end > LONGEST_LINE) {
    return text.length < LONGEST_LINE ? { status: "incomplete" } : invalid("PROXY_LINE_TOO_LONG")
  }
  const words = /^PROXY ([\x20-\x7e]*)\r\n$/.exec(text.slice(0, end))?.[1]?.split(" ")
  if (words === undefined) return invalid("PROXY_LINE_SYNTAX")
  if (words[0] === "UNKNOWN") return complete(end, { version: 1, command: "proxy", addresses: undefined })
  if ((words[0] !== "TCP4" && words[0] !== "TCP6") || words.length !== 5) return invalid("PROXY_LINE_SYNTAX")

  const read = words[0] === "TCP4" ? dotted : colons
  const [, from = "", to = "", fromPort = "", toPort = ""] = words
  const [source, destination] = [read(from), read(to)]
  const ports = [fromPort, toPort].map((port) =>
    /^\d{1,5}$/.test(port) && String(Number(port)) === port ? Number(port) : -1,
  )
  const codes = new Set<string>()
  // An empty word makes a line of another shape before it makes a port that is none.
  if (toPort === "") codes.add("PROXY_LINE_SYNTAX")
  if (source === undefined || destination === undefined) codes.add("PROXY_ADDRESS")
  if (ports.some((port) => port < 0 || port > 65535)) codes.add("PROXY_PORT")
  if (source === undefined || destination === undefined || codes.size > 0) return invalid(...codes)
  return complete(end, {
    version: 1,
    command: "proxy",
    addresses: {
      source: { address: written(source), port: ports[0] ?? 0 },
      destination: { address: written(destination), port: ports[1] ?? 0 },
    },
  })
}

/** Four bytes of a dotted quad. */
function dotted(text: string): readonly number[] | undefined {
  const parts = text.split(".")
  const isByte = (part: string) => /^\d{1,3}$/.test(part) && String(Number(part)) === part && Number(part) < 256
  return parts.length === 4 && parts.every(isByte) ? parts.map(Number) : undefined
}

/** Sixteen bytes of an IPv6 address (RFC 4291 section 2.2). */
function colons(text: string): readonly number[] | undefined {
  const halves = text.split("::")
  if (halves.length > 2) return undefined
  const lists = halves.map((half, index) => groups(half, index === halves.length - 1))
  const [head, tail] = lists
  if (head === undefined || lists.includes(undefined)) return undefined
  if (tail === undefined) return head.length === 16 ? head : undefined
  const zeros = 16 - head.length - tail.length
  // "::" stands for one group or more.
  return zeros >= 2 ? [...head, ...new Array<number>(zeros).fill(0), ...tail] : undefined
}

function groups(text: string, isLast: boolean): readonly number[] | undefined {
  if (text === "") return []
  const words = text.split(":")
  const bytes: number[] = []
  for (const [index, word] of words.entries()) {
    const quad = isLast && index === words.length - 1 ? dotted(word) : undefined
    if (quad !== undefined) bytes.push(...quad)
    else if (/^[0-9a-f]{1,4}$/i.test(word)) bytes.push(Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 255)
    else return undefined
  }
  return bytes
}

/** RFC 5952, IPv4-mapped as IPv4; the URL standard's way of writing hosts agrees with it for all others. */
function written(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join(".")
  if (bytes.slice(0, 12).join() === "0,0,0,0,0,0,0,0,0,0,255,255") return bytes.slice(12).join(".")
  const words = Array.from({ length: 8 }, (_, at) =>
    (256 * (bytes[2 * at] ?? 0) + (bytes[2 * at + 1] ?? 0)).toString(16),
  )
  return new URL(`http://[${words.join(":")}]`).hostname.slice(1, -1)
}

// Version 2 (section 2.2)

function binary(bytes: Buffer, maxBytes: number): Answer {
  if (bytes.length < 16) return { status: "incomplete" }
  const [version, command] = [bytes.readUInt8(12) >> 4, bytes.readUInt8(12) & 15]
  const [family, transport] = [bytes.readUInt8(13) >> 4, bytes.readUInt8(13) & 15]
  const length = bytes.readUInt16BE(14)
  if (version !== 2) return invalid("PROXY_VERSION")
  if (command > 1) return invalid("PROXY_COMMAND")
  const codes: string[] = []
  const addressBytes = [0, 12, 36, 216][family]
  if (command === 1 && (addressBytes === undefined || transport > 2)) codes.push("PROXY_FAMILY")
  if (command === 1 && length < (addressBytes ?? 0)) codes.push("PROXY_TRUNCATED_ADDRESSES")
  if (command === 1 && transport === 2) codes.push("PROXY_DATAGRAM")
  if (16 + length > maxBytes) codes.push("PROXY_TOO_LONG")
  if (codes.length > 0) return invalid(...codes)
  const end = 16 + length
  if (bytes.length < end) return { status: "incomplete" }
  if (command === 0) return complete(end, { version: 2, command: "local", addresses: undefined })

  const list = fields(bytes.subarray(16 + (addressBytes ?? 0), end))
  if (list === undefined) return invalid("PROXY_TRUNCATED_TLV")
  const wrong = wrongFields(list, bytes.subarray(0, end))
  if (wrong.length > 0) return invalid(...wrong)
  const value = (type: number) => list.find((field) => field.type === type)?.value
  return complete(end, {
    version: 2,
    command: "proxy",
    addresses: transport === 1 ? ends(bytes, family) : undefined,
    authority: value(AUTHORITY)?.toString("utf8"),
    alpn: hex(value(ALPN)),
    uniqueId: hex(value(UNIQUE_ID)),
    ssl: hex(value(SSL)),
    tlvs: list.map(({ type, value }) => [type, value.toString("hex")]),
  })
}

function ends(bytes: Buffer, family: number): ProxyHeader["addresses"] {
  const size = { 1: 4, 2: 16 }[family]
  if (size === undefined) return undefined
  const [source, destination] = [bytes.subarray(16, 16 + size), bytes.subarray(16 + size, 16 + 2 * size)]
  return {
    source: { address: written([...source]), port: bytes.readUInt16BE(16 + 2 * size) },
    destination: { address: written([...destination]), port: bytes.readUInt16BE(16 + 2 * size + 2) },
  }
}

interface Field {
  readonly type: number
  readonly value: Buffer
  /** Where the value begins. */
  readonly at: number
}

function fields(bytes: Buffer): readonly Field[] | undefined {
  const list: Field[] = []
  for (let at = 0; at < bytes.length; ) {
    if (at + 3 > bytes.length) return undefined
    const end = at + 3 + bytes.readUInt16BE(at + 1)
    if (end > bytes.length) return undefined
    list.push({ type: bytes.readUInt8(at), value: bytes.subarray(at + 3, end), at: at + 3 })
    at = end
  }
  return list
}

function wrongFields(list: readonly Field[], header: Buffer): readonly string[] {
  const codes = new Set<string>()
  for (const type of [ALPN, AUTHORITY, CRC32C, UNIQUE_ID, SSL]) {
    if (list.filter((field) => field.type === type).length > 1) codes.add("PROXY_DUPLICATE_TLV")
  }
  for (const { type, value } of list) {
    const isUtf8 = Buffer.from(value.toString("utf8")).equals(value)
    if (type === AUTHORITY && (value.length > 255 || !isUtf8)) codes.add("PROXY_TLV_VALUE")
    if (type === UNIQUE_ID && value.length > 128) codes.add("PROXY_TLV_VALUE")
    if (type === CRC32C && value.length !== 4) codes.add("PROXY_TLV_VALUE")
    if (type === CRC32C && value.length === 4 && !withRightChecksum(header)?.equals(header)) codes.add("PROXY_CHECKSUM")
  }
  return [...codes]
}

function invalid(...codes: readonly string[]): Answer {
  return { status: "invalid", codes }
}

const NOTHING = { authority: undefined, alpn: undefined, uniqueId: undefined, ssl: undefined, tlvs: [] }

function complete(
  bytes: number,
  header: Pick<PlainHeader, "version" | "command" | "addresses"> & Partial<PlainHeader>,
): Answer {
  return { status: "complete", bytes, header: { ...NOTHING, ...header } }
}

function hex(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes).toString("hex")
}
