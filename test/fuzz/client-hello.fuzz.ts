import { deepStrictEqual } from "node:assert/strict"
import { ClientHelloParser, type ClientHelloResult, parseClientHello } from "../../src/client-hello/parser.ts"
import { inRecords } from "../client-hello/build.ts"
import { type Answer, answer, reference } from "../client-hello/reference.ts"
import { sizes } from "./sizes.ts"

/**
 * Takes the bytes as what a client sent. The parser agrees with the reference on them; in any TCP segments it gives
 * the same answer, and keeps the bytes; a handshake message gets the same answer in any records.
 */
export function fuzz(data: Buffer): void {
  const whole = reference(data)
  deepStrictEqual(answer(parseClientHello(data)), whole)
  expectInPieces(data, whole, () => 1)
  expectInPieces(data, whole, sizes(data, 1))
  if (!isOneMessageInOneRecord(data)) return
  const cut = inRecords(data.subarray(5), records(data))
  const expected = cut.length > 65_536 ? reference(cut) : whole
  deepStrictEqual(answer(parseClientHello(cut)), expected)
  expectInPieces(cut, expected, sizes(data, 3))
}

function expectInPieces(data: Uint8Array, expected: Answer, size: () => number): void {
  const parser = new ClientHelloParser()
  let result: ClientHelloResult = { status: "incomplete" }
  for (let at = 0; at < data.length; ) {
    const next = at + size()
    result = parser.push(data.subarray(at, next))
    at = next
  }
  deepStrictEqual(answer(result), expected)
  deepStrictEqual(Buffer.from(parser.bytes), Buffer.from(data))
}

function isOneMessageInOneRecord(data: Buffer): boolean {
  if (data.length < 9 || data[0] !== 22 || data[1] !== 3 || (data[2] ?? 0) > 3 || data[5] !== 1) return false
  return data.readUInt16BE(3) === data.length - 5 && data.readUIntBE(6, 3) === data.length - 9
}

function records(data: Buffer): readonly number[] {
  const size = sizes(data, 2)
  return Array.from(data, size)
}
