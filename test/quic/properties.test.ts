import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { QuicHelloReader, type QuicHelloResult } from "../../src/quic/hello-reader.ts"
import { readLongPackets } from "../../src/quic/packet.ts"
import { QUIC_V1, QUIC_V2 } from "../../src/quic/versions.ts"
import { helloBody, mutate } from "../client-hello/arbitraries.ts"
import { bytes, handshake } from "../client-hello/build.ts"
import { ACK, CLOSE, cryptoFrame, datagram, packet } from "./build.ts"
import { answer, reference } from "./reference.ts"

const options = { maxBytes: 4096 }

/** Pieces of a message, overlapping at will, that cover it. */
const pieces = (message: Uint8Array) =>
  fc.array(fc.tuple(fc.nat(message.length), fc.integer({ min: 1, max: 90 })), { maxLength: 12 }).chain((extra) => {
    const cuts = [...new Set([0, ...extra.map(([at]) => at)])].sort((a, b) => a - b)
    const cover = cuts.map((at, index) => message.subarray(at, cuts[index + 1] ?? message.length))
    const frames = [
      ...cover.map((data, index) => cryptoFrame(cuts[index] ?? 0, data)),
      ...extra.map(([at, length]) => cryptoFrame(at, message.subarray(at, at + length))),
    ]
    return fc.shuffledSubarray(frames, { minLength: frames.length - 1 })
  })

const filler = fc.constantFrom(bytes(0), bytes(0, 0, 0), bytes(1), ACK, CLOSE, bytes(8), bytes(6, 0x44))

/** What a client may say: frames of a hello, right or wrong, among others, dealt out to packets and datagrams. */
const said = fc
  .tuple(helloBody, mutate, fc.boolean())
  .chain(([hello, change, isChanged]) => {
    const message = handshake(hello)
    return fc.tuple(pieces(message), isChanged ? pieces(change(message)) : fc.constant([]))
  })
  .chain(([frames, changed]) =>
    fc.tuple(
      fc.constant([...frames, ...changed.slice(0, 2)]),
      fc.array(fc.tuple(fc.nat(40), filler), { maxLength: 3 }),
      fc.array(fc.nat(2), { minLength: 40, maxLength: 40 }),
    ),
  )
  .map(([frames, fillers, deal]) => {
    const all = [...frames]
    for (const [at, frame] of fillers) all.splice(at % (all.length + 1), 0, frame)
    const datagrams: Uint8Array[][] = [[bytes(1)]]
    all.forEach((frame, index) => {
      const where = deal[index % deal.length]
      const last = datagrams.at(-1) ?? []
      if (where === 0) datagrams.push([frame])
      else if (where === 1) last.push(frame)
      else last[last.length - 1] = bytes(last.at(-1) ?? [], frame)
    })
    return datagrams
  })

describe("what a client says in Initial packets", () => {
  it("is understood as by the reference, in any frames, packets, datagrams and version", () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(said, fc.constantFrom(QUIC_V1, QUIC_V2), (datagrams, version) => {
        const expected = reference(datagrams, options.maxBytes)
        const reader = new QuicHelloReader(options)
        let result: QuicHelloResult = { status: "incomplete" }
        let number = 0
        for (const packets of datagrams) {
          const [first = bytes(1), ...others] = packets
          const rest = others.map((frames) => packet(frames, { version, number: ++number }))
          // The first packet is padded in front of its frames, which changes nothing.
          result = reader.push(bytes(datagram(first, { version, number: ++number }), ...rest))
        }
        seen.add(expected.status === "invalid" ? expected.code : expected.status)
        expect(answer(result) ?? expected).toEqual(expected)
      }),
      { numRuns: 1500 },
    )
    // The property says little about what it never generates.
    expect(seen).toContain("complete")
    expect(seen).toContain("incomplete")
    expect(seen).toContain("CRYPTO_DISAGREES")
    expect(seen.size).toBeGreaterThan(8)
  })

  it("is read the same whatever the order of the datagrams, when all say the same", () => {
    fc.assert(
      fc.property(
        helloBody.chain((hello) => fc.tuple(fc.constant(handshake(hello)), pieces(handshake(hello)))),
        ([message, frames]) => {
          const expected = reference([[cryptoFrame(0, message)]], options.maxBytes)
          const reader = new QuicHelloReader(options)
          let result: QuicHelloResult = { status: "incomplete" }
          for (const [number, frame] of [...frames, cryptoFrame(0, message)].entries()) {
            if (frame.length > 1150) continue
            result = reader.push(datagram(frame, { number }))
          }
          if (message.length <= 1150) expect(answer(result)).toEqual(expected)
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe("any bytes at all", () => {
  it("are packets within their datagram, or none", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(QUIC_V1, QUIC_V2), (tail, version) => {
        const datagram = bytes(0xc0 | (tail[0] ?? 0), version.number >>> 24, (version.number >> 16) & 255, tail)
        for (const each of [tail, datagram, bytes(packet(bytes(1), { version }), datagram)]) {
          let at = 0
          for (const { start, payload, end } of readLongPackets(each) ?? []) {
            expect(start).toBe(at)
            expect(payload).toBeGreaterThan(start)
            expect(end).toBeGreaterThanOrEqual(payload)
            expect(end).toBeLessThanOrEqual(each.length)
            at = end
          }
        }
      }),
      { numRuns: 2000 },
    )
  })
})
