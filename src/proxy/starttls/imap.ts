import { type LineAnswer, type LineDialect, LinePrelude, refused, say } from "./lines.ts"
import type { ClientPreludeContext, StarttlsProtocol } from "./prelude.ts"

/** IMAP (RFC 3501, RFC 9051) with STARTTLS (RFC 9051 section 6.2.1), for port 143. */
export const imap: StarttlsProtocol = {
  name: "imap",
  greets: true,
  toClient: (context) => new LinePrelude(new ToClient(context)),
  toBackend: () => new LinePrelude(new ToBackend()),
}

/** What there is before TLS; a client must ask anew under TLS (RFC 9051 section 6.2.1). */
const CAPABILITIES = "IMAP4rev1 STARTTLS LOGINDISABLED"
/** RFC 9051 section 9, `tag`: what a client writes before a command to know its answer by. */
const TAGGED = /^([!#$&',-./0-9:;<=>?@A-Z[\]^_`a-z|}~]{1,64}) ([A-Za-z0-9]+)(?: (.*))?$/
/** RFC 9051 section 4.3, `literal`: bytes of any kind, which would be read as commands here. */
const LITERAL = /\{[0-9]+(\+?)\}$/

class ToClient implements LineDialect {
  readonly opening: string
  // RFC 2683 section 3.2.1.5 asks servers to take 8000; nothing of that length is needed here.
  readonly maxLineBytes = 1024
  readonly maxLines = 16
  readonly allows8bit = true
  readonly farewell = "* BYE Syntax error\r\n"

  constructor({ greetingName }: ClientPreludeContext) {
    this.opening = `* OK [CAPABILITY ${CAPABILITIES}] ${greetingName} ready\r\n`
  }

  line(text: string): LineAnswer {
    const [, literal] = LITERAL.exec(text) ?? []
    if (literal === "+") {
      return {
        status: "refused",
        say: "* BYE No literals before TLS\r\n",
        code: "STARTTLS_SYNTAX",
        message: "a literal without waiting, whose bytes could be taken for commands",
      }
    }
    const [, tag, command = "", rest] = TAGGED.exec(text) ?? []
    if (tag === undefined) return say("* BAD A tag and a command were expected")
    // The client waits for leave to send the literal, and is not given it.
    if (literal === "") return say(`${tag} BAD No literals before TLS`)
    return this.#command(tag, command.toUpperCase(), rest)
  }

  #command(tag: string, command: string, rest: string | undefined): LineAnswer {
    switch (command) {
      case "CAPABILITY":
      case "NOOP":
      case "LOGOUT":
      case "STARTTLS":
        if (rest !== undefined) return say(`${tag} BAD ${command} takes no arguments`)
        break
      case "LOGIN":
      case "AUTHENTICATE":
        // RFC 5530 section 3.
        return say(`${tag} NO [PRIVACYREQUIRED] TLS is required: STARTTLS first`)
      default:
        return say(`${tag} BAD TLS is required: STARTTLS first`)
    }
    if (command === "CAPABILITY") return say(`* CAPABILITY ${CAPABILITIES}\r\n${tag} OK CAPABILITY completed`)
    if (command === "NOOP") return say(`${tag} OK NOOP completed`)
    if (command === "LOGOUT") {
      return {
        status: "refused",
        say: `* BYE Logging out\r\n${tag} OK LOGOUT completed\r\n`,
        code: "STARTTLS_QUIT",
        message: "the client sent LOGOUT",
      }
    }
    return {
      status: "tls",
      say: `${tag} OK Begin TLS now\r\n`,
      otherwise: `${tag} BAD Nothing may follow STARTTLS before TLS\r\n`,
    }
  }
}

const TAG = "starttls"

/** A client that wants nothing but TLS. What the server says besides is not heard. */
class ToBackend implements LineDialect {
  readonly maxLineBytes = 8192
  readonly maxLines = 64
  readonly allows8bit = true
  #greeted = false

  line(text: string): LineAnswer {
    return this.#greeted ? this.#answer(text) : this.#greeting(text)
  }

  #greeting(text: string): LineAnswer {
    const [, status = ""] = /^\* (OK|PREAUTH|BYE)(?: |$)/i.exec(text) ?? []
    switch (status.toUpperCase()) {
      case "OK":
        this.#greeted = true
        return say(`${TAG} STARTTLS`)
      case "PREAUTH":
        // RFC 9051 section 7.1.4: there is no STARTTLS in the authenticated state.
        return refused("STARTTLS_NOT_OFFERED", "the server greeted with PREAUTH")
      case "BYE":
        return refused("STARTTLS_REFUSED", "the server greeted with BYE")
      default:
        return refused("STARTTLS_SYNTAX", "the greeting is none of IMAP's")
    }
  }

  #answer(text: string): LineAnswer {
    if (/^\* BYE(?: |$)/i.test(text)) {
      return refused("STARTTLS_REFUSED", "the server answered STARTTLS with BYE")
    }
    if (text.startsWith("* ")) return { status: "more" }
    const [, status = ""] = new RegExp(`^${TAG} (OK|NO|BAD)(?: |$)`, "i").exec(text) ?? []
    switch (status.toUpperCase()) {
      case "OK":
        return { status: "tls" }
      case "NO":
        return refused("STARTTLS_REFUSED", "the server answered STARTTLS with NO")
      case "BAD":
        return refused("STARTTLS_NOT_OFFERED", "the server does not know STARTTLS")
      default:
        return refused("STARTTLS_SYNTAX", "the answer is none of IMAP's")
    }
  }
}
