import type { Explanation, RouteQuery, RouteTable } from "../routing/route-table.ts"
import type { Policies } from "./policies/policies.ts"

/** What a table tells of a lookup, and what policies say of the port it comes to. */
export interface GatewayExplanation extends Explanation {
  /** STARTTLS protocol spoken before TLS, for example `postgres`; `undefined` where connections begin with TLS. */
  readonly starttls: string | undefined
  /** Whether the port takes QUIC beside TCP. */
  readonly quic: boolean
}

/** Tells every step of a lookup, and what comes before it. Looks at all routes: not for the hot path. */
export function explainLookup(
  table: Pick<RouteTable, "explain" | "listeners">,
  policies: Pick<Policies, "binding">,
  query: RouteQuery,
): GatewayExplanation {
  const explanation = table.explain(query)
  // The address that was asked for need not be written as that of a socket, which may stand for every address.
  const { listener = explanation.listeners[0]?.listener } = explanation.result
  const binding = table.listeners.find(
    ({ port, listeners }) => port === query.port && listeners.some(({ id }) => id === listener?.id),
  )
  const policy = binding === undefined ? undefined : policies.binding(binding.key)?.listener
  return { ...explanation, starttls: policy?.starttls?.protocol.name, quic: policy?.quic ?? false }
}
