/**
 * Stable codes of {@link ClientHelloError}.
 *
 * Each names the first thing found wrong. The rule behind them: only bytes that no two mainstream TLS servers
 * read as different names are accepted.
 */
export type ClientHelloErrorCode =
  /** The first byte is not that of a TLS handshake record, nor of anything named below. */
  | "NOT_TLS"
  /** An LDAP client that asks for TLS, or for anything else, in LDAP. */
  | "LDAP"
  /** Plain HTTP, sent to a TLS port. */
  | "PLAIN_HTTP"
  /** A PostgreSQL client that asks for TLS, or for a session without it, in PostgreSQL's own protocol. */
  | "POSTGRESQL"
  /** A PROXY protocol header, where none is read. */
  | "PROXY_PROTOCOL"
  /** A Remote Desktop client, which asks for TLS in its own protocol. */
  | "RDP"
  /** An SSH client. */
  | "SSH"
  /** An SSLv2-format ClientHello (RFC 5246 appendix E.2), which TLS 1.3 servers refuse. */
  | "SSLV2"
  /** An XMPP client, which asks for TLS in its stream. */
  | "XMPP"
  /** A record other than handshake before the ClientHello or between its fragments (RFC 8446 section 5.1). */
  | "RECORD_TYPE"
  /** A record whose legacy_record_version is not 3.x (RFC 8446 section 5.1). */
  | "RECORD_VERSION"
  /** A handshake record without a byte in it (RFC 8446 section 5.1). */
  | "RECORD_EMPTY"
  /** A record longer than 2^14 bytes (RFC 8446 section 5.1). */
  | "RECORD_TOO_LARGE"
  /** The ClientHello is, or declares itself to be, longer than `maxBytes`. */
  | "TOO_LARGE"
  /** A handshake message other than client_hello (RFC 8446 section 4). */
  | "NOT_CLIENT_HELLO"
  /** Bytes after the ClientHello in its last record, or in its QUIC stream: no server expects another message there. */
  | "TRAILING_BYTES"
  /** legacy_version is not 3.x (RFC 8446 section 4.1.2). */
  | "LEGACY_VERSION"
  /** legacy_session_id overruns the message or is longer than 32 bytes. */
  | "SESSION_ID"
  /** cipher_suites is empty, odd, or overruns the message. */
  | "CIPHER_SUITES"
  /** legacy_compression_methods is empty, lacks null, or overruns the message. */
  | "COMPRESSION_METHODS"
  /** The extensions do not fill the rest of the message exactly. */
  | "EXTENSIONS"
  /** The same extension twice (RFC 8446 section 4.2). */
  | "DUPLICATE_EXTENSION"
  /** server_name is not exactly one list that fills the extension (RFC 6066 section 3). */
  | "SERVER_NAME_LIST"
  /** More than one name in server_name. */
  | "SERVER_NAME_MULTIPLE"
  /** A name type other than host_name. */
  | "SERVER_NAME_TYPE"
  /** An empty host_name. */
  | "SERVER_NAME_EMPTY"
  /** A character other than letters, digits, hyphen, underscore and dot: NUL, spaces and non-ASCII included. */
  | "SERVER_NAME_CHARACTER"
  /** An empty label, or one of more than 63 characters (RFC 1035 section 2.3.4). */
  | "SERVER_NAME_LABEL"
  /** A trailing dot, which RFC 6066 section 3 forbids. */
  | "SERVER_NAME_TRAILING_DOT"
  /** A name that ends in a number, like the forms of an IPv4 address that only some readers know: `127.1`, `0x7f000001`. */
  | "SERVER_NAME_IP_LITERAL"
  /** More than 253 characters. */
  | "SERVER_NAME_TOO_LONG"
  /** application_layer_protocol_negotiation is not one list that fills the extension (RFC 7301 section 3.1). */
  | "ALPN_LIST"
  /** An empty ALPN protocol (RFC 7301 section 3.1). */
  | "ALPN_EMPTY_PROTOCOL"
  /** supported_versions is not one list of 16-bit versions that fills the extension (RFC 8446 section 4.2.1). */
  | "SUPPORTED_VERSIONS"

/** Why bytes are not a ClientHello to route by. Never the same as a ClientHello without a name. */
export class ClientHelloError extends Error {
  override readonly name = "ClientHelloError"

  /**
   * @param code - stable code
   * @param message - what is wrong, in a sentence
   * @param offset - where, in bytes: counted in the bytes pushed for records, in the handshake message for what is inside
   * @param offeredName - the name that was refused, where it was one: escaped (`\\x00`), 256 characters at most
   */
  constructor(
    readonly code: ClientHelloErrorCode,
    message: string,
    readonly offset: number,
    readonly offeredName?: string,
  ) {
    super(message)
  }
}
