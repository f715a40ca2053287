import { constants } from "node:os"

/**
 * Signals that end a process by default, and that people and programs send to a gateway out of habit, for a
 * terminal, or by mistake. None of them is a reason to cut connections.
 */
const UNHEEDED = ["SIGUSR2", "SIGPIPE", "SIGALRM", "SIGVTALRM", "SIGIO", "SIGXFSZ", "SIGSTKFLT", "SIGPWR"] as const

/** What ends or drains a program; processes that it started get them too, from a terminal or for a whole group. */
const FOR_THE_PARENT = ["SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP"] as const

/**
 * Leaves without effect what must not end a process that serves. `SIGUSR1` opens Node.js' inspector, which lets
 * whoever reaches its port run code: it does so only where Node.js was started with one of its flags. `SIGPROF` is
 * left to a profiler that was asked for.
 */
export function ignoreStraySignals(): void {
  ignore(UNHEEDED)
  if (!isAskedFor(/^--inspect/)) ignore(["SIGUSR1"])
  if (!isAskedFor(/^--(cpu-)?prof/)) ignore(["SIGPROF"])
}

/** In a process that carries connections for another: the parent decides when it ends. */
export function leaveSignalsToParent(): void {
  ignoreStraySignals()
  ignore(FOR_THE_PARENT)
}

function ignore(signals: readonly NodeJS.Signals[]): void {
  for (const signal of signals) if (signal in constants.signals) process.on(signal, () => undefined)
}

/** Whether Node.js was started with such a flag, in its arguments or in `NODE_OPTIONS`. */
function isAskedFor(flag: RegExp): boolean {
  const words = [...process.execArgv, ...(process.env["NODE_OPTIONS"] ?? "").split(/\s+/)]
  return words.some((word) => flag.test(word.replace(/^["']/, "")))
}
