import type { Balancer } from "../balance/balancer.ts"
import type { Rejection } from "../connection/record.ts"
import { ProxyError } from "../errors.ts"
import type { CircuitRefusal } from "../health/circuit.ts"
import type { BackendPolicy } from "../policy.ts"
import type { DialEndpoint, DialTarget } from "../target.ts"
import type { DialPlan } from "./dial.ts"
import type { NameResolver } from "./dns-cache.ts"

/** Plans the dial of one connection, or tells why there is nothing to dial. Waits only for a name that is not known yet. */
export function planTarget(
  target: DialTarget,
  client: string,
  policy: BackendPolicy,
  balancer: Balancer,
  names: NameResolver,
): DialPlan | Rejection | Promise<DialPlan | Rejection> {
  if (target.kind === "endpoints") {
    if (target.endpoints.length === 0) return { reason: "no-endpoints", detail: undefined }
    return admitted(balancer.plan(target, client, policy))
  }
  const planned = (endpoints: readonly DialEndpoint[]) => admitted(balancer.planName(target.id, endpoints, policy))
  try {
    const endpoints = names.resolve(target.host, target.port, target.anyAddress)
    return endpoints instanceof Promise ? endpoints.then(planned, unresolved) : planned(endpoints)
  } catch (error) {
    return unresolved(error)
  }
}

function admitted(plan: DialPlan | CircuitRefusal): DialPlan | Rejection {
  return typeof plan === "string" ? { reason: "circuit-open", detail: plan } : plan
}

function unresolved(error: unknown): Rejection {
  const isForbidden = error instanceof ProxyError && error.code === "ERR_TLSROUTE_FORBIDDEN_ADDRESS"
  return { reason: isForbidden ? "forbidden-address" : "unresolved", detail: (error as NodeJS.ErrnoException).code }
}
