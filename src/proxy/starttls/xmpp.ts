import {
  type BackendPreludeContext,
  type ClientPreludeContext,
  type Prelude,
  type PreludeStep,
  type StarttlsCode,
  type StarttlsProtocol,
  startTls,
  TLS_HANDSHAKE,
} from "./prelude.ts"
import { type XmlTag, XmlTags } from "./xml-tags.ts"

/** XMPP between client and server (RFC 6120 section 5), for port 5222. */
export const xmpp: StarttlsProtocol = xmppOver("xmpp", "jabber:client")

/** XMPP between servers (RFC 6120 section 5), for port 5269. */
export const xmppServer: StarttlsProtocol = xmppOver("xmpp-server", "jabber:server")

type Content = "jabber:client" | "jabber:server"

function xmppOver(name: string, content: Content): StarttlsProtocol {
  return {
    name,
    greets: false,
    toClient: (context) => new ToClient(content, context),
    toBackend: (context) => new ToBackend(content, context),
  }
}

const STREAMS = "http://etherx.jabber.org/streams"
const TLS = "urn:ietf:params:xml:ns:xmpp-tls"
const ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"

/** Bytes of all that is said before TLS. Servers' features are the longest of it. */
const MAX_BYTES = 16_384
const MAX_TAG_BYTES = 4096
/** RFC 6120 appendix and RFC 7622 section 3.2: bytes of a domain. */
const MAX_DOMAIN_BYTES = 1023

/** Where a peer stands in its stream. What it means is told of each tag. */
abstract class XmppPrelude implements Prelude {
  abstract readonly opening: Uint8Array | undefined
  readonly #tags = new XmlTags(MAX_TAG_BYTES)
  #bytes = 0
  #said = ""

  /** What to do about a tag; `undefined` to read on. */
  protected abstract tag(tag: XmlTag): Verdict | undefined
  /** What to say when the stream is ended for a fault. */
  protected abstract farewell(condition: string): string

  protected say(text: string): void {
    this.#said += text
  }

  push(chunk: Uint8Array): PreludeStep {
    this.#said = ""
    if (this.#bytes === 0 && chunk[0] === TLS_HANDSHAKE) return this.tlsAtOnce(chunk)
    for (const [at, byte] of chunk.entries()) {
      this.#bytes += 1
      if (this.#bytes > MAX_BYTES) {
        return this.#refused("STARTTLS_TOO_LONG", `more than ${MAX_BYTES} bytes before TLS`, "policy-violation")
      }
      const tag = this.#tags.push(byte)
      const verdict = tag === undefined ? undefined : this.tag(tag)
      if (verdict === undefined) continue
      if (verdict !== "tls") return this.#refused(verdict.code, verdict.message, verdict.condition)
      const [yes, no] = [this.#said + this.granted, this.#said + this.farewell("policy-violation")]
      return startTls(encode(yes), chunk.length - at - 1, encode(no))
    }
    return { status: "more", send: encode(this.#said) }
  }

  /** Said when TLS begins. */
  protected abstract readonly granted: string

  protected abstract tlsAtOnce(chunk: Uint8Array): PreludeStep

  #refused(code: StarttlsCode, message: string, condition: string | undefined): PreludeStep {
    const farewell = condition === undefined ? "" : this.farewell(condition)
    return { status: "refused", send: encode(this.#said + farewell), code, message }
  }
}

type Verdict =
  | "tls"
  | {
      readonly code: StarttlsCode
      readonly message: string
      /** Stream error to send (RFC 6120 section 4.9.3), if one is to be. */
      readonly condition?: string
    }

/** A server that requires TLS (RFC 6120 section 5.3.1). */
class ToClient extends XmppPrelude {
  readonly opening = undefined
  protected readonly granted = `<proceed xmlns='${TLS}'/>`
  readonly #content: Content
  readonly #context: ClientPreludeContext
  #state: "declaration" | "header" | "stream" | "starttls" = "declaration"
  #answered = false

  constructor(content: Content, context: ClientPreludeContext) {
    super()
    this.#content = content
    this.#context = context
  }

  protected tag(tag: XmlTag): Verdict | undefined {
    if (tag.kind === "restricted") return fault("restricted-xml", "XML that XMPP forbids")
    if (tag.kind === "malformed") return fault("not-well-formed", "XML that is not well formed")
    if (tag.kind === "text") return fault("bad-format", "text where a tag was expected")
    const state = this.#state
    if (tag.kind === "declaration") {
      if (state !== "declaration") return fault("not-well-formed", "an XML declaration inside the stream")
      // RFC 6120 section 11.6.
      if (!/^utf-8$/i.test(tag.attributes.get("encoding") ?? "UTF-8")) {
        return fault("unsupported-encoding", "an encoding other than UTF-8")
      }
      this.#state = "header"
      return undefined
    }
    if (state === "declaration" || state === "header") return this.#header(tag)
    if (state === "starttls") {
      if (tag.kind === "close" && tag.name === "starttls") return "tls"
      return fault("bad-format", "something inside the starttls element")
    }
    return this.#inStream(tag)
  }

  protected tlsAtOnce(chunk: Uint8Array): PreludeStep {
    return { status: "tls", rest: chunk }
  }

  /** A stream error comes in a stream (RFC 6120 section 4.9.1.2). */
  protected farewell(condition: string): string {
    const header = this.#answered ? "" : this.#responseHeader(undefined)
    return `${header}<stream:error><${condition} xmlns='${ERRORS}'/></stream:error></stream:stream>`
  }

  #header(tag: XmlTag & { readonly kind: "open" | "close" }): Verdict | undefined {
    if (tag.kind !== "open" || tag.closed) return fault("bad-format", "no stream begins here")
    if (tag.name !== "stream:stream") return fault("bad-namespace-prefix", `<${tag.name}> where a stream was expected`)
    const { attributes } = tag
    if (attributes.get("xmlns:stream") !== STREAMS || attributes.get("xmlns") !== this.#content) {
      return fault("invalid-namespace", `a stream that is not one of ${this.#content}`)
    }
    this.#answered = true
    this.say(this.#responseHeader(attributes.get("to")))
    if (!hasStarttls(attributes)) {
      return fault("unsupported-version", "a version of XMPP that has no STARTTLS")
    }
    this.say(`<stream:features><starttls xmlns='${TLS}'><required/></starttls></stream:features>`)
    this.#state = "stream"
    return undefined
  }

  #inStream(tag: XmlTag & { readonly kind: "open" | "close" }): Verdict | undefined {
    if (tag.kind === "close") {
      if (tag.name !== "stream:stream") return fault("not-well-formed", "a tag closed that is not open")
      this.say("</stream:stream>")
      return { code: "STARTTLS_QUIT", message: "the client closed its stream" }
    }
    if (tag.name === "starttls" && tag.attributes.get("xmlns") === TLS) {
      if (tag.closed) return "tls"
      this.#state = "starttls"
      return undefined
    }
    return {
      code: "STARTTLS_REQUIRED",
      message: `<${tag.name}> where only starttls is allowed`,
      condition: "policy-violation",
    }
  }

  /** Speaks for the domain that the client asked for, where it can be written as it is. */
  #responseHeader(to: string | undefined): string {
    const { greetingName, nonce } = this.#context
    const from = to !== undefined && to.length <= MAX_DOMAIN_BYTES && isPlain(to) ? to : greetingName
    return (
      `<?xml version='1.0'?><stream:stream from='${from}' id='${nonce()}' version='1.0' xml:lang='en' ` +
      `xmlns='${this.#content}' xmlns:stream='${STREAMS}'>`
    )
  }
}

/** A client that wants nothing but TLS; under TLS the stream begins anew (RFC 6120 section 5.4.3.3). */
class ToBackend extends XmppPrelude {
  readonly opening: Uint8Array | undefined
  protected readonly granted = ""
  #state: "header" | "features" | "answer" | "error" = "header"
  /** Elements open inside the stream. */
  #depth = 0
  #offered = false

  constructor(content: Content, { serverName }: BackendPreludeContext) {
    super()
    const to = serverName !== undefined && isPlain(serverName) ? ` to='${serverName}'` : ""
    this.opening = encode(
      `<?xml version='1.0'?><stream:stream${to} version='1.0' xmlns='${content}' xmlns:stream='${STREAMS}'>`,
    )
  }

  protected tag(tag: XmlTag): Verdict | undefined {
    if (tag.kind === "restricted" || tag.kind === "malformed") return unexpected("the answer is none of XMPP's")
    // Text is part of features, and of none of the answers that count.
    if (tag.kind === "text" || tag.kind === "declaration") return undefined
    if (this.#state === "header") return this.#header(tag)
    const depth = this.#depth
    if (tag.kind === "close") {
      if (depth === 0) return { code: "STARTTLS_REFUSED", message: "the server closed its stream" }
      this.#depth -= 1
      return depth === 1 ? this.#closed() : undefined
    }
    if (!tag.closed) this.#depth += 1
    return depth === 0 ? this.#child(tag) : this.#grandchild(tag, depth)
  }

  protected tlsAtOnce(): PreludeStep {
    return { status: "refused", code: "STARTTLS_SYNTAX", message: "TLS before it was asked for" }
  }

  protected farewell(): string {
    return ""
  }

  #header(tag: XmlTag & { readonly kind: "open" | "close" }): Verdict | undefined {
    if (tag.kind !== "open" || tag.closed || tag.name !== "stream:stream") return unexpected("no stream begins here")
    // Features will not come.
    if (!hasStarttls(tag.attributes))
      return { code: "STARTTLS_NOT_OFFERED", message: "the server is from before XMPP 1.0" }
    this.#state = "features"
    return undefined
  }

  /** An element of the stream begins; one that is closed already also ends. */
  #child(tag: XmlTag & { readonly kind: "open" }): Verdict | undefined {
    if (tag.name === "stream:error") {
      this.#state = "error"
      return undefined
    }
    if (this.#state === "features") {
      if (tag.name !== "stream:features") return unexpected(`<${tag.name}> where features were expected`)
      return tag.closed ? this.#closed() : undefined
    }
    if (tag.attributes.get("xmlns") === TLS && tag.name === "failure") {
      return { code: "STARTTLS_REFUSED", message: "the server failed to start TLS" }
    }
    if (tag.attributes.get("xmlns") !== TLS || tag.name !== "proceed") return unexpected("no answer to starttls")
    return tag.closed ? "tls" : undefined
  }

  #grandchild(tag: XmlTag & { readonly kind: "open" }, depth: number): Verdict | undefined {
    if (depth > 1) return undefined
    if (this.#state === "features") {
      if (tag.name === "starttls" && tag.attributes.get("xmlns") === TLS) this.#offered = true
      return undefined
    }
    if (this.#state === "answer") return unexpected("something inside the answer to starttls")
    const message = `the server ended the stream: ${tag.name}`
    return { code: tag.name === "host-unknown" ? "STARTTLS_UNKNOWN_NAME" : "STARTTLS_REFUSED", message }
  }

  /** An element of the stream has ended. */
  #closed(): Verdict | undefined {
    if (this.#state === "error") return { code: "STARTTLS_REFUSED", message: "the server ended the stream" }
    if (this.#state === "answer") return "tls"
    if (!this.#offered) return { code: "STARTTLS_NOT_OFFERED", message: "the server does not offer starttls" }
    this.#state = "answer"
    this.say(`<starttls xmlns='${TLS}'/>`)
    return undefined
  }
}

function fault(condition: string, message: string): Verdict {
  return { code: "STARTTLS_SYNTAX", message, condition }
}

function unexpected(message: string): Verdict {
  return { code: "STARTTLS_SYNTAX", message }
}

/** RFC 6120 section 4.7.5: a peer without a version, or of one below 1.0, speaks the protocol from before STARTTLS. */
function hasStarttls(attributes: ReadonlyMap<string, string>): boolean {
  return /^[1-9][0-9]{0,8}\.[0-9]{1,9}$/.test(attributes.get("version") ?? "")
}

/** Whether an attribute in single quotes can hold it as it is. Bytes above 127 are parts of UTF-8, passed back. */
function isPlain(text: string): boolean {
  return text !== "" && !/[\s'"<>&]|[^\x20-\x7e\x80-\xff]/.test(text)
}

function encode(text: string): Uint8Array | undefined {
  return text === "" ? undefined : Buffer.from(text, "latin1")
}
