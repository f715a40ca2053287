import {
  anything,
  atLeast,
  type Checks,
  flag,
  having,
  listOf,
  milliseconds,
  oneOf,
  optionFault,
  options,
  text,
  wholeNumber,
} from "../primitives/option-checks.ts"
import { refuseUsage } from "./errors.ts"
import type { CircuitLimits } from "./health/circuit.ts"
import type { HealthPolicy } from "./health/endpoint-health.ts"
import { ACCESS } from "./limits/cidr.ts"
import type {
  BackendPolicy,
  ConnectionPolicy,
  DrainPolicy,
  ListenerPolicy,
  ProxyProtocolPolicy,
  ScopePolicy,
  SentProxyHeader,
} from "./policy.ts"
import type { StarttlsPolicy } from "./starttls/policy.ts"

const many = atLeast(0)

/** What may not be left out, each with an example. */
const SCOPE_EXAMPLE = { key: '"all"', maxConnections: "Infinity", maxConnectionsPerClient: "Infinity" }

/** Limits of what a connection concerns. */
export const scopePolicy = options<ScopePolicy>(
  {
    key: text,
    access: options(ACCESS),
    maxConnections: many,
    maxConnectionsPerClient: many,
    rate: options<NonNullable<ScopePolicy["rate"]>>({ perSecond: many, burst: many }, { perSecond: "1", burst: "1" }),
  },
  SCOPE_EXAMPLE,
)

const scopes = listOf(scopePolicy, "scopes, each with key, maxConnections and maxConnectionsPerClient")

const LISTENER: Checks<ListenerPolicy> = {
  scopes,
  proxyProtocol: options<ProxyProtocolPolicy>(
    { mode: oneOf("optional", "required"), trusted: having("has") },
    { mode: '"optional"', trusted: 'new CidrList(["10.0.0.0/8"])' },
  ),
  starttls: options<StarttlsPolicy>(
    { protocol: having("toClient", "toBackend"), greetingName: text },
    { protocol: "STARTTLS_PROTOCOLS.smtp", greetingName: '"mail.example.com"' },
  ),
  helloTimeout: milliseconds,
  maxHelloBytes: atLeast(1, " of bytes"),
  refusal: oneOf("close", "reset", "alert"),
  keepalive: milliseconds,
  quic: flag,
}

const CONNECTION: Checks<ConnectionPolicy> = {
  scopes,
  dialTimeout: milliseconds,
  idleTimeout: milliseconds,
  halfClosedTimeout: milliseconds,
  quicIdleTimeout: milliseconds,
  maxDuration: milliseconds,
  maxDurationJitter: many,
  bandwidth: many,
  backend: options<BackendPolicy>(
    {
      proxyHeader: options<SentProxyHeader>(
        {
          version: wholeNumber(1, 2),
          fields: listOf(oneOf("authority", "alpn", "unique-id", "crc32c"), "fields"),
          maxBytes: many,
        },
        { version: "2", fields: "[]" },
      ),
      keepalive: milliseconds,
      balance: oneOf("least-connections", "round-robin", "client-hash"),
      dialAttempts: many,
      retryBackoff: milliseconds,
      retryBudget: many,
      circuit: options<CircuitLimits>(
        { maxConnections: many, maxPending: many },
        { maxConnections: "Infinity", maxPending: "Infinity" },
      ),
      health: options<HealthPolicy>(
        { ejectAfter: many, ejectionTime: many, maxEjectionTime: many, slowStart: many, panicThreshold: many },
        { ejectAfter: "3", ejectionTime: "10_000", maxEjectionTime: "300_000", slowStart: "0", panicThreshold: "0.5" },
      ),
      check: anything,
    },
    {
      keepalive: "60_000",
      balance: '"least-connections"',
      dialAttempts: "3",
      retryBackoff: "25",
      retryBudget: "0.2",
      circuit: "{ … }",
      health: "{ … }",
    },
  ),
  drain: options<DrainPolicy>(
    { onRemoval: oneOf("keep", "drain"), onEndpointRemoval: oneOf("keep", "drain"), window: milliseconds },
    { onRemoval: '"keep"', onEndpointRemoval: '"keep"', window: "30_000" },
  ),
}

/**
 * Refuses a listener's policy that cannot be what was meant: what is wrong with it must not come out when a client does.
 *
 * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE`
 */
export function checkListenerPolicy(key: string, given: unknown): asserts given is ListenerPolicy {
  refuseUsage(`Policy of listener "${key}"`, given, LISTENER, {
    scopes: "[]",
    helloTimeout: "10_000",
    maxHelloBytes: "65_536",
    keepalive: "60_000",
    quic: "false",
  })
}

/** What is wrong with the policy that a router answers; `undefined` when nothing is. */
export function connectionPolicyFault(given: unknown): string | undefined {
  return optionFault(given, CONNECTION, {
    scopes: "[]",
    dialTimeout: "5_000",
    idleTimeout: "3_600_000",
    halfClosedTimeout: "120_000",
    quicIdleTimeout: "120_000",
    maxDuration: "Infinity",
    maxDurationJitter: "0",
    bandwidth: "Infinity",
    backend: "{ … }",
    drain: "{ … }",
  })
}
