import { uint16 } from "../primitives/uint16.ts"
import { ClientHelloError, type ClientHelloErrorCode } from "./errors.ts"
import { ClientHello, type ClientHelloFields, type ClientHelloTransport } from "./hello.ts"
import { readServerName } from "./server-name.ts"

const SERVER_NAME = 0
const ALPN = 16
const SUPPORTED_VERSIONS = 43
const ENCRYPTED_CLIENT_HELLO = 0xfe0d

// Which extension types the hello at hand has shown, as the number of that hello: one table for all of
// them finds a duplicate in one step and needs no clearing in between.
const seenIn = new Uint32Array(0x10000)
let helloNumber = 0

/**
 * Decodes and checks a whole ClientHello (RFC 8446 section 4.1.2).
 *
 * @param bytes - holds the message, and maybe more
 * @param start - where the message begins, behind its four-byte handshake header
 * @param end - where it ends
 * @param transport - what carried it
 * @throws {@link ClientHelloError} for every way in which it could be read differently by two servers
 */
export function readClientHello(
  bytes: Uint8Array,
  start: number,
  end: number,
  transport: ClientHelloTransport,
): ClientHello {
  try {
    return readExtensions(readFields(bytes, start, end), transport)
  } catch (error) {
    if (!(error instanceof ClientHelloError)) throw error
    throw new ClientHelloError(error.code, error.message, error.offset - start, error.offeredName)
  }
}

// What follows the message may be read as a length, to no effect: each place that a length leads to is held against
// the end, and a length from past the end leads past it.
function readFields(bytes: Uint8Array, start: number, end: number): ClientHelloFields {
  if (start === end || bytes[start] !== 3) throw fail("LEGACY_VERSION", "legacy_version is not 3.x", start)
  const sessionId = start + 34
  const sessionIdLength = bytes[sessionId] ?? 0
  const cipherSuites = sessionId + 1 + sessionIdLength
  if (sessionIdLength > 32 || cipherSuites > end) {
    throw fail("SESSION_ID", "legacy_session_id is longer than 32 bytes or than the message", sessionId)
  }
  const cipherBytes = uint16(bytes, cipherSuites)
  const compressionMethods = cipherSuites + 2 + cipherBytes
  if (cipherBytes === 0 || cipherBytes % 2 !== 0 || compressionMethods > end) {
    throw fail("CIPHER_SUITES", "cipher_suites is empty, odd, or longer than the message", cipherSuites)
  }
  const compressionBytes = bytes[compressionMethods] ?? 0
  const afterMethods = compressionMethods + 1 + compressionBytes
  if (afterMethods > end || !hasNull(bytes, compressionMethods + 1, afterMethods)) {
    throw fail(
      "COMPRESSION_METHODS",
      "legacy_compression_methods lacks null or is longer than the message",
      compressionMethods,
    )
  }
  // A ClientHello may end here (RFC 5246 section 7.4.1.2): it asks for no name.
  const extensions = afterMethods === end ? end : afterMethods + 2
  if (extensions > end || (afterMethods < end && uint16(bytes, afterMethods) !== end - extensions)) {
    throw fail("EXTENSIONS", "the extensions do not fill the rest of the message", afterMethods)
  }
  return { bytes, start, sessionId, cipherSuites, compressionMethods, extensions, end }
}

function readExtensions(fields: ClientHelloFields, transport: ClientHelloTransport): ClientHello {
  const { bytes, extensions, end } = fields
  helloNumber = nextHello()
  let serverName: string | undefined
  let alpn = 0
  let versions = 0
  let echOffered = false
  for (let position = extensions; position < end; ) {
    const data = position + 4
    const next = data + uint16(bytes, position + 2)
    if (data > end || next > end) throw fail("EXTENSIONS", "an extension is longer than the message", position)
    const type = uint16(bytes, position)
    if (seenIn[type] === helloNumber) throw fail("DUPLICATE_EXTENSION", `extension ${type} appears twice`, position)
    seenIn[type] = helloNumber
    if (type === SERVER_NAME) {
      serverName = readServerName(bytes, data, next)
    } else if (type === ALPN) {
      checkAlpn(bytes, data, next)
      alpn = data
    } else if (type === SUPPORTED_VERSIONS) {
      checkVersions(bytes, data, next)
      versions = data
    } else if (type === ENCRYPTED_CLIENT_HELLO) {
      echOffered = true
    }
    position = next
  }
  return new ClientHello(fields, serverName, alpn, versions, echOffered, transport)
}

function checkAlpn(message: Uint8Array, start: number, end: number): void {
  if (end - start < 4 || uint16(message, start) !== end - start - 2) {
    throw fail("ALPN_LIST", "ALPN does not hold exactly one list of protocols", start)
  }
  let at = start + 2
  while (at < end) {
    const length = message[at] ?? 0
    if (length === 0) throw fail("ALPN_EMPTY_PROTOCOL", "ALPN holds an empty protocol", at)
    at += 1 + length
  }
  if (at > end) throw fail("ALPN_LIST", "an ALPN protocol is longer than its list", start)
}

function checkVersions(message: Uint8Array, start: number, end: number): void {
  const length = end - start - 1
  if (length < 2 || length % 2 !== 0 || message[start] !== length) {
    throw fail("SUPPORTED_VERSIONS", "supported_versions does not hold exactly one list of versions", start)
  }
}

function hasNull(message: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (message[at] === 0) return true
  return false
}

function nextHello(): number {
  if (helloNumber < 0xffffffff) return helloNumber + 1
  seenIn.fill(0)
  return 1
}

function fail(code: ClientHelloErrorCode, message: string, offset: number): ClientHelloError {
  return new ClientHelloError(code, message, offset)
}

// Past the end reads as 0: the length checks that follow each read see it.
