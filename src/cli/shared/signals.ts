import { ignoreStraySignals } from "../../gateway/workers/signals.ts"

/** What every signal does to a command that serves, for its `--help`. */
export function signalsHelp(hup: string): string {
  return `
Signals:
  TERM, INT, QUIT      stop listening and let connections finish; a second one ends them at once.
                       Ctrl-C is INT.
  HUP                  ${hup}
  USR1                 nothing; with --inspect in NODE_OPTIONS, opens the inspector of Node.js
  USR2, PIPE, ALRM, …  nothing
  KILL                 ends the process, and every connection, at once`
}

/**
 * Takes charge of the signals of a command that serves.
 *
 * @param reload - is called for each `SIGHUP`
 * @returns settles with the first `SIGTERM`, `SIGINT` or `SIGQUIT`; the second one ends the process
 */
export function takeSignals(reload: () => void): Promise<void> {
  ignoreStraySignals()
  process.on("SIGHUP", reload)
  return new Promise((resolve) => {
    let signals = 0
    const onSignal = (_name: NodeJS.Signals, number: number): void => {
      signals += 1
      if (signals > 1) process.exit(128 + number)
      resolve()
    }
    // SIGBREAK is Ctrl-Break on Windows.
    for (const signal of ["SIGINT", "SIGTERM", "SIGQUIT", "SIGBREAK"] as const) process.on(signal, onSignal)
  })
}
