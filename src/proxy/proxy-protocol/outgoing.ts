import type { SentProxyHeader } from "../policy.ts"
import { encodeProxyV1, encodeProxyV2, type ProxyHeaderAddresses } from "./encode.ts"

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

/** Header to send before a ClientHello. */
export function outgoingHeader({ version, fields }: SentProxyHeader, subject: HeaderSubject): Uint8Array {
  const { addresses, serverName, alpnProtocol, uniqueId } = subject
  if (version === 1) return encodeProxyV1(addresses)
  return encodeProxyV2(addresses, {
    authority: fields.includes("authority") ? serverName : undefined,
    alpn: fields.includes("alpn") && alpnProtocol !== undefined ? Buffer.from(alpnProtocol, "latin1") : undefined,
    uniqueId: fields.includes("unique-id") ? uniqueId : undefined,
    crc32c: fields.includes("crc32c"),
  })
}
