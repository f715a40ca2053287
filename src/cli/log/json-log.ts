import { hostname } from "node:os"
import { type Line, writeLine } from "../shared/output.ts"
import { jsonLine, jsonText } from "./json-line.ts"
import { isLogged, LOG_LEVELS, type LogLevel } from "./log-level.ts"

const SENDER = `,"pid":${process.pid},"hostname":${jsonText(hostname())},"event":`

/**
 * One event as a line of JSON in the form that pino writes and its tools read: `level`, `time` in milliseconds
 * since 1970, `pid`, `hostname`, `msg`, with `event` to tell events apart, and the event's own fields.
 */
export function logEvent(level: LogLevel, event: string, msg: string, fields: object = {}): void {
  if (isLogged(level)) logLine(eventLine(level, event, msg, fields))
}

/** Writes such a line. */
export function logLine(line: Line): void {
  writeLine(process.stdout, line, (lines) =>
    eventLine("warn", "dropped", "log lines were dropped: nobody read them fast enough", { lines }),
  )
}

/**
 * How every such line begins: an object that is open, after `msg`.
 *
 * @param time - milliseconds since 1970
 */
export function eventHead(level: LogLevel, event: string, msg: string, time = Date.now()): string {
  return `{"level":${LOG_LEVELS[level]},"time":${time}${SENDER}${jsonText(event)},"msg":${jsonText(msg)}`
}

function eventLine(level: LogLevel, event: string, msg: string, fields: object): string {
  const rest = jsonLine(fields).slice(1)
  return `${eventHead(level, event, msg)}${rest === "}" ? "" : ","}${rest}`
}
