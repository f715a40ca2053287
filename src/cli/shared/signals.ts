import { ignoreStraySignals } from "../../gateway/workers/signals.ts"

/** What every signal does to a command that serves. */
export const SIGNALS = signalsOf("reads the files again (run) or nothing (controller)")

/** The same for the `--help` of one of them. */
export function signalsHelp(hup: string): string {
  return `\nSignals:\n${signalsOf(hup)}`
}

function signalsOf(hup: string): string {
  return `\
  TERM, INT, QUIT      stop listening and let connections finish; a second one,
                       half a second later or more, ends them at once.
                       Ctrl-C is INT.
  HUP                  ${hup}
  USR1                 nothing; with --inspect in NODE_OPTIONS, opens the
                       inspector of Node.js
  USR2, PIPE, ALRM, …  nothing
  KILL                 ends the process, and every connection, at once`
}

/**
 * Milliseconds after a signal in which others are the same one: npm and other programs that run programs hand on a
 * Ctrl-C that the terminal has sent to all of them.
 */
const SAME_SIGNAL = 500

/**
 * Takes charge of the signals of a command that serves.
 *
 * @param reload - is called for each `SIGHUP`
 * @returns settles with the first `SIGTERM`, `SIGINT` or `SIGQUIT`; the second one, {@link SAME_SIGNAL} later or
 * more, ends the process
 */
export function takeSignals(reload: () => void): Promise<void> {
  ignoreStraySignals()
  process.on("SIGHUP", reload)
  return new Promise((resolve) => {
    let first: number | undefined
    const onSignal = (_name: NodeJS.Signals, number: number): void => {
      const now = performance.now()
      if (first !== undefined && now - first >= SAME_SIGNAL) process.exit(128 + number)
      first ??= now
      resolve()
    }
    // SIGBREAK is Ctrl-Break on Windows.
    for (const signal of ["SIGINT", "SIGTERM", "SIGQUIT", "SIGBREAK"] as const) process.on(signal, onSignal)
  })
}
