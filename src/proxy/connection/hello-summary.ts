import type { ClientHello } from "../../client-hello/hello.ts"

/** What an access record keeps of a ClientHello, besides its name. */
export interface HelloSummary {
  /** The first ALPN protocols, 256 bytes at most, each byte as one character: not to be trusted in a terminal. */
  readonly alpnProtocols: readonly string[]
  /** Highest version offered, for example `TLS 1.3`; in hex when it has no name. */
  readonly tlsVersion: string
  /** Whether encrypted_client_hello was offered, which does not tell that it is used. */
  readonly echOffered: boolean
  /** JA4 fingerprint. */
  readonly ja4: string
}

/** Names of TLS versions, by their number on the wire. */
export const TLS_VERSIONS: Readonly<Record<number, string>> = {
  768: "SSL 3.0",
  769: "TLS 1.0",
  770: "TLS 1.1",
  771: "TLS 1.2",
  772: "TLS 1.3",
}

/** Bytes of ALPN protocols that are kept: a client may send 64 KiB of them, and its connection may live for days. */
const ALPN_BYTES = 256

/** Takes from a ClientHello what outlives its bytes. */
export function summarizeHello(hello: ClientHello): HelloSummary {
  const { highestVersion, echOffered, ja4 } = hello
  const tlsVersion = TLS_VERSIONS[highestVersion] ?? `0x${highestVersion.toString(16).padStart(4, "0")}`
  return { alpnProtocols: hello.firstAlpnProtocols(ALPN_BYTES), tlsVersion, echOffered, ja4 }
}
