import type { ClientHello } from "../client-hello/hello.ts"

/** What an access record keeps of a ClientHello, besides its name. */
export interface HelloSummary {
  /** ALPN protocols in the client's order, each byte as one character: not to be trusted in a terminal. */
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

/** Takes from a ClientHello what outlives its bytes. */
export function summarizeHello(hello: ClientHello): HelloSummary {
  const { alpnProtocols, highestVersion, echOffered, ja4 } = hello
  const tlsVersion = TLS_VERSIONS[highestVersion] ?? `0x${highestVersion.toString(16).padStart(4, "0")}`
  return { alpnProtocols, tlsVersion, echOffered, ja4 }
}
