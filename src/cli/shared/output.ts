import { isErrno } from "./usage-error.ts"

/** Bytes that may wait for a slow reader while the command serves. */
const MOST_WAITING = 4 * 1024 * 1024

let serves = false
const lost = new WeakMap<Output, number>()

/** Standard output or standard error, as far as lines are written to it. */
export type Output = Pick<NodeJS.WriteStream, "write" | "writableLength">

/**
 * Says what becomes of the command when its output cannot be written. A reader that has seen enough, such as `head`, is
 * no reason for a word; anything else ends the command with one line.
 */
export function endOnOutputFailure(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: Error) => {
      if (serves) return
      if (isErrno(error) && error.code === "EPIPE") process.exit()
      if (stream === process.stdout) process.stderr.write(`tlsroute: cannot write the output: ${error.message}\n`)
      process.exit(1)
    })
  }
}

/**
 * From here on connections matter more than the log: the command outlives its readers, and holds no more than so many
 * bytes for those that are too slow.
 */
export function putServingFirst(): void {
  serves = true
}

/**
 * Writes one line.
 *
 * @param describeLoss - words the line that tells how many were dropped before this one
 */
export function writeLine(output: Output, line: string, describeLoss: (lines: number) => string): void {
  const before = lost.get(output) ?? 0
  // Once some are lost, half must be read before others follow: a loss is told of once, not after every line.
  if (serves && output.writableLength > (before === 0 ? MOST_WAITING : MOST_WAITING / 2)) {
    lost.set(output, before + 1)
    return
  }
  if (before > 0) {
    lost.delete(output)
    output.write(`${describeLoss(before)}\n`)
  }
  output.write(`${line}\n`)
}
