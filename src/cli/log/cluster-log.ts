import type { ClusterEvent } from "../../kubernetes/cluster-watcher.ts"
import { describeError } from "../../kubernetes/errors.ts"
import type { StatusWriterEvent } from "../../kubernetes/status-writer.ts"
import { printable, terminal } from "../shared/terminal.ts"
import { logEvent } from "./json-log.ts"
import { atLevel } from "./log-level.ts"

/** What `tlsroute controller` tells of the API server. */
export interface ClusterLog {
  /** Something happened between gateway and API server. */
  event(event: ClusterEvent | StatusWriterEvent): void
  /** Something worth a line of its own. */
  note(message: string): void
}

/** For machines: one JSON object per line. */
export function jsonClusterLog(): ClusterLog {
  return {
    event(event) {
      const { type, ...fields } = event
      const error = "error" in fields ? { error: describeError(fields.error) } : {}
      logEvent("error" in fields ? "warn" : "info", `kubernetes-${type}`, describeEvent(event) ?? type, {
        ...fields,
        ...error,
      })
    },
    note: (message) => logEvent("info", "note", message),
  }
}

/** For people: lines on what changed, nothing on what is routine. */
export function terminalClusterLog(): ClusterLog {
  const out = atLevel("info", terminal(process.stdout))
  const log = atLevel("warn", terminal(process.stderr))
  return {
    event(event) {
      const text = describeEvent(event)
      if (text === undefined) return
      if ("error" in event) log.line(`${log.style("yellow", "warning:")} ${printable(text)}`)
      else out.line(out.style("dim", printable(text)))
    },
    note: (message) => out.line(printable(message)),
  }
}

function describeEvent(event: ClusterEvent | StatusWriterEvent): string | undefined {
  switch (event.type) {
    case "discovered":
      return event.version === undefined ? `${event.kind} is not served` : `${event.kind} is read in ${event.version}`
    case "discovery-failed":
      return `the API server cannot be asked for its kinds, next try in ${seconds(event.retryMs)}: ${describeError(event.error)}`
    case "failed":
      return `reading ${event.kind} failed, next try in ${seconds(event.retryMs ?? 0)}: ${describeError(event.error)}`
    case "recovered":
      return `${event.kind} can be read again`
    case "relisted":
      return `${event.kind} was read anew: the API server had forgotten our version`
    case "leader":
      return event.leading ? `${event.identity} writes the statuses from now on` : "another replica writes the statuses"
    case "lease-failed":
      return `the Lease cannot be renewed: ${describeError(event.error)}`
    case "status-failed":
      return `the status of ${event.kind} ${event.namespace}/${event.name} cannot be written: ${describeError(event.error)}`
    case "events-failed":
      return `Events cannot be written, ${event.lost} lost: ${describeError(event.error)}`
    case "synced":
    case "status-written":
      return undefined
  }
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
