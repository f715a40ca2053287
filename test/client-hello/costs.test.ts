import { describe, expect, it } from "vitest"
import { ClientHelloParser, type ClientHelloResult } from "../../src/client-hello/parser.ts"
import { body, bytes, handshake, hello, inRecords, serverName } from "./build.ts"
import { countedParser } from "./counted.ts"

function byteByByte(parser: ClientHelloParser, input: Uint8Array): ClientHelloResult {
  let result = parser.push(bytes())
  for (let at = 0; at < input.length; at += 1) result = parser.push(input.subarray(at, at + 1))
  return result
}

/** A hello of about this many bytes, in records of the most that they may be. */
function helloOf(size: number): Uint8Array {
  const extensions = [serverName("a.example"), { type: 21, data: new Uint8Array(size - 150) }]
  return inRecords(handshake(body({ extensions })), [0x4000, 0x4000, 0x4000])
}

describe("a hello fed byte by byte", () => {
  const { ClientHelloParser: Counted, work } = countedParser()

  it("takes work in proportion to its size", () => {
    const run = (size: number) =>
      work(() => {
        expect(byteByByte(new Counted(), helloOf(size)).status).toBe("complete")
      })
    const small = run(8_000)
    const large = run(64_000)
    expect(small.steps).toBeGreaterThan(8_000)
    expect(large.steps / small.steps).toBeLessThan(9)
    expect(small.copied).toBeGreaterThan(8_000)
    expect(large.copied / 64_000).toBeLessThan(6)
  })

  it("in records of one byte each takes no more work for a byte", () => {
    const run = (size: number) => {
      const message = handshake(body({ extensions: [{ type: 21, data: new Uint8Array(size) }] }))
      const input = inRecords(message, new Array<number>(message.length).fill(1))
      return work(() => expect(byteByByte(new Counted(), input).status).toBe("complete"))
    }
    const small = run(1_000)
    const large = run(8_000)
    expect(large.steps / small.steps).toBeLessThan(9)
    expect(large.copied / small.copied).toBeLessThan(12)
  })

  it("of 16 000 extensions takes work in proportion to their number", () => {
    const run = (count: number) => {
      const extensions = Array.from({ length: count }, (_, at) => ({ type: at + 1000, data: bytes() }))
      const input = inRecords(handshake(body({ extensions })), [0x4000, 0x4000, 0x4000])
      return work(() => expect(new Counted().push(input).status).toBe("complete"))
    }
    const small = run(2_000)
    const large = run(16_000)
    expect(small.steps).toBeGreaterThan(2_000)
    expect(large.steps / small.steps).toBeLessThan(9)
  })
})

describe("the bytes kept", () => {
  it("are the chunk itself when it holds the whole hello", () => {
    const chunk = hello()
    const parser = new ClientHelloParser()
    expect(parser.push(chunk).status).toBe("complete")
    expect(parser.bytes).toBe(chunk)
  })

  it("are a copy while the hello waits, so that the chunk's buffer is free for the next read", () => {
    const buffer = new Uint8Array(65_536)
    const parser = new ClientHelloParser()
    const input = hello()
    let result: ClientHelloResult = { status: "incomplete" }
    for (let at = 0; at < input.length; at += 50) {
      const part = input.subarray(at, at + 50)
      buffer.set(part)
      result = parser.push(buffer.subarray(0, part.length))
      buffer.fill(0xff)
    }
    expect(result).toMatchObject({ status: "complete", hello: { serverName: "example.com" } })
    expect(parser.bytes).toEqual(input)
  })

  it("of 10 000 stalled hellos, one byte each, are few", () => {
    const input = hello()
    let held = 0
    for (let count = 0; count < 10_000; count += 1) {
      const parser = new ClientHelloParser()
      // As Node.js hands it over when reads share a buffer.
      const read = new Uint8Array(4096).subarray(0, 1)
      read.set(input.subarray(0, 1))
      expect(parser.push(read).status).toBe("incomplete")
      held += parser.bytes.buffer.byteLength
    }
    expect(held).toBe(10_000)
  })

  it("of a hello that trickles in are at most twice its bytes", () => {
    const parser = new ClientHelloParser()
    for (const byte of hello().subarray(0, 100)) {
      parser.push(Uint8Array.of(byte))
      expect(parser.bytes.buffer.byteLength).toBeLessThanOrEqual(2 * parser.bytes.length)
    }
  })

  it("stop at maxBytes: a hello is refused before it could hold more", () => {
    const parser = new ClientHelloParser({ maxBytes: 1000 })
    let result: ClientHelloResult = { status: "incomplete" }
    const input = inRecords(handshake(bytes(), 1, 900), [])
    result = parser.push(input)
    expect(result.status).toBe("incomplete")
    while (result.status === "incomplete") result = parser.push(bytes(22, 3, 1, 0, 1, 0))
    expect(result).toMatchObject({ status: "invalid", error: { code: "TOO_LARGE" } })
    expect(parser.bytes.length).toBeLessThanOrEqual(1006)
  })
})
