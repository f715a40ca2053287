import type { ConnectionOutcome } from "../../src/proxy/connection/record.ts"
import { CAP, REFUSALS } from "./configuration.ts"
import { type Exchange, NEVER_ROUTED } from "./exchange.ts"
import type { SoakRecord } from "./messages.ts"
import type { Fault } from "./plan.ts"

const OUTCOMES: Readonly<Record<Fault, readonly ConnectionOutcome[]>> = {
  none: ["completed"],
  // A reset may find the other side still connecting, or its own side done already.
  "client-reset": ["client-reset", "client-gone", "completed"],
  "backend-reset": ["backend-reset", "client-reset", "completed"],
  "hello-ended": ["client-gone", "probe"],
  "hello-reset": ["client-gone", "probe"],
  "hello-stalled": ["hello-timeout"],
  garbage: ["not-tls", "client-gone"],
  "unknown-name": ["refused"],
}

/** What the gateway may say of a connection whose route or listener comes and goes. */
const REFUSED: readonly ConnectionOutcome[] = ["refused", "dial-failed", "dial-timeout", "no-endpoints"]

/** Whether a client may have left before it was accepted, and its record with an address is not to be waited for. */
export function mayBeGone({ plan }: Exchange): boolean {
  return OUTCOMES[plan.fault].includes("client-gone")
}

/** Whether it connected to a listener that stays: one that goes takes those with it that it has not accepted yet. */
export function mustBeAccepted({ connected, plan }: Exchange): boolean {
  return connected && plan.listener !== "flapping"
}

/** Whether a connection may be refused though nothing is wrong with it: its route, listener or endpoint is not always there. */
function mayBeRefused({ plan }: Exchange): boolean {
  const { route, listener } = plan
  return route === "moving" || route === "flapping" || route === "draining" || listener === "flapping"
}

/**
 * Judges a connection that is over, by what both ends saw and what the gateway recorded. Every byte has been compared
 * as it came; here it is asked whether all of them came, and whether the connection was treated as it should be.
 *
 * @param exchange - what the ends saw
 * @param record - what the gateway tells; `undefined` when it never accepted the connection
 * @returns what is wrong
 */
export function judge(exchange: Exchange, record: SoakRecord | undefined): readonly string[] {
  const failures = [...exchange.failures]
  const { plan } = exchange
  if (record === undefined) {
    if (mustBeAccepted(exchange)) failures.push("the gateway has no record of it")
    if (exchange.backend !== undefined) failures.push("it came to a backend without a record")
    return failures
  }
  if (record.serverName !== undefined && record.serverName !== plan.serverName) {
    failures.push(`the gateway recorded the name ${record.serverName}`)
  }
  if (NEVER_ROUTED.has(plan.fault) && exchange.backend !== undefined) failures.push("it came to a backend")
  if (REFUSED.includes(record.outcome)) failures.push(...judgeRefusal(exchange, record))
  else if (exchange.refusal.length > 0) failures.push(`it was told ${exchange.refusal.toString("hex")} by the gateway`)
  if (isCutByDrain(exchange, record)) return failures
  if (mayBeRefused(exchange) && REFUSED.includes(record.outcome)) {
    if (exchange.backend !== undefined) failures.push(`it came to a backend, and was ${record.outcome}`)
    return failures
  }
  if (!OUTCOMES[plan.fault].includes(record.outcome)) {
    failures.push(`the gateway recorded ${record.outcome} (${record.detail ?? "no detail"})`)
  }
  if (plan.fault === "none") failures.push(...judgeWhole(exchange, record))
  return failures
}

/** Bytes and milliseconds that a refused client may take to end its side: beyond, it is reset, and may lose what it was told. */
const LINGERED = { bytes: 100_000, time: 900 }

/** Whether a client that sent a ClientHello was refused in the way of its listener, in so far as it could see that. */
function judgeRefusal(exchange: Exchange, { outcome, time }: SoakRecord): readonly string[] {
  const { plan, refusal, down, clientError = "no error" } = exchange
  const mode = REFUSALS[plan.listener]
  if (plan.fault === "client-reset" || plan.up > LINGERED.bytes || time > LINGERED.time) return []
  const told = refusal.toString("hex")
  const isReset = /ECONNRESET|EPIPE/.test(clientError)
  // Fatal internal_error where a route leads nowhere, and unrecognized_name where there is none.
  const alerts = ["15030300020250", ...(outcome === "refused" ? ["15030300020270"] : [])]
  const isAlert =
    plan.protocol === "tls" ? /_NAME|INTERNAL_ERROR/.test(clientError) : alerts.includes(told) && down.ended
  const isClose = plan.protocol === "tls" ? isReset : told === "" && down.ended
  // A listener that goes may have lost its own mode, and has the default.
  if ({ alert: isAlert, close: isClose, reset: (isReset && told === "") || isClose }[mode]) return []
  return [`refused by ${mode}, it was told "${told}"${down.ended ? " and an end" : ""}, and saw ${clientError}`]
}

function isCutByDrain({ plan }: Exchange, { outcome }: SoakRecord): boolean {
  return plan.route === "draining" && outcome === "route-removed"
}

/** Bytes that a rate lets through at once, with what is read at a time. */
const CAP_SLACK = 512 * 1024

function judgeWhole(exchange: Exchange, record: SoakRecord): readonly string[] {
  const { plan } = exchange
  const failures: string[] = []
  if (!exchange.isWhole) failures.push("bytes or an end are missing")
  if (exchange.clientError !== undefined) failures.push(`the client saw ${exchange.clientError}`)
  if (exchange.backendError !== undefined) failures.push(`the backend saw ${exchange.backendError}`)
  const most = CAP * (record.time / 1_000) + CAP_SLACK
  if (plan.route === "capped" && Math.max(record.bytesFromClient, record.bytesFromBackend) > most) {
    failures.push(
      `held to a rate, ${record.bytesFromClient} and ${record.bytesFromBackend} bytes took ${record.time} ms`,
    )
  }
  const here = ["a"]
  const wanted = {
    stable: here,
    named: here,
    capped: here,
    patient: here,
    proxied: ["proxied"],
    weighted: ["a", "b"],
    draining: ["b"],
  }[plan.route as string]
  if (wanted !== undefined && !wanted.includes(exchange.backend ?? "none"))
    failures.push("it came to the wrong backend")
  if (plan.protocol === "raw") {
    const fromClient = plan.hello.length + plan.up
    if (record.bytesFromClient !== fromClient) {
      failures.push(`the gateway counted ${record.bytesFromClient} bytes of the client's ${fromClient}`)
    }
    if (record.bytesFromBackend !== plan.down) {
      failures.push(`the gateway counted ${record.bytesFromBackend} bytes of the backend's ${plan.down}`)
    }
  }
  return failures
}
