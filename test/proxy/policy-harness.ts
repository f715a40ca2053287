import { DEFAULT_HEALTH_POLICY } from "../../src/proxy/health/endpoint-health.ts"
import { CidrList } from "../../src/proxy/limits/cidr.ts"
import type { BackendPolicy, ConnectionPolicy, ListenerPolicy, ScopePolicy } from "../../src/proxy/policy.ts"
import type { Router } from "../../src/proxy/router.ts"
import type { DialEndpoint, DialTarget } from "../../src/proxy/target.ts"

const none = Number.POSITIVE_INFINITY

/** A scope that asks nothing but what is given. */
export function scope(key: string, asked: Partial<ScopePolicy> = {}): ScopePolicy {
  return { key, access: undefined, maxConnections: none, maxConnectionsPerClient: none, rate: undefined, ...asked }
}

/** A listener's policy that asks nothing but what is given. */
export function listenerPolicy(asked: Partial<ListenerPolicy> = {}): ListenerPolicy {
  return {
    scopes: [],
    proxyProtocol: undefined,
    helloTimeout: 10_000,
    maxHelloBytes: 65_536,
    keepalive: none,
    quic: false,
    ...asked,
  }
}

/** PROXY protocol from loopback. */
export function proxyProtocol(mode: "optional" | "required", trusted = ["127.0.0.0/8"]) {
  return { mode, trusted: new CidrList(trusted) }
}

/** A connection's policy that asks nothing but what is given. */
export function connectionPolicy(
  asked: Partial<ConnectionPolicy> = {},
  backend: Partial<BackendPolicy> = {},
): ConnectionPolicy {
  return {
    scopes: [],
    dialTimeout: 5_000,
    idleTimeout: none,
    halfClosedTimeout: none,
    quicIdleTimeout: none,
    maxDuration: none,
    maxDurationJitter: 0,
    bandwidth: none,
    drain: { onRemoval: "keep", onEndpointRemoval: "keep", window: 0 },
    ...asked,
    backend: backendPolicy(backend),
  }
}

/** A backend's policy that asks nothing but what is given. */
export function backendPolicy(asked: Partial<BackendPolicy> = {}): BackendPolicy {
  return {
    proxyHeader: undefined,
    keepalive: none,
    balance: "round-robin",
    dialAttempts: 3,
    retryBackoff: 0,
    retryBudget: 1,
    circuit: { maxConnections: none, maxPending: none },
    health: DEFAULT_HEALTH_POLICY,
    check: undefined,
    ...asked,
  }
}

/** A router that sends everything to the same endpoints under one policy. */
export function policyRouter(policy: ConnectionPolicy, ...endpoints: readonly DialEndpoint[]): Router {
  const target: DialTarget = { kind: "endpoints", id: "backend", endpoints }
  return { route: () => ({ action: "forward", target, policy, route: "shop/checkout", listener: "https" }) }
}
