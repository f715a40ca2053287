/**
 * A ClientHello parser to hold the real one against: whole input only, one array of numbers, one statement
 * per rule. Where it is slow, it is plain.
 */
import { createHash } from "node:crypto"
import { isIPv4, isIPv6 } from "node:net"
import type { ClientHelloErrorCode } from "../../src/client-hello/errors.ts"
import type { ClientHello } from "../../src/client-hello/hello.ts"
import type { ClientHelloResult } from "../../src/client-hello/parser.ts"

/** Every field of a ClientHello as plain data, byte fields in hex. */
export interface Fields {
  readonly serverName: string | undefined
  readonly alpnProtocols: readonly string[]
  readonly supportedVersions: readonly number[]
  readonly highestVersion: number
  readonly legacyVersion: number
  readonly random: string
  readonly sessionId: string
  readonly cipherSuites: readonly number[]
  readonly compressionMethods: string
  readonly extensions: readonly (readonly [type: number, data: string])[]
  readonly extensionTypes: readonly number[]
  readonly supportedGroups: readonly number[]
  readonly signatureAlgorithms: readonly number[]
  readonly ecPointFormats: readonly number[]
  readonly keyShareGroups: readonly number[]
  readonly echOffered: boolean
  readonly hasGrease: boolean
  readonly ja3String: string
  readonly ja3: string
  readonly ja4: string
}

/** A result as plain data. */
export type Answer =
  | { readonly status: "incomplete" }
  | { readonly status: "invalid"; readonly code: ClientHelloErrorCode }
  | { readonly status: "complete"; readonly fields: Fields }

class Refusal {
  constructor(readonly code: ClientHelloErrorCode) {}
}

class Cut {}

/** What the parser under test should answer to these bytes. */
export function reference(input: Uint8Array, maxBytes = 65_536): Answer {
  try {
    return { status: "complete", fields: readMessage(readRecords([...input], maxBytes)) }
  } catch (error) {
    if (error instanceof Cut) return { status: "incomplete" }
    if (error instanceof Refusal) return { status: "invalid", code: error.code }
    throw error
  }
}

/** What the parser under test did answer, every lazy field read. */
export function answer(result: ClientHelloResult): Answer {
  if (result.status === "invalid") return { status: "invalid", code: result.error.code }
  return result.status === "complete" ? { status: "complete", fields: fieldsOf(result.hello) } : result
}

function fieldsOf(hello: ClientHello): Fields {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
  return {
    serverName: hello.serverName,
    alpnProtocols: hello.alpnProtocols,
    supportedVersions: hello.supportedVersions,
    highestVersion: hello.highestVersion,
    legacyVersion: hello.legacyVersion,
    random: hex(hello.random),
    sessionId: hex(hello.sessionId),
    cipherSuites: hello.cipherSuites,
    compressionMethods: hex(hello.compressionMethods),
    extensions: hello.extensions.map(({ type, data }) => [type, hex(data)] as const),
    extensionTypes: hello.extensionTypes,
    supportedGroups: hello.supportedGroups,
    signatureAlgorithms: hello.signatureAlgorithms,
    ecPointFormats: hello.ecPointFormats,
    keyShareGroups: hello.keyShareGroups,
    echOffered: hello.echOffered,
    hasGrease: hello.hasGrease,
    ja3String: hello.ja3String,
    ja3: hello.ja3,
    ja4: hello.ja4,
  }
}

/** The record layer: the ClientHello's body, put together from its records. */
function readRecords(input: readonly number[], maxBytes: number): readonly number[] {
  const handshake: number[] = []
  let at = 0
  const next = () => {
    const byte = input[at]
    if (byte === undefined) throw new Cut()
    at += 1
    return byte
  }
  const declared = () => (handshake[1]! << 16) | (handshake[2]! << 8) | handshake[3]!
  const wanted = () => (handshake.length < 4 ? Infinity : 4 + declared() - handshake.length)
  while (wanted() > 0) {
    const first = at === 0
    const type = next()
    if (type !== 22) throw first ? notTls(input) : new Refusal("RECORD_TYPE")
    if (next() !== 3) throw new Refusal("RECORD_VERSION")
    next()
    const fragment = next() * 256 + next()
    if (fragment === 0) throw new Refusal("RECORD_EMPTY")
    if (fragment > 2 ** 14) throw new Refusal("RECORD_TOO_LARGE")
    const end = at + fragment
    if (end > maxBytes) throw new Refusal("TOO_LARGE")
    if (fragment > wanted()) throw new Refusal("TRAILING_BYTES")
    while (at < end) {
      handshake.push(next())
      if (handshake.length === 1 && handshake[0] !== 1) throw new Refusal("NOT_CLIENT_HELLO")
      if (handshake.length === 4) {
        if (Math.max(end, at + declared()) > maxBytes) throw new Refusal("TOO_LARGE")
        if (end - at > declared()) throw new Refusal("TRAILING_BYTES")
      }
    }
  }
  return handshake.slice(4)
}

/** Protocols that clients speak at wrong ports, by how they begin; a dot stands for any byte. */
const FOREIGN: readonly (readonly [code: ClientHelloErrorCode, begins: string])[] = [
  ["LDAP", "0.\x02\x01"],
  ["LDAP", "0\x84....\x02"],
  ["XMPP", "<?xml"],
  ["XMPP", "<stream:stream"],
  ["POSTGRESQL", "\0\0\0\x10\x04\xd2\x16\x2e"],
  ["POSTGRESQL", "\0\0\0\x08\x04\xd2\x16\x2f"],
  ["POSTGRESQL", "\0\0\0\x08\x04\xd2\x16\x30"],
  ["POSTGRESQL", "\0\0..\0\x03\0"],
  ["PROXY_PROTOCOL", "PROXY "],
  ["PROXY_PROTOCOL", "\r\n\r\n\0\r\nQUIT\n"],
  ["RDP", "\x03\0...\xe0"],
  ["SSH", "SSH-"],
  ...["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI"].map(
    (word) => ["PLAIN_HTTP", `${word} `] as const,
  ),
]

function notTls(input: readonly number[]): Refusal | Cut {
  if (input[0]! >= 20 && input[0]! <= 24) return new Refusal("RECORD_TYPE")
  if (input[0]! >= 128) {
    if (input.length < 3) return new Cut()
    return new Refusal(input[2] === 1 ? "SSLV2" : "NOT_TLS")
  }
  const text = latin1(input.slice(0, 14))
  const alike = FOREIGN.filter(([, begins]) => [...begins].every((c, i) => c === "." || !text[i] || c === text[i]))
  const whole = alike.find(([, begins]) => text.length >= begins.length)
  if (whole !== undefined) return new Refusal(whole[0])
  return alike.length > 0 ? new Cut() : new Refusal("NOT_TLS")
}

/** Takes bytes from the front; refuses with the code of what is being read when there are too few. */
class Reader {
  private at = 0

  constructor(
    private readonly all: readonly number[],
    public code: ClientHelloErrorCode,
  ) {}

  get done(): boolean {
    return this.at === this.all.length
  }

  bytes(count: number): readonly number[] {
    if (this.at + count > this.all.length) throw new Refusal(this.code)
    this.at += count
    return this.all.slice(this.at - count, this.at)
  }

  number(size: number): number {
    return this.bytes(size).reduce((value, byte) => value * 256 + byte, 0)
  }

  /** A vector behind its length of `size` bytes. */
  vector(size: number): readonly number[] {
    return this.bytes(this.number(size))
  }

  numbers(size: number): readonly number[] {
    const list: number[] = []
    while (!this.done) list.push(this.number(size))
    return list
  }
}

function readMessage(message: readonly number[]): Fields {
  if (message[0] !== 3) throw new Refusal("LEGACY_VERSION")
  const reader = new Reader(message, "SESSION_ID")
  const legacyVersion = reader.number(2)
  const random = reader.bytes(32)
  const sessionId = reader.vector(1)
  if (sessionId.length > 32) throw new Refusal("SESSION_ID")
  reader.code = "CIPHER_SUITES"
  const cipherSuites = new Reader(reader.vector(2), "CIPHER_SUITES").numbers(2)
  if (cipherSuites.length === 0) throw new Refusal("CIPHER_SUITES")
  reader.code = "COMPRESSION_METHODS"
  const compressionMethods = reader.vector(1)
  if (!compressionMethods.includes(0)) throw new Refusal("COMPRESSION_METHODS")

  reader.code = "EXTENSIONS"
  const block = new Reader(reader.done ? [] : reader.vector(2), "EXTENSIONS")
  if (!reader.done) throw new Refusal("EXTENSIONS")
  const extensions = new Map<number, readonly number[]>()
  let serverName: string | undefined
  let alpnProtocols: readonly string[] = []
  let supportedVersions: readonly number[] = []
  while (!block.done) {
    const type = block.number(2)
    const data = block.vector(2)
    if (extensions.has(type)) throw new Refusal("DUPLICATE_EXTENSION")
    extensions.set(type, data)
    if (type === 0) serverName = readName(data)
    if (type === 16) alpnProtocols = readAlpn(data)
    if (type === 43) supportedVersions = readVersions(data)
  }

  const types = [...extensions.keys()]
  const supportedGroups = lenient(extensions.get(10), (reader) => reader.numbers(2))
  const signatureAlgorithms = lenient(extensions.get(13), (reader) => reader.numbers(2))
  const ecPointFormats = lenient(extensions.get(11), (reader) => reader.numbers(1), 1)
  const keyShareGroups = lenient(extensions.get(51), (reader) => {
    const groups: number[] = []
    while (!reader.done) {
      groups.push(reader.number(2))
      reader.vector(2)
    }
    return groups
  })
  const real = supportedVersions.filter((version) => !grease(version))
  const highestVersion = real.length === 0 ? legacyVersion : Math.max(...real)
  const ja3String = [[legacyVersion], cipherSuites, types, supportedGroups, ecPointFormats]
    .map((list) => list.filter((value) => !grease(value)).join("-"))
    .join(",")
  return {
    serverName,
    alpnProtocols,
    supportedVersions,
    highestVersion,
    legacyVersion,
    random: hexBytes(random),
    sessionId: hexBytes(sessionId),
    cipherSuites,
    compressionMethods: hexBytes(compressionMethods),
    extensions: [...extensions].map(([type, data]) => [type, hexBytes(data)] as const),
    extensionTypes: types,
    supportedGroups,
    signatureAlgorithms,
    ecPointFormats,
    keyShareGroups,
    echOffered: extensions.has(0xfe0d),
    hasGrease: [...cipherSuites, ...types, ...supportedGroups, ...supportedVersions].some(grease),
    ja3String,
    ja3: createHash("md5").update(ja3String).digest("hex"),
    ja4: ja4(highestVersion, cipherSuites, types, alpnProtocols[0], signatureAlgorithms),
  }
}

function readName(data: readonly number[]): string | undefined {
  const reader = new Reader(data, "SERVER_NAME_LIST")
  const list = new Reader(reader.vector(2), "SERVER_NAME_LIST")
  if (!reader.done || list.done) throw new Refusal("SERVER_NAME_LIST")
  // What is too short for a type, a length and a byte of name is no list, whatever the type.
  if (data.length < 5) throw new Refusal("SERVER_NAME_LIST")
  if (list.number(1) !== 0) throw new Refusal("SERVER_NAME_TYPE")
  const length = list.number(2)
  if (length === 0) throw new Refusal("SERVER_NAME_EMPTY")
  const name = latin1(list.bytes(length))
  if (!list.done) throw new Refusal("SERVER_NAME_MULTIPLE")
  if (name.length > 253) throw new Refusal("SERVER_NAME_TOO_LONG")
  return judgeName(name)
}

/** The first thing wrong from left to right is the one named. */
function judgeName(name: string): string | undefined {
  for (let end = 1; end <= name.length; end += 1) {
    const last = name.charAt(end - 1)
    const label = name.slice(0, end - (last === "." ? 1 : 0)).replace(/^.*\./s, "")
    if (!/[A-Za-z0-9_.-]/.test(last)) {
      const [address = "", ...zone] = (/^\[(.*)\]$/s.exec(name)?.[1] ?? name).split("%")
      if (isIPv6(address) && (zone.length === 0 || /^[A-Za-z0-9_.~%-]+$/.test(zone.join("%")))) return undefined
      throw new Refusal("SERVER_NAME_CHARACTER")
    }
    if (last !== "." && end < name.length) continue
    if (label === "") throw new Refusal("SERVER_NAME_LABEL")
    if (last === "." && end === name.length) throw new Refusal("SERVER_NAME_TRAILING_DOT")
    if (label.length > 63) throw new Refusal("SERVER_NAME_LABEL")
  }
  if (isIPv4(name)) return undefined
  const lastLabel = name.slice(name.lastIndexOf(".") + 1)
  if (/^([0-9]+|0x[0-9a-f]*)$/i.test(lastLabel)) throw new Refusal("SERVER_NAME_IP_LITERAL")
  return name.toLowerCase()
}

function readAlpn(data: readonly number[]): readonly string[] {
  const reader = new Reader(data, "ALPN_LIST")
  const list = new Reader(reader.vector(2), "ALPN_LIST")
  if (!reader.done || data.length < 4) throw new Refusal("ALPN_LIST")
  const protocols: string[] = []
  while (!list.done) {
    const protocol = list.vector(1)
    if (protocol.length === 0) throw new Refusal("ALPN_EMPTY_PROTOCOL")
    protocols.push(latin1(protocol))
  }
  return protocols
}

function readVersions(data: readonly number[]): readonly number[] {
  const reader = new Reader(data, "SUPPORTED_VERSIONS")
  const list = new Reader(reader.vector(1), "SUPPORTED_VERSIONS").numbers(2)
  if (!reader.done || list.length === 0) throw new Refusal("SUPPORTED_VERSIONS")
  return list
}

/** A list that routing does not need: empty when it is not well formed. */
function lenient(
  data: readonly number[] | undefined,
  read: (list: Reader) => readonly number[],
  size = 2,
): readonly number[] {
  if (data === undefined) return []
  try {
    const reader = new Reader(data, "EXTENSIONS")
    const list = read(new Reader(reader.vector(size), "EXTENSIONS"))
    return reader.done ? list : []
  } catch (error) {
    if (error instanceof Refusal) return []
    throw error
  }
}

function ja4(
  version: number,
  cipherSuites: readonly number[],
  types: readonly number[],
  protocol: string | undefined,
  algorithms: readonly number[],
): string {
  const ciphers = cipherSuites.filter((suite) => !grease(suite))
  const extensions = types.filter((type) => !grease(type))
  const two = (list: readonly number[]) => (list.length > 99 ? "99" : `${list.length < 10 ? 0 : ""}${list.length}`)
  const hash = (text: string) =>
    text === "" ? "0".repeat(12) : createHash("sha256").update(text).digest("hex").slice(0, 12)
  const hex = (value: number) => hexBytes([value >> 8, value & 255])
  const sorted = (list: readonly number[]) => [...list].sort((a, b) => a - b).map(hex)
  const names = new Map([
    [0x0304, "13"],
    [0x0303, "12"],
    [0x0302, "11"],
    [0x0301, "10"],
    [0x0300, "s3"],
    [2, "s2"],
  ])
  const a = [
    "t",
    names.get(version) ?? "00",
    types.includes(0) ? "d" : "i",
    two(ciphers),
    two(extensions),
    ja4Alpn(protocol),
  ].join("")
  const kept = sorted(extensions.filter((type) => type !== 0 && type !== 16)).join(",")
  const signed = algorithms.filter((algorithm) => !grease(algorithm)).map(hex)
  return [a, hash(sorted(ciphers).join(",")), hash(signed.length === 0 ? kept : `${kept}_${signed.join(",")}`)].join(
    "_",
  )
}

function ja4Alpn(protocol: string | undefined): string {
  if (protocol === undefined) return "00"
  const ends = `${protocol.at(0)}${protocol.at(-1)}`
  if (/^[a-z0-9]{2}$/i.test(ends)) return ends
  const hex = Buffer.from(protocol, "latin1").toString("hex")
  return `${hex.at(0)}${hex.at(-1)}`
}

const GREASE = new Set(Array.from({ length: 16 }, (_, at) => at * 0x1010 + 0x0a0a))

function grease(value: number): boolean {
  return GREASE.has(value)
}

function latin1(list: readonly number[]): string {
  return Buffer.from(list).toString("latin1")
}

function hexBytes(list: readonly number[]): string {
  return Buffer.from(list).toString("hex")
}
