import { isErrno } from "./usage-error.ts"

/** Bytes that may wait for a slow reader while the command serves. */
const MOST_WAITING = 4 * 1024 * 1024

/** Lines are written this many bytes at a time while the command serves: a write costs far more than a line. */
const BATCH = 32 * 1024

/** Milliseconds that a line may wait for others to be written with. */
const BATCH_TIME = 20

let outlives = false
let serves = false

/** Standard output or standard error, as far as lines are written to it. */
export type Output = Pick<NodeJS.WriteStream, "write" | "writableLength">

/** A line of the log, or what makes one when it is written: many in a row cost half of what each by itself does. */
export type Line = string | { toString(): string }

/** Length that a line is taken for until it is made. */
const USUAL_LENGTH = 600

interface Lines {
  /** What is not written yet. */
  batch: Line[]
  /** Length of it all. */
  length: number
  timer: NodeJS.Timeout | undefined
  /** Lines dropped since the last that was not. */
  lost: number
}

const outputs = new Map<Output, Lines>()

/**
 * Says what becomes of the command when its output cannot be written. A reader that has seen enough, such as `head`, is
 * no reason for a word; anything else ends the command with one line.
 */
export function endOnOutputFailure(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: Error) => {
      if (outlives) return
      if (isErrno(error) && error.code === "EPIPE") process.exit()
      if (stream === process.stdout) process.stderr.write(`tlsroute: cannot write the output: ${error.message}\n`)
      process.exit(1)
    })
  }
}

/** From here on a log that cannot be written, on a disk that is full or to a reader that is gone, ends nothing. */
export function outliveOutput(): void {
  outlives = true
}

/**
 * From here on connections matter more than the log: the command outlives its readers, holds no more than so many
 * bytes for those that are too slow, and writes many lines at once.
 */
export function putServingFirst(): void {
  outlives = true
  serves = true
  process.on("exit", flushLines)
}

/**
 * Writes one line, within {@link BATCH_TIME} while the command serves.
 *
 * @param describeLoss - words the line that tells how many were dropped before this one
 */
export function writeLine(output: Output, line: Line, describeLoss: (lines: number) => string): void {
  const lines = linesOf(output)
  const waiting = output.writableLength + lines.length
  // Once some are lost, half must be read before others follow: a loss is told of once, not after every line.
  if (serves && waiting > (lines.lost === 0 ? MOST_WAITING : MOST_WAITING / 2)) {
    lines.lost += 1
    return
  }
  // What goes to another output, which may be the same terminal, goes after what came before it.
  for (const [other, { length }] of outputs) if (length > 0 && other !== output) flush(other)
  if (lines.lost > 0) {
    add(lines, describeLoss(lines.lost))
    lines.lost = 0
  }
  add(lines, line)
  if (!serves || lines.length >= BATCH) flush(output)
  else lines.timer ??= setTimeout(flush, BATCH_TIME, output)
}

function add(lines: Lines, line: Line): void {
  lines.batch.push(line)
  lines.length += typeof line === "string" ? line.length + 1 : USUAL_LENGTH
}

/** Writes what waits for more to be written with. */
export function flushLines(): void {
  for (const output of outputs.keys()) flush(output)
}

function flush(output: Output): void {
  const lines = linesOf(output)
  clearTimeout(lines.timer)
  lines.timer = undefined
  if (lines.length === 0) return
  const text = `${lines.batch.join("\n")}\n`
  lines.batch = []
  lines.length = 0
  output.write(text)
}

function linesOf(output: Output): Lines {
  let lines = outputs.get(output)
  if (lines === undefined) {
    lines = { batch: [], length: 0, timer: undefined, lost: 0 }
    outputs.set(output, lines)
  }
  return lines
}
