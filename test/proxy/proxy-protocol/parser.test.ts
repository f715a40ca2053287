import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { encodeProxyV1, encodeProxyV2 } from "../../../src/proxy/proxy-protocol/encode.ts"
import { ProxyTlvType, V2_SIGNATURE } from "../../../src/proxy/proxy-protocol/header.ts"
import {
  ProxyHeaderParser,
  type ProxyHeaderResult,
  parseProxyHeader,
} from "../../../src/proxy/proxy-protocol/parser.ts"

const ascii = (text: string) => new Uint8Array(Buffer.from(text, "latin1"))
const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ""), "hex"))
const v2 = (rest: string) => new Uint8Array([...V2_SIGNATURE, ...hex(rest)])
const endpoints = (source: string, sourcePort: number, destination: string, destinationPort: number) => ({
  source: { address: source, port: sourcePort },
  destination: { address: destination, port: destinationPort },
})

function outcome(result: ProxyHeaderResult): string {
  return result.status === "invalid" ? result.error.code : result.status
}

describe("a version 1 line", () => {
  it.each([
    ["PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", endpoints("192.0.2.1", 56324, "198.51.100.7", 443)],
    [
      "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
      endpoints("255.255.255.255", 65535, "255.255.255.255", 65535),
    ],
    ["PROXY TCP6 2001:DB8:0:0::1 2001:db8::2 0 443\r\n", endpoints("2001:db8::1", 0, "2001:db8::2", 443)],
    ["PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n", endpoints("192.0.2.1", 1, "192.0.2.2", 2)],
    ["PROXY UNKNOWN\r\n", undefined],
    ["PROXY UNKNOWN ffff:f...f:ffff whatever 65535 99999\r\n", undefined],
    // Section 2.1: 107 bytes is the worst case.
    [`PROXY UNKNOWN ${"x".repeat(91)}\r\n`, undefined],
  ])("is read: %j", (line, addresses) => {
    const result = parseProxyHeader(ascii(`${line}after`))
    expect(result).toMatchObject({ status: "complete", bytesConsumed: line.length, rest: ascii("after") })
    expect(result.status === "complete" && result.header).toMatchObject({ version: 1, command: "proxy", tlvs: [] })
    expect(result.status === "complete" && result.header.addresses).toEqual(addresses)
  })

  it.each([
    ["PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", "PROXY_LINE_SYNTAX"],
    ["PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r \r\n", "PROXY_LINE_SYNTAX"],
    ["PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", "PROXY_LINE_SYNTAX"],
    ["PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", "PROXY_LINE_SYNTAX"],
    ["PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "PROXY_LINE_SYNTAX"],
    ["PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY_LINE_SYNTAX"],
    ["PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY_LINE_SYNTAX"],
    ["PROXY UNKNOWNX\r\n", "PROXY_LINE_SYNTAX"],
    ["PROXY TCP4 192.0.2.1\u00002 192.0.2.2 1 2\r\n", "PROXY_LINE_SYNTAX"],
    ["PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n", "PROXY_ADDRESS"],
    ["PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n", "PROXY_ADDRESS"],
    ["PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY_ADDRESS"],
    ["PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY_ADDRESS"],
    ["PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n", "PROXY_ADDRESS"],
    ["PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n", "PROXY_PORT"],
    ["PROXY TCP4 192.0.2.1 192.0.2.2 0443 2\r\n", "PROXY_PORT"],
    ["PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n", "PROXY_PORT"],
    ["PROXY TCP4 192.0.2.1 192.0.2.2 1 2e1\r\n", "PROXY_PORT"],
    [`PROXY UNKNOWN ${"x".repeat(92)}\r\n`, "PROXY_LINE_TOO_LONG"],
  ])("is refused: %j is %s", (line, code) => {
    expect(outcome(parseProxyHeader(ascii(line)))).toBe(code)
  })
})

describe("a version 2 header", () => {
  const tcp4 = "21 11 000c c0000201 c6336407 dc04 01bb"

  it("tells the ends of a TCP over IPv4 connection", () => {
    const result = parseProxyHeader(v2(`${tcp4} 160301`))
    expect(result).toMatchObject({ status: "complete", bytesConsumed: 28, rest: hex("160301") })
    expect(result).toMatchObject({
      header: { version: 2, addresses: endpoints("192.0.2.1", 56324, "198.51.100.7", 443) },
    })
  })

  it("tells the ends of a TCP over IPv6 connection", () => {
    const bytes = v2(`21 21 0024 20010db8000000000000000000000001 20010db8000000000000000000000002 0001 01bb`)
    expect(parseProxyHeader(bytes)).toMatchObject({
      status: "complete",
      header: { addresses: endpoints("2001:db8::1", 1, "2001:db8::2", 443) },
    })
  })

  it.each([
    ["LOCAL", "20 00 0000"],
    ["LOCAL whatever its family and bytes say", "20 ff 0003 0102ff"],
    ["LOCAL over datagrams", "20 12 000c c0000201 c6336407 dc04 01bb"],
    ["UNSPEC", "21 00 0000"],
    ["UNSPEC over a stream", "21 01 0000"],
    ["a Unix stream", `21 31 00d8 ${"00".repeat(216)}`],
  ])("leaves the connection's own addresses in force for %s", (_, rest) => {
    expect(parseProxyHeader(v2(rest))).toMatchObject({ status: "complete", header: { addresses: undefined } })
  })

  it("carries authority, ALPN, unique id, SSL and unknown fields, and ignores padding and network namespace", () => {
    const fields = "02 0003 612e62 01 0002 6832 05 0002 0102 20 0005 0100000000 04 0001 00 30 0001 78 e0 0000"
    const result = parseProxyHeader(v2(`21 11 002f c0000201 c6336407 dc04 01bb ${fields}`))
    expect(result).toMatchObject({
      status: "complete",
      header: { authority: "a.b", alpn: ascii("h2"), uniqueId: hex("0102"), ssl: hex("0100000000") },
    })
    expect(result.status === "complete" && result.header.tlvs.map(({ type }) => type)).toEqual([
      0x02, 0x01, 0x05, 0x20, 0x04, 0x30, 0xe0,
    ])
  })

  it.each([
    ["version 1 in binary", "11 11 000c", "PROXY_VERSION"],
    ["command 2", "22 11 000c", "PROXY_COMMAND"],
    ["address family 4", "21 41 000c", "PROXY_FAMILY"],
    ["transport 3", "21 13 000c", "PROXY_FAMILY"],
    ["UDP over IPv4, at the 16th byte", "21 12 000c", "PROXY_DATAGRAM"],
    ["UDP over IPv6", `21 22 0024 ${"00".repeat(36)}`, "PROXY_DATAGRAM"],
    ["Unix datagrams", `21 32 00d8 ${"00".repeat(216)}`, "PROXY_DATAGRAM"],
    ["datagrams of no family", "21 02 0000", "PROXY_DATAGRAM"],
    ["addresses cut short", "21 11 000b", "PROXY_TRUNCATED_ADDRESSES"],
    ["a length over the cap, at the 16th byte", "21 11 ffff", "PROXY_TOO_LONG"],
    ["a field that reaches into the payload", "21 00 0004 e0 0002 01 02", "PROXY_TRUNCATED_TLV"],
    ["a field header cut short", "21 00 0002 e000", "PROXY_TRUNCATED_TLV"],
    ["two authorities", "21 00 0008 02 0001 61 02 0001 62", "PROXY_DUPLICATE_TLV"],
    ["an authority that is not UTF-8", "21 00 0004 02 0001 ff", "PROXY_TLV_VALUE"],
    ["an authority over 255 bytes", `21 00 0103 02 0100 ${"61".repeat(256)}`, "PROXY_TLV_VALUE"],
    ["a unique id over 128 bytes", `21 00 0084 05 0081 ${"00".repeat(129)}`, "PROXY_TLV_VALUE"],
    ["a checksum of 3 bytes", "21 00 0006 03 0003 000000", "PROXY_TLV_VALUE"],
    ["a checksum that does not match", "21 00 0007 03 0004 00000000", "PROXY_CHECKSUM"],
  ])("is refused for %s", (_, rest, code) => {
    expect(outcome(parseProxyHeader(v2(rest)))).toBe(code)
  })

  it("is refused when any one bit of a header with a checksum is flipped", () => {
    const whole = encodeProxyV2(endpoints("192.0.2.1", 1, "192.0.2.2", 443), { authority: "a.example", crc32c: true })
    expect(outcome(parseProxyHeader(whole))).toBe("complete")
    for (let bit = 8 * 16; bit < 8 * whole.length; bit++) {
      const flipped = whole.slice()
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      const result = parseProxyHeader(flipped)
      // A flip of the checksum field's own type leaves a header that claims no checksum.
      const isChecksumType = bit >> 3 === whole.length - 7
      expect(result.status === "complete" && !isChecksumType, `bit ${bit}`).toBe(false)
    }
  })
})

describe("bytes that begin no header", () => {
  it.each([
    ["a ClientHello", hex("160301")],
    ["an HTTP request", ascii("POST / HTTP/1.1\r\n")],
    ["a line in lower case", ascii("proxy TCP4 ")],
    ["a signature that breaks off", hex("0d0a0d0a000d0a5155495420")],
    ["a first word without a space", ascii("PROXY\r\n")],
  ])("are absent, and given back whole: %s", (_, bytes) => {
    expect(parseProxyHeader(bytes)).toEqual({ status: "absent", rest: bytes })
    const parser = new ProxyHeaderParser()
    let last: ProxyHeaderResult = { status: "incomplete" }
    let pushed = 0
    for (const byte of bytes) {
      last = parser.push(Uint8Array.of(byte))
      pushed++
      if (last.status !== "incomplete") break
    }
    expect(last).toEqual({ status: "absent", rest: bytes.slice(0, pushed) })
  })
})

describe("a header in pieces", () => {
  const header = fc.oneof(
    fc.constantFrom(
      encodeProxyV1(endpoints("192.0.2.1", 1, "192.0.2.2", 443)),
      encodeProxyV1(endpoints("2001:db8::1", 1, "2001:db8::2", 443)),
      encodeProxyV1(undefined),
      encodeProxyV2(undefined),
      encodeProxyV2(endpoints("192.0.2.1", 1, "192.0.2.2", 443), { authority: "a.example", alpn: "h2", crc32c: true }),
    ),
    fc.uint8Array({ maxLength: 40 }).map((rest) => new Uint8Array([...V2_SIGNATURE, 0x21, ...rest])),
    fc.string({ maxLength: 110 }).map((rest) => ascii(`PROXY ${rest}\r\n`)),
    fc.uint8Array({ maxLength: 120 }),
  )

  it("gives the answer of the whole, whatever the split", () => {
    fc.assert(
      fc.property(
        header,
        fc.uint8Array({ maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 30 })),
        (bytes, after, sizes) => {
          const all = new Uint8Array([...bytes, ...after])
          const before = Buffer.from(all)
          const whole = parseProxyHeader(Buffer.from(all.buffer))
          expect(before.equals(all)).toBe(true)
          const parser = new ProxyHeaderParser()
          let result: ProxyHeaderResult = { status: "incomplete" }
          let offset = 0
          for (let index = 0; offset < all.length && result.status === "incomplete"; index++) {
            const end = Math.min(all.length, offset + (sizes[index % Math.max(1, sizes.length)] ?? 1))
            result = parser.push(all.subarray(offset, end))
            offset = end
          }
          if (whole.status === "complete") {
            expect(result).toMatchObject({
              status: "complete",
              header: whole.header,
              bytesConsumed: whole.bytesConsumed,
            })
            expect(result.status === "complete" && result.rest).toEqual(all.slice(whole.bytesConsumed, offset))
          } else if (whole.status === "absent") expect(result).toEqual({ status: "absent", rest: all.slice(0, offset) })
          else expect(outcome(result)).toBe(outcome(whole))
        },
      ),
    )
  })

  it("keeps its first answer whatever comes after", () => {
    const parser = new ProxyHeaderParser()
    const first = parser.push(ascii("PROXY TCP5\r\n"))
    expect(outcome(first)).toBe("PROXY_LINE_SYNTAX")
    expect(parser.push(encodeProxyV1(undefined))).toBe(first)
  })

  it("takes longer headers when told to", () => {
    const bytes = encodeProxyV2(undefined, { tlvs: [{ type: ProxyTlvType.noop, value: new Uint8Array(5000) }] })
    expect(outcome(parseProxyHeader(bytes))).toBe("PROXY_TOO_LONG")
    expect(outcome(parseProxyHeader(bytes, { maxBytes: 8192 }))).toBe("complete")
  })
})
