import { hostname } from "node:os"
import type { ConnectionRecord } from "../proxy/record.ts"
import { jsonLine } from "./json-line.ts"

/** pino's levels. */
const INFO = 30
const WARN = 40

const host = hostname()

/** Outcomes that an operator may want to look at: nothing that a client alone can bring about. */
const NOTEWORTHY: ReadonlySet<ConnectionRecord["outcome"]> = new Set([
  "router-error",
  "no-endpoints",
  "unresolved",
  "forbidden-address",
  "dial-failed",
  "dial-timeout",
])

/**
 * The access record of one connection as a line of JSON, without the line break, in the form that pino writes
 * and its tools read. Times are milliseconds since 1970, durations milliseconds.
 */
export function accessLogLine(record: ConnectionRecord, now: number = Date.now()): string {
  const level = NOTEWORTHY.has(record.outcome) ? WARN : INFO
  return jsonLine({
    level,
    time: now,
    pid: process.pid,
    hostname: host,
    msg: `connection ${record.outcome}`,
    ...record,
  })
}
