import type { ClientHelloErrorCode } from "../../client-hello/errors.ts"
import type { RefusalMode } from "../policy.ts"
import type { Rejection, RejectReason } from "./record.ts"

/** Alert descriptions (RFC 8446 section 6, RFC 6066 section 3). */
const UNEXPECTED_MESSAGE = 10
const RECORD_OVERFLOW = 22
const ILLEGAL_PARAMETER = 47
const ACCESS_DENIED = 49
const DECODE_ERROR = 50
const PROTOCOL_VERSION = 70
const INTERNAL_ERROR = 80
const UNRECOGNIZED_NAME = 112

const DESCRIPTIONS: Readonly<Record<RejectReason, number>> = {
  "no-descriptors": INTERNAL_ERROR,
  denied: ACCESS_DENIED,
  "rate-limited": ACCESS_DENIED,
  "too-many-connections": INTERNAL_ERROR,
  "too-many-of-client": ACCESS_DENIED,
  "hello-memory": INTERNAL_ERROR,
  "untrusted-proxy": ACCESS_DENIED,
  "no-proxy-header": DECODE_ERROR,
  "invalid-proxy-header": DECODE_ERROR,
  "starttls-failed": DECODE_ERROR,
  "not-tls": DECODE_ERROR,
  "invalid-hello": DECODE_ERROR,
  "hello-too-large": DECODE_ERROR,
  "hello-timeout": DECODE_ERROR,
  refused: UNRECOGNIZED_NAME,
  "router-error": INTERNAL_ERROR,
  "circuit-open": INTERNAL_ERROR,
  "no-endpoints": INTERNAL_ERROR,
  unresolved: INTERNAL_ERROR,
  "forbidden-address": INTERNAL_ERROR,
  loop: INTERNAL_ERROR,
  "dial-failed": INTERNAL_ERROR,
  "dial-timeout": INTERNAL_ERROR,
}

/** What is wrong with a ClientHello, where that is more than that it cannot be decoded. */
const HELLO_DESCRIPTIONS: Readonly<Record<string, number>> = {
  RECORD_TYPE: UNEXPECTED_MESSAGE,
  NOT_CLIENT_HELLO: UNEXPECTED_MESSAGE,
  RECORD_TOO_LARGE: RECORD_OVERFLOW,
  RECORD_VERSION: PROTOCOL_VERSION,
  LEGACY_VERSION: PROTOCOL_VERSION,
  COMPRESSION_METHODS: ILLEGAL_PARAMETER,
  DUPLICATE_EXTENSION: ILLEGAL_PARAMETER,
  SERVER_NAME_MULTIPLE: ILLEGAL_PARAMETER,
  SERVER_NAME_TYPE: ILLEGAL_PARAMETER,
  SERVER_NAME_CHARACTER: ILLEGAL_PARAMETER,
  SERVER_NAME_LABEL: ILLEGAL_PARAMETER,
  SERVER_NAME_TRAILING_DOT: ILLEGAL_PARAMETER,
  SERVER_NAME_IP_LITERAL: ILLEGAL_PARAMETER,
  SERVER_NAME_TOO_LONG: ILLEGAL_PARAMETER,
}

const HTTP_WORDS = "This port takes TLS only. Use https.\n"
const BAD_REQUEST = Buffer.from(
  `HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: ${HTTP_WORDS.length}\r\n` +
    `Connection: close\r\n\r\n${HTTP_WORDS}`,
)

/** What a refused client gets: bytes and a FIN, a FIN, RST, or whatever the kernel makes of a socket that is closed at once. */
export type RefusalAnswer = Uint8Array | "close" | "reset" | "hang-up"

/**
 * What a refused client gets.
 *
 * @param rejection - why it is refused
 * @param mode - how clients that sent a ClientHello, good or bad, are to learn of it
 * @param hasHello - whether its ClientHello was read
 * @param hasRoute - whether its name has a route
 */
export function refusalAnswer(
  rejection: Rejection,
  mode: RefusalMode,
  hasHello: boolean,
  hasRoute: boolean,
): RefusalAnswer {
  const { reason, detail } = rejection
  if (mode === "reset") return "reset"
  if (!hasHello && reason !== "invalid-hello" && reason !== "hello-too-large") {
    if (reason === "not-tls" && detail === "PLAIN_HTTP") return BAD_REQUEST
    // Nothing else that does not speak TLS, or does not speak at all, is worth waiting for.
    if (reason === "not-tls" || reason === "starttls-failed" || reason === "hello-timeout") return "hang-up"
    // Turned away at the door: a reset leaves nothing behind.
    return "reset"
  }
  return mode === "alert" ? alertFor(rejection, hasRoute) : mode
}

/**
 * Description of the TLS alert that tells a client why it is refused (RFC 8446 section 6).
 *
 * @param reason - why
 * @param detail - of an invalid ClientHello, its error's code
 * @param hasRoute - whether its name has a route: then it is not the name that is wrong
 */
export function alertDescription(reason: RejectReason, detail: string | undefined, hasRoute: boolean): number {
  if (reason === "refused" && hasRoute) return DESCRIPTIONS["no-endpoints"]
  const ofHello = reason === "invalid-hello" && detail !== undefined ? HELLO_DESCRIPTIONS[detail] : undefined
  return ofHello ?? DESCRIPTIONS[reason]
}

/** A fatal alert in one record. */
function alertFor({ reason, detail }: Rejection, hasRoute: boolean): Buffer {
  return Buffer.from([21, 3, 3, 0, 2, 2, alertDescription(reason, detail, hasRoute)])
}

/**
 * Which reason an error of the ClientHello parser counts as.
 *
 * @param code - the error's code
 */
export function rejectReason(code: ClientHelloErrorCode): "not-tls" | "hello-too-large" | "invalid-hello" {
  switch (code) {
    case "NOT_TLS":
    case "LDAP":
    case "PLAIN_HTTP":
    case "POSTGRESQL":
    case "PROXY_PROTOCOL":
    case "RDP":
    case "SSH":
    case "SSLV2":
    case "XMPP":
      return "not-tls"
    case "TOO_LARGE":
      return "hello-too-large"
    default:
      return "invalid-hello"
  }
}
