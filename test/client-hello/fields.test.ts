import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { isGrease } from "../../src/client-hello/grease.ts"
import type { ClientHello } from "../../src/client-hello/hello.ts"
import { parseClientHello } from "../../src/client-hello/parser.ts"
import {
  alpn,
  body,
  bytes,
  type Extension,
  type HelloFields,
  handshake,
  hello,
  inRecords,
  type Part,
  serverName,
  u16,
  vector8,
  vector16,
  versions,
} from "./build.ts"

function parse(input: Uint8Array): ClientHello {
  const result = parseClientHello(input)
  if (result.status !== "complete") throw new Error(JSON.stringify(result))
  return result.hello
}

const decode = (fields: HelloFields = {}) => parse(hello(fields))
const extension = (type: number, ...parts: readonly Part[]): Extension => ({ type, data: bytes(...parts) })
const list16 = (type: number, ...values: readonly number[]) => extension(type, vector16(bytes(...values.map(u16))))
const empty = (...types: readonly number[]) => types.map((type) => extension(type))
const keyShares = (...groups: readonly number[]) =>
  extension(51, vector16(bytes(...groups.map((group) => bytes(u16(group), vector16(bytes("key")))))))

// What a current browser sends, in its shape: GREASE at both ends, a post-quantum share, ECH.
const browser = decode({
  cipherSuites: [0x3a3a, 0x1301, 0x1302, 0xc02b],
  extensions: [
    extension(0x1a1a),
    serverName("Browser.example"),
    list16(10, 0x2a2a, 0x11ec, 0x001d, 0x0017),
    extension(11, vector8(bytes(0, 1))),
    alpn("h2", "http/1.1"),
    list16(13, 0x0403, 0x0804),
    keyShares(0x2a2a, 0x11ec, 0x001d),
    versions(0x5a5a, 0x0304, 0x0303),
    extension(0xfe0d, 0, u16(1), u16(1), 7, vector16(bytes("enc")), vector16(bytes("payload"))),
    extension(0xfafa, 0),
  ],
})

describe("the fields of a hello", () => {
  it("come in the client's order, GREASE included", () => {
    expect(browser).toMatchObject({
      serverName: "browser.example",
      alpnProtocols: ["h2", "http/1.1"],
      supportedVersions: [0x5a5a, 0x0304, 0x0303],
      highestVersion: 0x0304,
      legacyVersion: 0x0303,
      cipherSuites: [0x3a3a, 0x1301, 0x1302, 0xc02b],
      supportedGroups: [0x2a2a, 0x11ec, 0x001d, 0x0017],
      signatureAlgorithms: [0x0403, 0x0804],
      ecPointFormats: [0, 1],
      keyShareGroups: [0x2a2a, 0x11ec, 0x001d],
      echOffered: true,
      hasGrease: true,
    })
    expect(browser.extensions.map(({ type }) => type)).toEqual([0x1a1a, 0, 10, 11, 16, 13, 51, 43, 0xfe0d, 0xfafa])
    expect(browser.extensions.at(-1)?.data).toEqual(bytes(0))
    expect(Buffer.from(browser.random).toString()).toBe("0123456789abcdef0123456789ABCDEF")
    expect(browser.sessionId).toEqual(new Uint8Array(32).fill(7))
    expect(browser.compressionMethods).toEqual(bytes(0))
  })

  it("are decoded once", () => {
    expect(browser.cipherSuites).toBe(browser.cipherSuites)
    expect(browser.extensions).toBe(browser.extensions)
    expect(browser.alpnProtocols).toBe(browser.alpnProtocols)
    expect(browser.supportedVersions).toBe(browser.supportedVersions)
  })

  it("are views of the bytes received when they came in one record", () => {
    const input = hello()
    const { random, sessionId, extensions } = parse(input)
    for (const view of [random, sessionId, ...extensions.map(({ data }) => data)]) {
      expect(view.buffer).toBe(input.buffer)
    }
  })

  it("are found by type among the extensions", () => {
    expect(browser.extension(11)).toEqual(bytes(2, 0, 1))
    expect(browser.extension(0x1a1a)).toEqual(bytes())
    expect(browser.extension(41)).toBeUndefined()
  })

  it("are empty when their extensions were not sent", () => {
    expect(decode({ extensions: null })).toMatchObject({
      serverName: undefined,
      alpnProtocols: [],
      supportedVersions: [],
      highestVersion: 0x0303,
      extensions: [],
      supportedGroups: [],
      signatureAlgorithms: [],
      ecPointFormats: [],
      keyShareGroups: [],
      echOffered: false,
      hasGrease: false,
    })
  })

  it("give the first protocols, as many as have room in so many bytes", () => {
    const offered = decode({ extensions: [alpn("h2", "http/1.1", "x".repeat(255))] })
    expect(offered.firstAlpnProtocols(2)).toEqual([])
    expect(offered.firstAlpnProtocols(3)).toEqual(["h2"])
    expect(offered.firstAlpnProtocols(12)).toEqual(["h2", "http/1.1"])
    expect(offered.firstAlpnProtocols(256)).toEqual(["h2", "http/1.1"])
    expect(offered.firstAlpnProtocols(65_536)).toEqual(offered.alpnProtocols)
    expect(decode({}).firstAlpnProtocols(256)).toEqual([])
  })

  it("keep each byte of a protocol that is no text as one character", () => {
    expect(decode({ extensions: [alpn("\n\n\u00ff\0", "h2")] }).alpnProtocols).toEqual(["\n\n\u00ff\0", "h2"])
  })

  it("give legacy_version as the highest one when only GREASE is in supported_versions", () => {
    expect(decode({ legacyVersion: 0x0302, extensions: [versions(0x1a1a)] }).highestVersion).toBe(0x0302)
  })

  it.each([
    ["supported_groups of half a group", 10, bytes(u16(3), 0, 0x1d, 0), "supportedGroups"],
    ["supported_groups longer than their list", 10, bytes(u16(2), u16(0x1d), 0), "supportedGroups"],
    ["signature_algorithms without a length", 13, bytes(0), "signatureAlgorithms"],
    ["ec_point_formats without a length", 11, bytes(), "ecPointFormats"],
    ["ec_point_formats that overrun", 11, bytes(2, 0), "ecPointFormats"],
    ["a key share that overruns", 51, vector16(bytes(u16(0x1d), u16(9), 1)), "keyShareGroups"],
    ["a key share cut short", 51, vector16(bytes(u16(0x1d), 0)), "keyShareGroups"],
    ["key shares longer than their list", 51, bytes(u16(0), 1), "keyShareGroups"],
  ] as const)("are empty for %s, which routing does not need", (_what, type, data, field) => {
    expect(decode({ extensions: [{ type, data }] })[field]).toEqual([])
  })
})

describe("GREASE", () => {
  it("is the sixteen values of RFC 8701 section 2 and no other", () => {
    const values = Array.from({ length: 0x10000 }, (_, value) => value).filter(isGrease)
    expect(values.map((value) => value.toString(16).padStart(4, "0"))).toEqual(
      [..."0123456789abcdef"].map((digit) => `${digit}a${digit}a`),
    )
  })

  it.each([
    ["a cipher suite", { cipherSuites: [0x0a0a, 0x1301] }],
    ["an extension", { extensions: empty(0x0a0a) }],
    ["a group", { extensions: [list16(10, 0x0a0a, 0x1d)] }],
    ["a version", { extensions: [versions(0x0a0a, 0x0304)] }],
  ] as const)("is seen in %s", (_what, fields) => {
    expect(decode(fields).hasGrease).toBe(true)
  })
})

describe("ECH", () => {
  it("is offered when encrypted_client_hello is there, whatever is in it", () => {
    const offered = decode({ extensions: [serverName("outer.example"), extension(0xfe0d, "anything")] })
    expect(offered.echOffered).toBe(true)
    expect(offered.serverName).toBe("outer.example")
    expect(decode().echOffered).toBe(false)
  })
})

const md5 = (text: string) => createHash("md5").update(text).digest("hex")
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 12)

describe("JA3", () => {
  // The two published with the method: https://github.com/salesforce/ja3
  it.each([
    [
      "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0",
      "ada70206e40642a3e4461f35503241d5",
      {
        legacyVersion: 769,
        cipherSuites: [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4],
        extensions: [serverName("a.example"), list16(10, 23, 24, 25), extension(11, vector8(bytes(0)))],
      },
    ],
    [
      "769,4-5-10-9-100-98-3-6-19-18-99,,,",
      "de350869b8c85de67a350c8d186f11e6",
      { legacyVersion: 769, cipherSuites: [4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99], extensions: null },
    ],
  ] as const)("of %s is %s", (text, digest, fields) => {
    const result = decode(fields)
    expect(result.ja3String).toBe(text)
    expect(result.ja3).toBe(digest)
  })

  it("leaves GREASE out of every list", () => {
    const text = "771,4865-4866-49195,0-10-11-16-13-51-43-65037,4588-29-23,0-1"
    expect(browser.ja3String).toBe(text)
    expect(browser.ja3).toBe(md5(text))
  })
})

describe("JA4", () => {
  // The worked example of the specification: https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md
  const algorithms = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]
  const example: HelloFields = {
    cipherSuites: [
      ...[0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030],
      ...[0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035],
    ],
    extensions: [
      ...empty(0x4a4a, 0x001b),
      serverName("example.com"),
      ...empty(0x0033),
      alpn("h2", "http/1.1"),
      ...empty(0x4469, 0x0017, 0x002d),
      list16(13, ...algorithms),
      ...empty(0x0005, 0x0023, 0x0012),
      versions(0x3a3a, 0x0304, 0x0303),
      ...empty(0xff01, 0x000b, 0x000a, 0x0015, 0x6a6a),
    ],
  }

  it("of the specification's example is the specification's", () => {
    expect(decode(example).ja4).toBe("t13d1516h2_8daaf6152771_e5627efa2ab1")
  })

  it("is the digest of the sorted ciphers and extensions and of the algorithms in order", () => {
    const ciphers = "1301,1302,c02b"
    const extensions = "000a,000b,000d,002b,0033,fe0d_0403,0804"
    expect(browser.ja4).toBe(`t13d0308h2_${sha256(ciphers)}_${sha256(extensions)}`)
  })

  it("ends without an underscore in the hashed text when there are no signature algorithms", () => {
    expect(decode({ extensions: empty(5, 10) }).ja4.split("_")[2]).toBe(sha256("0005,000a"))
  })

  it("has zeros for a list with nothing to hash", () => {
    expect(decode({ extensions: null }).ja4).toMatch(/^t12i030000_[0-9a-f]{12}_000000000000$/)
    expect(decode({ cipherSuites: [0x0a0a], extensions: null }).ja4).toBe("t12i000000_000000000000_000000000000")
    expect(decode({ extensions: [serverName("a.example"), alpn("h2")] }).ja4).toMatch(/^t12d0302h2_.*_000000000000$/)
  })

  it("counts 99 ciphers or extensions at most", () => {
    const cipherSuites = Array.from({ length: 120 }, (_, at) => at)
    const extensions = empty(...Array.from({ length: 100 }, (_, at) => 1000 + at))
    expect(decode({ cipherSuites, extensions: extensions.slice(0, 99) }).ja4).toMatch(/^t12i999900_/)
    expect(decode({ cipherSuites, extensions }).ja4).toMatch(/^t12i999900_/)
  })

  it.each([
    [0x0304, "13"],
    [0x0303, "12"],
    [0x0302, "11"],
    [0x0301, "10"],
    [0x0300, "s3"],
    [0x7f1c, "00"],
  ])("names version 0x%s", (version, text) => {
    expect(decode({ extensions: [versions(version)] }).ja4).toMatch(new RegExp(`^t${text}i`))
  })

  it.each([
    ["h2", "h2"],
    ["http/1.1", "h1"],
    ["h", "hh"],
    ["\u00ab", "ab"],
    ["\u00ab\u00cd", "ad"],
    ["0\u00ab", "3b"],
    ["01\u00ab\u00cd", "3d"],
    ["\u00ab01", "a1"],
    ["0\u00ab1", "01"],
  ])("has the ends of the first protocol, or of its hex (%j: %s)", (protocol, ends) => {
    expect(decode({ extensions: [alpn(protocol, "x9")] }).ja4.slice(8, 10)).toBe(ends)
  })
})

describe("a hello in many records", () => {
  it("is put together from all of them", () => {
    const padding = new Uint8Array(60_000)
    const message = handshake(body({ extensions: [serverName("a.example"), extension(21, padding)] }))
    const whole = parse(inRecords(message, [1, 2, 3, 0x4000, 0x4000, 0x4000]))
    expect(whole.serverName).toBe("a.example")
    expect(Buffer.compare(whole.extension(21) ?? bytes(), padding)).toBe(0)
  })
})
