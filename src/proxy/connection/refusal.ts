import type { ClientHelloErrorCode } from "../../client-hello/errors.ts"
import type { RefusalMode } from "../options.ts"
import type { RejectReason } from "./record.ts"

/** Alert descriptions (RFC 8446 section 6, RFC 6066 section 3). */
const ACCESS_DENIED = 49
const DECODE_ERROR = 50
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

/** What a refused client gets: bytes and a FIN, a FIN, RST, or whatever the kernel makes of a socket that is closed at once. */
export type RefusalAnswer = Uint8Array | "close" | "reset" | "hang-up"

/** Description of the TLS alert that tells a client why it is refused (RFC 8446 section 6). */
export function alertDescription(reason: RejectReason): number {
  return DESCRIPTIONS[reason]
}

/**
 * What a refused client gets.
 *
 * @param reason - why it is refused
 * @param mode - how clients that sent a ClientHello, good or bad, are to learn of it
 * @param hasHello - whether its ClientHello was read
 */
export function refusalAnswer(reason: RejectReason, mode: RefusalMode, hasHello: boolean): RefusalAnswer {
  if (!hasHello && reason !== "invalid-hello" && reason !== "hello-too-large") {
    // Nothing that does not speak TLS, or does not speak at all, is worth waiting for.
    if (reason === "not-tls" || reason === "starttls-failed" || reason === "hello-timeout")
      return mode === "reset" ? "reset" : "hang-up"
    // Turned away at the door: a reset leaves nothing behind.
    return "reset"
  }
  return mode === "alert" ? alertFor(reason) : mode
}

/** A fatal alert in one record (RFC 8446 section 6). */
function alertFor(reason: RejectReason): Buffer {
  return Buffer.from([21, 3, 3, 0, 2, 2, alertDescription(reason)])
}

/**
 * Which reason an error of the ClientHello parser counts as.
 *
 * @param code - the error's code
 */
export function rejectReason(code: ClientHelloErrorCode): "not-tls" | "hello-too-large" | "invalid-hello" {
  switch (code) {
    case "NOT_TLS":
    case "PLAIN_HTTP":
    case "POSTGRESQL":
    case "PROXY_PROTOCOL":
    case "RDP":
    case "SSH":
    case "SSLV2":
      return "not-tls"
    case "TOO_LARGE":
      return "hello-too-large"
    default:
      return "invalid-hello"
  }
}
