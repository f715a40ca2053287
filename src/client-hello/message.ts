import { ClientHelloError, type ClientHelloErrorCode } from "./errors.ts"
import { ClientHello } from "./hello.ts"
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
 * Decodes and checks a whole ClientHello, without its handshake header (RFC 8446 section 4.1.2).
 *
 * @throws {@link ClientHelloError} for every way in which it could be read differently by two servers
 */
export function readClientHello(message: Uint8Array): ClientHello {
  const { length } = message
  if (message[0] !== 3) throw fail("LEGACY_VERSION", "legacy_version is not 3.x", 0)
  const sessionId = 34
  const sessionIdLength = message[sessionId] ?? 0
  const cipherSuites = sessionId + 1 + sessionIdLength
  if (sessionIdLength > 32 || cipherSuites > length) {
    throw fail("SESSION_ID", "legacy_session_id is longer than 32 bytes or than the message", sessionId)
  }
  const cipherBytes = uint16(message, cipherSuites)
  const compressionMethods = cipherSuites + 2 + cipherBytes
  if (cipherBytes === 0 || cipherBytes % 2 !== 0 || compressionMethods > length) {
    throw fail("CIPHER_SUITES", "cipher_suites is empty, odd, or longer than the message", cipherSuites)
  }
  const compressionBytes = message[compressionMethods] ?? 0
  const extensions = compressionMethods + 1 + compressionBytes
  if (extensions > length || !hasNull(message, compressionMethods + 1, extensions)) {
    throw fail(
      "COMPRESSION_METHODS",
      "legacy_compression_methods lacks null or is longer than the message",
      compressionMethods,
    )
  }
  return readExtensions(message, sessionId, cipherSuites, compressionMethods, extensions)
}

function readExtensions(
  message: Uint8Array,
  sessionId: number,
  cipherSuites: number,
  compressionMethods: number,
  at: number,
): ClientHello {
  const end = message.length
  // A ClientHello may end here (RFC 5246 section 7.4.1.2): it asks for no name.
  const extensions = at === end ? end : at + 2
  if (extensions > end || (at < end && uint16(message, at) !== end - extensions)) {
    throw fail("EXTENSIONS", "the extensions do not fill the rest of the message", at)
  }
  helloNumber = nextHello()
  let serverName: string | undefined
  let alpn = 0
  let versions = 0
  let echOffered = false
  for (let position = extensions; position < end; ) {
    const data = position + 4
    const next = data + uint16(message, position + 2)
    if (data > end || next > end) throw fail("EXTENSIONS", "an extension is longer than the message", position)
    const type = uint16(message, position)
    if (seenIn[type] === helloNumber) throw fail("DUPLICATE_EXTENSION", `extension ${type} appears twice`, position)
    seenIn[type] = helloNumber
    if (type === SERVER_NAME) {
      serverName = readServerName(message, data, next)
    } else if (type === ALPN) {
      checkAlpn(message, data, next)
      alpn = data
    } else if (type === SUPPORTED_VERSIONS) {
      checkVersions(message, data, next)
      versions = data
    } else if (type === ENCRYPTED_CLIENT_HELLO) {
      echOffered = true
    }
    position = next
  }
  const layout = { message, sessionId, cipherSuites, compressionMethods, extensions, alpn, versions, echOffered }
  return new ClientHello(layout, serverName)
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
function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}
