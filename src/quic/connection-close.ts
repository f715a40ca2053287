import { holding, refuseArgument, wholeNumber } from "../primitives/option-checks.ts"
import { initialKeys } from "./initial-keys.ts"
import { type LongPacket, longPacket } from "./packet.ts"
import { InitialProtection } from "./protection.ts"

const CONNECTION_CLOSE = 0x1c
const LONG_HEADER = 0xc0
/** CRYPTO_ERROR: a TLS alert is told as this plus its description (RFC 9001 section 4.8). */
const CRYPTO_ERROR = 0x0100
const ALERT = holding("a TLS alert, from 0 to 255", (value) => wholeNumber(0, 255)(value) === undefined)

/**
 * A server's first Initial packet that does nothing but close the connection (RFC 9000 section 19.19), with a TLS alert
 * for its reason. It asks for no acknowledgement, so that it need not be padded, and is far shorter than what it answers.
 *
 * @param packet - Initial packet of the client, of a version that can be read
 * @param alert - description of the TLS alert (RFC 8446 section 6), for example 112 for `unrecognized_name`
 * @returns `undefined` in answer to a packet of another version
 * @throws {@link OptionError} when it is given no packet, or no alert
 */
export function connectionClose(
  packet: Pick<LongPacket, "version" | "destination" | "source">,
  alert: number,
): Uint8Array | undefined {
  refuseArgument("connectionClose", packet, longPacket)
  refuseArgument("connectionClose", alert, ALERT)
  const { version, destination, source } = packet
  if (version === undefined) return undefined
  // No frame caused it, and there is nothing to say in words.
  const frame = Uint8Array.of(CONNECTION_CLOSE, ...twoByteVarint(CRYPTO_ERROR + alert), 0, 0)
  const header = Uint8Array.of(
    LONG_HEADER | (version.types.indexOf("initial") << 4),
    ...uint32(version.number),
    source.length,
    ...source,
    // An id to answer to is of no use, but one must be told: the client's own is as good as any.
    destination.length,
    ...destination,
    // No token, and the length of a packet number of one byte, the frame and the tag.
    0,
    ...twoByteVarint(1 + frame.length + 16),
    0,
  )
  return new InitialProtection(initialKeys(version, destination, "server")).seal(header, 1, 0, frame)
}

function twoByteVarint(value: number): readonly [number, number] {
  return [0x40 | (value >> 8), value & 0xff]
}

function uint32(value: number): readonly number[] {
  return [value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff]
}
