/**
 * A reader of Initial packets' frames to hold the real one against: all at once, one byte of the stream at a time, one
 * statement per rule. Where it is slow, it is plain.
 */
import { parseClientHello } from "../../src/client-hello/parser.ts"
import type { QuicHelloResult } from "../../src/quic/hello-reader.ts"
import { handshake, inRecords } from "../client-hello/build.ts"

/** A result as plain data. */
export type Answer =
  | { readonly status: "incomplete" | "closed" }
  | { readonly status: "invalid"; readonly code: string }
  | { readonly status: "complete"; readonly serverName: string | undefined }

/** Codes that depend on how the stream was cut, which the reference does not judge. */
const BOUNDS = new Set(["CRYPTO_PIECES", "TOO_MANY_PACKETS"])

class Refusal {
  constructor(readonly code: string) {}
}

/** What the reader under test did answer; `undefined` where a bound on pieces or packets ended it. */
export function answer(result: QuicHelloResult): Answer | undefined {
  if (result.status === "ignored") return { status: "incomplete" }
  if (result.status === "complete") return { status: "complete", serverName: result.hello.serverName }
  if (result.status !== "invalid") return result
  return BOUNDS.has(result.error.code) ? undefined : { status: "invalid", code: result.error.code }
}

/** What it should answer to datagrams whose Initial packets hold these frames, all of them authentic. */
export function reference(datagrams: readonly (readonly Uint8Array[])[], maxBytes = 65_536): Answer {
  const stream = new Map<number, number>()
  try {
    for (const packets of datagrams) {
      let closes = false
      for (const frames of packets) closes = readFrames([...frames], stream, maxBytes) || closes
      if (closes) return { status: "closed" }
      const found = readStream(stream, maxBytes)
      if (found !== undefined) return found
    }
    return { status: "incomplete" }
  } catch (error) {
    if (error instanceof Refusal) return { status: "invalid", code: error.code }
    throw error
  }
}

function readFrames(frames: readonly number[], stream: Map<number, number>, maxBytes: number): boolean {
  if (frames.length === 0) throw new Refusal("NO_FRAMES")
  let at = 0
  let closes = false
  const next = () => {
    const byte = frames[at]
    if (byte === undefined) throw new Refusal("FRAME")
    at += 1
    return byte
  }
  const varint = () => {
    const first = next()
    let value = BigInt(first & 0x3f)
    for (let more = 2 ** (first >> 6) - 1; more > 0; more -= 1) value = value * 256n + BigInt(next())
    return value
  }
  const take = (length: bigint) => {
    if (length > BigInt(frames.length - at)) throw new Refusal("FRAME")
    return Array.from({ length: Number(length) }, next)
  }
  while (at < frames.length) {
    const type = next()
    if (type === 6) {
      const offset = varint()
      const data = take(varint())
      if (offset + BigInt(data.length) > BigInt(maxBytes)) throw new Refusal("TOO_LARGE")
      data.forEach((byte, index) => {
        const place = Number(offset) + index
        if ((stream.get(place) ?? byte) !== byte) throw new Refusal("CRYPTO_DISAGREES")
        stream.set(place, byte)
      })
    } else if (type === 2 || type === 3) {
      varint()
      varint()
      const ranges = varint()
      varint()
      for (let range = 0n; range < ranges; range += 1n) {
        varint()
        varint()
      }
      for (let count = 0; type === 3 && count < 3; count += 1) varint()
    } else if (type === 0x1c) {
      varint()
      varint()
      take(varint())
      closes = true
    } else if (type >= 0x40) throw new Refusal("FRAME")
    else if (type > 1) throw new Refusal("FRAME_NOT_ALLOWED")
  }
  return closes
}

function readStream(stream: ReadonlyMap<number, number>, maxBytes: number): Answer | undefined {
  const bytes: number[] = []
  for (let byte = stream.get(0); byte !== undefined; byte = stream.get(bytes.length)) bytes.push(byte)
  if (bytes.length > 0 && bytes[0] !== 1) throw new Refusal("NOT_CLIENT_HELLO")
  if (bytes.length < 4) return undefined
  const end = 4 + (((bytes[1] ?? 0) << 16) | ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0))
  if (end > maxBytes) throw new Refusal("TOO_LARGE")
  if ([...stream.keys()].some((place) => place >= end)) throw new Refusal("TRAILING_BYTES")
  if (bytes.length < end) return undefined
  // Whatever carries a ClientHello, what is in it is judged alike.
  const result = parseClientHello(inRecords(handshake(Uint8Array.from(bytes.slice(4))), new Array(5).fill(0x4000)), {
    maxBytes: 100_000,
  })
  if (result.status === "complete") return { status: "complete", serverName: result.hello.serverName }
  throw new Refusal(result.status === "invalid" ? result.error.code : "incomplete")
}
