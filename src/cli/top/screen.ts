import { emitKeypressEvents } from "node:readline"
import { terminal } from "../shared/terminal.ts"
import type { Size } from "./draw.ts"
import type { Line } from "./text.ts"
import type { Key } from "./view.ts"

// DEC private modes that every terminal emulator of today knows: the alternate screen, and the cursor's visibility.
const ENTER = "\x1b[?1049h\x1b[?25l"
const LEAVE = "\x1b[?25h\x1b[?1049l"
const HOME = "\x1b[H"
const END_OF_LINE = "\x1b[K"
const END_OF_SCREEN = "\x1b[J"

const ENDING = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const

/** What happens at the terminal. */
export interface ScreenEvents {
  onKey(key: Key): void
  onResize(): void
}

/** The whole of a terminal, given back as it was however the process ends (but by SIGKILL). */
export class Screen {
  readonly #events: ScreenEvents
  readonly #style = terminal(process.stdout).style
  #isOn = false

  /** Takes the terminal. */
  constructor(events: ScreenEvents) {
    this.#events = events
    process.on("exit", this.#leave)
    process.on("SIGCONT", this.#enter)
    for (const signal of ENDING) process.on(signal, this.#onSignal)
    process.stdout.on("resize", this.#onResize)
    emitKeypressEvents(process.stdin)
    process.stdin.on("keypress", this.#onKey)
    this.#enter()
  }

  /** Columns and rows there are now. */
  get size(): Size {
    const { columns, rows } = process.stdout
    // Terminals over serial lines say 0.
    return { columns: columns || 80, rows: rows || 24 }
  }

  /** Shows lines from the first row on; whatever else was there goes. Drops them while earlier ones are not out. */
  show(lines: readonly Line[]): void {
    if (!this.#isOn || process.stdout.writableNeedDrain) return
    const drawn = lines.map((line) =>
      line.map(({ text, look }) => (look === undefined ? text : this.#style(look, text))).join(""),
    )
    process.stdout.write(`${HOME}${drawn.map((line) => line + END_OF_LINE).join("\r\n")}${END_OF_SCREEN}`)
  }

  /** Gives the terminal back. */
  close(): void {
    this.#leave()
    process.off("exit", this.#leave)
    process.off("SIGCONT", this.#enter)
    for (const signal of ENDING) process.off(signal, this.#onSignal)
    process.stdout.off("resize", this.#onResize)
    process.stdin.off("keypress", this.#onKey)
    process.stdin.pause()
  }

  readonly #enter = (): void => {
    if (process.stdin.isTTY) process.stdin.setRawMode(true)
    if (!this.#isOn) process.stdout.write(ENTER)
    this.#isOn = true
    this.#events.onResize()
  }

  readonly #leave = (): void => {
    if (!this.#isOn) return
    this.#isOn = false
    process.stdout.write(LEAVE)
    if (process.stdin.isTTY) process.stdin.setRawMode(false)
  }

  readonly #onSignal = (_name: NodeJS.Signals, number: number): void => {
    process.exit(128 + number)
  }

  readonly #onResize = (): void => {
    this.#events.onResize()
  }

  readonly #onKey = (_text: string | undefined, key: Key): void => {
    if (!key.ctrl || key.name !== "z" || process.platform === "win32") {
      this.#events.onKey(key)
      return
    }
    this.#leave()
    // All of the group, as the terminal would: a parent such as npx stops with it.
    process.kill(0, "SIGTSTP")
  }
}
