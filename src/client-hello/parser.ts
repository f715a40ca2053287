import {
  bytes as asBytes,
  type Checks,
  isBytes,
  positive,
  refuseArgument,
  refuseOptions,
} from "../primitives/option-checks.ts"
import { uint16 } from "../primitives/uint16.ts"
import { ClientHelloError, type ClientHelloErrorCode } from "./errors.ts"
import { FOREIGN, foreignProtocol } from "./foreign.ts"
import type { ClientHello } from "./hello.ts"
import { readClientHello } from "./message.ts"

/** What the bytes so far amount to. `incomplete` asks for more; the other two are final. */
export type ClientHelloResult =
  | { readonly status: "incomplete" }
  | { readonly status: "complete"; readonly hello: ClientHello }
  | { readonly status: "invalid"; readonly error: ClientHelloError }

/** Options of the parser. */
export interface ClientHelloOptions {
  /** Most bytes that a ClientHello may take on the wire, record headers included. Default 65 536. */
  readonly maxBytes?: number | undefined
}

const OPTIONS: Checks<ClientHelloOptions> = { maxBytes: positive("bytes") }
const INCOMPLETE: ClientHelloResult = { status: "incomplete" }
const EMPTY = new Uint8Array(0)
const DEFAULT_MAX_BYTES = 65_536
const RECORD_HEADER = 5
const HANDSHAKE_HEADER = 4
const MAX_FRAGMENT = 0x4000
const HANDSHAKE = 22
const CLIENT_HELLO = 1
const UNKNOWN = -1

/**
 * Parses one ClientHello that is all there, or not yet.
 *
 * @param bytes - from the first byte that the client sent; what follows the ClientHello's last record is left alone
 * @param options - `maxBytes`: default 65 536
 * @returns the ClientHello, why it is none, or that bytes are missing
 * @throws {@link OptionError} when `maxBytes` is no positive number, or `bytes` are none
 */
export function parseClientHello(bytes: Uint8Array, options?: ClientHelloOptions): ClientHelloResult {
  refuseArgument("parseClientHello", bytes, asBytes)
  return new ClientHelloParser(options).push(bytes)
}

/**
 * Takes a ClientHello piece by piece, however TCP and the TLS record layer cut it, and keeps the bytes for
 * replay. Each byte is looked at once; nothing but the bytes is kept while it waits. Refuses as early as the
 * bytes allow: a length that is too large is refused at its header, before its body is waited for.
 */
export class ClientHelloParser {
  readonly #maxBytes: number
  // Bytes pushed, `#length` of them: the chunk itself when one chunk is the whole hello, else our own copy.
  #buffer: Uint8Array = EMPTY
  #owned = false
  #length = 0
  #result: ClientHelloResult = INCOMPLETE

  // The record layer: how far it was read, where the current fragment ends, what it all amounts to.
  #position = 0
  #fragmentEnd = 0
  #fragments = 0
  #handshakeHeader = 0
  #messageBytes = 0
  #messageLength = UNKNOWN

  /**
   * @param options - `maxBytes`: default 65 536
   * @throws {@link OptionError} when `maxBytes` is no positive number: it would bound nothing
   */
  constructor(options?: ClientHelloOptions) {
    if (options !== undefined) refuseOptions("ClientHelloParser", options, OPTIONS)
    this.#maxBytes = options?.maxBytes ?? DEFAULT_MAX_BYTES
  }

  /** All bytes pushed so far, for replay: a view, valid until the next push. */
  get bytes(): Uint8Array {
    return this.#buffer.length === this.#length ? this.#buffer : this.#buffer.subarray(0, this.#length)
  }

  /**
   * Takes the next bytes. A chunk that holds the whole ClientHello is kept as it is, not copied: do not overwrite
   * it. What is not yet a whole one is copied, so that a client that stalls holds its own few bytes, not the buffer
   * that they were read into.
   *
   * After a final result the bytes are still kept for replay, however many they are, and the result stays.
   *
   * @throws {@link OptionError} for what is no bytes, as of a socket that has an encoding
   */
  push(chunk: Uint8Array): ClientHelloResult {
    if (!isBytes(chunk)) refuseArgument("push", chunk, asBytes)
    this.#keep(chunk)
    if (this.#result !== INCOMPLETE) return this.#result
    try {
      this.#result = this.#scan()
    } catch (error) {
      if (!(error instanceof ClientHelloError)) throw error
      this.#result = { status: "invalid", error }
    }
    if (this.#result === INCOMPLETE && !this.#owned) this.#own(this.#length)
    return this.#result
  }

  #keep(chunk: Uint8Array): void {
    if (this.#length === 0) {
      this.#buffer = chunk
      this.#length = chunk.length
      return
    }
    const length = this.#length + chunk.length
    // Room to double keeps a hello that comes byte by byte linear; a client that waits holds little.
    if (!this.#owned || length > this.#buffer.length) this.#own(Math.max(2 * this.#length, length))
    this.#buffer.set(chunk, this.#length)
    this.#length = length
  }

  #own(capacity: number): void {
    const buffer = new Uint8Array(capacity)
    buffer.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = buffer
    this.#owned = true
  }

  #scan(): ClientHelloResult {
    while (this.#position < this.#length) {
      if (this.#position === this.#fragmentEnd) {
        if (!this.#readRecordHeader()) return INCOMPLETE
      }
      this.#readFragment()
      if (this.#messageLength !== UNKNOWN && this.#messageBytes === HANDSHAKE_HEADER + this.#messageLength) {
        return { status: "complete", hello: this.#readHello() }
      }
    }
    return INCOMPLETE
  }

  /** Reads the header at the end of the last fragment; false while it is cut short. Judges each byte as it is there. */
  #readRecordHeader(): boolean {
    const start = this.#fragmentEnd
    const bytes = this.#buffer
    if (bytes[start] !== HANDSHAKE) {
      const error = this.#wrongType(start)
      if (error === undefined) return false
      throw error
    }
    // The minor version is for nobody to read (RFC 8446 section 5.1).
    if (this.#length > start + 1 && bytes[start + 1] !== 3)
      throw this.#fail("RECORD_VERSION", "a record has a version other than 3.x", start + 1)
    if (this.#length < start + RECORD_HEADER) return false
    const fragment = uint16(bytes, start + 3)
    if (fragment === 0) throw this.#fail("RECORD_EMPTY", "a handshake record is empty", start + 3)
    if (fragment > MAX_FRAGMENT) throw this.#fail("RECORD_TOO_LARGE", "a record is longer than 2^14 bytes", start + 3)
    if (start + RECORD_HEADER + fragment > this.#maxBytes) throw this.#tooLarge(start + 3)
    this.#position = start + RECORD_HEADER
    this.#fragmentEnd = this.#position + fragment
    this.#fragments += 1
    this.#checkEnd()
    return true
  }

  #readFragment(): void {
    const bytes = this.#buffer
    const end = Math.min(this.#length, this.#fragmentEnd)
    while (this.#messageLength === UNKNOWN && this.#position < end) {
      const byte = bytes[this.#position] ?? 0
      if (this.#messageBytes === 0 && byte !== CLIENT_HELLO) {
        throw this.#fail(
          "NOT_CLIENT_HELLO",
          `the first handshake message has type ${byte}, not client_hello`,
          this.#position,
        )
      }
      this.#handshakeHeader = this.#handshakeHeader * 256 + byte
      this.#messageBytes += 1
      this.#position += 1
      if (this.#messageBytes === HANDSHAKE_HEADER) {
        this.#messageLength = this.#handshakeHeader - CLIENT_HELLO * 0x1000000
        const rest = this.#messageLength - (this.#fragmentEnd - this.#position)
        if (this.#fragmentEnd + Math.max(0, rest) > this.#maxBytes) throw this.#tooLarge(this.#position - 3)
        this.#checkEnd()
      }
    }
    this.#messageBytes += end - this.#position
    this.#position = end
  }

  /** Refuses a record that goes on after the ClientHello as soon as both lengths are known. */
  #checkEnd(): void {
    if (this.#messageLength === UNKNOWN) return
    const missing = HANDSHAKE_HEADER + this.#messageLength - this.#messageBytes
    if (this.#fragmentEnd - this.#position > missing) {
      throw this.#fail("TRAILING_BYTES", "bytes follow the ClientHello in its record", this.#position + missing)
    }
  }

  /** Decodes the message where it lies when it came in one record, else from its fragments put together. */
  #readHello(): ClientHello {
    const bytes = this.#buffer
    if (this.#fragments === 1) return readClientHello(bytes, RECORD_HEADER + HANDSHAKE_HEADER, this.#position, "tcp")
    const whole = new Uint8Array(this.#messageBytes)
    let filled = 0
    for (let at = 0; at < this.#position; ) {
      const start = at + RECORD_HEADER
      const end = start + uint16(bytes, at + 3)
      whole.set(bytes.subarray(start, end), filled)
      filled += end - start
      at = end
    }
    return readClientHello(whole, HANDSHAKE_HEADER, whole.length, "tcp")
  }

  /** What else the bytes are; `undefined` while they may still turn out to be one thing or another. */
  #wrongType(start: number): ClientHelloError | undefined {
    const type = this.#buffer[start] ?? 0
    if (start > 0 || (type >= 20 && type <= 24)) {
      return this.#fail("RECORD_TYPE", `a record of type ${type} where a ClientHello was expected`, start)
    }
    const foreign = foreignProtocol(this.#buffer, this.#length)
    if (foreign === "incomplete") return undefined
    if (foreign !== undefined) return this.#fail(foreign, FOREIGN[foreign], 0)
    const first = `0x${type.toString(16).padStart(2, "0")}`
    return this.#fail("NOT_TLS", `the first byte is ${first}, which begins no TLS record; only TLS can be routed`, 0)
  }

  #tooLarge(at: number): ClientHelloError {
    return this.#fail("TOO_LARGE", `the ClientHello is longer than ${this.#maxBytes} bytes`, at)
  }

  #fail(code: ClientHelloErrorCode, message: string, offset: number): ClientHelloError {
    return new ClientHelloError(code, message, offset)
  }
}
