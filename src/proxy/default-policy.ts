import { wordOf } from "../primitives/one-of.ts"
import type { BalancePolicy } from "./balance/policy.ts"
import { DEFAULT_HEALTH_POLICY } from "./health/endpoint-health.ts"
import { type SpliceProxyOptions, withDefaultDeadlines } from "./options.ts"
import type { ConnectionPolicy, ListenerPolicy } from "./policy.ts"

/** Milliseconds. Short enough for the NATs and load balancers between, which forget flows after minutes. */
const DEFAULT_KEEPALIVE = 60_000

/** What holds on a listener that is given no policy of its own. */
export function defaultListenerPolicy({ deadlines, maxHelloBytes = 65_536 }: SpliceProxyOptions): ListenerPolicy {
  return {
    scopes: [],
    proxyProtocol: undefined,
    helloTimeout: withDefaultDeadlines(deadlines).hello,
    maxHelloBytes,
    keepalive: DEFAULT_KEEPALIVE,
    quic: false,
  }
}

/** What holds for a connection whose router gives it no policy. */
export function defaultConnectionPolicy(options: SpliceProxyOptions): ConnectionPolicy {
  const deadlines = withDefaultDeadlines(options.deadlines)
  return {
    scopes: [],
    dialTimeout: deadlines.dial,
    idleTimeout: deadlines.idle,
    halfClosedTimeout: deadlines.halfClosed,
    quicIdleTimeout: 120_000,
    maxDuration: deadlines.max,
    maxDurationJitter: 0,
    bandwidth: Number.POSITIVE_INFINITY,
    backend: {
      proxyHeader: undefined,
      keepalive: DEFAULT_KEEPALIVE,
      balance: wordOf<BalancePolicy>(options.balance ?? "least-connections"),
      dialAttempts: options.dialAttempts ?? 3,
      retryBackoff: 25,
      retryBudget: 0.2,
      circuit: { maxConnections: Number.POSITIVE_INFINITY, maxPending: Number.POSITIVE_INFINITY },
      health: DEFAULT_HEALTH_POLICY,
      check: undefined,
    },
    drain: { onRemoval: "keep", onEndpointRemoval: "keep", window: 30_000 },
  }
}
