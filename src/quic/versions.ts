/** A version of QUIC, with what protects its Initial packets. */
export interface QuicVersion {
  /** As in the Version field of a long header. */
  readonly number: number
  /** Salt of the Initial secrets. */
  readonly salt: Uint8Array
  /** What labels of packet protection begin with. */
  readonly label: "quic" | "quicv2"
  /** Types of packets, by the two bits of the first byte that tell them. */
  readonly types: readonly [PacketType, PacketType, PacketType, PacketType]
}

/** What a long header says a packet is (RFC 9000 section 17.2). */
export type PacketType = "initial" | "0-rtt" | "handshake" | "retry"

/** QUIC version 1 (RFC 9000; RFC 9001 section 5.2 for the salt). */
export const QUIC_V1: QuicVersion = {
  number: 0x00000001,
  salt: hex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"),
  label: "quic",
  types: ["initial", "0-rtt", "handshake", "retry"],
}

/** QUIC version 2 (RFC 9369 section 3). */
export const QUIC_V2: QuicVersion = {
  number: 0x6b3343cf,
  salt: hex("0dede3def700a6db819381be6e269dcbf9bd2ed9"),
  label: "quicv2",
  types: ["retry", "initial", "0-rtt", "handshake"],
}

/** Versions whose Initial packets can be read, the preferred one first. */
export const QUIC_VERSIONS: readonly QuicVersion[] = [QUIC_V1, QUIC_V2]

/** The version of that number; `undefined` for one whose packets cannot be read. */
export function quicVersion(number: number): QuicVersion | undefined {
  if (number === QUIC_V1.number) return QUIC_V1
  return number === QUIC_V2.number ? QUIC_V2 : undefined
}

function hex(digits: string): Uint8Array {
  return Uint8Array.from({ length: digits.length / 2 }, (_, at) =>
    Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16),
  )
}
