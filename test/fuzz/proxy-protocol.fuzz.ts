import { deepStrictEqual, ok } from "node:assert/strict"
import { encodeProxyV1, encodeProxyV2 } from "../../src/proxy/proxy-protocol/encode.ts"
import { type ProxyHeader, ProxyTlvType } from "../../src/proxy/proxy-protocol/header.ts"
import { ProxyHeaderParser, type ProxyHeaderResult, parseProxyHeader } from "../../src/proxy/proxy-protocol/parser.ts"
import { type Answer, agrees, answer, reference, withRightChecksum } from "../proxy/proxy-protocol/reference.ts"
import { sizes } from "./sizes.ts"

const ADDRESSES = ["192.0.2.1", "198.51.100.7", "2001:db8::1", "::", "::1", "::ffff:192.0.2.1", "2001:DB8:0:0:1:0:0:1"]
const PORTS = ["0", "443", "56324", "65535"]

/** Words of a version 1 line, each taken as it is, or with one character put in, put out or changed. */
const LINE = [["PROXY"], ["TCP4", "TCP6", "UNKNOWN"], ADDRESSES, ADDRESSES, PORTS, PORTS]
const CHARACTERS = "0123456789abcdefABCDEF.:%- \t\r\n\0PROXYTCUKNW\xff"

/**
 * Takes the bytes as what a proxy sent, and as the recipe of a version 1 line. The parser agrees with the reference on
 * them, as they are and with their checksum put right; in any TCP segments it gives the same answer, and what follows the header untouched; a header
 * that was read can be written, and read again, with the same meaning.
 */
export function fuzz(data: Buffer): void {
  read(data)
  const right = withRightChecksum(data)
  if (right !== undefined) read(right)
  read(lineOf(data))
}

/** A line that is right but for a few characters, in the way that the data tell. */
function lineOf(data: Buffer): Buffer {
  let at = 0
  const next = () => data[at++] ?? 0
  const words = LINE.map((choices) => {
    const word = choices[next() % choices.length] ?? ""
    const change = next()
    const place = change % (word.length + 1)
    const character = change < 192 ? "" : CHARACTERS.charAt(next() % CHARACTERS.length)
    return `${word.slice(0, place)}${character}${word.slice(change > 223 ? place + 1 : place)}`
  })
  return Buffer.from(`${words.join(" ")}${["\n", "\r"][next()] ?? "\r\n"}`, "latin1")
}

function read(data: Buffer): void {
  const before = Buffer.from(data)
  const whole = parseProxyHeader(data)
  const expected = reference(data)
  expectAgreement(answer(whole), expected)
  deepStrictEqual(data, before)
  if (whole.status === "complete") {
    deepStrictEqual(Buffer.from(whole.rest), data.subarray(whole.bytesConsumed))
    expectRoundTrip(whole.header)
  }
  expectInPieces(data, answer(whole), () => 1)
  expectInPieces(data, answer(whole), sizes(data, 1))
}

function expectAgreement(given: Answer, expected: Answer): void {
  if (!agrees(given, expected)) deepStrictEqual(given, expected)
}

function expectInPieces(data: Buffer, expected: Answer, size: () => number): void {
  const parser = new ProxyHeaderParser()
  let result: ProxyHeaderResult = { status: "incomplete" }
  let at = 0
  while (at < data.length && result.status === "incomplete") {
    const next = Math.min(data.length, at + size())
    result = parser.push(data.subarray(at, next))
    at = next
  }
  deepStrictEqual(answer(result), expected)
  if (result.status === "complete") deepStrictEqual(Buffer.from(result.rest), data.subarray(result.bytesConsumed, at))
  if (result.status === "absent") deepStrictEqual(Buffer.from(result.rest), data.subarray(0, at))
}

function expectRoundTrip(header: ProxyHeader): void {
  const { addresses } = header
  const line = parseProxyHeader(encodeProxyV1(addresses))
  ok(line.status === "complete")
  deepStrictEqual(line.header.addresses, addresses)
  const tlvs = header.tlvs.filter(({ type }) => type !== ProxyTlvType.crc32c)
  const binary = parseProxyHeader(encodeProxyV2(addresses, { tlvs, crc32c: true }), { maxBytes: 65_551 })
  ok(binary.status === "complete")
  // Without addresses a header is LOCAL, whose fields nobody reads.
  if (addresses === undefined) return
  const { authority, alpn, uniqueId, ssl } = header
  const { header: again } = binary
  deepStrictEqual([again.addresses, again.authority, again.alpn], [addresses, authority, alpn])
  deepStrictEqual([again.uniqueId, again.ssl, again.tlvs.slice(0, -1)], [uniqueId, ssl, tlvs])
}
