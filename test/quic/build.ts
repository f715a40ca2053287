/** Builds QUIC packets byte by byte, right or wrong as a test wants them. */
import { initialKeys, type Side } from "../../src/quic/initial-keys.ts"
import { InitialProtection } from "../../src/quic/protection.ts"
import { type PacketType, QUIC_V1, type QuicVersion } from "../../src/quic/versions.ts"
import { body, bytes, type HelloFields, handshake } from "../client-hello/build.ts"

/** Bytes of hex digits. */
export function hex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits.replaceAll(/\s/g, ""), "hex"))
}

/** A variable-length integer, in as few bytes as it takes, or in `size` of them. */
export function varint(
  value: number,
  size = value < 64 ? 1 : value < 16_384 ? 2 : value < 2 ** 30 ? 4 : 8,
): Uint8Array {
  const list = new Uint8Array(size)
  for (let at = size - 1, left = value; at >= 0; at -= 1, left = Math.floor(left / 256)) list[at] = left % 256
  list[0] = (list[0] ?? 0) | (Math.log2(size) << 6)
  return list
}

/** A CRYPTO frame. */
export function cryptoFrame(offset: number, data: Uint8Array): Uint8Array {
  return bytes(6, varint(offset), varint(data.length), data)
}

/** An ACK frame of one range. */
export const ACK = bytes(2, 0, 0, 0, 0)

/** CONNECTION_CLOSE with the error NO_ERROR. */
export const CLOSE = bytes(0x1c, 0, 0, 0)

/** A client's first Destination Connection ID. */
export const CLIENT_DESTINATION = hex("8394c8f03e515708")

/** Fields of a packet with a long header; those left out make the Initial of a client, version 1. */
export interface PacketFields {
  readonly version?: QuicVersion
  readonly type?: PacketType
  readonly destination?: Uint8Array
  readonly source?: Uint8Array
  readonly token?: Uint8Array
  readonly number?: number
  readonly numberSize?: 1 | 2 | 3 | 4
  /** Connection id that the keys come from; default: the destination. */
  readonly keyId?: Uint8Array
  readonly side?: Side
  /** Changes the first byte before it is protected. */
  readonly first?: (byte: number) => number
}

/** A packet that holds these frames, protected with Initial keys. */
export function packet(content: Uint8Array, fields: PacketFields = {}): Uint8Array {
  const { version = QUIC_V1, type = "initial", destination = CLIENT_DESTINATION, source = bytes() } = fields
  const { token = bytes(), number = 0, numberSize = 1, side = "client", first = (byte) => byte } = fields
  // Header protection takes its sample from what lies four bytes behind the beginning of the packet number.
  const padding = content.length === 0 ? 0 : Math.max(0, 4 - numberSize - content.length)
  const frames = bytes(new Uint8Array(padding), content)
  const header = bytes(
    first(0xc0 | (version.types.indexOf(type) << 4) | (numberSize - 1)),
    u32(version.number),
    destination.length,
    destination,
    source.length,
    source,
    ...(type === "initial" ? [varint(token.length), token] : []),
    varint(numberSize + frames.length + 16, 2),
    u32(number).subarray(4 - numberSize),
  )
  const keys = initialKeys(version, fields.keyId ?? destination, side)
  return Uint8Array.from(new InitialProtection(keys).seal(header, numberSize, number, frames))
}

/** A datagram of at least 1200 bytes that holds the Initial of a client: PADDING frames come first. */
export function datagram(frames: Uint8Array, fields: PacketFields = {}, size = 1200): Uint8Array {
  const overhead = packet(new Uint8Array(8), fields).length - 8
  return packet(bytes(new Uint8Array(Math.max(0, size - overhead - frames.length)), frames), fields)
}

/** A ClientHello's handshake message. */
export function message(fields: HelloFields = {}): Uint8Array {
  return handshake(body(fields))
}

/** The same message in CRYPTO frames of these sizes, with their offsets; what is left over goes into one more. */
export function inFrames(message: Uint8Array, sizes: readonly number[]): readonly Uint8Array[] {
  const frames: Uint8Array[] = []
  let at = 0
  for (const size of [...sizes, message.length]) {
    if (at >= message.length) break
    frames.push(cryptoFrame(at, message.subarray(at, at + size)))
    at += size
  }
  return frames
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255)
}
