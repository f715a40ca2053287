/** A parsed ClientHello (RFC 8446 section 4.1.2). */
export interface ClientHello {
  /** SNI host_name (RFC 6066 section 3) in canonical lower case; `undefined` when there is no server_name extension. */
  readonly serverName: string | undefined
  /** ALPN protocols (RFC 7301) in the client's order. */
  readonly alpnProtocols: readonly string[]
}
