import { type LineAnswer, type LineDialect, LinePrelude, refused, say } from "./lines.ts"
import type { ClientPreludeContext, StarttlsProtocol } from "./prelude.ts"

/** POP3 (RFC 1939, RFC 2449) with STLS (RFC 2595 section 4), for port 110. */
export const pop3: StarttlsProtocol = {
  name: "pop3",
  greets: true,
  toClient: (context) => new LinePrelude(new ToClient(context)),
  toBackend: () => new LinePrelude(new ToBackend()),
}

class ToClient implements LineDialect {
  readonly opening: string
  // RFC 2449 section 4, of a command with its CRLF.
  readonly maxLineBytes = 255
  readonly maxLines = 16
  readonly allows8bit = true
  readonly farewell = "-ERR Syntax error, closing the connection\r\n"

  constructor({ greetingName }: ClientPreludeContext) {
    // Without a timestamp in angle brackets there is no APOP (RFC 1939 section 7).
    this.opening = `+OK ${greetingName} ready\r\n`
  }

  line(text: string): LineAnswer {
    const [command = "", ...parameters] = text.trimEnd().split(" ")
    switch (command.toUpperCase()) {
      case "CAPA":
        if (parameters.length > 0) return say("-ERR CAPA takes no arguments")
        return say("+OK Capabilities follow\r\nSTLS\r\n.")
      case "STLS":
        if (parameters.length > 0) return say("-ERR STLS takes no arguments")
        return {
          status: "tls",
          say: "+OK Begin TLS now\r\n",
          otherwise: "-ERR Nothing may follow STLS before TLS\r\n",
        }
      case "QUIT":
        return {
          status: "refused",
          say: "+OK Closing the connection\r\n",
          code: "STARTTLS_QUIT",
          message: "the client sent QUIT",
        }
      default:
        return say("-ERR TLS is required: STLS first")
    }
  }
}

/** A client that wants nothing but TLS. */
class ToBackend implements LineDialect {
  // RFC 2449 section 4, of a response.
  readonly maxLineBytes = 512
  readonly maxLines = 2
  readonly allows8bit = true
  #greeted = false

  line(text: string): LineAnswer {
    const [, status = ""] = /^(\+OK|-ERR)(?: |$)/i.exec(text) ?? []
    if (status.toUpperCase() === "+OK") {
      if (this.#greeted) return { status: "tls" }
      this.#greeted = true
      return say("STLS")
    }
    const when = this.#greeted ? "answered STLS" : "greeted"
    if (status === "") return refused("STARTTLS_SYNTAX", `the server ${when} with no POP3`)
    return refused("STARTTLS_REFUSED", `the server ${when} with -ERR`)
  }
}
