import { listOf, refuseArgument, wholeNumber } from "../primitives/option-checks.ts"
import { type LongPacket, longPacket } from "./packet.ts"
import { QUIC_VERSIONS } from "./versions.ts"

/** Versions that no one speaks, of which one is sent so that clients learn to pass over such (RFC 9000 section 6.3). */
const RESERVED = [0x1a2a3a4a, 0x2a3a4a5a] as const

const VERSIONS = listOf(wholeNumber(0, 0xffffffff), "numbers of versions")

/**
 * A Version Negotiation packet (RFC 9000 section 17.2.1) in answer to a packet of a version that cannot be read.
 *
 * @param packet - of the client
 * @param versions - numbers of the versions to offer
 * @throws {@link OptionError} when it is given no packet, or what is no number of a version
 */
export function versionNegotiation(
  packet: Pick<LongPacket, "destination" | "source" | "versionNumber">,
  versions: readonly number[] = QUIC_VERSIONS.map(({ number }) => number),
): Uint8Array {
  refuseArgument("versionNegotiation", packet, longPacket)
  refuseArgument("versionNegotiation", versions, VERSIONS)
  const { destination, source, versionNumber } = packet
  // A client passes over an answer that lists the version it came with (RFC 9000 section 6.2), even one that no one speaks.
  const reserved = versionNumber === RESERVED[0] ? RESERVED[1] : RESERVED[0]
  const answer = Buffer.alloc(7 + source.length + destination.length + 4 * (1 + versions.length))
  // The fixed bit has no meaning here, but lets those that tell protocols apart by it see QUIC (RFC 9000 section 17.2.1).
  answer[0] = 0xc0
  let at = answer.writeUInt8(source.length, 5)
  answer.set(source, at)
  at = answer.writeUInt8(destination.length, at + source.length)
  answer.set(destination, at)
  at += destination.length
  for (const version of [reserved, ...versions]) at = answer.writeUInt32BE(version, at)
  return answer
}
