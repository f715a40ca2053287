import { uint16 } from "../primitives/uint16.ts"
import { isGrease } from "./grease.ts"
import { ja3, ja3String } from "./ja3.ts"
import { ja4 } from "./ja4.ts"
import { latin1, shownText } from "./text.ts"

/** One extension of a ClientHello, in wire order (RFC 8446 section 4.2). */
export interface ClientHelloExtension {
  /** extension_type, for example 0 for server_name. GREASE values included. */
  readonly type: number
  /** extension_data: a view of the bytes received, not a copy. */
  readonly data: Uint8Array
}

/** What carries a TLS handshake: records over TCP (RFC 8446 section 5), or CRYPTO frames of QUIC (RFC 9001 section 4). */
export type ClientHelloTransport = "tcp" | "quic"

/** Where the fields of a ClientHello lie: the parser's findings, from which the rest is decoded when asked for. */
export interface ClientHelloFields {
  /** Holds the message; all offsets count from its beginning. */
  readonly bytes: Uint8Array
  /** Offset of the message, behind its four-byte handshake header. */
  readonly start: number
  /** Offset of the length byte of legacy_session_id. */
  readonly sessionId: number
  /** Offset of the length of cipher_suites. */
  readonly cipherSuites: number
  /** Offset of the length byte of legacy_compression_methods. */
  readonly compressionMethods: number
  /** Offset of the first extension; that of the end when there is none. */
  readonly extensions: number
  /** Offset of the end of the message. */
  readonly end: number
}

/**
 * A parsed ClientHello (RFC 8446 section 4.1.2). What routing needs was checked when it was parsed; other
 * fields are decoded when first read. Byte fields are views of the bytes received.
 */
export class ClientHello {
  /**
   * SNI host_name (RFC 6066 section 3) in canonical lower case. `undefined` when there is no server_name extension, or
   * an IP address in it, which is no name: see {@link ClientHello.offeredName}.
   */
  readonly serverName: string | undefined
  /**
   * Whether encrypted_client_hello was sent. It tells that ECH was offered, not that it is used: a client
   * without a configuration sends a GREASE one that looks the same, so the name may be an outer one.
   */
  readonly echOffered: boolean
  /** What carried it. */
  readonly transport: ClientHelloTransport
  readonly #fields: ClientHelloFields
  readonly #alpn: number
  readonly #versions: number
  #alpnProtocols: readonly string[] | undefined
  #supportedVersions: readonly number[] | undefined
  #cipherSuites: readonly number[] | undefined
  #extensions: readonly ClientHelloExtension[] | undefined
  #extensionTypes: readonly number[] | undefined
  #ja3: string | undefined
  #ja4: string | undefined

  /**
   * @internal
   *
   * @param fields - where they lie
   * @param serverName - the name asked for
   * @param alpn - offset of the data of the ALPN extension, 0 when absent
   * @param versions - offset of the data of the supported_versions extension, 0 when absent
   * @param echOffered - whether encrypted_client_hello is there
   * @param transport - what carried it
   */
  constructor(
    fields: ClientHelloFields,
    serverName: string | undefined,
    alpn: number,
    versions: number,
    echOffered: boolean,
    transport: ClientHelloTransport,
  ) {
    this.#fields = fields
    this.serverName = serverName
    this.#alpn = alpn
    this.#versions = versions
    this.echOffered = echOffered
    this.transport = transport
  }

  /**
   * The IP literal that was sent where a server name belongs, against RFC 6066 section 3, as some clients do that are
   * given an address to connect to. TLS servers do not take it for a name. `undefined` in any other case.
   */
  get offeredName(): string | undefined {
    const { bytes } = this.#fields
    const data = this.serverName === undefined ? this.#find(0) : 0
    return data === 0 ? undefined : shownText(bytes, data + 5, data + uint16(bytes, data - 2))
  }

  /** ALPN protocols (RFC 7301) in the client's order, each byte as one character; empty without the extension. */
  get alpnProtocols(): readonly string[] {
    this.#alpnProtocols ??= this.firstAlpnProtocols(Number.POSITIVE_INFINITY)
    return this.#alpnProtocols
  }

  /**
   * The first of {@link ClientHello.alpnProtocols}: as many as have at most `maxBytes` bytes together, each counted with
   * its length byte. For what is kept or logged, whose size a client must not choose. 256 bytes always have room for one.
   */
  firstAlpnProtocols(maxBytes: number): readonly string[] {
    const { bytes } = this.#fields
    if (this.#alpn === 0) return []
    const protocols: string[] = []
    const first = this.#alpn + 2
    const end = first + uint16(bytes, this.#alpn)
    for (let at = first; at < end; ) {
      const next = at + 1 + (bytes[at] ?? 0)
      if (next - first > maxBytes) break
      protocols.push(latin1(bytes, at + 1, next))
      at = next
    }
    return protocols
  }

  /** supported_versions (RFC 8446 section 4.2.1) in the client's order, GREASE included; empty without the extension. */
  get supportedVersions(): readonly number[] {
    const { bytes } = this.#fields
    const at = this.#versions
    this.#supportedVersions ??= at === 0 ? [] : uint16List(bytes, at + 1, bytes[at] ?? 0)
    return this.#supportedVersions
  }

  /** Highest version offered, GREASE aside: 0x0304 for TLS 1.3; legacy_version where supported_versions is absent. */
  get highestVersion(): number {
    const versions = this.supportedVersions.filter((version) => !isGrease(version))
    return versions.length === 0 ? this.legacyVersion : Math.max(...versions)
  }

  /** legacy_version: 0x0303 from every client of TLS 1.2 and later. */
  get legacyVersion(): number {
    return uint16(this.#fields.bytes, this.#fields.start)
  }

  /** The 32 bytes of random. */
  get random(): Uint8Array {
    const { bytes, start } = this.#fields
    return bytes.subarray(start + 2, start + 34)
  }

  /** legacy_session_id, 0 to 32 bytes. */
  get sessionId(): Uint8Array {
    const { bytes, sessionId } = this.#fields
    return bytes.subarray(sessionId + 1, sessionId + 1 + (bytes[sessionId] ?? 0))
  }

  /** cipher_suites in the client's order, GREASE included. */
  get cipherSuites(): readonly number[] {
    const { bytes, cipherSuites } = this.#fields
    this.#cipherSuites ??= uint16List(bytes, cipherSuites + 2, uint16(bytes, cipherSuites))
    return this.#cipherSuites
  }

  /** legacy_compression_methods: the single byte 0 from every client of TLS 1.3. */
  get compressionMethods(): Uint8Array {
    const { bytes, compressionMethods } = this.#fields
    return bytes.subarray(compressionMethods + 1, compressionMethods + 1 + (bytes[compressionMethods] ?? 0))
  }

  /** Every extension in wire order, GREASE included. */
  get extensions(): readonly ClientHelloExtension[] {
    this.#extensions ??= this.#readExtensions()
    return this.#extensions
  }

  /** Type of every extension in wire order, GREASE included. */
  get extensionTypes(): readonly number[] {
    this.#extensionTypes ??= this.#readExtensionTypes()
    return this.#extensionTypes
  }

  /** supported_groups (RFC 8446 section 4.2.7), GREASE included; empty when absent or malformed. */
  get supportedGroups(): readonly number[] {
    return vectorOf16(this.#fields.bytes, this.#find(10))
  }

  /** signature_algorithms (RFC 8446 section 4.2.3); empty when absent or malformed. */
  get signatureAlgorithms(): readonly number[] {
    return vectorOf16(this.#fields.bytes, this.#find(13))
  }

  /** ec_point_formats (RFC 8422 section 5.1.2); empty when absent or malformed. */
  get ecPointFormats(): readonly number[] {
    return vectorOf8(this.#fields.bytes, this.#find(11))
  }

  /** Groups of key_share (RFC 8446 section 4.2.8), GREASE included; empty when absent or malformed. */
  get keyShareGroups(): readonly number[] {
    return keyShareGroups(this.#fields.bytes, this.#find(51))
  }

  /** Whether any cipher suite, extension, group or version is a GREASE value (RFC 8701). */
  get hasGrease(): boolean {
    return (
      this.cipherSuites.some(isGrease) ||
      this.extensionTypes.some(isGrease) ||
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

  /** JA4, the TLS client fingerprint of the JA4 family; it begins with `t` for TLS over TCP, with `q` for QUIC. */
  get ja4(): string {
    this.#ja4 ??= ja4(this)
    return this.#ja4
  }

  /** Data of one extension, or `undefined` when it was not sent. */
  extension(type: number): Uint8Array | undefined {
    const { bytes } = this.#fields
    const data = this.#find(type)
    return data === 0 ? undefined : bytes.subarray(data, data + uint16(bytes, data - 2))
  }

  /** Offset of an extension's data, 0 when it was not sent. */
  #find(type: number): number {
    const { bytes, extensions, end } = this.#fields
    for (let at = extensions; at < end; at += 4 + uint16(bytes, at + 2)) {
      if (uint16(bytes, at) === type) return at + 4
    }
    return 0
  }

  #readExtensions(): readonly ClientHelloExtension[] {
    const { bytes, extensions: first, end } = this.#fields
    const extensions: ClientHelloExtension[] = []
    for (let at = first; at < end; ) {
      const next = at + 4 + uint16(bytes, at + 2)
      extensions.push({ type: uint16(bytes, at), data: bytes.subarray(at + 4, next) })
      at = next
    }
    return extensions
  }

  #readExtensionTypes(): readonly number[] {
    const { bytes, extensions, end } = this.#fields
    const types: number[] = []
    for (let at = extensions; at < end; at += 4 + uint16(bytes, at + 2)) types.push(uint16(bytes, at))
    return types
  }
}

// The functions below take the offset of an extension's data, whose length is in the two bytes before it.

function keyShareGroups(bytes: Uint8Array, data: number): readonly number[] {
  const length = data === 0 ? 0 : uint16(bytes, data - 2)
  if (length < 2 || uint16(bytes, data) !== length - 2) return []
  const end = data + length
  const groups: number[] = []
  for (let at = data + 2; at < end; ) {
    if (at + 4 > end) return []
    const next = at + 4 + uint16(bytes, at + 2)
    if (next > end) return []
    groups.push(uint16(bytes, at))
    at = next
  }
  return groups
}

function vectorOf16(bytes: Uint8Array, data: number): readonly number[] {
  const length = data === 0 ? 0 : uint16(bytes, data - 2)
  if (length < 2 || length % 2 !== 0 || uint16(bytes, data) !== length - 2) return []
  return uint16List(bytes, data + 2, length - 2)
}

function vectorOf8(bytes: Uint8Array, data: number): readonly number[] {
  const length = data === 0 ? 0 : uint16(bytes, data - 2)
  if (length === 0 || bytes[data] !== length - 1) return []
  const list = new Array<number>(length - 1)
  for (let index = 0; index < list.length; index += 1) list[index] = bytes[data + 1 + index] ?? 0
  return list
}

function uint16List(bytes: Uint8Array, start: number, length: number): readonly number[] {
  const list = new Array<number>(length / 2)
  for (let index = 0; index < list.length; index += 1) list[index] = uint16(bytes, start + 2 * index)
  return list
}
