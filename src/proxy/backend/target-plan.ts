import type { ClientHelloTransport } from "../../client-hello/hello.ts"
import type { Balancer } from "../balance/balancer.ts"
import type { Rejection } from "../connection/record.ts"
import { ProxyError } from "../errors.ts"
import type { CircuitRefusal } from "../health/circuit.ts"
import type { BackendPolicy } from "../policy.ts"
import type { DialEndpoint, DialTarget } from "../target.ts"
import type { DialPlan } from "./dial.ts"
import type { NameResolver } from "./name-resolver.ts"

/** Share of the time for a dial that may be spent waiting for a fresh answer where there is an outdated one. */
const RESOLVE_SHARE = 0.25

/**
 * Plans the dial of one connection, or tells why there is nothing to dial. Waits only for a name of which nothing is
 * known, or nothing fresh.
 *
 * @param target - what to dial
 * @param client - the client's address
 * @param policy - how its target is dialled
 * @param dialTimeout - milliseconds for all of it
 * @param balancer - chooses endpoints
 * @param names - resolves names
 * @param transport - what carries the connection: endpoints fare well or ill over each by itself
 */
export function planTarget(
  target: DialTarget,
  client: string,
  policy: BackendPolicy,
  dialTimeout: number,
  balancer: Balancer,
  names: NameResolver,
  transport: ClientHelloTransport = "tcp",
): DialPlan | Rejection | Promise<DialPlan | Rejection> {
  if (target.kind === "endpoints") {
    if (target.endpoints.length === 0) return { reason: "no-endpoints", detail: undefined }
    return admitted(balancer.plan(target, client, policy, transport))
  }
  const { id, host, port, anyAddress } = target
  const again = () => names.renew?.(host, port, anyAddress)
  const planned = (found: unknown) => {
    if (!isEndpoints(found)) return { reason: "unresolved", detail: "INVALID_ANSWER" } as const
    return admitted(balancer.planName(id, found, policy, again, transport))
  }
  try {
    const found: unknown = names.resolve(host, port, anyAddress, dialTimeout * RESOLVE_SHARE)
    return Array.isArray(found) ? planned(found) : Promise.resolve(found).then(planned).catch(unresolved)
  } catch (error) {
    return unresolved(error)
  }
}

/** A resolver is others' code. Whether what it calls addresses are any, the dial finds out. */
function isEndpoints(found: unknown): found is readonly DialEndpoint[] {
  return Array.isArray(found) && found.length > 0 && found.every((each) => typeof each === "object" && each !== null)
}

function admitted(plan: DialPlan | CircuitRefusal): DialPlan | Rejection {
  return typeof plan === "string" ? { reason: "circuit-open", detail: plan } : plan
}

function unresolved(error: unknown): Rejection {
  const code = (error as NodeJS.ErrnoException | null | undefined)?.code
  const isForbidden = error instanceof ProxyError && code === "ERR_TLSROUTE_FORBIDDEN_ADDRESS"
  return {
    reason: isForbidden ? "forbidden-address" : "unresolved",
    detail: typeof code === "string" ? code : error instanceof Error ? error.name : undefined,
  }
}
