import type { Terminal } from "../shared/terminal.ts"

/** Levels of the log and the numbers that pino gives them. */
export const LOG_LEVELS = { error: 50, warn: 40, info: 30 } as const

/** A level of the log. */
export type LogLevel = keyof typeof LOG_LEVELS

let least: number = LOG_LEVELS.info

/** Leaves out of the process's log what is below a level. It is `info` at the start, which leaves out nothing. */
export function setLogLevel(level: LogLevel): void {
  least = LOG_LEVELS[level]
}

/** Whether what has a level is written. */
export function isLogged(level: LogLevel): boolean {
  return LOG_LEVELS[level] >= least
}

/** A terminal on which lines have a level. */
export function atLevel(level: LogLevel, terminal: Terminal): Terminal {
  return {
    line: (text) => {
      if (isLogged(level)) terminal.line(text)
    },
    style: terminal.style,
  }
}
