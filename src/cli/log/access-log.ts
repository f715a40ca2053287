import { FOREIGN } from "../../client-hello/foreign.ts"
import {
  type ConnectionOutcome,
  type ConnectionRecord,
  NOTHING_AFTER_PROXY_HEADER,
  SILENT_CLIENT,
} from "../../proxy/connection/record.ts"
import type { DialEndpoint } from "../../proxy/target.ts"
import { jsonLine, jsonText } from "./json-line.ts"
import { eventHead } from "./json-log.ts"
import type { LogLevel } from "./log-level.ts"

/** Outcomes that an operator may want to look at: nothing that a client alone can bring about. */
const NOTEWORTHY: ReadonlySet<ConnectionOutcome> = new Set<ConnectionOutcome>([
  "router-error",
  "circuit-open",
  "no-descriptors",
  "no-endpoints",
  "unresolved",
  "forbidden-address",
  "loop",
  "dial-failed",
  "dial-timeout",
])

/** What an operator can do about a connection that ended with this detail. */
const ADVICE: ReadonlyMap<string | undefined, string> = new Map([
  ...Object.entries(FOREIGN),
  [
    SILENT_CLIENT,
    "the client sent nothing; it may wait for the server to speak first, as clients of MySQL, SMTP and IMAP do: let it " +
      "begin with TLS, or set the policy starttls where the gateway speaks its protocol",
  ],
  [
    NOTHING_AFTER_PROXY_HEADER,
    "the backend ended it without a byte, once it had a PROXY protocol header; does it expect one, and one as long " +
      "as proxyHeaderBytes? See send-proxy-protocol-max-bytes",
  ],
])

/** Level of a connection's line. */
export function accessLevel({ outcome, detail }: Pick<ConnectionRecord, "outcome" | "detail">): LogLevel {
  return NOTEWORTHY.has(outcome) || detail === NOTHING_AFTER_PROXY_HEADER ? "warn" : "info"
}

/** What to do about a connection that ended with a detail, where something can be done. */
export function advice(detail: string | undefined): string | undefined {
  return ADVICE.get(detail)
}

/** A line that is put together when it is written. */
export class AccessLine {
  readonly #record: ConnectionRecord
  readonly #time = Date.now()

  /** @param record - of a connection that is over now */
  constructor(record: ConnectionRecord) {
    this.#record = record
  }

  toString(): string {
    return accessLine(this.#record, this.#time)
  }
}

/**
 * The access record of one connection as a line of the log, every field of the record in it but, over TCP, the
 * datagrams that there are none of. Times are milliseconds, to
 * the microsecond.
 *
 * There is one for every connection, so that it is put together by hand: `JSON.stringify` with all that a log needs
 * takes three times as long.
 */
export function accessLine(record: ConnectionRecord, time = Date.now()): string {
  const { outcome, via, serverName, matchedListener, route, target, endpoint, offered, detail, durations } = record
  const help = ADVICE.get(detail)
  const message = help === undefined ? `connection ${outcome}` : `connection ${outcome}: ${help}`
  let line = eventHead(accessLevel(record), "close", message, time)
  line += `,"kind":"${record.kind}","id":${record.id},"uniqueId":${jsonText(record.uniqueId)}`
  line += `,"transport":"${record.transport}","listener":${jsonText(record.listener)}`
  line += `,"clientAddress":${jsonText(record.clientAddress)},"clientPort":${record.clientPort}`
  if (via !== undefined) line += `,"via":${endpointText(via)}`
  if (record.starttls !== undefined) line += `,"starttls":${jsonText(record.starttls)}`
  line += `,"since":${millisecondsText(record.since)}`
  if (serverName !== undefined) line += `,"serverName":${jsonText(serverName)}`
  if (matchedListener !== undefined) line += `,"matchedListener":${jsonText(matchedListener)}`
  if (route !== undefined) line += `,"route":${jsonText(route)}`
  if (target !== undefined) line += `,"target":${jsonText(target)}`
  if (endpoint !== undefined) line += `,"endpoint":${endpointText(endpoint)}`
  line += `,"bytesFromClient":${record.bytesFromClient},"bytesFromBackend":${record.bytesFromBackend}`
  if (record.transport === "quic") {
    line += `,"datagramsFromClient":${record.datagramsFromClient},"datagramsFromBackend":${record.datagramsFromBackend}`
  }
  if (offered !== undefined) line += `,"offered":${jsonLine(offered)}`
  if (record.offeredName !== undefined) line += `,"offeredName":${jsonText(record.offeredName)}`
  if (record.proxyHeaderBytes !== undefined) line += `,"proxyHeaderBytes":${record.proxyHeaderBytes}`
  line += `,"dialAttempts":${record.dialAttempts},"outcome":"${outcome}"`
  if (detail !== undefined) line += `,"detail":${jsonText(detail)}`
  line += `,"endedBy":"${record.endedBy}","durations":{`
  if (durations.hello !== undefined) line += `"hello":${millisecondsText(durations.hello)},`
  if (durations.dial !== undefined) line += `"dial":${millisecondsText(durations.dial)},`
  return `${line}"total":${millisecondsText(durations.total)}}}`
}

function endpointText({ address, port }: DialEndpoint): string {
  return `{"address":${jsonText(address)},"port":${port}}`
}

/** With three digits after the point at most: the shortest text that reads back as a float takes long to find. */
function millisecondsText(time: number): string {
  const microseconds = Math.round(time * 1_000)
  const whole = Math.floor(microseconds / 1_000)
  const rest = microseconds - whole * 1_000
  if (rest === 0) return String(whole)
  return `${whole}.${rest < 10 ? "00" : rest < 100 ? "0" : ""}${rest}`
}
