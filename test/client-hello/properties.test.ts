import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { ClientHelloParser, type ClientHelloResult, parseClientHello } from "../../src/client-hello/parser.ts"
import { fuzz } from "../fuzz/client-hello.fuzz.ts"
import { clientBytes, helloBody, mutate, pieces, sizes } from "./arbitraries.ts"
import { handshake, inRecords } from "./build.ts"
import { answer, reference } from "./reference.ts"

const options = { maxBytes: 2048 }

function inPieces(input: Uint8Array, cut: readonly number[]): { result: ClientHelloResult; bytes: Uint8Array } {
  const parser = new ClientHelloParser(options)
  let result = parser.push(new Uint8Array(0))
  for (const piece of pieces(input, cut)) result = parser.push(piece)
  return { result, bytes: parser.bytes }
}

const where = (result: ClientHelloResult) =>
  result.status === "invalid" ? [result.error.code, result.error.offset, result.error.message] : []

describe("any bytes at all", () => {
  it("get the answer of the reference parser, field by field", () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(clientBytes, (input) => {
        const expected = reference(input, options.maxBytes)
        seen.add(expected.status === "invalid" ? expected.code : expected.status)
        expect(answer(parseClientHello(input, options))).toEqual(expected)
      }),
      { numRuns: 2000 },
    )
    // The property says little about what it never generates.
    expect(seen).toContain("complete")
    expect(seen).toContain("incomplete")
    expect(seen.size).toBeGreaterThan(12)
  })

  it("get the same answer, fault and place in any TCP segments", () => {
    fc.assert(
      fc.property(clientBytes, sizes, (input, cut) => {
        const whole = parseClientHello(input, options)
        const { result, bytes } = inPieces(input, cut)
        expect(answer(result)).toEqual(answer(whole))
        expect(where(result)).toEqual(where(whole))
        expect(bytes).toEqual(input)
      }),
      { numRuns: 700 },
    )
  })

  it("get an answer that more bytes never change", () => {
    fc.assert(
      fc.property(clientBytes, fc.nat(2000), (input, at) => {
        const before = parseClientHello(input.subarray(0, at % (input.length + 1)), options)
        if (before.status === "incomplete") return
        expect(answer(parseClientHello(input, options))).toEqual(answer(before))
      }),
      { numRuns: 700 },
    )
  })
})

describe("a handshake message", () => {
  it("gets the same answer in any TLS records", () => {
    fc.assert(
      fc.property(helloBody, mutate, sizes, sizes, (hello, change, records, cut) => {
        const message = handshake(change(hello))
        const whole = answer(parseClientHello(inRecords(message, [])))
        expect(answer(parseClientHello(inRecords(message, records)))).toEqual(whole)
        const parser = new ClientHelloParser()
        let result = parser.push(new Uint8Array(0))
        for (const piece of pieces(inRecords(message, records), cut)) result = parser.push(piece)
        expect(answer(result)).toEqual(whole)
      }),
      { numRuns: 700 },
    )
  })
})

describe("the fuzzer's seeds", () => {
  const corpus = join(import.meta.dirname, "../fuzz/corpus/client-hello")

  it.each(readdirSync(corpus))("%s passes", (file) => {
    fuzz(readFileSync(join(corpus, file)))
  })
})
