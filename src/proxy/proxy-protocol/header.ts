/**
 * What a PROXY protocol header says, in either version, as the HAProxy PROXY protocol specification
 * (version 2, sections 2.1 and 2.2) defines it.
 */

/** One end of the connection that the header describes. */
export interface ProxyAddress {
  /** IP literal in canonical form; IPv4-mapped addresses as IPv4. */
  readonly address: string
  /** TCP port. */
  readonly port: number
}

/** A type-length-value field of a version 2 header. */
export interface ProxyTlv {
  /** One byte; `0xe0` to `0xef` are free for applications. */
  readonly type: number
  /** Up to 65 535 bytes, unread. */
  readonly value: Uint8Array
}

/** A PROXY protocol header. Everything in it is the sender's word: trust it as far as the sender is trusted. */
export interface ProxyHeader {
  /** 1: a line of text. 2: binary. */
  readonly version: 1 | 2
  /** `local`: the sender speaks for itself, as in a health check, and the connection's own addresses count. */
  readonly command: "local" | "proxy"
  /**
   * The client, and what it connected to. `undefined` when the header does not tell: a `local` command, an
   * unknown or unspecified family, or one that is no TCP over IP (Unix sockets); the
   * specification has the receiver use the connection's own addresses then.
   */
  readonly addresses: { readonly source: ProxyAddress; readonly destination: ProxyAddress } | undefined
  /** `PP2_TYPE_AUTHORITY`: the name the client asked for, usually its SNI. */
  readonly authority: string | undefined
  /** `PP2_TYPE_ALPN`, unread. */
  readonly alpn: Uint8Array | undefined
  /** `PP2_TYPE_UNIQUE_ID`, at most 128 bytes. */
  readonly uniqueId: Uint8Array | undefined
  /** `PP2_TYPE_SSL`, unread: what the sender knows of a TLS connection that it ended. */
  readonly ssl: Uint8Array | undefined
  /** Every field in wire order, those above and `NOOP` padding included. Empty for version 1. */
  readonly tlvs: readonly ProxyTlv[]
}

/** Field types of the specification that this project reads or writes. */
export const ProxyTlvType = {
  alpn: 0x01,
  authority: 0x02,
  crc32c: 0x03,
  noop: 0x04,
  uniqueId: 0x05,
  ssl: 0x20,
  netns: 0x30,
} as const

/** Section 2.2: not a line that a person could type, and a protocol error in HTTP and TLS. */
export const V2_SIGNATURE: Uint8Array = Uint8Array.of(
  0x0d,
  0x0a,
  0x0d,
  0x0a,
  0x00,
  0x0d,
  0x0a,
  0x51,
  0x55,
  0x49,
  0x54,
  0x0a,
)
/** Bytes before the addresses of a version 2 header. */
export const V2_FIXED_BYTES = 16
/** Section 2.1: the longest version 1 line with its CRLF. */
export const V1_MAX_BYTES = 107
/** Section 2.2, `PP2_TYPE_UNIQUE_ID`. */
export const UNIQUE_ID_MAX_BYTES = 128
