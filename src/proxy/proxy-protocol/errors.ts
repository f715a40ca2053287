/** Stable names of what is wrong with a header. */
export type ProxyProtocolErrorCode =
  /** A version 1 line does not end within 107 bytes. */
  | "PROXY_LINE_TOO_LONG"
  /** A version 1 line has wrong words, spaces or control characters. */
  | "PROXY_LINE_SYNTAX"
  /** An address of a version 1 line is no literal of the family the line names, or text to encode is none at all. */
  | "PROXY_ADDRESS"
  /** A port is no canonical decimal number from 0 to 65 535. */
  | "PROXY_PORT"
  /** The version nibble of a binary header is not 2. */
  | "PROXY_VERSION"
  /** The command is neither LOCAL nor PROXY. */
  | "PROXY_COMMAND"
  /** Address family or transport has no meaning in version 2. */
  | "PROXY_FAMILY"
  /** The transport is that of datagrams (`DGRAM`). */
  | "PROXY_DATAGRAM"
  /** The declared length is over the cap. */
  | "PROXY_TOO_LONG"
  /** The declared length cannot hold the addresses of the family. */
  | "PROXY_TRUNCATED_ADDRESSES"
  /** A field runs past the header, or bytes are left over after the last one. */
  | "PROXY_TRUNCATED_TLV"
  /** A field that can mean one thing only comes twice. */
  | "PROXY_DUPLICATE_TLV"
  /** A field has a size or content that its type forbids. */
  | "PROXY_TLV_VALUE"
  /** The CRC-32C sent is not that of the header. */
  | "PROXY_CHECKSUM"

/** A header that must be refused: the specification has the receiver drop the connection. */
export class ProxyProtocolError extends Error {
  override readonly name = "ProxyProtocolError"
  /** What is wrong, for machines. */
  readonly code: ProxyProtocolErrorCode

  constructor(code: ProxyProtocolErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
