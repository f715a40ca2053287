import {
  type Prelude,
  type PreludeStep,
  type StarttlsCode,
  type StarttlsProtocol,
  startTls,
  TLS_HANDSHAKE,
} from "./prelude.ts"

/** LDAP (RFC 4511) with the StartTLS operation (section 4.14), for port 389. */
export const ldap: StarttlsProtocol = {
  name: "ldap",
  greets: false,
  toClient: () => new ToClient(),
  toBackend: () => new ToBackend(),
}

/** Longest message, in bytes. A bind with a Kerberos ticket is the longest that a client may try before TLS. */
const MAX_MESSAGE_BYTES = 16_384
/** Most messages. */
const MAX_MESSAGES = 16

const SEQUENCE = 0x30
const INTEGER = 0x02
const ENUMERATED = 0x0a
const OCTET_STRING = 0x04
const EXTENDED_REQUEST = 0x77
const EXTENDED_RESPONSE = 0x78
const UNBIND_REQUEST = 0x42
const ABANDON_REQUEST = 0x50
const REQUEST_NAME = 0x80
const RESPONSE_NAME = 0x8a
const CONTROLS = 0xa0

/** RFC 4511 section 4.1.9. */
const SUCCESS = 0
const PROTOCOL_ERROR = 2
const CONFIDENTIALITY_REQUIRED = 13

/** RFC 4511 section 4.14.1. */
const START_TLS = Buffer.from("1.3.6.1.4.1.1466.20037")
/** Notice of Disconnection, RFC 4511 section 4.4.1. */
const DISCONNECTION = Buffer.from("1.3.6.1.4.1.1466.20036")

/** Tag of the response that ends each request's operation (RFC 4511 sections 4.2 to 4.12). */
const RESPONSES: ReadonlyMap<number, number> = new Map([
  [0x60, 0x61], // bind
  [0x63, 0x65], // search: its end, without an entry before
  [0x66, 0x67], // modify
  [0x68, 0x69], // add
  [0x4a, 0x6b], // delete
  [0x6c, 0x6d], // modify DN
  [0x6e, 0x6f], // compare
  [EXTENDED_REQUEST, EXTENDED_RESPONSE],
])

class ToClient implements Prelude {
  readonly opening = undefined
  readonly #messages = new Messages()
  #began = false

  push(chunk: Uint8Array): PreludeStep {
    if (!this.#began && chunk[0] === TLS_HANDSHAKE) return { status: "tls", rest: chunk }
    this.#began = true
    this.#messages.add(chunk)
    const said: Uint8Array[] = []
    for (let next = this.#messages.next(); next !== undefined; next = this.#messages.next()) {
      if ("code" in next) return disconnected(said, next)
      const { id, operation, content, hasControls } = next
      if (operation === EXTENDED_REQUEST && START_TLS.equals(requestName(content) ?? NOTHING)) {
        // requestValue is absent, and no control is known (section 4.14.1); a critical one must not be passed over.
        if (content.length !== START_TLS.length + 2 || hasControls) {
          said.push(response(id, EXTENDED_RESPONSE, PROTOCOL_ERROR, "StartTLS takes neither value nor controls"))
          continue
        }
        const yes = response(id, EXTENDED_RESPONSE, SUCCESS, "", START_TLS)
        const no = response(id, EXTENDED_RESPONSE, PROTOCOL_ERROR, "nothing may follow StartTLS before TLS", START_TLS)
        return startTls(joined([...said, yes]), this.#messages.left, joined([...said, no]))
      }
      if (operation === UNBIND_REQUEST) {
        return { status: "refused", send: joined(said), code: "STARTTLS_QUIT", message: "the client unbound" }
      }
      if (operation === ABANDON_REQUEST) continue
      const answer = RESPONSES.get(operation)
      if (answer === undefined) return disconnected(said, { code: "STARTTLS_SYNTAX", message: "an unknown operation" })
      said.push(response(id, answer, CONFIDENTIALITY_REQUIRED, "TLS is required: StartTLS first"))
    }
    return { status: "more", send: joined(said) }
  }
}

class ToBackend implements Prelude {
  readonly opening: Uint8Array = START_TLS_REQUEST
  readonly #messages = new Messages()

  push(chunk: Uint8Array): PreludeStep {
    this.#messages.add(chunk)
    const next = this.#messages.next()
    if (next === undefined) return { status: "more" }
    if ("code" in next) return { status: "refused", ...next }
    const result = next.operation === EXTENDED_RESPONSE ? resultCode(next.content) : undefined
    // Message 0 is a Notice of Disconnection, whatever its result.
    if (result === undefined || (next.id !== 1 && next.id !== 0)) {
      return { status: "refused", code: "STARTTLS_SYNTAX", message: "the answer is none to StartTLS" }
    }
    if (result === SUCCESS && next.id === 1) return startTls(undefined, this.#messages.left)
    return {
      status: "refused",
      // Section 4.14.2: a server that does not know the operation answers protocolError.
      code: result === PROTOCOL_ERROR && next.id === 1 ? "STARTTLS_NOT_OFFERED" : "STARTTLS_REFUSED",
      message: `the server answered StartTLS with result ${result}`,
    }
  }
}

interface Message {
  readonly id: number
  /** Tag of the protocolOp. */
  readonly operation: number
  readonly content: Buffer
  readonly hasControls: boolean
}

interface Fault {
  readonly code: StarttlsCode
  readonly message: string
}

const NOTHING = Buffer.alloc(0)

/** Cuts a stream into messages. Once it has told of a fault it is of no more use. */
class Messages {
  /** Room for what is held, doubled when it is full. */
  #room: Buffer = NOTHING
  #start = 0
  #end = 0
  #count = 0

  /** Bytes behind the last message. */
  get left(): number {
    return this.#end - this.#start
  }

  add(chunk: Uint8Array): void {
    if (this.#end + chunk.length > this.#room.length) {
      const held = this.#room.subarray(this.#start, this.#end)
      this.#room = Buffer.allocUnsafe(Math.max(2 * held.length, held.length + chunk.length, 64))
      this.#room.set(held)
      this.#start = 0
      this.#end = held.length
    }
    this.#room.set(chunk, this.#end)
    this.#end += chunk.length
  }

  next(): Message | Fault | undefined {
    const bytes = this.#room.subarray(this.#start, this.#end)
    if (bytes.length === 0) return undefined
    if (this.#count === MAX_MESSAGES) {
      return { code: "STARTTLS_TOO_MANY", message: `more than ${MAX_MESSAGES} messages` }
    }
    if (bytes[0] !== SEQUENCE) return { code: "STARTTLS_SYNTAX", message: "the bytes are no LDAP message" }
    const header = lengthAt(bytes, 1)
    if (header === "incomplete") return undefined
    if (header === "invalid") return { code: "STARTTLS_SYNTAX", message: "a message's length is not BER" }
    const end = header.end + header.length
    if (end > MAX_MESSAGE_BYTES) {
      return { code: "STARTTLS_TOO_LONG", message: `a message of more than ${MAX_MESSAGE_BYTES} bytes` }
    }
    if (bytes.length < end) return undefined
    this.#count += 1
    this.#start += end
    return readMessage(bytes.subarray(header.end, end)) ?? { code: "STARTTLS_SYNTAX", message: "a malformed message" }
  }
}

/** RFC 4511 section 4.1.1: messageID, protocolOp, controls. */
function readMessage(bytes: Buffer): Message | undefined {
  const id = elementAt(bytes, 0)
  const operation = elementAt(bytes, id?.end)
  if (id === undefined || operation === undefined) return undefined
  // 0 to 2^31 - 1: at most four bytes, the first bit of which is the sign.
  if (id.tag !== INTEGER || id.content.length === 0 || id.content.length > 4 || (id.content[0] ?? 0) > 0x7f)
    return undefined
  const hasControls = operation.end < bytes.length
  if (hasControls) {
    const controls = elementAt(bytes, operation.end)
    if (controls?.tag !== CONTROLS || controls.end !== bytes.length) return undefined
  }
  const number = id.content.readUIntBE(0, id.content.length)
  return { id: number, operation: operation.tag, content: operation.content, hasControls }
}

/** requestName of an ExtendedRequest (RFC 4511 section 4.12). */
function requestName(content: Buffer): Buffer | undefined {
  const name = elementAt(content, 0)
  return name?.tag === REQUEST_NAME ? name.content : undefined
}

/** resultCode of an LDAPResult (RFC 4511 section 4.1.9). */
function resultCode(content: Buffer): number | undefined {
  const code = elementAt(content, 0)
  return code?.tag === ENUMERATED && code.content.length === 1 ? code.content[0] : undefined
}

function elementAt(bytes: Buffer, at: number | undefined) {
  if (at === undefined || at >= bytes.length) return undefined
  const header = lengthAt(bytes, at + 1)
  if (header === "incomplete" || header === "invalid") return undefined
  const end = header.end + header.length
  if (end > bytes.length) return undefined
  return { tag: bytes[at] ?? 0, content: bytes.subarray(header.end, end), end }
}

/** RFC 4511 section 5.1: the definite form only. Some clients always write four bytes of length. */
function lengthAt(
  bytes: Buffer,
  at: number,
): { readonly length: number; readonly end: number } | "incomplete" | "invalid" {
  const first = bytes[at]
  if (first === undefined) return "incomplete"
  if (first < 0x80) return { length: first, end: at + 1 }
  const size = first - 0x80
  if (size === 0 || size > 4) return "invalid"
  if (at + 1 + size > bytes.length) return "incomplete"
  return { length: bytes.readUIntBE(at + 1, size), end: at + 1 + size }
}

function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  const length = content.length < 0x80 ? [content.length] : [0x82, content.length >>> 8, content.length & 0xff]
  return Buffer.concat([Uint8Array.of(tag, ...length), content])
}

function integer(value: number): Buffer {
  const bytes = Buffer.alloc(5)
  bytes.writeUInt32BE(value, 1)
  const first = bytes.findIndex((byte, at) => byte !== 0 || at === 4)
  // A first bit that is set would make it negative.
  return element(INTEGER, bytes.subarray((bytes[first] ?? 0) > 0x7f ? first - 1 : first))
}

function response(id: number, tag: number, code: number, diagnostic: string, name?: Buffer): Buffer {
  const matchedDn = element(OCTET_STRING)
  const result = [element(ENUMERATED, Uint8Array.of(code)), matchedDn, element(OCTET_STRING, Buffer.from(diagnostic))]
  return element(
    SEQUENCE,
    integer(id),
    element(tag, ...result, ...(name === undefined ? [] : [element(RESPONSE_NAME, name)])),
  )
}

/** Section 4.1.1: what cannot be read, or is no request, ends the connection. */
function disconnected(said: readonly Uint8Array[], fault: Fault): PreludeStep {
  const notice = response(0, EXTENDED_RESPONSE, PROTOCOL_ERROR, fault.message, DISCONNECTION)
  return { status: "refused", send: joined([...said, notice]), ...fault }
}

function joined(parts: readonly Uint8Array[]): Uint8Array | undefined {
  return parts.length === 0 ? undefined : Buffer.concat(parts)
}

const START_TLS_REQUEST = element(SEQUENCE, integer(1), element(EXTENDED_REQUEST, element(REQUEST_NAME, START_TLS)))
