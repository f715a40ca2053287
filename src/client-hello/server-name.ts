import { isIPv4, isIPv6 } from "../primitives/ip-address.ts"
import { uint16 } from "../primitives/uint16.ts"
import { ClientHelloError, type ClientHelloErrorCode } from "./errors.ts"
import { latin1, shownText, textOf } from "./text.ts"

const MAX_NAME = 253
const MAX_LABEL = 63
const DOT = 0x2e

/** Canonical character code by byte: letters in lower case, 0 for a byte that no hostname holds. */
const CANONICAL = new Uint8Array(256)
for (const char of "abcdefghijklmnopqrstuvwxyz0123456789-_.") {
  CANONICAL[char.charCodeAt(0)] = char.charCodeAt(0)
  CANONICAL[char.toUpperCase().charCodeAt(0)] = char.charCodeAt(0)
}

/**
 * Reads the server_name extension (RFC 6066 section 3) at `[start, end)`.
 *
 * One host_name, and one that every server compares alike: ASCII letters, digits, hyphen, underscore and dot.
 * Underscore is no hostname by RFC 952, and some servers refuse it (GnuTLS, Java); those that
 * take it read the same name, which is served and asked for.
 *
 * @returns the name in lower case; `undefined` for an IP literal, which is no name to any server
 * @throws {@link ClientHelloError} for anything else
 */
export function readServerName(bytes: Uint8Array, start: number, end: number): string | undefined {
  const at = start + 5
  if (end - start < 5 || uint16(bytes, start) !== end - start - 2) {
    throw new ClientHelloError("SERVER_NAME_LIST", "server_name does not hold exactly one list of names", start)
  }
  if (bytes[start + 2] !== 0) {
    throw refusal("SERVER_NAME_TYPE", "server_name holds a name that is not a host_name", start + 2, bytes, at, end)
  }
  const length = uint16(bytes, start + 3)
  if (length === 0) throw new ClientHelloError("SERVER_NAME_EMPTY", "server_name holds an empty host_name", start + 3)
  if (at + length > end) {
    throw new ClientHelloError("SERVER_NAME_LIST", "the host_name is longer than its list", start + 3)
  }
  if (at + length < end) {
    throw refusal("SERVER_NAME_MULTIPLE", "server_name holds more than one name", at + length, bytes, at, end)
  }
  return readHostName(bytes, at, end)
}

/**
 * Reads a host_name at `[start, end)`.
 *
 * @returns the name in lower case; `undefined` for an IP literal
 * @throws {@link ClientHelloError} when it is none that every server compares alike
 */
export function readHostName(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start > MAX_NAME) {
    throw refusal("SERVER_NAME_TOO_LONG", "the host_name has more than 253 characters", start, bytes, start, end)
  }
  let label = start
  for (let at = start; at < end; at += 1) {
    const code = CANONICAL[bytes[at] ?? 0] ?? 0
    if (code === 0) {
      if (isIPv6Literal(latin1(bytes, start, end))) return undefined
      const byte = (bytes[at] ?? 0).toString(16).padStart(2, "0")
      throw refusal("SERVER_NAME_CHARACTER", `the host_name holds the byte 0x${byte}`, at, bytes, start, end)
    }
    if (code === DOT) {
      if (at === end - 1 && at > label) {
        throw refusal("SERVER_NAME_TRAILING_DOT", "the host_name ends in a dot", at, bytes, start, end)
      }
      if (!isLabel(label, at)) throw badLabel(label, bytes, start, end)
      label = at + 1
    }
  }
  if (!isLabel(label, end)) throw badLabel(label, bytes, start, end)
  const name = textOf(bytes, start, end, CANONICAL)
  if (!isNumber(bytes, label, end)) return name
  if (isIPv4(name)) return undefined
  const message = "the host_name ends in a number, like an IP address, and is none"
  throw refusal("SERVER_NAME_IP_LITERAL", message, start, bytes, start, end)
}

/** As clients write them: in brackets or not, and with a zone (RFC 4007 section 11) where it was given one. */
function isIPv6Literal(text: string): boolean {
  const [, bracket, address = "", closing] = /^(\[?)([^[\]%]*)(?:%[\w.~%-]+)?(\]?)$/.exec(text) ?? []
  return (bracket === "[") === (closing === "]") && isIPv6(address)
}

/**
 * Whether the last label is digits alone, or 0x and hex digits. No top-level domain is (RFC 1123 section 2.1), and
 * inet_aton takes such a name for an address in one of its many forms: `127.1`, `0x7f.1`, `2130706433`.
 */
function isNumber(bytes: Uint8Array, start: number, end: number): boolean {
  const isHex = bytes[start] === 0x30 && ((bytes[start + 1] ?? 0) | 0x20) === 0x78
  for (let at = isHex ? start + 2 : start; at < end; at += 1) {
    const code = CANONICAL[bytes[at] ?? 0] ?? 0
    const isDigit = code >= 0x30 && code <= 0x39
    if (!isDigit && !(isHex && code >= 0x61 && code <= 0x66)) return false
  }
  return true
}

/** RFC 1035 section 2.3.4. */
function isLabel(start: number, end: number): boolean {
  return end > start && end - start <= MAX_LABEL
}

function badLabel(label: number, bytes: Uint8Array, start: number, end: number): ClientHelloError {
  const message = "the host_name has a label that is empty or has more than 63 characters"
  return refusal("SERVER_NAME_LABEL", message, label, bytes, start, end)
}

/** The error for a name that lies at `[start, end)`, which it tells of. */
function refusal(
  code: ClientHelloErrorCode,
  message: string,
  offset: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): ClientHelloError {
  return new ClientHelloError(code, message, offset, shownText(bytes, start, end))
}
