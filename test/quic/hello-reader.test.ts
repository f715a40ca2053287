import { describe, expect, it } from "vitest"
import { type QuicHelloOptions, QuicHelloReader, type QuicHelloResult } from "../../src/quic/hello-reader.ts"
import { QUIC_V1, QUIC_V2 } from "../../src/quic/versions.ts"
import { body, bytes, type Extension, handshake, serverName, versions } from "../client-hello/build.ts"
import {
  ACK,
  CLIENT_DESTINATION,
  CLOSE,
  cryptoFrame,
  datagram,
  hex,
  inFrames,
  message,
  type PacketFields,
  packet,
  varint,
} from "./build.ts"

function read(datagrams: readonly Uint8Array[], options?: QuicHelloOptions): QuicHelloResult {
  const reader = new QuicHelloReader(options)
  let result: QuicHelloResult = { status: "incomplete" }
  for (const each of datagrams) result = reader.push(each)
  return result
}

const complete = { status: "complete", hello: { serverName: "example.com" } }
const invalid = (code: string) => ({ status: "invalid", error: { code } })
const whole = cryptoFrame(0, message())

/** A hello of about this many bytes, as browsers with post-quantum keys send. */
function large(size: number): Uint8Array {
  const keyShare: Extension = { type: 51, data: new Uint8Array(size - 150) }
  return message({ extensions: [serverName("example.com"), versions(0x0304), keyShare] })
}

describe("a ClientHello is read", () => {
  it("from one packet", () => {
    expect(read([datagram(whole)])).toMatchObject(complete)
  })

  it("from two datagrams, of a hello that one does not hold", () => {
    const frames = inFrames(large(1800), [1100])
    const datagrams = frames.map((frame, number) => datagram(frame, { number }))
    expect(read(datagrams.slice(0, 1))).toEqual({ status: "incomplete" })
    expect(read(datagrams)).toMatchObject(complete)
    expect(read(datagrams.toReversed())).toMatchObject(complete)
  })

  it("from frames out of order, among PING, PADDING and ACK", () => {
    const [a, b, c, d] = inFrames(message(), [5, 60, 3]) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    expect(read([datagram(bytes(1, c, 0, 0, a, ACK, d, 1, b))])).toMatchObject(complete)
  })

  it("from two packets of one datagram", () => {
    const [a, b] = inFrames(message(), [40]) as [Uint8Array, Uint8Array]
    expect(read([bytes(packet(b, { number: 7 }), datagram(a))])).toMatchObject(complete)
  })

  it("before what else the datagram holds: 0-RTT, Handshake, and bytes without a long header", () => {
    const others = [packet(new Uint8Array(50), { type: "0-rtt" }), packet(new Uint8Array(50), { type: "handshake" })]
    expect(read([bytes(datagram(whole), ...others, 0x40, new Uint8Array(30))])).toMatchObject(complete)
  })

  it("whatever the packet number and its size", () => {
    for (const numberSize of [1, 2, 3, 4] as const) {
      expect(read([datagram(whole, { number: 200, numberSize })])).toMatchObject(complete)
    }
  })

  it("when every byte comes twice, and in other frames", () => {
    const again = bytes(...inFrames(message(), [7, 7, 7]))
    expect(read([datagram(bytes(...inFrames(message(), [3, 100])).subarray(0, 60)), datagram(again)])).toMatchObject(
      invalid("FRAME"),
    )
    expect(read([datagram(inFrames(message(), [90])[0] ?? bytes()), datagram(again)])).toMatchObject(complete)
  })

  it("of version 1 and of version 2", () => {
    for (const version of [QUIC_V1, QUIC_V2]) expect(read([datagram(whole, { version })])).toMatchObject(complete)
  })

  it("with a token, which is the server's business", () => {
    expect(read([datagram(whole, { token: new Uint8Array(100) })])).toMatchObject(complete)
  })

  it("with the JA4 of QUIC", () => {
    const result = read([datagram(whole)])
    expect(result.status === "complete" && result.hello.ja4).toMatch(/^q13d030200_/)
  })

  it("in 1000 frames of a byte each", () => {
    const frames = inFrames(large(1000), new Array(1000).fill(1))
    const size = 250
    const datagrams = Array.from({ length: Math.ceil(frames.length / size) }, (_, number) =>
      datagram(bytes(...frames.slice(number * size, (number + 1) * size)), { number }),
    )
    expect(read(datagrams)).toMatchObject(complete)
  })
})

describe("a datagram is ignored, and the next one counts", () => {
  const [first, second] = inFrames(message(), [40]) as [Uint8Array, Uint8Array]
  const broken = (change: (copy: Uint8Array) => void) => {
    const copy = datagram(whole)
    change(copy)
    return copy
  }
  const rows: readonly (readonly [what: string, why: string, datagram: Uint8Array])[] = [
    ["nothing", "", bytes()],
    ["a short header", "RFC 9000 section 17.3", bytes(0x40, new Uint8Array(1300))],
    ["less than 1200 bytes", "RFC 9000 section 14.1", packet(whole)],
    ["a destination of seven bytes", "RFC 9000 section 7.2", datagram(whole, { destination: new Uint8Array(7) })],
    ["a byte changed", "RFC 9001 section 5.3", broken((copy) => copy.fill(1, 600, 601))],
    ["the last byte missing", "RFC 9000 section 17.2", datagram(whole, {}, 1300).subarray(0, -1)],
    ["no fixed bit", "RFC 9000 section 17.2", datagram(whole, { first: (byte) => byte & ~0x40 })],
    ["keys of the server", "RFC 9001 section 5.2", datagram(whole, { side: "server" })],
    ["keys of the other version", "RFC 9369 section 3.3", broken((copy) => copy.set(hex("6b3343cf"), 1))],
    ["an unknown version", "RFC 9000 section 6", broken((copy) => copy.set(hex("ff00001d"), 1))],
    ["a source of 21 bytes", "RFC 9000 section 17.2", datagram(whole, { source: new Uint8Array(21) })],
    ["a Retry", "RFC 9000 section 17.2.5", datagram(whole, { type: "retry" })],
    ["0-RTT alone", "RFC 9000 section 17.2.3", datagram(whole, { type: "0-rtt" })],
    [
      "packets for two ids",
      "RFC 9000 section 12.2",
      bytes(datagram(whole), packet(whole, { destination: new Uint8Array(8) })),
    ],
    ["a second packet that is not authentic", "", bytes(datagram(whole), packet(whole, { side: "server" }))],
    ["a second packet without the fixed bit", "", bytes(datagram(whole), packet(whole, { first: (b) => b & ~0x40 }))],
    ["a second packet that is cut", "", bytes(datagram(whole), packet(whole).subarray(0, -1))],
  ]

  it.each(rows)("%s (%s)", (_what, _why, odd) => {
    const reader = new QuicHelloReader()
    expect(reader.push(odd)).toEqual({ status: "ignored" })
    expect(reader.push(datagram(first))).toEqual({ status: "incomplete" })
    expect(reader.push(odd)).toEqual({ status: "ignored" })
    expect(reader.push(datagram(second, { number: 1 }))).toMatchObject(complete)
  })

  it("from another connection", () => {
    const reader = new QuicHelloReader()
    expect(reader.push(datagram(first))).toEqual({ status: "incomplete" })
    expect(reader.push(datagram(second, { destination: new Uint8Array(8).fill(9) }))).toEqual({ status: "ignored" })
    expect(reader.push(datagram(second, { number: 1 }))).toMatchObject(complete)
  })
})

describe("a ClientHello is refused", () => {
  const twice = (index: number) => {
    const other = message()
    other[index] = (other[index] ?? 0) ^ 1
    return other
  }
  const rows: [what: string, code: string, frames: Uint8Array, fields?: PacketFields][] = [
    [
      "another byte in an overlap",
      "CRYPTO_DISAGREES",
      bytes(cryptoFrame(0, message().subarray(0, 60)), cryptoFrame(20, twice(50).subarray(20))),
    ],
    [
      "another first byte in a repetition",
      "CRYPTO_DISAGREES",
      bytes(cryptoFrame(0, message().subarray(0, 60)), cryptoFrame(0, twice(0))),
    ],
    [
      "another name behind a gap",
      "CRYPTO_DISAGREES",
      bytes(cryptoFrame(50, message().subarray(50)), cryptoFrame(50, twice(90).subarray(50))),
    ],
    ["another handshake message", "NOT_CLIENT_HELLO", cryptoFrame(0, bytes(2))],
    ["bytes behind it", "TRAILING_BYTES", cryptoFrame(0, bytes(message(), 1))],
    [
      "bytes far behind it",
      "TRAILING_BYTES",
      bytes(cryptoFrame(900, bytes(0)), cryptoFrame(0, message().subarray(0, 4))),
    ],
    ["a frame behind the bound", "TOO_LARGE", cryptoFrame(2048, bytes(0))],
    ["a frame at the end of all numbers", "TOO_LARGE", cryptoFrame(2 ** 61, bytes(0))],
    ["a length over the bound, before its body", "TOO_LARGE", cryptoFrame(0, bytes(1, 0, 16, 0))],
    ["a frame longer than its packet", "FRAME", bytes(6, 0, 60, 1)],
    ["an ACK of more ranges than there are", "FRAME", bytes(2, 0, 0, varint(2 ** 60), 0)],
    ["a frame type in two bytes", "FRAME", bytes(0x40, 0x06, 0, 0)],
    ["a stream", "FRAME_NOT_ALLOWED", bytes(0x08, 0, 1)],
    ["the close of an application", "FRAME_NOT_ALLOWED", bytes(0x1d, 0, 0)],
    ["reserved bits", "RESERVED_BITS", whole, { first: (byte) => byte | 0x04 }],
    [
      "two names",
      "SERVER_NAME_MULTIPLE",
      cryptoFrame(0, message({ extensions: [serverName("a.example", "b.example")] })),
    ],
    [
      "server_name twice",
      "DUPLICATE_EXTENSION",
      cryptoFrame(0, message({ extensions: [serverName("a.example"), serverName("a.example")] })),
    ],
    [
      "a NUL in the name",
      "SERVER_NAME_CHARACTER",
      cryptoFrame(0, message({ extensions: [serverName("a\0b.example")] })),
    ],
    ["a length that lies", "EXTENSIONS", cryptoFrame(0, handshake(body().subarray(0, -1)))],
  ]

  it.each(rows)("with %s: %s", (...[, code, frames, fields]) => {
    const reader = new QuicHelloReader({ maxBytes: 2048 })
    expect(reader.push(datagram(frames, fields))).toMatchObject(invalid(code))
    expect(reader.push(datagram(whole))).toMatchObject(invalid(code))
  })

  it("with a packet without frames", () => {
    expect(read([bytes(packet(bytes(), { numberSize: 4 }), datagram(whole))])).toMatchObject(invalid("NO_FRAMES"))
  })

  it("in more pieces out of order than are kept", () => {
    const [, ...rest] = inFrames(large(1200), new Array(600).fill(2))
    const odd = rest.filter((_, index) => index % 2 === 0)
    const datagrams = [odd.slice(0, 200), odd.slice(200)].map((part) => datagram(bytes(...part)))
    expect(read(datagrams)).toMatchObject(invalid("CRYPTO_PIECES"))
  })

  it("after more packets than it can need", () => {
    const pings = Array.from({ length: 5 }, (_, number) => datagram(bytes(1), { number }))
    expect(read(pings, { maxPackets: 5 })).toEqual({ status: "incomplete" })
    expect(read([...pings, datagram(whole)], { maxPackets: 5 })).toMatchObject(invalid("TOO_MANY_PACKETS"))
  })

  it("is over when the client closes the connection", () => {
    expect(read([datagram(bytes(CLOSE, whole))])).toEqual({ status: "closed" })
  })

  it.each([0, -1, Number.NaN])("has no bound of %s", (bound) => {
    expect(() => new QuicHelloReader({ maxBytes: bound })).toThrow(
      expect.objectContaining({ code: "ERR_TLSROUTE_OPTION" }),
    )
    expect(() => new QuicHelloReader({ maxPackets: bound })).toThrow(
      expect.objectContaining({ code: "ERR_TLSROUTE_OPTION" }),
    )
  })
})

describe("the memory held", () => {
  it("follows the bytes received, wherever in the stream they say to be", () => {
    const reader = new QuicHelloReader()
    reader.push(datagram(bytes(...[1, 9, 25, 60].map((kib) => cryptoFrame(kib * 1024, bytes(0))))))
    expect(reader.memory).toBeLessThan(64)
  })
})

describe("after the ClientHello, a datagram of the same connection", () => {
  const server = hex("f067a5502a4262b5")
  const begun = () => {
    const reader = new QuicHelloReader()
    expect(reader.push(datagram(whole))).toMatchObject(complete)
    return reader
  }
  const other = cryptoFrame(0, message({ extensions: [serverName("other.example"), versions(0x0304)] }))
  const keyId = CLIENT_DESTINATION

  it.each<[string, Uint8Array]>([
    ["repeats the hello", datagram(whole)],
    ["repeats a part of it", datagram(cryptoFrame(9, message().subarray(9, 50)))],
    ["acknowledges, to the id that the server chose", datagram(ACK, { destination: server, keyId })],
    ["brings the second hello that the server asked for", datagram(cryptoFrame(message().length, message()))],
    ["goes over to version 2 (RFC 9369 section 4.1)", datagram(whole, { version: QUIC_V2 })],
    ["holds Handshake packets alone, however short", packet(new Uint8Array(40), { type: "handshake" })],
    ["closes the connection", datagram(CLOSE)],
  ])("may follow when it %s", (_what, next) => {
    expect(begun().agrees(next)).toBe(true)
  })

  it.each<[string, Uint8Array]>([
    ["asks for another name under the same id", datagram(other)],
    ["asks for another name with keys of the server's id", datagram(other, { destination: server })],
    ["is not authentic", datagram(whole, { side: "server" })],
    ["holds an Initial packet in less than 1200 bytes", packet(whole)],
    ["holds a malformed frame", datagram(bytes(8))],
    ["has another name in its second packet", bytes(datagram(whole), packet(other))],
    ["has a Retry packet", packet(whole, { type: "retry" })],
    ["has a short header", bytes(0x40, new Uint8Array(40))],
  ])("must not when it %s", (_what, next) => {
    expect(begun().agrees(next)).toBe(false)
  })

  it("may be protected with keys of the Retry's id once the server has sent one", () => {
    const reader = begun()
    const next = datagram(whole, { destination: server, token: hex("abcd") })
    expect(reader.agrees(next)).toBe(false)
    reader.retried(server)
    expect(reader.agrees(next)).toBe(true)
    expect(reader.agrees(datagram(other, { destination: server }))).toBe(false)
    reader.retried(new Uint8Array(8))
    expect(reader.agrees(datagram(whole, { destination: new Uint8Array(8) }))).toBe(false)
  })

  it("must not before there is one", () => {
    expect(new QuicHelloReader().agrees(datagram(whole))).toBe(false)
  })
})
