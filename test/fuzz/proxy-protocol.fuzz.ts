import { deepStrictEqual, ok } from "node:assert/strict"
import { encodeProxyV1, encodeProxyV2 } from "../../src/proxy/proxy-protocol/encode.ts"
import { type ProxyHeader, ProxyTlvType } from "../../src/proxy/proxy-protocol/header.ts"
import { ProxyHeaderParser, type ProxyHeaderResult, parseProxyHeader } from "../../src/proxy/proxy-protocol/parser.ts"
import { type Answer, agrees, answer, reference, withRightChecksum } from "../proxy/proxy-protocol/reference.ts"
import { sizes } from "./sizes.ts"

/**
 * Takes the bytes as what a proxy sent. The parser agrees with the reference on them, as they are and with their
 * checksum put right; in any TCP segments it gives the same answer, and what follows the header untouched; a header
 * that was read can be written, and read again, with the same meaning.
 */
export function fuzz(data: Buffer): void {
  read(data)
  const right = withRightChecksum(data)
  if (right !== undefined) read(right)
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
