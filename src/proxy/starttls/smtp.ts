import { type LineAnswer, type LineDialect, LinePrelude, refused, say } from "./lines.ts"
import type { BackendPreludeContext, ClientPreludeContext, StarttlsProtocol } from "./prelude.ts"

/** SMTP (RFC 5321) with STARTTLS (RFC 3207), for port 25 and submission on port 587. */
export const smtp: StarttlsProtocol = {
  name: "smtp",
  greets: true,
  toClient: (context) => new LinePrelude(new ToClient(context)),
  toBackend: (context) => new LinePrelude(new ToBackend(context)),
}

const INJECTION = "554 Nothing may follow STARTTLS before TLS\r\n"

/** A server that requires TLS before anything else (RFC 3207 section 4). */
class ToClient implements LineDialect {
  readonly opening: string
  // RFC 5321 section 4.5.3.1.4, of a command with its CRLF.
  readonly maxLineBytes = 512
  readonly maxLines = 16
  readonly allows8bit = false
  readonly farewell: string
  readonly #name: string

  constructor({ greetingName }: ClientPreludeContext) {
    this.#name = greetingName
    this.opening = `220 ${greetingName} ESMTP\r\n`
    // RFC 5321 section 3.8: what a server says that closes the connection of its own accord.
    this.farewell = `421 ${greetingName} Cannot go on, closing the connection\r\n`
  }

  line(text: string): LineAnswer {
    const [verb = "", ...parameters] = text.trimEnd().split(" ")
    switch (verb.toUpperCase()) {
      case "EHLO":
        if (parameters.length === 0) return say("501 EHLO takes a name")
        return say(`250-${this.#name}\r\n250 STARTTLS`)
      case "STARTTLS":
        if (parameters.length > 0) return say("501 STARTTLS takes no parameters")
        return { status: "tls", say: "220 Ready to start TLS\r\n", otherwise: INJECTION }
      case "NOOP":
        return say("250 OK")
      case "QUIT":
        return {
          status: "refused",
          say: `221 ${this.#name} closing the connection\r\n`,
          code: "STARTTLS_QUIT",
          message: "the client sent QUIT",
        }
      default:
        return say("530 Must issue a STARTTLS command first")
    }
  }
}

/** A client that wants nothing but TLS. Everything it is told before is forgotten (RFC 3207 section 4.2). */
class ToBackend implements LineDialect {
  // RFC 5321 section 4.5.3.1.5 has 512, and servers that greet at length.
  readonly maxLineBytes = 2048
  readonly maxLines = 128
  readonly allows8bit = true
  readonly #name: string
  #asked: "nothing" | "EHLO" | "STARTTLS" = "nothing"
  #offered = false

  constructor({ greetingName }: BackendPreludeContext) {
    this.#name = greetingName
  }

  line(text: string): LineAnswer {
    // RFC 5321 section 4.2: three digits, and a hyphen on every line of a reply but the last.
    const reply = /^([2-5][0-9]{2})(?:([ -])(.*))?$/.exec(text)
    if (reply === null) return refused("STARTTLS_SYNTAX", "the answer is none of SMTP's")
    const [, code = "", mark, keyword = ""] = reply
    if (this.#asked === "EHLO" && /^STARTTLS *$/i.test(keyword)) this.#offered = true
    return mark === "-" ? { status: "more" } : this.#replied(code)
  }

  #replied(code: string): LineAnswer {
    const asked = this.#asked
    if (code !== (asked === "EHLO" ? "250" : "220")) {
      const what = asked === "nothing" ? "greeted with" : `answered ${asked} with`
      return refused("STARTTLS_REFUSED", `the server ${what} ${code}`)
    }
    if (asked === "STARTTLS") return { status: "tls" }
    if (asked === "nothing") {
      this.#asked = "EHLO"
      return say(`EHLO ${this.#name}`)
    }
    if (!this.#offered) {
      return refused("STARTTLS_NOT_OFFERED", "the server does not offer STARTTLS")
    }
    this.#asked = "STARTTLS"
    return say("STARTTLS")
  }
}
