import { ByteReader } from "./bytes.ts"
import { QuicError } from "./errors.ts"

const PADDING = 0x00
const PING = 0x01
const ACK = 0x02
const ACK_ECN = 0x03
const CRYPTO = 0x06
const CONNECTION_CLOSE = 0x1c

/**
 * Reads the frames of an Initial packet (RFC 9000 section 17.2.2).
 *
 * @param payload - frames
 * @param crypto - takes the data of each CRYPTO frame, a view of the payload
 * @returns whether one of them closes the connection
 * @throws {@link QuicError} for a frame that is malformed or that no Initial packet may hold
 */
export function readInitialFrames(payload: Uint8Array, crypto: (offset: number, data: Uint8Array) => void): boolean {
  if (payload.length === 0) throw new QuicError("NO_FRAMES", "a packet holds no frame")
  const reader = new ByteReader(payload)
  let closes = false
  while (reader.left > 0) {
    const first = payload[reader.at] ?? 0
    // Every type allowed here has one byte, and a type must be written as short as it can be (RFC 9000 section 12.4).
    reader.at += 1
    if (first === PADDING || first === PING) continue
    if (first === CRYPTO) {
      const offset = reader.varint()
      const data = reader.take(reader.varint())
      if (!reader.isCut) crypto(offset, data)
    } else if (first === ACK || first === ACK_ECN) skipAck(reader, first === ACK_ECN)
    else if (first === CONNECTION_CLOSE) {
      reader.varint()
      reader.varint()
      reader.take(reader.varint())
      closes = true
    } else if (first >= 0x40) throw new QuicError("FRAME", `a frame type begins with the byte 0x${first.toString(16)}`)
    else throw new QuicError("FRAME_NOT_ALLOWED", `an Initial packet holds a frame of type 0x${first.toString(16)}`)
    if (reader.isCut) throw new QuicError("FRAME", "a frame is longer than its packet")
  }
  return closes
}

function skipAck(reader: ByteReader, hasEcn: boolean): void {
  reader.varint()
  reader.varint()
  const ranges = reader.varint()
  reader.varint()
  // A count that lies is found at the first range that is missing.
  for (let range = 0; range < ranges && !reader.isCut; range += 1) {
    reader.varint()
    reader.varint()
  }
  for (let count = 0; hasEcn && count < 3; count += 1) reader.varint()
}
