/**
 * What is said in plain text before a ClientHello, where a protocol upgrades its connections to TLS (STARTTLS).
 *
 * A prelude is a value in, value out machine for one side of one connection: it is told what the peer sent, and tells
 * what to send. It does no I/O, keeps no clock, and holds no more than one unfinished line or message. Any split of the
 * peer's bytes gives the same answers, except that bytes behind the last plain one can only be seen where they come
 * in the same chunk.
 */

/**
 * Stable names of why a prelude came to nothing.
 *
 * The rule behind `STARTTLS_INJECTION`: whoever can write into the plain text must not be able to have anything of it
 * taken for what the peer said under TLS. So nothing sent behind the request to start TLS, or behind the answer to it,
 * is passed on or kept (RFC 3207 section 6, RFC 9051 section 11.3, CVE-2011-0411, CVE-2021-23222).
 */
export type StarttlsCode =
  /** Plain bytes came behind the request to start TLS, or behind the answer that grants it. */
  | "STARTTLS_INJECTION"
  /** The client goes on without TLS, in a protocol whose server must then end the connection. */
  | "STARTTLS_REQUIRED"
  /** TLS at once, in a protocol whose server speaks first: the client has seen a greeting that is not TLS. */
  | "STARTTLS_TOO_SOON"
  /** The client ended the session by the protocol's own means. */
  | "STARTTLS_QUIT"
  /** More lines or messages than anyone needs to start TLS. */
  | "STARTTLS_TOO_MANY"
  /** A line or message longer than it may be. */
  | "STARTTLS_TOO_LONG"
  /** Not this protocol. */
  | "STARTTLS_SYNTAX"
  /** The backend does not offer TLS. */
  | "STARTTLS_NOT_OFFERED"
  /** The backend will not serve the connection, or will not start TLS on it. */
  | "STARTTLS_REFUSED"
  /** The backend does not serve the name that the client asked for: no fault of the backend's. */
  | "STARTTLS_UNKNOWN_NAME"
  /** The backend ended its stream. */
  | "STARTTLS_CLOSED"
  /** The backend took the connection, and did not answer in time. */
  | "STARTTLS_TIMEOUT"
  /** The prelude itself threw or answered nonsense. */
  | "STARTTLS_FAULT"

/** What the bytes so far amount to. Every status but `more` is final. `send`, where there is one, goes to the peer. */
export type PreludeStep =
  /** Right so far; more bytes are needed. */
  | { readonly status: "more"; readonly send?: Uint8Array | undefined }
  /**
   * Once `send` is written TLS begins: for the client, its ClientHello comes next and `rest` is the beginning of it, out
   * of the last chunk; for a backend, it takes the ClientHello next and `rest` is empty.
   */
  | { readonly status: "tls"; readonly send?: Uint8Array | undefined; readonly rest: Uint8Array }
  /** No TLS will come of it: the connection is to be ended once `send` is written. */
  | {
      readonly status: "refused"
      readonly send?: Uint8Array | undefined
      readonly code: StarttlsCode
      /** What happened, in one sentence. */
      readonly message: string
    }

/** One side of one connection before TLS. */
export interface Prelude {
  /** To be sent before anything is read; `undefined` where the peer speaks first. */
  readonly opening: Uint8Array | undefined
  /** Takes the peer's next bytes, at least one. Not called again once a step was final. Must not keep `chunk`. */
  push(chunk: Uint8Array): PreludeStep
}

/** What a prelude may tell a client. */
export interface ClientPreludeContext {
  /** Name to greet with. */
  readonly greetingName: string
  /** Not to be guessed, and never the same twice; for protocols whose greeting carries an id. */
  readonly nonce: () => string
}

/** What a prelude may tell a backend. */
export interface BackendPreludeContext {
  /** Name to introduce the gateway by. */
  readonly greetingName: string
  /** SNI of the client, if there is one. */
  readonly serverName: string | undefined
}

/**
 * A protocol that upgrades its connections to TLS, as a gateway speaks it to both sides. Those that come with the
 * package are in {@link STARTTLS_PROTOCOLS}; a program may pass its own to `SpliceProxy.listen`, in the listener's policy.
 *
 * @example
 * ```ts
 * // Clients send one line, `TLS`, and wait for `OK`; so does the gateway towards backends.
 * const bounds = { maxLineBytes: 16, maxLines: 1, allows8bit: false }
 * const opener: StarttlsProtocol = {
 *   name: "opener",
 *   greets: false,
 *   toClient: () =>
 *     new LinePrelude({
 *       ...bounds,
 *       line: (text) =>
 *         text === "TLS"
 *           ? { status: "tls", say: "OK\r\n" }
 *           : { status: "refused", code: "STARTTLS_REQUIRED", message: "no TLS asked for" },
 *     }),
 *   toBackend: () =>
 *     new LinePrelude({
 *       ...bounds,
 *       opening: "TLS\r\n",
 *       line: (text) =>
 *         text === "OK"
 *           ? { status: "tls" }
 *           : { status: "refused", code: "STARTTLS_REFUSED", message: "the backend said no" },
 *     }),
 * }
 * ```
 */
export interface StarttlsProtocol {
  /** For records, for example `postgres`. */
  readonly name: string
  /** Whether the server speaks first. Where it does not, TLS at once can be taken as it is. */
  readonly greets: boolean
  /** The gateway's part towards a client, as its server. Must not throw. */
  toClient(context: ClientPreludeContext): Prelude
  /** The gateway's part towards a backend, as its client. Must not throw. */
  toBackend(context: BackendPreludeContext): Prelude
}

/** First byte of a TLS handshake record (RFC 8446 section 5.1). No protocol here begins anything with it. */
export const TLS_HANDSHAKE = 0x16

const NOTHING = new Uint8Array(0)

/** The gateway grants or is granted TLS: what else came in the same chunk is an injection. */
export function startTls(
  send: Uint8Array | undefined,
  behind: number,
  refusal: Uint8Array | undefined = undefined,
): PreludeStep {
  if (behind === 0) return { status: "tls", send, rest: NOTHING }
  return {
    status: "refused",
    send: refusal,
    code: "STARTTLS_INJECTION",
    message: `${behind} plain byte${behind === 1 ? "" : "s"} behind the last one before TLS`,
  }
}
