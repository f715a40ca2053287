import { ClientHelloError } from "../client-hello/errors.ts"
import type { ClientHello } from "../client-hello/hello.ts"
import { readClientHello } from "../client-hello/message.ts"
import { bytes, type Checks, positive, refuseArgument, refuseOptions } from "../primitives/option-checks.ts"
import { equalBytes } from "./bytes.ts"
import { CryptoStream } from "./crypto-stream.ts"
import { QuicError } from "./errors.ts"
import { readInitialFrames } from "./frames.ts"
import { initialKeys } from "./initial-keys.ts"
import { type LongPacket, readLongPackets } from "./packet.ts"
import { InitialProtection, type OpenedPacket } from "./protection.ts"
import type { QuicVersion } from "./versions.ts"

/**
 * What the datagrams so far amount to. `incomplete` asks for more. `ignored` does too, and says that the last datagram is
 * no part of it: not of this connection, not authentic, or one that servers discard. The others are final: `closed` when
 * the client gave up by itself.
 */
export type QuicHelloResult =
  | { readonly status: "incomplete" }
  | { readonly status: "ignored" }
  | { readonly status: "complete"; readonly hello: ClientHello }
  | { readonly status: "invalid"; readonly error: QuicError | ClientHelloError }
  | { readonly status: "closed" }

/** Bounds of a {@link QuicHelloReader}. */
export interface QuicHelloOptions {
  /** Most bytes of the ClientHello, its handshake header included. Default 65 536. */
  readonly maxBytes?: number | undefined
  /** Most Initial packets that are looked at, whatever they hold. Default 128. */
  readonly maxPackets?: number | undefined
}

/** What keys are derived from, and what they protect. */
interface Keyed {
  readonly version: QuicVersion
  readonly id: Uint8Array
  readonly protection: InitialProtection
}

/** Datagrams with a client's Initial packet are at least this long; servers discard shorter ones (RFC 9000 section 14.1). */
const MIN_INITIAL_DATAGRAM = 1200
/** A client's first Destination Connection ID has at least this many bytes (RFC 9000 section 7.2). */
const MIN_FIRST_ID = 8
const DEFAULT_MAX_BYTES = 65_536
const DEFAULT_MAX_PACKETS = 128
const HANDSHAKE_HEADER = 4
const CLIENT_HELLO = 1

const OPTIONS: Checks<QuicHelloOptions> = { maxBytes: positive("bytes"), maxPackets: positive("packets") }
const INCOMPLETE: QuicHelloResult = { status: "incomplete" }
const IGNORED: QuicHelloResult = { status: "ignored" }
const CLOSED: QuicHelloResult = { status: "closed" }

/**
 * Reads the ClientHello of one QUIC connection from the client's datagrams, in whatever order and pieces they come.
 * Initial packets are protected with keys that anybody can derive (RFC 9001 section 5.2); nothing else is decrypted.
 *
 * The reader is bound to the connection of the first authentic Initial packet that it is given. It keeps no datagram.
 */
export class QuicHelloReader {
  readonly #maxBytes: number
  readonly #maxPackets: number
  #stream = new CryptoStream()
  #keyed: Keyed[] = []
  #first: LongPacket | undefined
  #retryId: Uint8Array | undefined
  #largest = -1
  #packets = 0
  #message: Uint8Array | undefined
  #result: QuicHelloResult = INCOMPLETE

  /**
   * @param options - bounds
   * @throws {@link OptionError} when one is no positive number: it would bound nothing
   */
  constructor(options: QuicHelloOptions = {}) {
    refuseOptions("QuicHelloReader", options, OPTIONS)
    const { maxBytes = DEFAULT_MAX_BYTES, maxPackets = DEFAULT_MAX_PACKETS } = options
    this.#maxBytes = maxBytes
    this.#maxPackets = maxPackets
  }

  /** Bytes of memory held for the ClientHello. */
  get memory(): number {
    return this.#message?.length ?? this.#stream.memory
  }

  /**
   * Takes the next datagram of the client, as long as there is no final result. The datagram is not kept.
   *
   * @throws {@link OptionError} for what is no bytes
   */
  push(datagram: Uint8Array): QuicHelloResult {
    if (this.#result !== INCOMPLETE) return this.#result
    const initials = this.#initialsOf(datagram)
    if (initials === undefined || initials.length === 0) return IGNORED
    try {
      this.#count(initials.length)
      const opened = this.#open(datagram, initials)
      if (opened === undefined) return IGNORED
      if (this.#readFrames(opened)) this.#result = CLOSED
      else this.#readMessage()
    } catch (error) {
      if (!(error instanceof QuicError || error instanceof ClientHelloError)) throw error
      this.#result = { status: "invalid", error }
    }
    return this.#result
  }

  /**
   * Whether a datagram that came after the ClientHello was complete may follow it to the server: each Initial packet in it
   * is authentic, and says nothing else than what was read. Without this a client could have one name read here and
   * another one there, by beginning again under the same connection id.
   *
   * @throws {@link OptionError} for what is no bytes
   */
  agrees(datagram: Uint8Array): boolean {
    const initials = this.#initialsOf(datagram)
    if (this.#message === undefined || initials === undefined) return false
    if (initials.length === 0) return true
    try {
      this.#count(initials.length)
      const opened = this.#open(datagram, initials)
      if (opened === undefined) return false
      this.#readFrames(opened)
      return true
    } catch (error) {
      if (error instanceof QuicError) return false
      throw error
    }
  }

  /**
   * The server has answered with a Retry packet: Initial packets are protected with keys from its Source Connection ID
   * from now on (RFC 9001 section 5.2).
   *
   * @throws {@link OptionError} for what is no bytes
   */
  retried(id: Uint8Array): void {
    refuseArgument("retried", id, bytes)
    // A client takes one Retry at most (RFC 9000 section 17.2.5.2).
    this.#retryId ??= Uint8Array.from(id)
  }

  /** Initial packets of a datagram that servers do not discard; none when it holds others only. */
  #initialsOf(datagram: Uint8Array): readonly LongPacket[] | undefined {
    const packets = readLongPackets(datagram)
    if (packets === undefined || packets.some(({ type }) => type === undefined || type === "retry")) return undefined
    const initials = packets.filter(({ type }) => type === "initial")
    return initials.length > 0 && datagram.length < MIN_INITIAL_DATAGRAM ? undefined : initials
  }

  #count(packets: number): void {
    this.#packets += packets
    if (this.#packets > this.#maxPackets) {
      throw new QuicError("TOO_MANY_PACKETS", `the ClientHello takes more than ${this.#maxPackets} packets`)
    }
  }

  /** Opens all, or none: what follows one that is not authentic is not looked at, and must not be sent on. */
  #open(datagram: Uint8Array, initials: readonly LongPacket[]): readonly OpenedPacket[] | undefined {
    const opened: OpenedPacket[] = []
    for (const packet of initials) {
      const open = this.#openOne(datagram, packet)
      if (open === undefined) return undefined
      opened.push(open)
    }
    return opened
  }

  #openOne(datagram: Uint8Array, packet: LongPacket): OpenedPacket | undefined {
    const { version, destination } = packet
    if (version === undefined) return undefined
    const id = this.#first?.destination ?? destination
    if (this.#first === undefined && id.length < MIN_FIRST_ID) return undefined
    for (const each of this.#retryId === undefined ? [id] : [this.#retryId, id]) {
      const opened = this.#protection(version, each).open(datagram, packet, this.#largest)
      if (opened === undefined) continue
      this.#largest = Math.max(this.#largest, opened.number)
      this.#first ??= { ...packet, destination: Uint8Array.from(id) }
      return opened
    }
    return undefined
  }

  #protection(version: QuicVersion, id: Uint8Array): InitialProtection {
    const known = this.#keyed.find((each) => each.version === version && equalBytes(each.id, id))
    if (known !== undefined) return known.protection
    const protection = new InitialProtection(initialKeys(version, id, "client"))
    // Nobody has proven anything before the first packet that opens: keys tried in vain are not kept.
    if (this.#first === undefined) this.#keyed = []
    this.#keyed.push({ version, id: Uint8Array.from(id), protection })
    return protection
  }

  /** Returns whether the client closed the connection. */
  #readFrames(opened: readonly OpenedPacket[]): boolean {
    const crypto = (offset: number, data: Uint8Array) => this.#readCrypto(offset, data)
    let closes = false
    for (const { isPlain, payload } of opened) {
      if (!isPlain) throw new QuicError("RESERVED_BITS", "reserved bits of a header are not 0")
      closes = readInitialFrames(payload, crypto) || closes
    }
    return closes
  }

  #readCrypto(offset: number, data: Uint8Array): void {
    const message = this.#message
    if (message !== undefined) {
      // What lies behind the first ClientHello is a second one, which a server may have asked for (RFC 8446 section 4.1.4).
      const known = message.subarray(offset, offset + data.length)
      if (!equalBytes(known, data.subarray(0, known.length))) {
        throw new QuicError("CRYPTO_DISAGREES", "the ClientHello came twice, and differently")
      }
      return
    }
    if (offset + data.length > this.#maxBytes) throw this.#tooLarge()
    this.#stream.push(offset, data)
  }

  #readMessage(): void {
    const { length, furthest } = this.#stream
    if (length === 0) return
    const header = this.#stream.read(Math.min(length, HANDSHAKE_HEADER))
    const [type = 0, high = 0, middle = 0, low = 0] = header
    if (type !== CLIENT_HELLO) {
      const message = `the first handshake message has type ${type}, not client_hello`
      throw new ClientHelloError("NOT_CLIENT_HELLO", message, 0)
    }
    if (header.length < HANDSHAKE_HEADER) return
    const end = HANDSHAKE_HEADER + ((high << 16) | (middle << 8) | low)
    if (end > this.#maxBytes) throw this.#tooLarge()
    if (furthest > end) throw new ClientHelloError("TRAILING_BYTES", "bytes follow the ClientHello in its stream", end)
    if (length < end) return
    const message = this.#stream.read(end)
    const hello = readClientHello(message, HANDSHAKE_HEADER, end, "quic")
    this.#message = message
    this.#stream = new CryptoStream()
    this.#result = { status: "complete", hello }
  }

  #tooLarge(): ClientHelloError {
    return new ClientHelloError("TOO_LARGE", `the ClientHello is longer than ${this.#maxBytes} bytes`, 1)
  }
}
