import { isGrease } from "./grease.ts"
import { ja3, ja3String } from "./ja3.ts"
import { ja4 } from "./ja4.ts"

/** One extension of a ClientHello, in wire order (RFC 8446 section 4.2). */
export interface ClientHelloExtension {
  /** extension_type, for example 0 for server_name. GREASE values included. */
  readonly type: number
  /** extension_data: a view of the bytes received, not a copy. */
  readonly data: Uint8Array
}

/** Where the fields of a ClientHello lie in its message: the parser's findings, from which the rest is decoded when asked for. */
export interface ClientHelloLayout {
  /** The ClientHello without its four-byte handshake header. */
  readonly message: Uint8Array
  /** Offset of the length byte of legacy_session_id. */
  readonly sessionId: number
  /** Offset of the length of cipher_suites. */
  readonly cipherSuites: number
  /** Offset of the length byte of legacy_compression_methods. */
  readonly compressionMethods: number
  /** Offset of the first extension; the message's length when there is none. */
  readonly extensions: number
  /** Offset of the data of the ALPN extension, 0 when absent. */
  readonly alpn: number
  /** Offset of the data of the supported_versions extension, 0 when absent. */
  readonly versions: number
  /** Whether encrypted_client_hello (0xfe0d) is there. */
  readonly echOffered: boolean
}

/**
 * A parsed ClientHello (RFC 8446 section 4.1.2). What routing needs was checked when it was parsed; other
 * fields are decoded when first read. Byte fields are views of the bytes received.
 */
export class ClientHello {
  /** SNI host_name (RFC 6066 section 3) in canonical lower case; `undefined` when there is no server_name extension. */
  readonly serverName: string | undefined
  /**
   * Whether encrypted_client_hello was sent. It tells that ECH was offered, not that it is used: a client
   * without a configuration sends a GREASE one that looks the same, so the name may be an outer one.
   */
  readonly echOffered: boolean
  readonly #layout: ClientHelloLayout
  #alpnProtocols: readonly string[] | undefined
  #supportedVersions: readonly number[] | undefined
  #cipherSuites: readonly number[] | undefined
  #extensions: readonly ClientHelloExtension[] | undefined
  #ja3: string | undefined
  #ja4: string | undefined

  /** @internal */
  constructor(layout: ClientHelloLayout, serverName: string | undefined) {
    this.#layout = layout
    this.serverName = serverName
    this.echOffered = layout.echOffered
  }

  /** ALPN protocols (RFC 7301) in the client's order, each byte as one character; empty without the extension. */
  get alpnProtocols(): readonly string[] {
    this.#alpnProtocols ??= this.#readAlpn()
    return this.#alpnProtocols
  }

  /** supported_versions (RFC 8446 section 4.2.1) in the client's order, GREASE included; empty without the extension. */
  get supportedVersions(): readonly number[] {
    const { message, versions } = this.#layout
    this.#supportedVersions ??= versions === 0 ? [] : uint16List(message, versions + 1, message[versions] ?? 0)
    return this.#supportedVersions
  }

  /** Highest version offered, GREASE aside: 0x0304 for TLS 1.3; legacy_version where supported_versions is absent. */
  get highestVersion(): number {
    const versions = this.supportedVersions.filter((version) => !isGrease(version))
    return versions.length === 0 ? this.legacyVersion : Math.max(...versions)
  }

  /** legacy_version: 0x0303 from every client of TLS 1.2 and later. */
  get legacyVersion(): number {
    return uint16(this.#layout.message, 0)
  }

  /** The 32 bytes of random. */
  get random(): Uint8Array {
    return this.#layout.message.subarray(2, 34)
  }

  /** legacy_session_id, 0 to 32 bytes. */
  get sessionId(): Uint8Array {
    const { message, sessionId } = this.#layout
    return message.subarray(sessionId + 1, sessionId + 1 + (message[sessionId] ?? 0))
  }

  /** cipher_suites in the client's order, GREASE included. */
  get cipherSuites(): readonly number[] {
    const { message, cipherSuites } = this.#layout
    this.#cipherSuites ??= uint16List(message, cipherSuites + 2, uint16(message, cipherSuites))
    return this.#cipherSuites
  }

  /** legacy_compression_methods: the single byte 0 from every client of TLS 1.3. */
  get compressionMethods(): Uint8Array {
    const { message, compressionMethods } = this.#layout
    return message.subarray(compressionMethods + 1, compressionMethods + 1 + (message[compressionMethods] ?? 0))
  }

  /** Every extension in wire order, GREASE included. */
  get extensions(): readonly ClientHelloExtension[] {
    this.#extensions ??= this.#readExtensions()
    return this.#extensions
  }

  /** supported_groups (RFC 8446 section 4.2.7), GREASE included; empty when absent or malformed. */
  get supportedGroups(): readonly number[] {
    return vectorOf16(this.extension(10))
  }

  /** signature_algorithms (RFC 8446 section 4.2.3); empty when absent or malformed. */
  get signatureAlgorithms(): readonly number[] {
    return vectorOf16(this.extension(13))
  }

  /** ec_point_formats (RFC 8422 section 5.1.2); empty when absent or malformed. */
  get ecPointFormats(): readonly number[] {
    const data = this.extension(11)
    return data !== undefined && data.length > 0 && data[0] === data.length - 1 ? [...data.subarray(1)] : []
  }

  /** Groups of key_share (RFC 8446 section 4.2.8), GREASE included; empty when absent or malformed. */
  get keyShareGroups(): readonly number[] {
    return keyShareGroups(this.extension(51))
  }

  /** Whether any cipher suite, extension, group or version is a GREASE value (RFC 8701). */
  get hasGrease(): boolean {
    return (
      this.cipherSuites.some(isGrease) ||
      this.extensions.some(({ type }) => isGrease(type)) ||
      this.supportedGroups.some(isGrease) ||
      this.supportedVersions.some(isGrease)
    )
  }

  /** JA3 before hashing: version, ciphers, extensions, groups and point formats, GREASE left out. */
  get ja3String(): string {
    return ja3String(this)
  }

  /** JA3: MD5 of {@link ClientHello.ja3String}, in hex. */
  get ja3(): string {
    this.#ja3 ??= ja3(this)
    return this.#ja3
  }

  /** JA4, the TLS client fingerprint of the JA4 family, for TLS over TCP. */
  get ja4(): string {
    this.#ja4 ??= ja4(this)
    return this.#ja4
  }

  /** Data of one extension, or `undefined` when it was not sent. */
  extension(type: number): Uint8Array | undefined {
    return this.extensions.find((extension) => extension.type === type)?.data
  }

  #readAlpn(): readonly string[] {
    const { message, alpn } = this.#layout
    if (alpn === 0) return []
    const protocols: string[] = []
    const end = alpn + 2 + uint16(message, alpn)
    for (let at = alpn + 2; at < end; ) {
      const length = message[at] ?? 0
      protocols.push(String.fromCharCode(...message.subarray(at + 1, at + 1 + length)))
      at += 1 + length
    }
    return protocols
  }

  #readExtensions(): readonly ClientHelloExtension[] {
    const { message, extensions: start } = this.#layout
    const extensions: ClientHelloExtension[] = []
    for (let at = start; at < message.length; ) {
      const length = uint16(message, at + 2)
      extensions.push({ type: uint16(message, at), data: message.subarray(at + 4, at + 4 + length) })
      at += 4 + length
    }
    return extensions
  }
}

function keyShareGroups(data: Uint8Array | undefined): readonly number[] {
  if (data === undefined || data.length < 2 || uint16(data, 0) !== data.length - 2) return []
  const groups: number[] = []
  for (let at = 2; at < data.length; ) {
    if (at + 4 > data.length) return []
    const next = at + 4 + uint16(data, at + 2)
    if (next > data.length) return []
    groups.push(uint16(data, at))
    at = next
  }
  return groups
}

function vectorOf16(data: Uint8Array | undefined): readonly number[] {
  if (data === undefined || data.length < 2) return []
  const length = uint16(data, 0)
  return length === data.length - 2 && length % 2 === 0 ? uint16List(data, 2, length) : []
}

function uint16List(bytes: Uint8Array, start: number, length: number): readonly number[] {
  const list = new Array<number>(length / 2)
  for (let index = 0; index < list.length; index += 1) list[index] = uint16(bytes, start + 2 * index)
  return list
}

function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}
