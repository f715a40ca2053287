import type { ConnectionRecord } from "../../proxy/connection/record.ts"
import { eventLine } from "./json-log.ts"

/** Outcomes that an operator may want to look at: nothing that a client alone can bring about. */
const NOTEWORTHY: ReadonlySet<ConnectionRecord["outcome"]> = new Set([
  "router-error",
  "circuit-open",
  "no-descriptors",
  "no-endpoints",
  "unresolved",
  "forbidden-address",
  "dial-failed",
  "dial-timeout",
])

/** The access record of one connection as an event of the log. Its durations are milliseconds. */
export function accessEvent(record: ConnectionRecord): object {
  const level = NOTEWORTHY.has(record.outcome) ? "warn" : "info"
  return eventLine(level, "close", `connection ${record.outcome}`, record)
}
