import type { ConnectionOutcome } from "../../src/proxy/connection/record.ts"
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
const REFUSALS: readonly ConnectionOutcome[] = ["refused", "dial-failed", "dial-timeout", "no-endpoints"]

/** Whether a client may have left before it was accepted, and its record with an address is not to be waited for. */
export function mayBeGone({ plan }: Exchange): boolean {
  return OUTCOMES[plan.fault].includes("client-gone")
}

/** Whether it connected to a listener that stays: one that goes takes those with it that it has not accepted yet. */
export function mustBeAccepted({ connected, plan }: Exchange): boolean {
  return connected && plan.listener === "first"
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
  if (isCutByDrain(exchange, record)) return failures
  if (mayBeRefused(exchange) && REFUSALS.includes(record.outcome)) {
    if (exchange.backend !== undefined) failures.push(`it came to a backend, and was ${record.outcome}`)
    return failures
  }
  if (!OUTCOMES[plan.fault].includes(record.outcome)) {
    failures.push(`the gateway recorded ${record.outcome} (${record.detail ?? "no detail"})`)
  }
  if (plan.fault === "none") failures.push(...judgeWhole(exchange, record))
  return failures
}

function isCutByDrain({ plan }: Exchange, { outcome }: SoakRecord): boolean {
  return plan.route === "draining" && outcome === "route-removed"
}

function judgeWhole(exchange: Exchange, record: SoakRecord): readonly string[] {
  const { plan } = exchange
  const failures: string[] = []
  if (!exchange.isWhole) failures.push("bytes or an end are missing")
  if (exchange.clientError !== undefined) failures.push(`the client saw ${exchange.clientError}`)
  if (exchange.backendError !== undefined) failures.push(`the backend saw ${exchange.backendError}`)
  const wanted = { stable: ["a"], named: ["a"], proxied: ["proxied"], weighted: ["a", "b"], draining: ["b"] }[
    plan.route as string
  ]
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
