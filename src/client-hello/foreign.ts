import type { ClientHelloErrorCode } from "./errors.ts"

/** What the first bytes of a connection plainly are, when they are not TLS. */
export type ForeignCode = Extract<
  ClientHelloErrorCode,
  "LDAP" | "PLAIN_HTTP" | "POSTGRESQL" | "PROXY_PROTOCOL" | "RDP" | "SSH" | "SSLV2" | "XMPP"
>

/** What was sent, and what to do about it. */
export const FOREIGN: Readonly<Record<ForeignCode, string>> = {
  LDAP: "an LDAP client, which asks for TLS in its own protocol; set the policy starttls to ldap, or let it use ldaps",
  PLAIN_HTTP: "plain HTTP, where TLS was expected; use https, or the port that serves http",
  POSTGRESQL:
    "a PostgreSQL client that asks for TLS in its own protocol; set the policy starttls to postgres, or let it begin " +
    "with TLS: sslnegotiation=direct, from version 17",
  PROXY_PROTOCOL:
    "a PROXY protocol header, where none is read; set the policy accept-proxy-protocol, and list the sender in trusted-proxies",
  RDP: "a Remote Desktop client, which asks for TLS in its own protocol; only what begins with TLS can be routed by name",
  SSH: "an SSH client; SSH has no TLS and tells no name: give it a port of its own",
  SSLV2: "an SSLv2 ClientHello; let the client offer TLS 1.2 or newer",
  XMPP: "an XMPP client, which asks for TLS in its own protocol; set the policy starttls to xmpp, or let it begin with TLS",
}

/** Bytes that a protocol begins with; `undefined` stands for any byte. */
type Signature = readonly (number | undefined)[]

const any = undefined

const SIGNATURES: readonly (readonly [ForeignCode, Signature])[] = [
  ...["GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "CONNECT ", "OPTIONS ", "TRACE ", "PATCH ", "PRI "].map(
    (method) => ["PLAIN_HTTP", text(method)] as const,
  ),
  // RFC 4511 section 4.1.1: a SEQUENCE with a messageID, whose length some clients write in five bytes.
  ["LDAP", [0x30, any, 2, 1]],
  ["LDAP", [0x30, 0x84, any, any, any, any, 2]],
  // PostgreSQL protocol, "Message Formats": CancelRequest, SSLRequest, GSSENCRequest, StartupMessage of version 3.
  ["POSTGRESQL", [0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e]],
  ["POSTGRESQL", [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]],
  ["POSTGRESQL", [0, 0, 0, 8, 4, 0xd2, 0x16, 0x30]],
  ["POSTGRESQL", [0, 0, any, any, 0, 3, 0]],
  // The PROXY protocol, sections 2.1 and 2.2.
  ["PROXY_PROTOCOL", text("PROXY ")],
  ["PROXY_PROTOCOL", text("\r\n\r\n\0\r\nQUIT\n")],
  // [MS-RDPBCGR] section 2.2.1.1: a TPKT header (RFC 1006 section 6), then an X.224 Connection Request.
  ["RDP", [3, 0, any, any, any, 0xe0]],
  // RFC 4253 section 4.2.
  ["SSH", text("SSH-")],
  // RFC 6120 sections 4.7 and 11.5.
  ["XMPP", text("<?xml")],
  ["XMPP", text("<stream:stream")],
  // RFC 5246 appendix E.2: a length with its highest bit set, then the type of a ClientHello.
  ...Array.from({ length: 128 }, (_, low) => ["SSLV2", [0x80 + low, any, 1]] as const),
]

/** Signatures by their first byte, so that few are looked at. */
const BY_FIRST_BYTE: readonly (readonly (readonly [ForeignCode, Signature])[])[] = Array.from(
  { length: 256 },
  (_, byte) => SIGNATURES.filter(([, signature]) => signature[0] === byte),
)

/**
 * Tells what bytes that begin no TLS record are.
 *
 * @param bytes - from the first one on
 * @param length - how many there are, at least one
 * @returns the code; `undefined` for nothing that is known; `incomplete` while that may still turn out
 */
export function foreignProtocol(bytes: Uint8Array, length: number): ForeignCode | "incomplete" | undefined {
  let mayBe = false
  for (const [code, signature] of BY_FIRST_BYTE[bytes[0] ?? 0] ?? []) {
    const known = Math.min(length, signature.length)
    const isAlike = signature.slice(0, known).every((byte, index) => byte === any || byte === bytes[index])
    if (!isAlike) continue
    if (known === signature.length) return code
    mayBe = true
  }
  return mayBe ? "incomplete" : undefined
}

function text(characters: string): Signature {
  return Array.from(characters, (character) => character.charCodeAt(0))
}
