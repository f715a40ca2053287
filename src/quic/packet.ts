import { bytes, holding, isBytes, refuseArgument } from "../primitives/option-checks.ts"
import { ByteReader, equalBytes } from "./bytes.ts"
import { type PacketType, type QuicVersion, quicVersion } from "./versions.ts"

const LONG_HEADER = 0x80
const FIXED_BIT = 0x40
/** Longest connection id of versions 1 and 2 (RFC 9000 section 17.2); other versions may have longer ones. */
const MAX_CONNECTION_ID = 20

/** A packet with a long header, as anyone on the path can read it. Byte fields are views of the datagram. */
export interface LongPacket {
  /** The version, when its packets can be read; `undefined` for any other. */
  readonly version: QuicVersion | undefined
  /** The Version field: 0 in a Version Negotiation packet. */
  readonly versionNumber: number
  /** What it is; `undefined` in a version that cannot be read. */
  readonly type: PacketType | undefined
  /** Destination Connection ID. */
  readonly destination: Uint8Array
  /** Source Connection ID. */
  readonly source: Uint8Array
  /** Token of an Initial packet, else empty. */
  readonly token: Uint8Array
  /** Where the packet begins in its datagram. */
  readonly start: number
  /** Where the packet number is, or what else follows the fields above. */
  readonly payload: number
  /** Where the packet ends: the next one of the same datagram, if any, begins there. */
  readonly end: number
}

/**
 * Whether a datagram begins with a long header (RFC 8999 section 5.1).
 *
 * @throws {@link OptionError} for what is no bytes
 */
export function hasLongHeader(datagram: Uint8Array): boolean {
  if (!isBytes(datagram)) refuseArgument("hasLongHeader", datagram, bytes)
  return ((datagram[0] ?? 0) & LONG_HEADER) !== 0
}

/**
 * Reads the long header of one packet (RFC 8999 section 5.1; RFC 9000 section 17.2 for versions 1 and 2).
 *
 * @param datagram - holds the packet
 * @param start - where the packet begins
 * @returns `undefined` for what is no whole packet with a long header
 * @throws {@link OptionError} for what is no bytes
 */
export function readLongPacket(datagram: Uint8Array, start = 0): LongPacket | undefined {
  if (!isBytes(datagram)) refuseArgument("readLongPacket", datagram, bytes)
  const reader = new ByteReader(datagram, start)
  const first = reader.uint8()
  if ((first & LONG_HEADER) === 0) return undefined
  const versionNumber = reader.uint32()
  const destination = reader.take(reader.uint8())
  const source = reader.take(reader.uint8())
  if (reader.isCut) return undefined
  const version = quicVersion(versionNumber)
  const ids = { versionNumber, destination, source, start }
  if (version === undefined) {
    return { ...ids, version, type: undefined, token: NOTHING, payload: reader.at, end: datagram.length }
  }
  // A version 1 or 2 packet without the fixed bit must be discarded (RFC 9000 section 17.2).
  if ((first & FIXED_BIT) === 0) return undefined
  if (destination.length > MAX_CONNECTION_ID || source.length > MAX_CONNECTION_ID) return undefined
  const type = version.types[((first >> 4) & 3) as 0 | 1 | 2 | 3]
  if (type === "retry") {
    return { ...ids, version, type, token: NOTHING, payload: reader.at, end: datagram.length }
  }
  const token = type === "initial" ? reader.take(reader.varint()) : NOTHING
  const length = reader.varint()
  const payload = reader.at
  reader.take(length)
  return reader.isCut ? undefined : { ...ids, version, type, token, payload, end: reader.at }
}

/**
 * Reads the packets with long headers that a datagram holds, one after another (RFC 9000 section 12.2). What follows them
 * without a long header, a short one or padding, is left alone.
 *
 * @returns `undefined` unless every server takes the datagram alike: all of it is for one connection id, and whatever
 * has a long header is whole
 * @throws {@link OptionError} for what is no bytes
 */
export function readLongPackets(datagram: Uint8Array): readonly LongPacket[] | undefined {
  if (!isBytes(datagram)) refuseArgument("readLongPackets", datagram, bytes)
  const packets: LongPacket[] = []
  for (let at = 0; at < datagram.length && ((datagram[at] ?? 0) & LONG_HEADER) !== 0; ) {
    const packet = readLongPacket(datagram, at)
    if (packet === undefined) return undefined
    const first = packets[0]
    if (first !== undefined && !equalBytes(packet.destination, first.destination)) return undefined
    packets.push(packet)
    at = packet.end
  }
  return packets.length === 0 ? undefined : packets
}

/** What answers are made from. */
export const longPacket = holding(
  "a packet, as readLongPacket() reads it",
  (value) => isBytes(Object(value).source) && isBytes(Object(value).destination),
)

const NOTHING = new Uint8Array(0)
