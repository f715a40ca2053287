import { type Prelude, type PreludeStep, type StarttlsProtocol, startTls, TLS_HANDSHAKE } from "./prelude.ts"

/**
 * PostgreSQL, protocol 3.x ("Message Flow", "SSL Session Encryption" and "GSSAPI Session Encryption"; "Message Formats").
 *
 * The client asks with SSLRequest, eight bytes without a type; the server answers with one byte, `S` or `N`.
 */
export const postgres: StarttlsProtocol = {
  name: "postgres",
  greets: false,
  toClient: () => new ToClient(),
  toBackend: () => new ToBackend(),
}

/** Bytes of SSLRequest and GSSENCRequest, and of what tells the other first messages apart: length and code. */
const REQUEST_BYTES = 8
const CANCEL_REQUEST = 80877102
const SSL_REQUEST = 80877103
const GSSENC_REQUEST = 80877104
/** Longest first message that a server takes (`MAX_STARTUP_PACKET_LENGTH`). */
const MAX_STARTUP_BYTES = 10_000

const SSL_REQUEST_MESSAGE = Buffer.alloc(REQUEST_BYTES)
SSL_REQUEST_MESSAGE.writeUInt32BE(REQUEST_BYTES)
SSL_REQUEST_MESSAGE.writeUInt32BE(SSL_REQUEST, 4)
const YES = Buffer.from("S")
const NO = Buffer.from("N")
const NOTHING = new Uint8Array(0)

class ToClient implements Prelude {
  readonly opening = undefined
  readonly #request = Buffer.allocUnsafe(REQUEST_BYTES)
  #length = 0
  #refusedGss = false

  push(chunk: Uint8Array): PreludeStep {
    // Every other first message begins with a length, the first byte of which is 0.
    if (this.#length === 0 && !this.#refusedGss && chunk[0] === TLS_HANDSHAKE) return { status: "tls", rest: chunk }
    const taken = Math.min(REQUEST_BYTES - this.#length, chunk.length)
    this.#request.set(chunk.subarray(0, taken), this.#length)
    this.#length += taken
    if (this.#request[0] !== 0) return notPostgres("the first bytes are no PostgreSQL message")
    if (this.#length < REQUEST_BYTES) return { status: "more" }
    this.#length = 0
    return this.#answer(this.#request.readUInt32BE(0), this.#request.readUInt32BE(4), chunk.subarray(taken))
  }

  #answer(length: number, code: number, behind: Uint8Array): PreludeStep {
    const isRequest = length === REQUEST_BYTES
    if (code === SSL_REQUEST && isRequest) return startTls(YES, behind.length, INJECTION)
    if (code === GSSENC_REQUEST && isRequest) return this.#refuseGss(behind)
    if (length < REQUEST_BYTES || length > MAX_STARTUP_BYTES) return notPostgres(`a first message of ${length} bytes`)
    if (code === CANCEL_REQUEST) return { ...REQUIRED, message: "a CancelRequest without TLS, which names no server" }
    if (code >>> 16 === 3 || code >>> 16 === 2) return { ...REQUIRED, message: "a StartupMessage without TLS" }
    return notPostgres(`a first message of type ${code}`)
  }

  /** Refused as a server without GSSAPI does, once. What follows is plain either way, and read as such. */
  #refuseGss(behind: Uint8Array): PreludeStep {
    if (this.#refusedGss) return notPostgres("a second GSSENCRequest", "STARTTLS_TOO_MANY")
    this.#refusedGss = true
    if (behind.length === 0) return { status: "more", send: NO }
    const next = this.push(behind)
    return { ...next, send: Buffer.concat([NO, next.send ?? NOTHING]) }
  }
}

class ToBackend implements Prelude {
  readonly opening: Uint8Array = SSL_REQUEST_MESSAGE

  push(chunk: Uint8Array): PreludeStep {
    switch (chunk[0]) {
      case 0x53: // S
        return startTls(undefined, chunk.length - 1)
      case 0x4e: // N
        return { status: "refused", code: "STARTTLS_REFUSED", message: "the server has no TLS (ssl = off)" }
      case 0x45: // E. What it says is not to be trusted before TLS (CVE-2024-10977).
        return { status: "refused", code: "STARTTLS_REFUSED", message: "the server answered with an error" }
      default:
        return { status: "refused", code: "STARTTLS_SYNTAX", message: "the answer is none of PostgreSQL's" }
    }
  }
}

function notPostgres(message: string, code: "STARTTLS_SYNTAX" | "STARTTLS_TOO_MANY" = "STARTTLS_SYNTAX"): PreludeStep {
  return { status: "refused", code, message }
}

/** ErrorResponse: severity twice (for people and for programs), SQLSTATE, message, and what to do. */
function errorResponse(sqlState: string, message: string, hint?: string): Buffer {
  const fields = `SFATAL\0VFATAL\0C${sqlState}\0M${message}\0${hint === undefined ? "" : `H${hint}\0`}\0`
  const response = Buffer.allocUnsafe(5 + Buffer.byteLength(fields))
  response.write("E")
  response.writeUInt32BE(response.length - 1, 1)
  response.write(fields, 5)
  return response
}

// 28000 is what a server says whose pg_hba.conf asks for TLS; 08P01 what it says to data behind an SSLRequest.
const REQUIRED = {
  status: "refused",
  code: "STARTTLS_REQUIRED",
  send: errorResponse(
    "28000",
    "TLS is required: the server is found by the name in the TLS handshake",
    "Connect to a host name, not an address, with sslmode=require or stricter.",
  ),
} as const
const INJECTION = errorResponse("08P01", "plain bytes came behind the request for TLS")
