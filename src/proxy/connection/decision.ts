import { describe } from "../../primitives/describe.ts"
import { refusePromise } from "../../primitives/forget-promise.ts"
import { connectionPolicyFault } from "../check-policy.ts"
import { ProxyError } from "../errors.ts"
import type { ConnectionPolicy } from "../policy.ts"
import type { RouteDecision, RouteRequest, Router } from "../router.ts"
import type { DialEndpoint, DialTarget } from "../target.ts"

/** What a connection's route is asked of, and who hears of a router that fails. */
interface RouterHost {
  readonly router: Router
  connectionError(error: Error): void
}

/** What the router decides; `undefined` when it throws, or answers what is no decision. */
export function askRouter(host: RouterHost, request: RouteRequest): RouteDecision | undefined {
  try {
    const decision = host.router.route(request)
    assertDecision(decision)
    return decision
  } catch (cause) {
    const message = `The router must answer a decision, and not throw: ${describe(cause)}`
    host.connectionError(new ProxyError("ERR_TLSROUTE_ROUTER", message, { cause }))
    return undefined
  }
}

/**
 * Holds what a router answered against what it may answer: a router is others' code, and may be written without types.
 * What it says of endpoints is held against the same when they are dialled.
 *
 * @throws {@link TypeError} saying what is wrong with it
 */
function assertDecision(decision: RouteDecision): void {
  if (!isObject(decision)) throw new TypeError(`it must answer a decision, not ${String(decision)}`)
  refusePromise(decision)
  const { action, route, listener } = decision
  if (route !== undefined && typeof route !== "string") throw new TypeError("route must be text")
  if (listener !== undefined && typeof listener !== "string") throw new TypeError("listener must be text")
  if (action === "refuse") {
    if (typeof decision.reason !== "string")
      throw new TypeError("reason must be text, which records tell as their detail")
    return
  }
  if (action !== "forward") throw new TypeError(`action must be "forward" or "refuse", not ${String(action)}`)
  assertTarget(decision.target)
  if (decision.policy !== undefined) assertOnce(decision.policy, assertPolicy)
}

/** Policies and lists of endpoints, which are immutable and stand for many connections. */
const sound = new WeakSet<object>()

function assertOnce<T extends object>(value: T, assert: (value: T) => void): void {
  if (isObject(value) && sound.has(value)) return
  assert(value)
  sound.add(value)
}

function assertTarget(target: DialTarget): void {
  if (!isObject(target) || typeof target.id !== "string") throw new TypeError("target must be an object with an id")
  const { kind } = target
  if (kind === "endpoints") {
    assertOnce(target.endpoints, assertEndpoints)
    return
  }
  if (kind !== "name") throw new TypeError(`target.kind must be "endpoints" or "name", not ${String(kind)}`)
  if (typeof target.host !== "string" || target.host === "") throw new TypeError("target.host must be a name")
  if (!(Number.isInteger(target.port) && target.port > 0 && target.port < 65_536))
    throw new TypeError("target.port must be a port, from 1 to 65535")
}

function assertEndpoints(endpoints: readonly DialEndpoint[]): void {
  if (!Array.isArray(endpoints) || !endpoints.every(isObject)) {
    throw new TypeError("target.endpoints must be a list of endpoints")
  }
}

function assertPolicy(policy: ConnectionPolicy): void {
  const fault = connectionPolicyFault(policy)
  if (fault !== undefined) throw new TypeError(`policy: ${fault}`)
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null
}
