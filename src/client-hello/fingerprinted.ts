/** What fingerprints are made of: a ClientHello, as far as they look at it. */
export interface Fingerprinted {
  /** What carries it: records over TCP, or QUIC. */
  readonly transport: "tcp" | "quic"
  /** legacy_version. */
  readonly legacyVersion: number
  /** Highest version offered, GREASE aside. */
  readonly highestVersion: number
  /** cipher_suites in the client's order, GREASE included. */
  readonly cipherSuites: readonly number[]
  /** Type of every extension in wire order, GREASE included. */
  readonly extensionTypes: readonly number[]
  /** supported_groups, GREASE included. */
  readonly supportedGroups: readonly number[]
  /** ec_point_formats. */
  readonly ecPointFormats: readonly number[]
  /** signature_algorithms. */
  readonly signatureAlgorithms: readonly number[]
  /** The first ALPN protocols, as many as have at most `maxBytes` bytes together. */
  firstAlpnProtocols(maxBytes: number): readonly string[]
}
