import { describe, expect, it } from "vitest"
import type { ClientHelloErrorCode } from "../../src/client-hello/errors.ts"
import { ClientHelloParser, parseClientHello } from "../../src/client-hello/parser.ts"
import {
  alpn,
  body,
  bytes,
  handshake,
  hello,
  inRecords,
  record,
  serverName,
  u16,
  vector8,
  vector16,
  versions,
} from "./build.ts"

const message = handshake(body())
const sni = (data: Uint8Array) => hello({ extensions: [{ type: 0, data }] })
const named = (name: string) => hello({ extensions: [serverName(name)] })
const withExtensions = (block: Uint8Array) => record(handshake(bytes(body({ extensions: null }), block)))
const until = (length: number) => record(handshake(body().subarray(0, length)))
const label63 = "a".repeat(63)

type Row = readonly [what: string, source: string, code: ClientHelloErrorCode, bytes: Uint8Array]

const rows: readonly Row[] = [
  ["plain HTTP", "RFC 9110", "PLAIN_HTTP", bytes("GET / HTTP/1.1\r\n")],
  ["HTTP/2 without TLS", "RFC 9113 section 3.4", "PLAIN_HTTP", bytes("PRI * HTTP/2.0\r\n")],
  ["an SSH banner", "RFC 4253 section 4.2", "SSH", bytes("SSH-2.0-OpenSSH_9.6\r\n")],
  ["an SSLRequest", "PostgreSQL, Message Formats", "POSTGRESQL", bytes(0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f)],
  ["a GSSENCRequest", "PostgreSQL, Message Formats", "POSTGRESQL", bytes(0, 0, 0, 8, 4, 0xd2, 0x16, 0x30)],
  [
    "a CancelRequest",
    "PostgreSQL, Message Formats",
    "POSTGRESQL",
    bytes(0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e, u16(0), u16(7)),
  ],
  ["a StartupMessage", "PostgreSQL, Message Formats", "POSTGRESQL", bytes(0, 0, 0, 0x54, 0, 3, 0, 0, "user\0me\0")],
  [
    "a StartTLS request",
    "RFC 4511 section 4.14.1",
    "LDAP",
    bytes(0x30, 0x1d, 2, 1, 1, 0x77, 0x18, 0x80, 0x16, "1.3.6.1.4.1.1466.20037"),
  ],
  ["an anonymous bind", "RFC 4511 section 4.2", "LDAP", bytes(0x30, 0x0c, 2, 1, 1, 0x60, 7, 2, 1, 3, 4, 0, 0x80, 0)],
  ["an unbinding with long lengths", "RFC 4511 section 5.1", "LDAP", bytes(0x30, 0x84, 0, 0, 0, 5, 2, 1, 9, 0x42, 0)],
  ["a number by itself in ASN.1", "RFC 4511 section 4.1.1", "NOT_TLS", bytes(0x30, 3, 4, 1, 0)],
  ["an XML declaration", "RFC 6120 section 11.5", "XMPP", bytes("<?xml version='1.0'?><stream:stream ")],
  ["the header of a stream", "RFC 6120 section 4.7", "XMPP", bytes("<stream:stream to='im.example' ")],
  ["other XML", "RFC 6120 section 4.7", "NOT_TLS", bytes("<html><body>hello")],
  ["version 1 of the PROXY protocol", "PROXY protocol 2.1", "PROXY_PROTOCOL", bytes("PROXY TCP4 192.0.2.1 ")],
  ["version 2 of the PROXY protocol", "PROXY protocol 2.2", "PROXY_PROTOCOL", bytes("\r\n\r\n\0\r\nQUIT\n!")],
  [
    "a Remote Desktop client",
    "[MS-RDPBCGR] section 4.1.1",
    "RDP",
    bytes(3, 0, 0, 0x2c, 0x27, 0xe0, 0, 0, 0, 0, 0, "Cookie: mstshash=eltons\r\n", 1, 0, 8, 0, 3, 0, 0, 0),
  ],
  ["a word that begins like a method", "RFC 9110", "NOT_TLS", bytes("GETTING THERE")],
  ["zeros", "RFC 8446 section 5.1", "NOT_TLS", new Uint8Array(16)],
  ["bytes above 127 that are no SSLv2 hello", "RFC 5246 appendix E.2", "NOT_TLS", bytes(0x80, 0x2e, 2, 3, 1)],
  ["an SSLv2 hello", "RFC 5246 appendix E.2", "SSLV2", bytes(0x80, 0x2e, 1, 3, 1, 0, 0x15)],
  ["an alert first", "RFC 8446 section 5.1", "RECORD_TYPE", record(bytes(2, 40), 21)],
  ["ChangeCipherSpec first", "RFC 8446 section 5", "RECORD_TYPE", record(bytes(1), 20)],
  ["application data first", "RFC 8446 section 5", "RECORD_TYPE", record(bytes(1), 23)],
  [
    "ChangeCipherSpec between fragments",
    "RFC 8446 section 5.1",
    "RECORD_TYPE",
    bytes(record(message.subarray(0, 9)), record(bytes(1), 20), record(message.subarray(9))),
  ],
  [
    "an alert between fragments",
    "RFC 8446 section 5.1",
    "RECORD_TYPE",
    bytes(record(message.subarray(0, 9)), record(bytes(1, 0), 21)),
  ],
  ["record version 2.x", "RFC 8446 section 5.1", "RECORD_VERSION", record(message, 22, 0x0200)],
  ["a TPKT header before anything but a connection request", "[MS-RDPBCGR]", "NOT_TLS", bytes(3, 0, 0, 8, 2, 0xf0)],
  ["an empty handshake record", "RFC 8446 section 5.1", "RECORD_EMPTY", bytes(record(bytes()), record(message))],
  [
    "an empty record between fragments",
    "RFC 8446 section 5.1",
    "RECORD_EMPTY",
    bytes(record(message.subarray(0, 9)), record(bytes())),
  ],
  [
    "a record of 2^14 + 1 bytes, at its header",
    "RFC 8446 section 5.1",
    "RECORD_TOO_LARGE",
    record(bytes(), 22, 0x0301, 0x4001),
  ],
  [
    "a message over the cap, at its header",
    "RFC 8446 section 4",
    "TOO_LARGE",
    record(handshake(bytes(), 1, 70_000).subarray(0, 4), 22, 0x301, 200),
  ],
  ["a HelloRequest", "RFC 5246 section 7.4.1.1", "NOT_CLIENT_HELLO", record(handshake(bytes(), 0))],
  ["ServerHello", "RFC 8446 section 4", "NOT_CLIENT_HELLO", record(handshake(body(), 2))],
  ["a byte after the hello in its record", "RFC 8446 section 5.1", "TRAILING_BYTES", record(bytes(message, 0))],
  ["a second message in the same record", "RFC 8446 section 5.1", "TRAILING_BYTES", record(bytes(message, message))],
  ["an empty message", "RFC 8446 section 4.1.2", "LEGACY_VERSION", record(handshake(bytes()))],
  ["legacy_version 2.x", "RFC 8446 section 4.1.2", "LEGACY_VERSION", hello({ legacyVersion: 0x0203 })],
  ["a session id of 33 bytes", "RFC 8446 section 4.1.2", "SESSION_ID", hello({ sessionId: new Uint8Array(33) })],
  ["a message that ends in random", "RFC 8446 section 4.1.2", "SESSION_ID", until(20)],
  ["a message that ends in the session id", "RFC 8446 section 4.1.2", "SESSION_ID", until(40)],
  ["no cipher suite", "RFC 8446 section 4.1.2", "CIPHER_SUITES", hello({ cipherSuites: [] })],
  [
    "half a cipher suite",
    "RFC 8446 section 4.1.2",
    "CIPHER_SUITES",
    record(handshake(bytes(body().subarray(0, 67), vector16(bytes(19, 1, 19)), vector8(bytes(0))))),
  ],
  ["a message that ends in the cipher suites", "RFC 8446 section 4.1.2", "CIPHER_SUITES", until(70)],
  ["no compression method", "RFC 8446 section 4.1.2", "COMPRESSION_METHODS", hello({ compressionMethods: [] })],
  [
    "compression methods without null",
    "RFC 5246 section 7.4.1.2",
    "COMPRESSION_METHODS",
    hello({ compressionMethods: [1] }),
  ],
  ["a message that ends before the compression methods", "RFC 8446 section 4.1.2", "COMPRESSION_METHODS", until(75)],
  ["extensions that end early", "RFC 8446 section 4.2", "EXTENSIONS", withExtensions(bytes(u16(9), new Uint8Array(8)))],
  [
    "bytes after the extensions",
    "RFC 8446 section 4.2",
    "EXTENSIONS",
    withExtensions(bytes(u16(4), u16(5), u16(0), 0)),
  ],
  ["one byte where extensions should be", "RFC 8446 section 4.2", "EXTENSIONS", withExtensions(bytes(0))],
  [
    "an extension that overruns",
    "RFC 8446 section 4.2",
    "EXTENSIONS",
    withExtensions(vector16(bytes(u16(5), u16(9), 1))),
  ],
  ["an extension header cut short", "RFC 8446 section 4.2", "EXTENSIONS", withExtensions(vector16(bytes(u16(5), 0)))],
  [
    "the same extension twice",
    "RFC 8446 section 4.2",
    "DUPLICATE_EXTENSION",
    hello({ extensions: [serverName("a.example"), { type: 5, data: bytes() }, { type: 5, data: bytes() }] }),
  ],
  [
    "server_name twice",
    "RFC 8446 section 4.2",
    "DUPLICATE_EXTENSION",
    hello({ extensions: [serverName("a.example"), serverName("b.example")] }),
  ],
  ["an empty server_name, as a server sends it", "RFC 6066 section 3", "SERVER_NAME_LIST", sni(bytes())],
  ["an empty list of names", "RFC 6066 section 3", "SERVER_NAME_LIST", sni(u16(0))],
  ["a list longer than its extension", "RFC 6066 section 3", "SERVER_NAME_LIST", sni(bytes(u16(9), 0, u16(1), "a"))],
  ["a list shorter than its extension", "RFC 6066 section 3", "SERVER_NAME_LIST", sni(bytes(u16(3), 0, u16(1), "a"))],
  ["a name longer than its list", "RFC 6066 section 3", "SERVER_NAME_LIST", sni(vector16(bytes(0, u16(2), "a")))],
  [
    "two names",
    "RFC 6066 section 3",
    "SERVER_NAME_MULTIPLE",
    hello({ extensions: [serverName("a.example", "b.example")] }),
  ],
  [
    "a stray byte after the name",
    "RFC 6066 section 3",
    "SERVER_NAME_MULTIPLE",
    sni(vector16(bytes(0, u16(1), "a", 0))),
  ],
  ["a name of another type", "RFC 6066 section 3", "SERVER_NAME_TYPE", sni(vector16(bytes(1, vector16(bytes("a")))))],
  ["an empty name", "RFC 6066 section 3", "SERVER_NAME_EMPTY", named("")],
  ["NUL in a name", "RFC 6066 section 3", "SERVER_NAME_CHARACTER", named("good.example\0.evil")],
  ["a newline in a name", "RFC 6066 section 3", "SERVER_NAME_CHARACTER", named("a.example\n")],
  ["a space in a name", "RFC 6066 section 3", "SERVER_NAME_CHARACTER", named("a example")],
  ["a star in a name", "RFC 6066 section 3", "SERVER_NAME_CHARACTER", named("*.example.com")],
  ["a byte above 127 in a name", "RFC 6066 section 3", "SERVER_NAME_CHARACTER", named("b\u00fccher.example")],
  ["a port behind a name", "RFC 6066 section 3", "SERVER_NAME_CHARACTER", named("a.example:443")],
  ["a trailing dot", "RFC 6066 section 3", "SERVER_NAME_TRAILING_DOT", named("example.com.")],
  ["a dot alone", "RFC 1035 section 2.3.1", "SERVER_NAME_LABEL", named(".")],
  ["a leading dot", "RFC 1035 section 2.3.1", "SERVER_NAME_LABEL", named(".example.com")],
  ["two dots in a row", "RFC 1035 section 2.3.1", "SERVER_NAME_LABEL", named("a..example")],
  ["a label of 64 characters", "RFC 1035 section 2.3.4", "SERVER_NAME_LABEL", named(`${label63}a.example`)],
  [
    "a name of 254 characters",
    "RFC 1035 section 2.3.4",
    "SERVER_NAME_TOO_LONG",
    named(`${`${label63}.`.repeat(3)}${"a".repeat(62)}`),
  ],
  ["an IPv4 literal in fewer parts", "RFC 6066 section 3", "SERVER_NAME_IP_LITERAL", named("127.1")],
  ["an IPv4 literal in hex", "RFC 6066 section 3", "SERVER_NAME_IP_LITERAL", named("0X7f.1.0x0A")],
  ["an IPv4 literal in one number", "RFC 6066 section 3", "SERVER_NAME_IP_LITERAL", named("0x7F000001")],
  ["a top-level domain of digits", "RFC 1123 section 2.1", "SERVER_NAME_IP_LITERAL", named("backend.1")],
  ["an IPv4 literal with a leading zero", "RFC 6943 section 3.1.1", "SERVER_NAME_IP_LITERAL", named("192.0.2.010")],
  ["an IPv4 literal with five parts", "RFC 6943 section 3.1.1", "SERVER_NAME_IP_LITERAL", named("192.0.2.1.1")],
  ["an IPv4 literal with a port", "RFC 6066 section 3", "SERVER_NAME_CHARACTER", named("192.0.2.1:443")],
  ["an IPv6 literal with too many groups", "RFC 4291 section 2.2", "SERVER_NAME_CHARACTER", named("1:2:3:4:5:6:7:8:9")],
  ["an IPv6 literal with half a bracket", "RFC 4291 section 2.2", "SERVER_NAME_CHARACTER", named("[::1")],
  ["an IPv6 literal with a port", "RFC 6066 section 3", "SERVER_NAME_CHARACTER", named("[::1]:443")],
  ["a tab in a name", "RFC 6066 section 3", "SERVER_NAME_CHARACTER", named("a\texample")],
  [
    "an ALPN list longer than its extension",
    "RFC 7301 section 3.1",
    "ALPN_LIST",
    hello({ extensions: [{ type: 16, data: bytes(u16(9), 2, "h2") }] }),
  ],
  [
    "bytes after the ALPN list",
    "RFC 7301 section 3.1",
    "ALPN_LIST",
    hello({ extensions: [{ type: 16, data: bytes(u16(3), 2, "h2", 0) }] }),
  ],
  ["an empty ALPN list", "RFC 7301 section 3.1", "ALPN_LIST", hello({ extensions: [alpn()] })],
  [
    "an ALPN protocol longer than its list",
    "RFC 7301 section 3.1",
    "ALPN_LIST",
    hello({ extensions: [{ type: 16, data: vector16(bytes(3, "h2")) }] }),
  ],
  ["an empty ALPN protocol", "RFC 7301 section 3.1", "ALPN_EMPTY_PROTOCOL", hello({ extensions: [alpn("h2", "")] })],
  [
    "no version in supported_versions",
    "RFC 8446 section 4.2.1",
    "SUPPORTED_VERSIONS",
    hello({ extensions: [versions()] }),
  ],
  [
    "half a version",
    "RFC 8446 section 4.2.1",
    "SUPPORTED_VERSIONS",
    hello({ extensions: [{ type: 43, data: bytes(3, 3, 4, 3) }] }),
  ],
  [
    "versions that end early",
    "RFC 8446 section 4.2.1",
    "SUPPORTED_VERSIONS",
    hello({ extensions: [{ type: 43, data: bytes(4, 3, 4) }] }),
  ],
  [
    "bytes after the versions",
    "RFC 8446 section 4.2.1",
    "SUPPORTED_VERSIONS",
    hello({ extensions: [{ type: 43, data: bytes(2, 3, 4, 0) }] }),
  ],
]

/** Every code, which the compiler holds against {@link ClientHelloErrorCode}. */
const codes: Readonly<Record<ClientHelloErrorCode, true>> = {
  NOT_TLS: true,
  LDAP: true,
  PLAIN_HTTP: true,
  POSTGRESQL: true,
  PROXY_PROTOCOL: true,
  RDP: true,
  SSH: true,
  SSLV2: true,
  XMPP: true,
  RECORD_TYPE: true,
  RECORD_VERSION: true,
  RECORD_EMPTY: true,
  RECORD_TOO_LARGE: true,
  TOO_LARGE: true,
  NOT_CLIENT_HELLO: true,
  TRAILING_BYTES: true,
  LEGACY_VERSION: true,
  SESSION_ID: true,
  CIPHER_SUITES: true,
  COMPRESSION_METHODS: true,
  EXTENSIONS: true,
  DUPLICATE_EXTENSION: true,
  SERVER_NAME_LIST: true,
  SERVER_NAME_MULTIPLE: true,
  SERVER_NAME_TYPE: true,
  SERVER_NAME_EMPTY: true,
  SERVER_NAME_CHARACTER: true,
  SERVER_NAME_LABEL: true,
  SERVER_NAME_TRAILING_DOT: true,
  SERVER_NAME_IP_LITERAL: true,
  SERVER_NAME_TOO_LONG: true,
  ALPN_LIST: true,
  ALPN_EMPTY_PROTOCOL: true,
  SUPPORTED_VERSIONS: true,
}

/** The nearest to what is refused that is not: each rule refuses no more than it says. */
const neighbours: readonly (readonly [what: string, source: string, bytes: Uint8Array])[] = [
  ["record version 3.0", "RFC 8446 section 5.1", record(message, 22, 0x0300)],
  ["record version 3.4", "RFC 8446 section 5.1", record(message, 22, 0x0304)],
  ["record version 3.255", "RFC 8446 section 5.1", record(message, 22, 0x03ff)],
  ["a record of exactly 2^14 bytes", "RFC 8446 section 5.1", padded(0x4000)],
  ["a hello that goes on in a second record", "RFC 8446 section 5.1", inRecords(message, [message.length - 1])],
  ["a handshake header cut into records of one byte", "RFC 8446 section 5.1", inRecords(message, [1, 1, 1, 1])],
  ["an alert behind the hello's record", "RFC 8446 section 6", bytes(hello(), record(bytes(1, 0), 21))],
  ["a second hello in a record of its own", "RFC 8446 section 4", bytes(hello(), hello())],
  ["legacy_version 3.0", "RFC 8446 section 4.1.2", hello({ legacyVersion: 0x0300 })],
  ["no session id", "RFC 8446 section 4.1.2", hello({ sessionId: bytes() })],
  ["a session id of 32 bytes", "RFC 8446 section 4.1.2", hello({ sessionId: new Uint8Array(32) })],
  ["one cipher suite", "RFC 8446 section 4.1.2", hello({ cipherSuites: [0x1301] })],
  ["null among other compression methods", "RFC 5246 section 7.4.1.2", hello({ compressionMethods: [1, 0] })],
  ["an empty list of extensions", "RFC 8446 section 4.2", hello({ extensions: [] })],
  ["an empty extension", "RFC 8446 section 4.2", hello({ extensions: [{ type: 23, data: bytes() }] })],
  [
    "extensions that nobody knows, GREASE among them",
    "RFC 8701 section 3",
    hello({ extensions: [0x0a0a, 0x1a1a, 0xff02].map((type) => ({ type, data: bytes("?") })) }),
  ],
  ["an ALPN protocol of one byte", "RFC 7301 section 3.1", hello({ extensions: [alpn("x")] })],
  ["an ALPN protocol of 255 bytes", "RFC 7301 section 3.1", hello({ extensions: [alpn("x".repeat(255))] })],
  ["one version", "RFC 8446 section 4.2.1", hello({ extensions: [versions(0x0304)] })],
  ["a version that nobody knows", "RFC 8446 section 4.2.1", hello({ extensions: [versions(0x7f1c, 0x9a9a)] })],
]

/** A hello in one record whose fragment has that length, by a padding extension (RFC 7685). */
function padded(length: number): Uint8Array {
  const padding = (size: number) => hello({ extensions: [{ type: 21, data: new Uint8Array(size) }] })
  return padding(length + 5 - padding(0).length)
}

const codeOf = (input: Uint8Array) => {
  const result = parseClientHello(input)
  return result.status === "invalid" ? result.error.code : result.status
}

describe("refused", () => {
  it.each(rows)("%s (%s) with %s", (_what, _source, code, input) => {
    expect(codeOf(input)).toBe(code)
  })

  it.each(rows)("%s (%s) with %s, when it comes byte by byte too", (_what, _source, code, input) => {
    const parser = new ClientHelloParser()
    let result = parser.push(bytes())
    for (const byte of input) result = parser.push(Uint8Array.of(byte))
    expect(result).toMatchObject({ status: "invalid", error: { code } })
    expect(parser.bytes).toEqual(input)
  })
})

describe("a refused name is told", () => {
  it.each([
    ["127.1", "127.1"],
    ["example.com.", "example.com."],
    ["a.example:443", "a.example:443"],
    ["bücher.example", "b\\xc3\\xbccher.example"],
    ['a\n{"level":50}\\', "a\\x0a{\\x22level\\x22:50}\\x5c"],
    ["\u001b[2J", "\\x1b[2J"],
    ["a".repeat(256), "a".repeat(256)],
    ["a".repeat(257), `${"a".repeat(255)}…`],
    ["\0".repeat(500), `${"\\x00".repeat(63)}…`],
  ])("%j as %j", (name, told) => {
    expect(parseClientHello(sni(vector16(bytes(0, vector16(Buffer.from(name))))))).toMatchObject({
      error: { offeredName: told },
    })
  })

  it("with what follows it, where there are two", () => {
    expect(parseClientHello(hello({ extensions: [serverName("a.example", "b")] }))).toMatchObject({
      error: { offeredName: "a.example\\x00\\x00\\x01b" },
    })
  })

  it("only where it is a name that was refused", () => {
    for (const input of [bytes("GET / HTTP/1.1\r\n"), hello({ cipherSuites: [] })]) {
      expect(parseClientHello(input)).toMatchObject({ error: { offeredName: undefined } })
    }
  })
})

describe("a message that is cut short", () => {
  it.each([
    ["zeros", 0],
    ["threes, a legacy_version among them", 3],
    ["bytes of 255", 255],
  ])("at any byte is refused as it would be alone when %s follow its record", (_what, byte) => {
    const behind = new Uint8Array(300).fill(byte)
    for (let length = 0; length < body().length; length += 1) {
      expect(codeOf(bytes(until(length), behind)), `cut at ${length}`).toBe(codeOf(until(length)))
    }
  })
})

describe("the refusals above", () => {
  it("show every code there is", () => {
    expect(Object.keys(codes).filter((code) => !rows.some((row) => row[2] === code))).toEqual([])
  })
})

describe("accepted", () => {
  it.each(neighbours)("%s (%s)", (_what, _source, input) => {
    expect(codeOf(input)).toBe("complete")
    const parser = new ClientHelloParser()
    let result = parser.push(bytes())
    for (const byte of input) result = parser.push(Uint8Array.of(byte))
    expect(result.status).toBe("complete")
    expect(parser.bytes).toEqual(input)
  })

  it.each([
    ["an underscore", "_sip._tcp.example.com"],
    ["a label of 63 characters", `${label63}.example`],
    ["253 characters", `${`${label63}.`.repeat(3)}${"a".repeat(61)}`],
    ["a single label", "localhost"],
    ["labels of digits before the last", "1.0x2.3.example"],
    ["a last label that only begins like a number", "a.0xample"],
    ["punycode", "xn--bcher-kva.example"],
  ])("a name with %s", (_what, name) => {
    expect(parseClientHello(named(name))).toMatchObject({ status: "complete", hello: { serverName: name } })
  })

  it.each([
    "192.0.2.1",
    "0.0.0.0",
    "::1",
    "2001:db8::1",
    "2001:DB8:0:0:0:0:0:1",
    "::ffff:192.0.2.1",
    "[::1]",
    "fe80::1%eth0",
    "[fe80::1%25eth0]",
  ])("an IP literal, %s, as no name, which is what servers take it for (RFC 6066 section 3)", (literal) => {
    const result = parseClientHello(named(literal))
    expect(result).toMatchObject({ status: "complete", hello: { serverName: undefined, offeredName: literal } })
  })

  it("a hello without a name, or with one, as one that offers no other", () => {
    for (const input of [hello(), named("a.example"), hello({ extensions: null })]) {
      expect(parseClientHello(input)).toMatchObject({ hello: { offeredName: undefined } })
    }
  })

  it("a name in any case, in lower case", () => {
    expect(parseClientHello(named("WwW.Example.COM"))).toMatchObject({ hello: { serverName: "www.example.com" } })
  })

  it.each([0x0300, 0x0301, 0x0302, 0x0303])(
    "record version 0x%s, which says nothing (RFC 8446 section 5.1)",
    (version) => {
      expect(codeOf(record(message, 22, version))).toBe("complete")
    },
  )

  it("a hello without extensions, as one that asks for no name (RFC 5246 section 7.4.1.2)", () => {
    expect(parseClientHello(hello({ extensions: null }))).toMatchObject({
      status: "complete",
      hello: { serverName: undefined },
    })
  })

  it("early data behind the hello's record, kept for replay (RFC 8446 section 4.2.10)", () => {
    const parser = new ClientHelloParser()
    const input = bytes(hello(), record(bytes(1), 20), record(bytes("early data"), 23))
    expect(parser.push(input).status).toBe("complete")
    expect(parser.bytes).toEqual(input)
  })
})

describe("bounds", () => {
  it.each([Number.NaN, 0, -1, "64KiB" as unknown as number])(
    "that bound nothing, such as %s, are refused",
    (maxBytes) => {
      expect(() => new ClientHelloParser({ maxBytes })).toThrow(
        expect.objectContaining({ code: "ERR_TLSROUTE_OPTION" }),
      )
      expect(() => parseClientHello(hello(), { maxBytes })).toThrow(/"maxBytes" must be a number of bytes/)
    },
  )

  it("take a hello of exactly maxBytes and refuse one byte more", () => {
    const input = hello()
    expect(parseClientHello(input, { maxBytes: input.length }).status).toBe("complete")
    expect(parseClientHello(input, { maxBytes: input.length - 1 })).toMatchObject({ error: { code: "TOO_LARGE" } })
  })

  it("refuse a length over the cap at the header, before a byte of the body has come", () => {
    const header = hello().subarray(0, 9)
    expect(parseClientHello(header, { maxBytes: 60 })).toMatchObject({ error: { code: "TOO_LARGE" } })
    expect(parseClientHello(header.subarray(0, 5), { maxBytes: 60 })).toMatchObject({ error: { code: "TOO_LARGE" } })
  })

  it("keep a final answer whatever comes after it", () => {
    const parser = new ClientHelloParser()
    const refused = parser.push(bytes("SSH-2.0-x"))
    expect(parser.push(hello())).toBe(refused)
  })
})
