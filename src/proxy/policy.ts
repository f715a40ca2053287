import type { BalancePolicy } from "./balance/policy.ts"
import type { CircuitLimits } from "./health/circuit.ts"
import type { HealthPolicy } from "./health/endpoint-health.ts"
import type { AccessList, CidrList } from "./limits/cidr.ts"
import type { StarttlsPolicy } from "./starttls/policy.ts"

/**
 * What one object asks of the connections it is concerned with. Connections are counted by `key`, over every
 * listener and configuration that uses it.
 */
export interface ScopePolicy {
  /** Names the object, for example `TLSRoute/shop/checkout`. */
  readonly key: string
  /** Who may connect. */
  readonly access: AccessList | undefined
  /** Live connections; `Infinity` for any number. */
  readonly maxConnections: number
  /** Live connections of one client; `Infinity` for any number. */
  readonly maxConnectionsPerClient: number
  /** New connections of one client. */
  readonly rate: { readonly perSecond: number; readonly burst: number } | undefined
}

/** PROXY protocol headers on a listener's connections. */
export interface ProxyProtocolPolicy {
  /** `optional`: connections from trusted proxies may begin with one. `required`: they must, and nobody else may connect. */
  readonly mode: "optional" | "required"
  /** Who is believed. */
  readonly trusted: CidrList
}

/**
 * How a client that sent a ClientHello, good or bad, learns that it is refused. `close`: a plain FIN, which besides
 * `reset` is all that Gateway API's conformance tests take for a refusal. `reset`: RST. `alert`: a fatal TLS alert that
 * tells why, then FIN: `unrecognized_name` where no route matches, `access_denied` for a policy's sake, `internal_error`
 * when no backend could be reached, and what fits a ClientHello that is malformed.
 *
 * Whoever speaks plain HTTP gets a short 400 in HTTP, unless this is `reset`; what else is not TLS is closed.
 */
export type RefusalMode = "close" | "reset" | "alert"

/** What a listener asks of connections before it is known where they go. */
export interface ListenerPolicy {
  /** Objects that every connection of the listener concerns. */
  readonly scopes: readonly ScopePolicy[]
  /** PROXY protocol headers, if they are read. */
  readonly proxyProtocol: ProxyProtocolPolicy | undefined
  /** What is spoken before TLS, to clients and to the backends of their routes. Default: nothing. */
  readonly starttls?: StarttlsPolicy | undefined
  /** Milliseconds from accept to a whole ClientHello, and all that comes before it. */
  readonly helloTimeout: number
  /** Largest ClientHello, in bytes on the wire. */
  readonly maxHelloBytes: number
  /** How refused clients learn of it. Default: what the proxy's options say. */
  readonly refusal?: RefusalMode | undefined
  /** Milliseconds of silence before the kernel asks the client whether it is still there; `Infinity` for never. */
  readonly keepalive: number
  /** Whether QUIC is taken on the UDP port of the same number. */
  readonly quic: boolean
}

/** PROXY protocol header sent to a backend. */
export interface SentProxyHeader {
  /** Version of the protocol. */
  readonly version: 1 | 2
  /** Fields, in version 2, the most wanted first. */
  readonly fields: readonly ("authority" | "alpn" | "unique-id" | "crc32c")[]
  /** Longest header in version 2, in bytes: fields that do not fit any more are left out whole. Default: no limit. */
  readonly maxBytes?: number
}

/** How a target is dialled. */
export interface BackendPolicy {
  /** Header before the ClientHello, if any. */
  readonly proxyHeader: SentProxyHeader | undefined
  /** Milliseconds of silence before the kernel asks the backend whether it is still there; `Infinity` for never. */
  readonly keepalive: number
  /** How endpoints share connections. */
  readonly balance: BalancePolicy
  /** Endpoints tried per connection. */
  readonly dialAttempts: number
  /** Milliseconds of the longest wait before the second retry; later ones may wait twice as long each. */
  readonly retryBackoff: number
  /** Retries, as a share of the connections to the target. */
  readonly retryBudget: number
  /** Most connections to the target. */
  readonly circuit: CircuitLimits
  /** When endpoints are left out. */
  readonly health: HealthPolicy
  /** Active check whose verdicts count for the endpoints, if any. */
  readonly check: HealthCheck | undefined
}

/** How endpoints are probed, over and over. The proxy does not probe by itself: see `SpliceProxy.setEndpointHealth`. */
export interface HealthCheck {
  /** Tells checks of one target apart: those that are equal have the same. */
  readonly id: string
  /** `tcp`: a connection is enough. `tls`: the handshake must finish as well. Certificates are not verified. */
  readonly kind: "tcp" | "tls"
  /** SNI of TLS probes. */
  readonly serverName: string | undefined
  /** Version of the PROXY protocol header that probes begin with, by which the gateway speaks for itself. Default: none. */
  readonly proxyHeader?: 1 | 2 | undefined
  /** What TLS probes speak before the handshake. Default: nothing. */
  readonly starttls?: StarttlsPolicy | undefined
  /** Milliseconds from one probe of an endpoint to the next. */
  readonly interval: number
  /** Milliseconds of one probe. */
  readonly timeout: number
  /** Good probes in a row that bring an endpoint back. */
  readonly rise: number
  /** Failed probes in a row that take it out. */
  readonly fall: number
}

/** What becomes of a connection when what it was routed by goes. */
export interface DrainPolicy {
  /** When its route or listener is taken out of the configuration. */
  readonly onRemoval: "keep" | "drain"
  /** When its endpoint goes. */
  readonly onEndpointRemoval: "keep" | "drain"
  /** Milliseconds over which connections that drain are ended. */
  readonly window: number
}

/** What holds for a connection once it is routed. All times in milliseconds, `Infinity` for none. */
export interface ConnectionPolicy {
  /** Objects it concerns besides those of the listener's policy. */
  readonly scopes: readonly ScopePolicy[]
  /** From the router's answer to an established backend connection. */
  readonly dialTimeout: number
  /** Without a byte either way. */
  readonly idleTimeout: number
  /** Without a byte, once one side has ended; counted from that end, or from the last byte after it. */
  readonly halfClosedTimeout: number
  /** Without a datagram either way, over QUIC: how its connections end, as their end is told in secret. */
  readonly quicIdleTimeout: number
  /** From accept to the end. */
  readonly maxDuration: number
  /** Share of `maxDuration`, 0 to 1, by which it is shortened at random. */
  readonly maxDurationJitter: number
  /** Bytes per second each way; `Infinity` for no cap. */
  readonly bandwidth: number
  /** How its target is dialled. */
  readonly backend: BackendPolicy
  /** What becomes of it when its route, listener or endpoint goes. */
  readonly drain: DrainPolicy
}
