import { hostname } from "node:os"
import { writeLine } from "../shared/output.ts"
import { jsonLine } from "./json-line.ts"

/** pino's levels. */
const LEVELS = { info: 30, warn: 40, error: 50 } as const

const host = hostname()

/**
 * One event as a line of JSON in the form that pino writes and its tools read: `level`, `time` in milliseconds
 * since 1970, `pid`, `hostname`, `msg`, with `event` to tell events apart, and the event's own fields.
 */
export function logEvent(level: keyof typeof LEVELS, event: string, msg: string, fields: object = {}): void {
  logLine(eventLine(level, event, msg, fields))
}

/** Writes such a line. */
export function logLine(line: object): void {
  writeLine(process.stdout, jsonLine(line), (lines) =>
    jsonLine(eventLine("warn", "dropped", "log lines were dropped: nobody read them fast enough", { lines })),
  )
}

/** The object that such a line holds. */
export function eventLine(level: keyof typeof LEVELS, event: string, msg: string, fields: object): object {
  return { level: LEVELS[level], time: Date.now(), pid: process.pid, hostname: host, event, msg, ...fields }
}
