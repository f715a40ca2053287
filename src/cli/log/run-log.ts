import type { BindingState } from "../../gateway/bindings.ts"
import { GatewayError } from "../../gateway/errors.ts"
import type { EndpointHealthChange } from "../../gateway/health-checks.ts"
import type { LookupFailure } from "../../proxy/backend/name-resolver.ts"
import type { ConnectionInfo, ConnectionRecord, Waiting } from "../../proxy/connection/record.ts"
import type { Ejection } from "../../proxy/health/endpoint-health.ts"
import type { ResourceProblem } from "../../routing/resources.ts"
import { formatProblem } from "../shared/problems.ts"
import { count, formatAddress, printable, type Terminal, terminal } from "../shared/terminal.ts"
import { AccessLine, accessLevel, advice } from "./access-log.ts"
import type { ToldConfig } from "./config-feed.ts"
import { logEvent, logLine } from "./json-log.ts"
import { atLevel, isLogged } from "./log-level.ts"

/** What `tlsroute run` tells while it runs. */
export interface RunLog {
  /** The admin server listens. */
  admin(host: string, port: number): void
  /** A configuration is in force. */
  config(told: ToldConfig): void
  /** The files are being read again, as somebody asked. */
  reloading(): void
  /** They say what they said before. */
  unchanged(): void
  /** The first configuration serves. */
  started(): void
  /** A connection is over, routed or refused. */
  connection(record: ConnectionRecord): void
  /** A connection waits for its backend for longer than is usual. */
  waiting(connection: ConnectionInfo, waiting: Waiting): void
  /** So do more, which were not told one by one. */
  moreWaiting(connections: number): void
  /** Active checks found an endpoint unhealthy, or healthy again. */
  health(change: EndpointHealthChange): void
  /** An endpoint is left out for a while, as connects to it have failed. */
  eject(ejection: Ejection): void
  /** A backend's name could not be looked up. */
  lookupFailed(failure: LookupFailure): void
  /** Something failed and the gateway goes on. */
  error(error: Error): void
  /** Listening ended; connections may finish. */
  draining(connections: number): void
  /** All is over. */
  stopped(): void
}

/** For machines: one JSON object per line; of a configuration, what changed. */
export function jsonLog(): RunLog {
  return {
    admin: (host, port) => logEvent("info", "admin", "admin server listening", { address: host, port }),
    config({ lines }) {
      for (const [at, { worse, fields }] of lines.entries()) {
        const level = worse ? "warn" : "info"
        if (at === 0) logEvent(level, "config", "configuration applied", fields)
        else logEvent(level, "config-more", "more on the configuration", fields)
      }
    },
    reloading: () => logEvent("info", "reloading", "reading the files again"),
    unchanged: () => logEvent("info", "unchanged", "the files say what they said before"),
    started: () => logEvent("info", "started", "serving"),
    connection(record) {
      if (isLogged(accessLevel(record))) logLine(new AccessLine(record))
    },
    waiting(connection, { reason, endpoint }) {
      const { uniqueId, clientAddress, clientPort, serverName, route, target } = connection
      logEvent("warn", "waiting", WAITS[reason], {
        reason,
        uniqueId,
        clientAddress,
        clientPort,
        serverName,
        route,
        target,
        endpoint,
      })
    },
    moreWaiting: (connections) =>
      logEvent("warn", "waiting-more", "more connections wait for their backends", { connections }),
    health: (change) =>
      logEvent(
        change.healthy ? "info" : "warn",
        "health",
        `endpoint ${change.healthy ? "healthy" : "unhealthy"}`,
        change,
      ),
    eject: (ejection) => logEvent("warn", "eject", "endpoint left out: connects to it fail", ejection),
    lookupFailed: (failure) => logEvent("warn", "lookup-failed", "a backend's name cannot be looked up", failure),
    error: ({ message, code }: NodeJS.ErrnoException) => logEvent("error", "error", message, { code }),
    draining: (connections) => logEvent("info", "draining", "draining", { connections }),
    stopped: () => logEvent("info", "stopped", "stopped"),
  }
}

/** For people: ports and problems as they change, and a line per connection. */
export function terminalLog(): RunLog {
  const terminalOut = terminal(process.stdout)
  const out = atLevel("info", terminalOut)
  const notes = atLevel("info", terminal(process.stderr))
  const warnings = atLevel("warn", terminal(process.stderr))
  const errors = atLevel("error", terminal(process.stderr))
  let said: ReadonlySet<string> = new Set()
  let hasStarted = false
  let summary = ""
  return {
    admin: (host, port) => out.line(`admin server on http://${formatAddress(host, port)}`),
    config({ table, problems, bindings }) {
      const format = (severity: ResourceProblem["severity"]) =>
        problems.flatMap((problem) => (problem.severity === severity ? [formatProblem(problem, errors)] : []))
      const unbound = bindings.flatMap((state) => notBound(state).map((fault) => describeError(fault, errors)))
      const faulty = format("error")
      const wrong = [...faulty, ...unbound]
      const doubtful = format("warning")
      const listening = bindings.flatMap((state) => (state.bound ? describeBinding(state) : []))
      const ports = bindings.filter(({ bound }) => bound).length
      summary = [
        `${count(table.routes.length, "route")} on ${count(ports, "port")} in force`,
        ...(faulty.length > 0 ? [count(faulty.length, "error")] : []),
        ...(doubtful.length > 0 ? [count(doubtful.length, "warning")] : []),
      ].join(", ")
      for (const line of wrong) if (!said.has(line)) errors.line(line)
      for (const line of doubtful) if (!said.has(line)) warnings.line(line)
      for (const line of listening) if (!said.has(line)) out.line(line)
      for (const line of said) {
        if (line.startsWith(LISTENING) && !listening.includes(line)) out.line(`no longer ${line}`)
      }
      // What does not start serves nothing.
      if (hasStarted) out.line(out.style("dim", summary))
      said = new Set([...wrong, ...doubtful, ...listening])
    },
    reloading: () => out.line("reading the files again"),
    unchanged: () => out.line("they say what they said before"),
    started() {
      hasStarted = true
      out.line(out.style("dim", summary))
      out.line(out.style("dim", "Ctrl-C drains; a second one ends at once"))
    },
    connection(record) {
      if (isLogged(accessLevel(record))) terminalOut.line(describeConnection(record, out.style))
    },
    waiting: (connection, waiting) => warnings.line(describeWaiting(connection, waiting, warnings)),
    moreWaiting: (connections) =>
      warnings.line(`${warnings.style("yellow", "waiting:")} ${count(connections, "more connection")}`),
    health: (change) => (change.healthy ? notes : warnings).line(describeHealth(change, notes)),
    eject: ({ target, endpoint, duration }) =>
      warnings.line(
        `${warnings.style("yellow", "left out:")} ${formatAddress(endpoint.address, endpoint.port)} of ` +
          `${printable(target)} for ${duration / 1_000} s, as connects to it fail`,
      ),
    lookupFailed: ({ host, code, covered }) =>
      warnings.line(
        `${warnings.style("yellow", "no answer:")} ${printable(host)} cannot be looked up (${printable(code)})` +
          `${covered ? "; connections go on with the last answer" : ""}`,
      ),
    error(error) {
      // The configuration that wants a port that cannot be bound tells of it.
      const line = describeError(error, errors)
      const isTold = error instanceof GatewayError && error.code === "ERR_TLSROUTE_BIND"
      if (!isTold && !said.has(line)) errors.line(line)
    },
    draining: (connections) => out.line(`draining ${count(connections, "connection")}`),
    stopped: () => out.line("stopped"),
  }
}

const LISTENING = "listening on"

function describeBinding({ binding, address, port, quic }: BindingState & { readonly bound: true }): readonly string[] {
  const listeners = `for ${binding.listeners.map(({ id }) => id).join(", ")}`
  const line = `${LISTENING} ${formatAddress(address, port)} ${listeners}`
  if (quic?.bound !== true) return [line]
  return [line, `${LISTENING} UDP ${formatAddress(quic.address, quic.port)}, which takes QUIC, ${listeners}`]
}

/** What is wrong with the sockets of a binding: TCP's, or the UDP port beside it. */
function notBound(state: BindingState): readonly { readonly message: string }[] {
  if (!state.bound) return [state]
  return state.quic?.bound === false ? [state.quic] : []
}

const WAITS: Readonly<Record<Waiting["reason"], string>> = {
  "silent-backend": "10 s without a byte from the backend",
  "slow-dial": "10 s without a backend that answers the dial",
  "ended-while-dialing": "the client has ended its side, and no backend answers the dial",
}

function describeWaiting(connection: ConnectionInfo, { reason, endpoint }: Waiting, { style }: Terminal): string {
  const { clientAddress, clientPort, serverName, route } = connection
  const name = serverName === undefined ? "(no name)" : printable(serverName)
  const path = [
    formatAddress(clientAddress, clientPort),
    name,
    route,
    endpoint && formatAddress(endpoint.address, endpoint.port),
  ]
  return `${style("yellow", "waiting:")} ${path.filter((part) => part !== undefined).join(" → ")}  ${WAITS[reason]}`
}

function describeHealth({ target, endpoint, healthy, reason }: EndpointHealthChange, { style }: Terminal): string {
  const where = `${formatAddress(endpoint.address, endpoint.port)} of ${printable(target)}`
  if (healthy) return `${style("green", "healthy again:")} ${where}`
  return `${style("yellow", "unhealthy:")} ${where}${reason === undefined ? "" : ` (${printable(reason)})`}`
}

function describeError(error: Pick<Error, "message">, { style }: Terminal): string {
  return `${style("red", "error:")} ${printable(error.message)}`
}

function describeConnection(record: ConnectionRecord, style: ReturnType<typeof terminal>["style"]): string {
  const { outcome, detail, serverName, offeredName, route, endpoint, durations } = record
  const from = formatAddress(record.clientAddress, record.clientPort)
  const noName = offeredName === undefined ? "(no name)" : `(no name: ${printable(offeredName)})`
  const asked = serverName === undefined ? noName : style("bold", printable(serverName))
  const path = [from, asked, route, endpoint && formatAddress(endpoint.address, endpoint.port)]
  const ending = detail === undefined ? outcome : `${outcome} (${printable(detail)})`
  const help = advice(detail)
  const traffic = `${formatBytes(record.bytesFromClient)} up, ${formatBytes(record.bytesFromBackend)} down`
  const spent = `${traffic}, ${(durations.total / 1_000).toFixed(3)} s`
  return [
    style("dim", clockTime()),
    path.filter((part) => part !== undefined).join(" → "),
    style(outcome === "completed" ? "green" : "yellow", ending),
    style("dim", help === undefined ? spent : `${spent}; ${help}`),
  ].join("  ")
}

let clockSecond = 0
let clockText = ""

/** Time of day to the second, put into words once a second: there may be many lines in each. */
function clockTime(): string {
  const second = Math.floor(Date.now() / 1_000)
  if (second !== clockSecond) {
    clockSecond = second
    clockText = new Date(second * 1_000).toTimeString().slice(0, 8)
  }
  return clockText
}

function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  const units = ["KiB", "MiB", "GiB", "TiB"]
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), units.length)
  return `${(bytes / 1024 ** power).toFixed(1)} ${units[power - 1]}`
}
