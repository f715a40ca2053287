import { deepStrictEqual } from "node:assert/strict"
import { QuicHelloReader, type QuicHelloResult } from "../../src/quic/hello-reader.ts"
import { readLongPackets } from "../../src/quic/packet.ts"
import { datagram, packet } from "../quic/build.ts"
import { answer, reference } from "../quic/reference.ts"
import { sizes } from "./sizes.ts"

/**
 * Takes the bytes as a datagram, then as the frames of Initial packets, which are cut where the bytes say, protected and
 * read again. The reader agrees with the reference on them, and packets never leave their datagram.
 */
export function fuzz(data: Buffer): void {
  for (const { start, payload, end } of readLongPackets(data) ?? []) {
    deepStrictEqual(start < payload && payload <= end && end <= data.length, true)
  }
  new QuicHelloReader().push(data)
  const datagrams = cut(data)
  const expected = reference(datagrams)
  const reader = new QuicHelloReader()
  let result: QuicHelloResult = { status: "incomplete" }
  let number = 0
  for (const packets of datagrams) {
    const parts = packets.map((frames, index) => {
      number += 1
      return index === 0 ? datagram(frames, { number }) : packet(frames, { number })
    })
    result = reader.push(Buffer.concat(parts))
  }
  deepStrictEqual(answer(result) ?? expected, expected)
}

/** Datagrams of one to three packets, a hundred bytes or so of frames each: where a cut falls follows from the data. */
function cut(data: Buffer): readonly (readonly Uint8Array[])[] {
  const size = sizes(data, 5)
  const datagrams: Uint8Array[][] = []
  for (let at = 0, count = 0; at < data.length && count < 40; count += 1) {
    const next = at + 4 * size()
    const frames = data.subarray(at, next)
    if (size() % 3 === 0 || datagrams.length === 0) datagrams.push([frames])
    else datagrams.at(-1)?.push(frames)
    at = next
  }
  return datagrams
}
