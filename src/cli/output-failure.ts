import { isErrno } from "./usage-error.ts"

let goesOn = false

/**
 * Says what becomes of the command when its output cannot be written. A reader that has seen enough, such as `head`, is
 * no reason for a word; anything else ends the command with one line.
 */
export function endOnOutputFailure(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: Error) => {
      if (goesOn) return
      if (isErrno(error) && error.code === "EPIPE") process.exit()
      if (stream === process.stdout) process.stderr.write(`tlsroute: cannot write the output: ${error.message}\n`)
      process.exit(1)
    })
  }
}

/** From here on the command outlives its readers: connections matter more than a log. */
export function goOnWithoutOutput(): void {
  goesOn = true
}
