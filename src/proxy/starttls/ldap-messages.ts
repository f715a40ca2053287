import { BOOLEAN, elementAt, INTEGER, lengthAt, OCTET_STRING, SEQUENCE } from "./ber.ts"
import type { StarttlsCode } from "./prelude.ts"

/** Longest message, in bytes. A bind with a Kerberos ticket is the longest that a client may try before TLS. */
const MAX_MESSAGE_BYTES = 16_384
/** Most messages. */
const MAX_MESSAGES = 16

const CONTROLS = 0xa0

/** An LDAPMessage (RFC 4511 section 4.1.1). */
export interface Message {
  readonly id: number
  /** Tag of the protocolOp. */
  readonly operation: number
  readonly content: Buffer
  /** Whether one of its controls must not be passed over. */
  readonly hasCritical: boolean
}

/** Why a stream is none of LDAP messages, or of too many or too long ones. */
export interface Fault {
  readonly code: StarttlsCode
  readonly message: string
}

/** Cuts a stream into messages. Once it has told of a fault it is of no more use. */
export class Messages {
  /** Room for what is held, doubled when it is full. */
  #room: Buffer = Buffer.alloc(0)
  #start = 0
  #end = 0
  #count = 0

  /** Bytes behind the last message. */
  get left(): number {
    return this.#end - this.#start
  }

  /** Takes the next bytes of the stream. */
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

  /** The next message; `undefined` while it is not whole. */
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
  const hasCritical = readControls(bytes, operation.end)
  if (hasCritical === undefined) return undefined
  const number = id.content.readUIntBE(0, id.content.length)
  return { id: number, operation: operation.tag, content: operation.content, hasCritical }
}

/** RFC 4511 section 4.1.11: whether one of the controls is critical; `undefined` where they are malformed. */
function readControls(bytes: Buffer, at: number): boolean | undefined {
  if (at === bytes.length) return false
  const controls = elementAt(bytes, at)
  if (controls?.tag !== CONTROLS || controls.end !== bytes.length) return undefined
  let hasCritical = false
  for (let next = 0; next < controls.content.length; ) {
    const control = elementAt(controls.content, next)
    const type = control === undefined ? undefined : elementAt(control.content, 0)
    if (control?.tag !== SEQUENCE || type?.tag !== OCTET_STRING) return undefined
    const criticality = elementAt(control.content, type.end)
    if (criticality?.tag === BOOLEAN && criticality.content.some((byte) => byte !== 0)) hasCritical = true
    next = control.end
  }
  return hasCritical
}
