/** Builds ClientHellos byte by byte, right or wrong as a test wants them. */

/** An extension: its type and its data. */
export interface Extension {
  readonly type: number
  readonly data: Uint8Array
}

/** Fields of a ClientHello; those left out make a plain TLS 1.3 hello for `example.com`. */
export interface HelloFields {
  readonly legacyVersion?: number
  readonly sessionId?: Uint8Array
  readonly cipherSuites?: readonly number[]
  readonly compressionMethods?: readonly number[]
  /** `null` leaves out the whole extensions block. */
  readonly extensions?: readonly Extension[] | null
}

const encoder = new TextEncoder()

/** What {@link bytes} takes: a byte, a string as Latin-1, or bytes. */
export type Part = number | string | Uint8Array | readonly number[]

/** Bytes of all parts, one after another. */
export function bytes(...parts: readonly Part[]): Uint8Array {
  const all: number[] = []
  for (const part of parts) {
    if (typeof part === "number") all.push(part)
    else if (typeof part === "string") for (const char of part) all.push(char.charCodeAt(0))
    else for (const byte of part) all.push(byte)
  }
  return Uint8Array.from(all)
}

/** A 16-bit number. */
export function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 255)
}

/** Data behind its 16-bit length. */
export function vector16(data: Uint8Array): Uint8Array {
  return bytes(u16(data.length), data)
}

/** Data behind its 8-bit length. */
export function vector8(data: Uint8Array): Uint8Array {
  return bytes(data.length, data)
}

/** server_name with these host_names. */
export function serverName(...names: readonly string[]): Extension {
  return { type: 0, data: vector16(bytes(...names.map((name) => bytes(0, vector16(bytes(name)))))) }
}

/** ALPN with these protocols. */
export function alpn(...protocols: readonly string[]): Extension {
  return { type: 16, data: vector16(bytes(...protocols.map((protocol) => vector8(bytes(protocol))))) }
}

/** supported_versions. */
export function versions(...list: readonly number[]): Extension {
  return { type: 43, data: vector8(bytes(...list.map(u16))) }
}

/** A ClientHello without its handshake header. */
export function body(fields: HelloFields = {}): Uint8Array {
  const extensions = fields.extensions === undefined ? [serverName("example.com"), versions(0x0304)] : fields.extensions
  return bytes(
    u16(fields.legacyVersion ?? 0x0303),
    encoder.encode("0123456789abcdef0123456789ABCDEF"),
    vector8(fields.sessionId ?? new Uint8Array(32).fill(7)),
    vector16(bytes(...(fields.cipherSuites ?? [0x1301, 0x1302, 0x1303]).map(u16))),
    vector8(bytes(fields.compressionMethods ?? [0])),
    extensions === null ? [] : vector16(bytes(...extensions.map(({ type, data }) => bytes(u16(type), vector16(data))))),
  )
}

/** A handshake message: type, 24-bit length, body. */
export function handshake(message: Uint8Array, type = 1, length = message.length): Uint8Array {
  return bytes(type, length >> 16, (length >> 8) & 255, length & 255, message)
}

/** A record: type, version, length, fragment. */
export function record(fragment: Uint8Array, type = 22, version = 0x0301, length = fragment.length): Uint8Array {
  return bytes(type, u16(version), u16(length), fragment)
}

/** A whole ClientHello in one record. */
export function hello(fields: HelloFields = {}): Uint8Array {
  return record(handshake(body(fields)))
}

/** The same handshake bytes in records of these sizes; what is left over goes into one more. */
export function inRecords(message: Uint8Array, sizes: readonly number[]): Uint8Array {
  const records: Uint8Array[] = []
  let at = 0
  for (const size of sizes) {
    if (at >= message.length) break
    records.push(record(message.subarray(at, at + size)))
    at += size
  }
  if (at < message.length) records.push(record(message.subarray(at)))
  return bytes(...records)
}
