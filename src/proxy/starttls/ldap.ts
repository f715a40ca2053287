import { ENUMERATED, element, elementAt, integer, OCTET_STRING, SEQUENCE } from "./ber.ts"
import { type Fault, type Message, Messages } from "./ldap-messages.ts"
import { type Prelude, type PreludeStep, type StarttlsProtocol, startTls, TLS_HANDSHAKE } from "./prelude.ts"

/** LDAP (RFC 4511) with the StartTLS operation (section 4.14), for port 389. */
export const ldap: StarttlsProtocol = {
  name: "ldap",
  greets: false,
  toClient: () => new ToClient(),
  toBackend: () => new ToBackend(),
}

const EXTENDED_REQUEST = 0x77
const EXTENDED_RESPONSE = 0x78
const UNBIND_REQUEST = 0x42
const ABANDON_REQUEST = 0x50
const REQUEST_NAME = 0x80
const RESPONSE_NAME = 0x8a

/** RFC 4511 section 4.1.9. */
const SUCCESS = 0
const PROTOCOL_ERROR = 2
const UNAVAILABLE_CRITICAL_EXTENSION = 12
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

const NOTHING = Buffer.alloc(0)

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
      const { id, operation, content } = next
      // Section 4.1.1.1: messages 0 are the server's.
      if (id === 0) return disconnected(said, { code: "STARTTLS_SYNTAX", message: "a request with messageID 0" })
      if (operation === EXTENDED_REQUEST && asksForTls(content)) {
        const refusal = whyNoTls(next)
        if (refusal !== undefined) {
          said.push(response(id, EXTENDED_RESPONSE, ...refusal))
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
    for (let next = this.#messages.next(); next !== undefined; next = this.#messages.next()) {
      if ("code" in next) return { status: "refused", ...next }
      const result = next.operation === EXTENDED_RESPONSE ? resultCode(next.content) : undefined
      if (result === undefined || (next.id !== 1 && next.id !== 0)) {
        return { status: "refused", code: "STARTTLS_SYNTAX", message: "the answer is none to StartTLS" }
      }
      if (next.id === 1) return this.#answered(result)
      // Section 4.4: of what a server says unasked, only a Notice of Disconnection ends the session.
      if (DISCONNECTION.equals(responseName(next.content) ?? NOTHING)) {
        return { status: "refused", code: "STARTTLS_REFUSED", message: `the server disconnected with result ${result}` }
      }
    }
    return { status: "more" }
  }

  #answered(result: number): PreludeStep {
    if (result === SUCCESS) return startTls(undefined, this.#messages.left)
    return {
      status: "refused",
      // Section 4.14.2: a server that does not know the operation answers protocolError.
      code: result === PROTOCOL_ERROR ? "STARTTLS_NOT_OFFERED" : "STARTTLS_REFUSED",
      message: `the server answered StartTLS with result ${result}`,
    }
  }
}

/** Whether an ExtendedRequest (RFC 4511 section 4.12) is one for TLS. */
function asksForTls(content: Buffer): boolean {
  const name = elementAt(content, 0)
  return name?.tag === REQUEST_NAME && START_TLS.equals(name.content)
}

/** What is wrong with a request for TLS: requestValue is absent (RFC 4511 section 4.14.1), and no control is known. */
function whyNoTls({ content, hasCritical }: Message): readonly [code: number, diagnostic: string] | undefined {
  if (elementAt(content, 0)?.end !== content.length) return [PROTOCOL_ERROR, "StartTLS takes no value"]
  if (hasCritical) return [UNAVAILABLE_CRITICAL_EXTENSION, "StartTLS takes no controls"]
  return undefined
}

/** responseName of an ExtendedResponse (RFC 4511 section 4.12), which comes behind its result. */
function responseName(content: Buffer): Buffer | undefined {
  for (let element = elementAt(content, 0); element !== undefined; element = elementAt(content, element.end)) {
    if (element.tag === RESPONSE_NAME) return element.content
  }
  return undefined
}

/** resultCode of an LDAPResult (RFC 4511 section 4.1.9). */
function resultCode(content: Buffer): number | undefined {
  const code = elementAt(content, 0)
  return code?.tag === ENUMERATED && code.content.length === 1 ? code.content[0] : undefined
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
