import { createHmac } from "node:crypto"
import type { QuicVersion } from "./versions.ts"

/** Who sent a packet. */
export type Side = "client" | "server"

/** What protects the Initial packets of one side (RFC 9001 section 5.2). */
export interface InitialKeys {
  /** Key of AES-128-GCM. */
  readonly key: Uint8Array
  /** What the packet number is combined with for the nonce. */
  readonly iv: Uint8Array
  /** Key of AES-128-ECB, for header protection. */
  readonly hp: Uint8Array
}

/**
 * Derives the keys of Initial packets, which anybody on the path can (RFC 9001 section 5.2, RFC 9369 section 3.3).
 *
 * @param version - of the packets
 * @param id - Destination Connection ID of the client's first Initial packet, or of the first one after a Retry
 * @param side - whose packets
 */
export function initialKeys(version: QuicVersion, id: Uint8Array, side: Side): InitialKeys {
  const initialSecret = hmac(version.salt, id)
  const secret = expandLabel(initialSecret, `${side} in`, 32)
  return {
    key: expandLabel(secret, `${version.label} key`, 16),
    iv: expandLabel(secret, `${version.label} iv`, 12),
    hp: expandLabel(secret, `${version.label} hp`, 16),
  }
}

/** HKDF-Expand-Label with an empty context (RFC 8446 section 7.1). One block of SHA-256 is as much as anything here needs. */
function expandLabel(secret: Uint8Array, label: string, length: number): Uint8Array {
  const name = `tls13 ${label}`
  const info = Buffer.alloc(2 + 1 + name.length + 1 + 1)
  info.writeUInt16BE(length, 0)
  info.writeUInt8(name.length, 2)
  info.write(name, 3, "latin1")
  // The counter of HKDF-Expand (RFC 5869 section 2.3) follows the empty context.
  info.writeUInt8(1, info.length - 1)
  return hmac(secret, info).subarray(0, length)
}

function hmac(key: Uint8Array, data: Uint8Array): Buffer {
  return createHmac("sha256", key).update(data).digest()
}
