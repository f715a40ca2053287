import { styleText } from "node:util"
import { jsonLine } from "../log/json-line.ts"
import { writeLine } from "./output.ts"

type Style = "bold" | "dim" | "red" | "yellow" | "green" | "cyan"

/** Prints to one stream: styled where a person reads it, plain where a program does. */
export interface Terminal {
  /** Writes one line. */
  line(text?: string): void
  /** Styles text if the stream shows styles. */
  style(style: Style, text: string): string
}

/** A terminal over a stream. Styles are off when it is no TTY, and by the convention of https://no-color.org. */
export function terminal(stream: NodeJS.WriteStream): Terminal {
  const styled = stream.isTTY === true && !process.env["NO_COLOR"]
  return {
    line: (text = "") =>
      writeLine(stream, text, (lines) => `(${count(lines, "line")} not written: nobody read them fast enough)`),
    style: (style, text) => (styled ? styleText(style, text) : text),
  }
}

/**
 * Makes text from a file or from the network safe to print: whatever moves the cursor, hides, or reorders other text
 * is written as an escape.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\\]/gu, (character) => {
    if (character === "\\") return "\\\\"
    const code = character.codePointAt(0) ?? 0
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`
  })
}

/** Writes a value as one line of JSON. */
export function printJson(value: unknown): void {
  process.stdout.write(`${jsonLine(value)}\n`)
}

/** A number with its noun: `1 error`, `2 errors`. */
export function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? "" : "s"}`
}

/** Address and port as in URLs. */
export function formatAddress(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`
}
