import { anyText, atLeast, type Checks, callable, flag, wholeNumber } from "../../primitives/option-checks.ts"
import { refuseUsage } from "../errors.ts"
import { type Prelude, type PreludeStep, type StarttlsCode, startTls, TLS_HANDSHAKE } from "./prelude.ts"

/** What a line calls for. Texts are sent as they are, each byte from one character. */
export type LineAnswer =
  /** Says so, if anything, and reads on. */
  | { readonly status: "more"; readonly say?: string }
  /** TLS begins once this is said; `otherwise` is said instead when more bytes came with the line. */
  | { readonly status: "tls"; readonly say?: string; readonly otherwise?: string }
  /** Ends it. */
  | { readonly status: "refused"; readonly say?: string; readonly code: StarttlsCode; readonly message: string }

/** A protocol of lines, on one side of one connection. */
export interface LineDialect {
  /** Said before anything is read. */
  readonly opening?: string
  /** Longest line, in bytes, its CRLF included: 2 to 1 048 576. */
  readonly maxLineBytes: number
  /** Most lines. */
  readonly maxLines: number
  /** Whether lines may hold bytes above 127, as texts for people may. */
  readonly allows8bit: boolean
  /** Said when the peer breaks a rule that holds for every line. */
  readonly farewell?: string
  /** Takes a line without its CRLF. */
  line(text: string): LineAnswer
}

const DIALECT: Checks<LineDialect> = {
  opening: anyText,
  maxLineBytes: wholeNumber(2, 1_048_576),
  maxLines: atLeast(1, " of lines"),
  allows8bit: flag,
  farewell: anyText,
  line: callable,
}

const CR = 0x0d
const LF = 0x0a
const TAB = 0x09

/**
 * Reads lines that end in CRLF, within bounds. A lone CR or LF, or another control character, is refused and not
 * guessed at: what two readers would take for different lines is how commands are smuggled.
 */
export class LinePrelude implements Prelude {
  readonly opening: Uint8Array | undefined
  readonly #dialect: LineDialect
  readonly #line: Buffer
  #length = 0
  #lines = 0

  /**
   * @param dialect - what lines mean
   * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE` when a part of it is missing or cannot be used: it would bound
   * nothing
   */
  constructor(dialect: LineDialect) {
    checkDialect(dialect)
    this.#dialect = dialect
    this.#line = Buffer.allocUnsafe(dialect.maxLineBytes)
    this.opening = encode(dialect.opening)
  }

  push(chunk: Uint8Array): PreludeStep {
    let said = ""
    for (const [at, byte] of chunk.entries()) {
      const fault = this.#take(byte)
      if (fault !== undefined)
        return { status: "refused", send: encode(said + (this.#dialect.farewell ?? "")), ...fault }
      if (byte !== LF) continue
      const text = this.#line.toString("latin1", 0, this.#length - 2)
      this.#length = 0
      this.#lines += 1
      const answer = this.#dialect.line(text)
      if (answer.status === "tls") {
        const [yes, no] = [said + (answer.say ?? ""), said + (answer.otherwise ?? "")]
        return startTls(encode(yes), chunk.length - at - 1, encode(no))
      }
      said += answer.say ?? ""
      if (answer.status === "refused") {
        return { status: "refused", send: encode(said), code: answer.code, message: answer.message }
      }
    }
    return { status: "more", send: encode(said) }
  }

  /** Keeps a byte of a line, or tells what is wrong with it. */
  #take(byte: number): { readonly code: StarttlsCode; readonly message: string } | undefined {
    const { maxLineBytes, maxLines, allows8bit } = this.#dialect
    if (this.#length === 0) {
      if (byte === TLS_HANDSHAKE) return { code: "STARTTLS_TOO_SOON", message: "TLS before it was asked for" }
      if (this.#lines === maxLines) return { code: "STARTTLS_TOO_MANY", message: `more than ${maxLines} lines` }
    }
    if (this.#length === maxLineBytes) {
      return { code: "STARTTLS_TOO_LONG", message: `a line of more than ${maxLineBytes} bytes` }
    }
    const afterCr = this.#length > 0 && this.#line[this.#length - 1] === CR
    const isText = (byte >= 0x20 && byte < 0x7f) || byte === TAB || byte === CR || (allows8bit && byte > 0x7f)
    if (byte === LF ? !afterCr : afterCr || !isText) {
      return { code: "STARTTLS_SYNTAX", message: `byte 0x${byte.toString(16).padStart(2, "0")} where none may be` }
    }
    this.#line[this.#length] = byte
    this.#length += 1
    return undefined
  }
}

/** A dialect may be an object of any class, with more to it than what is asked for here. */
function checkDialect(dialect: LineDialect): void {
  const required = { maxLineBytes: "512", maxLines: "20", allows8bit: "false", line: "(text) => answer" }
  if (typeof dialect !== "object" || dialect === null) refuseUsage("LinePrelude", dialect, DIALECT, required)
  const { opening, maxLineBytes, maxLines, allows8bit, farewell, line } = dialect
  refuseUsage("LinePrelude", { opening, maxLineBytes, maxLines, allows8bit, farewell, line }, DIALECT, required)
}

function encode(text: string | undefined): Uint8Array | undefined {
  return text === undefined || text === "" ? undefined : Buffer.from(text, "latin1")
}

/** Says one line, or several with CRLF between them, and reads on. */
export function say(lines: string): LineAnswer {
  return { status: "more", say: `${lines}\r\n` }
}

/** Ends it without a word. */
export function refused(code: StarttlsCode, message: string): LineAnswer {
  return { status: "refused", code, message }
}
