import type { SentProxyHeader } from "../policy.ts"
import { encodeProxyV1, encodeProxyV2, type ProxyHeaderAddresses } from "./encode.ts"
import { type ProxyTlv, ProxyTlvType } from "./header.ts"

/** What a backend can be told of a connection. */
export interface HeaderSubject {
  /** The client and what it connected to; `undefined` when a socket is gone and nothing is known any more. */
  readonly addresses: ProxyHeaderAddresses | undefined
  /** SNI, if there is one. */
  readonly serverName: string | undefined
  /** First ALPN protocol offered, each byte as one character. What the backend will choose of them is its own affair. */
  readonly alpnProtocol: string | undefined
  /** Id of the connection, as in its record. */
  readonly uniqueId: string
}

type FieldName = SentProxyHeader["fields"][number]

const TYPES = {
  authority: ProxyTlvType.authority,
  alpn: ProxyTlvType.alpn,
  "unique-id": ProxyTlvType.uniqueId,
  crc32c: ProxyTlvType.crc32c,
} as const satisfies Record<FieldName, number>

/** Bytes before a field's value: its type and its length. */
const FIELD_HEADER = 3
const CRC32C = new Uint8Array(4)

/**
 * Header to send before a ClientHello. Fields are put in as long as the header keeps to `maxBytes`, in the order of
 * the policy; one that would make it longer is left out, so that what is sent is whole.
 */
export function outgoingHeader(
  { version, fields, maxBytes = Number.POSITIVE_INFINITY }: SentProxyHeader,
  subject: HeaderSubject,
): Uint8Array {
  const { addresses } = subject
  if (version === 1) return encodeProxyV1(addresses)
  const plain = encodeProxyV2(addresses)
  if (fields.length === 0) return plain
  let room = maxBytes - plain.length
  let crc32c = false
  const tlvs: ProxyTlv[] = []
  for (const field of fields) {
    const value = fieldValue(field, subject)
    if (value === undefined || FIELD_HEADER + value.length > room) continue
    room -= FIELD_HEADER + value.length
    if (field === "crc32c") crc32c = true
    else tlvs.push({ type: TYPES[field], value })
  }
  return encodeProxyV2(addresses, { tlvs, crc32c })
}

/** `undefined` for what the connection does not have. Names and ids are ASCII: a character is a byte. */
function fieldValue(field: FieldName, { serverName, alpnProtocol, uniqueId }: HeaderSubject): Uint8Array | undefined {
  if (field === "crc32c") return CRC32C
  const text = field === "authority" ? serverName : field === "alpn" ? alpnProtocol : uniqueId
  return text === undefined ? undefined : Buffer.from(text, "latin1")
}

/**
 * Header of a connection that the gateway opens for itself, as for a probe: version 2 LOCAL, version 1 UNKNOWN. The
 * receiver is to use the connection's own addresses.
 */
export function ownHeader(version: 1 | 2): Uint8Array {
  return version === 1 ? encodeProxyV1(undefined) : encodeProxyV2(undefined)
}
