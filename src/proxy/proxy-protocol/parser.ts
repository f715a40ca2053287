import { bytes as asBytes, type Checks, isBytes, positive } from "../../primitives/option-checks.ts"
import { refuseArgument, refuseUsage } from "../errors.ts"
import { ProxyProtocolError } from "./errors.ts"
import { type ProxyHeader, V1_MAX_BYTES, V2_FIXED_BYTES, V2_SIGNATURE } from "./header.ts"
import { parseV1 } from "./v1.ts"
import { declaredV2Bytes, parseV2 } from "./v2.ts"

/** Options of {@link parseProxyHeader} and {@link ProxyHeaderParser}. */
export interface ProxyHeaderOptions {
  /**
   * Longest header taken, in bytes. A version 2 header that declares more is refused at its 16th byte, before
   * the rest is waited for.
   *
   * @defaultValue 4096
   */
  readonly maxBytes?: number | undefined
}

/** State of reading a header. Every status but `incomplete` is final: more bytes never change it. */
export type ProxyHeaderResult =
  /** Right so far; more bytes are needed. */
  | { readonly status: "incomplete" }
  /** `bytesConsumed` is the header's length, over all chunks; `rest` is what came after it in the last chunk. */
  | {
      readonly status: "complete"
      readonly header: ProxyHeader
      readonly bytesConsumed: number
      readonly rest: Uint8Array
    }
  /** The bytes begin no PROXY header of either version. `rest` is all of them, to be read as something else. */
  | { readonly status: "absent"; readonly rest: Uint8Array }
  /** The connection must be dropped. */
  | { readonly status: "invalid"; readonly error: ProxyProtocolError }

const OPTIONS: Checks<ProxyHeaderOptions> = { maxBytes: positive("bytes") }
const DEFAULT_MAX_BYTES = 4096
const V1_PREFIX = Uint8Array.from("PROXY ", (character) => character.charCodeAt(0))
const INCOMPLETE: ProxyHeaderResult = { status: "incomplete" }

/**
 * Reads a PROXY protocol header, version 1 or 2, from the beginning of `bytes`. It never throws for what the bytes say.
 *
 * @example
 * ```ts
 * const result = parseProxyHeader(Buffer.from("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"))
 * if (result.status === "complete") console.log(result.header.addresses?.source.address)
 * ```
 *
 * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE` when an option cannot be used, or `bytes` are none
 */
export function parseProxyHeader(bytes: Uint8Array, options?: ProxyHeaderOptions): ProxyHeaderResult {
  if (options !== undefined) refuseUsage("parseProxyHeader", options, OPTIONS)
  if (!isBytes(bytes)) refuseArgument("parseProxyHeader", bytes, asBytes)
  try {
    if (beginsWith(bytes, V1_PREFIX)) return readV1(bytes)
    if (beginsWith(bytes, V2_SIGNATURE)) return readV2(bytes, options?.maxBytes ?? DEFAULT_MAX_BYTES)
    return bytes.length === 0 ? INCOMPLETE : { status: "absent", rest: bytes }
  } catch (error) {
    if (error instanceof ProxyProtocolError) return { status: "invalid", error }
    throw error
  }
}

/**
 * Reads a header that comes in pieces. Any split gives the answer of the whole, and no more than the header
 * is kept: at most `maxBytes`.
 */
export class ProxyHeaderParser {
  readonly #options: ProxyHeaderOptions | undefined
  #held: Uint8Array = new Uint8Array(0)
  #length = 0
  #result: ProxyHeaderResult = INCOMPLETE

  /**
   * @param options - `maxBytes`: default 4096
   * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE` when one cannot be used
   */
  constructor(options?: ProxyHeaderOptions) {
    if (options !== undefined) refuseUsage("ProxyHeaderParser", options, OPTIONS)
    this.#options = options
  }

  /**
   * Takes the next bytes. The first chunk is read in place; `rest` is a view of the chunk where it can be.
   *
   * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE` for what is no bytes, as of a socket that has an encoding
   */
  push(chunk: Uint8Array): ProxyHeaderResult {
    if (!isBytes(chunk)) refuseArgument("push", chunk, asBytes)
    if (this.#result.status !== "incomplete") return this.#result
    const before = this.#length
    const bytes = before === 0 ? chunk : this.#append(chunk)
    const result = parseProxyHeader(bytes, this.#options)
    if (result.status === "incomplete" && before === 0) this.#append(chunk)
    this.#result =
      result.status === "complete" ? { ...result, rest: chunk.subarray(result.bytesConsumed - before) } : result
    return this.#result
  }

  #append(chunk: Uint8Array): Uint8Array {
    const length = this.#length + chunk.length
    if (length > this.#held.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#held.length, V1_MAX_BYTES))
      grown.set(this.#held.subarray(0, this.#length))
      this.#held = grown
    }
    this.#held.set(chunk, this.#length)
    this.#length = length
    return this.#held.subarray(0, length)
  }
}

/** Whether the bytes agree with the prefix as far as both go. No bytes agree with nothing: nothing is known yet. */
function beginsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  const length = Math.min(bytes.length, prefix.length)
  for (let index = 0; index < length; index++) if (bytes[index] !== prefix[index]) return false
  return length > 0
}

function readV1(bytes: Uint8Array): ProxyHeaderResult {
  const searched = bytes.subarray(0, V1_MAX_BYTES)
  const lineFeed = searched.indexOf(0x0a)
  if (lineFeed === -1) {
    if (bytes.length < V1_MAX_BYTES) return INCOMPLETE
    throw new ProxyProtocolError("PROXY_LINE_TOO_LONG", `no line end in the first ${V1_MAX_BYTES} bytes`)
  }
  const bytesConsumed = lineFeed + 1
  const header = parseV1(bytes.subarray(0, bytesConsumed))
  return { status: "complete", header, bytesConsumed, rest: bytes.subarray(bytesConsumed) }
}

function readV2(bytes: Uint8Array, maxBytes: number): ProxyHeaderResult {
  if (bytes.length < V2_FIXED_BYTES) return INCOMPLETE
  const bytesConsumed = declaredV2Bytes(bytes)
  if (bytesConsumed > maxBytes) {
    throw new ProxyProtocolError("PROXY_TOO_LONG", `header declares ${bytesConsumed} bytes; at most ${maxBytes}`)
  }
  if (bytes.length < bytesConsumed) return INCOMPLETE
  const header = parseV2(bytes.subarray(0, bytesConsumed))
  return { status: "complete", header, bytesConsumed, rest: bytes.subarray(bytesConsumed) }
}
