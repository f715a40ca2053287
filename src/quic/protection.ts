import { type Cipher, createCipheriv, createDecipheriv } from "node:crypto"
import type { InitialKeys } from "./initial-keys.ts"
import type { LongPacket } from "./packet.ts"

const AEAD = "aes-128-gcm"
const TAG = 16
const SAMPLE = 16
/** Header protection takes its sample as if the packet number had four bytes (RFC 9001 section 5.4.2). */
const SAMPLE_OFFSET = 4

/** A packet, opened. */
export interface OpenedPacket {
  /** Its packet number, whole. */
  readonly number: number
  /** Whether the reserved bits of its header are 0, as they must be (RFC 9000 section 17.2). */
  readonly isPlain: boolean
  /** Its frames. */
  readonly payload: Uint8Array
}

/** Removes and puts on the protection of Initial packets of one side (RFC 9001 section 5). */
export class InitialProtection {
  readonly #keys: InitialKeys
  readonly #mask: Cipher

  constructor(keys: InitialKeys) {
    this.#keys = keys
    this.#mask = createCipheriv("aes-128-ecb", keys.hp, null)
  }

  /**
   * Opens a packet.
   *
   * @param datagram - holds it; not written to
   * @param packet - its header
   * @param largest - largest packet number opened so far, -1 when there was none
   * @returns `undefined` for what these keys did not protect: to be ignored, as anybody may have sent it
   */
  open(datagram: Uint8Array, packet: LongPacket, largest: number): OpenedPacket | undefined {
    const { start, payload: at, end } = packet
    const sample = at + SAMPLE_OFFSET
    if (sample + SAMPLE > end) return undefined
    const mask = this.#mask.update(datagram.subarray(sample, sample + SAMPLE))
    const first = (datagram[start] ?? 0) ^ ((mask[0] ?? 0) & 0x0f)
    const numberSize = (first & 3) + 1
    const header = Uint8Array.from(datagram.subarray(start, at + numberSize))
    header[0] = first
    let truncated = 0
    for (let index = 0; index < numberSize; index += 1) {
      const byte = (datagram[at + index] ?? 0) ^ (mask[1 + index] ?? 0)
      header[header.length - numberSize + index] = byte
      truncated = truncated * 256 + byte
    }
    const number = packetNumber(truncated, numberSize, largest)
    const decipher = createDecipheriv(AEAD, this.#keys.key, nonce(this.#keys.iv, number), { authTagLength: TAG })
    decipher.setAAD(header)
    decipher.setAuthTag(datagram.subarray(end - TAG, end))
    const payload = decipher.update(datagram.subarray(at + numberSize, end - TAG))
    try {
      decipher.final()
    } catch {
      return undefined
    }
    return { number, isPlain: (first & 0x0c) === 0, payload }
  }

  /**
   * Protects a packet.
   *
   * @param header - from the first byte to the packet number, which is its last `numberSize` bytes
   * @param numberSize - bytes of the packet number, as the first byte says
   * @param number - the packet number, whole
   * @param payload - frames; together with the packet number at least four bytes, so that there is a sample
   */
  seal(header: Uint8Array, numberSize: number, number: number, payload: Uint8Array): Uint8Array {
    const cipher = createCipheriv(AEAD, this.#keys.key, nonce(this.#keys.iv, number), { authTagLength: TAG })
    cipher.setAAD(header)
    const sealed = Buffer.concat([header, cipher.update(payload), cipher.final(), cipher.getAuthTag()])
    const at = header.length - numberSize
    const sample = at + SAMPLE_OFFSET
    const mask = this.#mask.update(sealed.subarray(sample, sample + SAMPLE))
    sealed[0] = (sealed[0] ?? 0) ^ ((mask[0] ?? 0) & 0x0f)
    for (let index = 0; index < numberSize; index += 1) {
      sealed[at + index] = (sealed[at + index] ?? 0) ^ (mask[1 + index] ?? 0)
    }
    return sealed
  }
}

/** The whole packet number that is closest to the next one expected (RFC 9000 appendix A.3). */
export function packetNumber(truncated: number, size: number, largest: number): number {
  const expected = largest + 1
  const window = 2 ** (8 * size)
  const candidate = expected - (expected % window) + truncated
  if (candidate <= expected - window / 2 && candidate < 2 ** 62 - window) return candidate + window
  return candidate > expected + window / 2 && candidate >= window ? candidate - window : candidate
}

function nonce(iv: Uint8Array, number: number): Uint8Array {
  const bytes = Uint8Array.from(iv)
  // Numbers of Initial packets fit 53 bits: an Initial that counted further would be the last of very many.
  for (let at = bytes.length - 1, left = number; left > 0; at -= 1, left = Math.floor(left / 256)) {
    bytes[at] = (bytes[at] ?? 0) ^ (left % 256)
  }
  return bytes
}
