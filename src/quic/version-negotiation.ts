import type { LongPacket } from "./packet.ts"
import { QUIC_VERSIONS } from "./versions.ts"

/** A version that no one speaks, sent so that clients learn to pass over such (RFC 9000 section 6.3). */
const RESERVED = 0x1a2a3a4a

/**
 * A Version Negotiation packet (RFC 9000 section 17.2.1) in answer to a packet of a version that cannot be read.
 *
 * @param packet - of the client
 * @param versions - numbers of the versions to offer
 */
export function versionNegotiation(
  packet: Pick<LongPacket, "destination" | "source">,
  versions: readonly number[] = QUIC_VERSIONS.map(({ number }) => number),
): Uint8Array {
  const { destination, source } = packet
  const answer = Buffer.alloc(7 + source.length + destination.length + 4 * (1 + versions.length))
  // The fixed bit has no meaning here, but lets those that tell protocols apart by it see QUIC (RFC 9000 section 17.2.1).
  answer[0] = 0xc0
  let at = answer.writeUInt8(source.length, 5)
  answer.set(source, at)
  at = answer.writeUInt8(destination.length, at + source.length)
  answer.set(destination, at)
  at += destination.length
  for (const version of [RESERVED, ...versions]) at = answer.writeUInt32BE(version, at)
  return answer
}
