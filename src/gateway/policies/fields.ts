import type { OneOf } from "../../primitives/one-of.ts"
import type { BalancePolicy } from "../../proxy/balance/policy.ts"
import { DEFAULT_HEALTH_POLICY } from "../../proxy/health/endpoint-health.ts"
import type { CidrList } from "../../proxy/limits/cidr.ts"
import type { RefusalMode } from "../../proxy/policy.ts"
import type { StarttlsName } from "../../proxy/starttls/protocols.ts"
import {
  choice,
  choices,
  cidrs,
  count,
  delay,
  duration,
  headerSize,
  hostname,
  keepalive,
  period,
  perSecond,
  rate,
  share,
  size,
  type ValueType,
} from "./values.ts"

/**
 * Where a policy can be set. `gateway` is the program's own options, in force everywhere; `listener` is a
 * Gateway, a ListenerSet or one of their listeners; `route` a TLSRoute; `backend` a Service or an external name.
 */
export type PolicyLevel = "gateway" | "listener" | "route" | "backend"

/** What the PROXY protocol header to a backend can carry besides addresses; version 2 only. */
export type ProxyProtocolField = "authority" | "alpn" | "unique-id" | "crc32c"

/** Every policy with its value as the program works with it: times in milliseconds, sizes in bytes, shares from 0 to 1. */
export interface PolicyValues {
  /** From accept to a whole ClientHello, whatever trickles in. Default: 10s. */
  helloTimeout: number
  /** From the route's choice to an established backend connection, name lookup and every retry included. Default: 5s. */
  dialTimeout: number
  /** Without a byte either way. Default: 1h. */
  idleTimeout: number
  /** Without a byte, once one side has ended. Default: 2m. */
  halfClosedTimeout: number
  /** Without a datagram either way, over QUIC. Default: 2m. */
  quicIdleTimeout: number
  /** From accept to the end, whatever happens. Default: off. */
  maxDuration: number
  /**
   * Share of `maxDuration` by which it is shortened at random, so that connections made together do not end together.
   * Default: 10%.
   */
  maxDurationJitter: number
  /** Silence after which a client is asked, by TCP, whether it is still there. Default: 60s. */
  clientKeepalive: number
  /** Silence after which a backend is asked, by TCP, whether it is still there. Default: 60s. */
  backendKeepalive: number

  /** Live connections of the object that sets it. Default: off. */
  maxConnections: number
  /** Live connections of one client, an IPv4 address or an IPv6 /64, to the object that sets it. Default: off. */
  maxConnectionsPerClient: number
  /** New connections per second of one client. Default: off. */
  connectionRatePerClient: number
  /** New connections that one client may open at once after a quiet time. Default: twice the rate, at least 10. */
  connectionBurstPerClient: number
  /** Largest ClientHello, in bytes on the wire. Default: 64KiB. */
  maxHelloBytes: number
  /** How refused clients learn of it. Default: the option `refusal`, or `--refusal`. */
  refusal: RefusalMode
  /** Bytes per second of one connection, each way. Default: off. */
  bandwidth: number
  /** Only these clients may connect. Default: everyone. */
  allowCidrs: CidrList
  /** These clients may not connect, even where allowed. Default: nobody. */
  denyCidrs: CidrList

  /** Whether QUIC is taken on the UDP port of the same number. Default: off. */
  quic: "off" | "on"
  /** Whether connections begin with a PROXY protocol header, version 1 or 2. Default: off. */
  acceptProxyProtocol: "off" | "optional" | "required"
  /** Who may send one. Nobody else is believed. Default: nobody. */
  trustedProxies: CidrList
  /** Header to put before the ClientHello. Default: off. */
  sendProxyProtocol: "off" | "v1" | "v2"
  /** Fields of that header, in version 2, the most wanted first. Default: none. */
  sendProxyProtocolFields: readonly ProxyProtocolField[]
  /** Longest such header; fields that do not fit any more are left out. Default: off. */
  sendProxyProtocolMaxBytes: number

  /** What clients and backends speak before TLS. Default: off. */
  starttls: "off" | StarttlsName
  /** Name that clients are greeted with before TLS, and backends told. Default: gateway.invalid. */
  starttlsName: string

  /** How endpoints share connections. Default: least-connections. */
  loadBalancing: BalancePolicy
  /** Endpoints tried per connection before it is refused. Default: 3. */
  dialAttempts: number
  /** Longest wait before the second retry; each further one may wait twice as long. Default: 25ms. */
  retryBackoff: number
  /** Retries, as a share of the connections to the backend. Default: 20%. */
  retryBudget: number
  /** Connections to the backend that may be dialling at once. Default: off. */
  maxPendingConnections: number
  /** Failed connects in a row after which an endpoint is left out. Default: 3. */
  ejectAfter: number
  /** How long it is left out the first time; each further time in a row lasts twice as long. Default: 10s. */
  ejectionTime: number
  /** Longest time that an endpoint is left out. Default: 5m. */
  maxEjectionTime: number
  /** Time over which a new or recovered endpoint is given a growing share. Default: 0s. */
  slowStart: number
  /** When a smaller share of the endpoints is healthy than this, health is ignored. Default: 50%. */
  panicThreshold: number
  /**
   * How endpoints are probed: not at all, by a TCP connection, or by a TLS handshake with the route's own name.
   * Default: off.
   */
  healthCheck: "off" | "tcp" | "tls"
  /** Time from one probe of an endpoint to the next. Default: 10s. */
  healthCheckInterval: number
  /** Time that a probe may take. Default: 2s. */
  healthCheckTimeout: number
  /** Name to send in TLS probes. Default: the route's first exact hostname. */
  healthCheckServerName: string
  /** Good probes in a row that bring an endpoint back. Default: 2. */
  healthyThreshold: number
  /** Failed probes in a row that take an endpoint out. Default: 3. */
  unhealthyThreshold: number

  /** What becomes of connections whose route or listener is taken out of the configuration. Default: keep. */
  onRemoval: "keep" | "drain"
  /** What becomes of connections whose endpoint goes or terminates. Default: keep. */
  onEndpointRemoval: "keep" | "drain"
  /** Time over which connections that drain are ended, spread out evenly. Default: 30s. */
  drainWindow: number
}

/** Name of a policy in a program; in an annotation it is written in kebab case. */
export type PolicyKey = keyof PolicyValues

/** What a program may write for a value: numbers, or the text an annotation would have. */
export type PolicyInput<Value> = Value extends CidrList
  ? readonly string[] | string
  : Value extends readonly (infer Word extends string)[]
    ? readonly OneOf<Word>[] | string
    : Value extends number
      ? number | string
      : Value extends string
        ? OneOf<Value>
        : Value

/** How one policy is read, where it may be set, and what it is without being set. */
export interface PolicyField<Value> {
  /** Reads it. */
  readonly type: ValueType<PolicyInput<Value>, Value>
  /** Levels that may set it, besides `gateway`, which always may. */
  readonly levels: readonly Exclude<PolicyLevel, "gateway">[]
  /**
   * `inherit`: the most specific level that sets it decides. `each`: every level that sets it is held to its
   * own, so that a route can be bounded within a bounded listener.
   */
  readonly scope: "inherit" | "each"
  /** Value when nobody sets it; `undefined` when that means none. */
  readonly initial: Value | undefined
  /** That value, for the documentation. */
  readonly initialText: string
  /** What it does, for the documentation. */
  readonly description: string
  /** A malformed annotation closes the object to everyone, where ignoring it would open what it was to close. */
  readonly closesWhenMalformed?: true
}

const LISTENER = ["listener"] as const
const STREAM = ["listener", "route"] as const
const BACKEND = ["route", "backend"] as const
const ALL = ["listener", "route", "backend"] as const
const none = Number.POSITIVE_INFINITY

/** Every policy. Annotations, options and docs/policies.md are all read from this table. */
export const POLICY_FIELDS = {
  helloTimeout: {
    type: duration,
    levels: LISTENER,
    scope: "inherit",
    initial: 10_000,
    initialText: "10s",
    description:
      "Time from accept to a whole ClientHello, PROXY protocol header and STARTTLS included, whatever trickles in.",
  },
  dialTimeout: {
    type: duration,
    levels: ALL,
    scope: "inherit",
    initial: 5_000,
    initialText: "5s",
    description:
      "Time from the choice of the route to an established backend connection, name lookup and every retry included.",
  },
  refusal: {
    type: choice("alert", "close", "reset"),
    levels: LISTENER,
    scope: "inherit",
    initial: undefined,
    initialText: "the option `refusal`, or `--refusal`",
    description:
      "How clients that sent a ClientHello learn that they are refused: by a TLS alert that tells why, by a plain end, or by a reset.",
  },
  idleTimeout: {
    type: duration,
    levels: STREAM,
    scope: "inherit",
    initial: 3_600_000,
    initialText: "1h",
    description: "Time without a byte either way.",
  },
  halfClosedTimeout: {
    type: duration,
    levels: STREAM,
    scope: "inherit",
    initial: 120_000,
    initialText: "2m",
    description: "Time without a byte, once one side has ended its stream.",
  },
  quicIdleTimeout: {
    type: duration,
    levels: STREAM,
    scope: "inherit",
    initial: 120_000,
    initialText: "2m",
    description:
      "Time without a datagram either way, over QUIC, whose ends are told in secret: how its connections end.",
  },
  maxDuration: {
    type: duration,
    levels: STREAM,
    scope: "inherit",
    initial: none,
    initialText: "off",
    description: "Time from accept to the end, whatever happens.",
  },
  maxDurationJitter: {
    type: share,
    levels: STREAM,
    scope: "inherit",
    initial: 0.1,
    initialText: "10%",
    description:
      "Share of `max-duration` by which it is shortened at random, so that connections made together do not end together.",
  },
  clientKeepalive: {
    type: keepalive,
    levels: LISTENER,
    scope: "inherit",
    initial: 60_000,
    initialText: "60s",
    description:
      "Silence after which TCP asks the client whether it is still there. One that does not answer for ten seconds is taken for gone, and its backend's side is reset.",
  },
  backendKeepalive: {
    type: keepalive,
    levels: BACKEND,
    scope: "inherit",
    initial: 60_000,
    initialText: "60s",
    description: "The same of the backend.",
  },

  maxConnections: {
    type: count,
    levels: ALL,
    scope: "each",
    initial: none,
    initialText: "off",
    description: "Live connections of the object.",
  },
  maxConnectionsPerClient: {
    type: count,
    levels: STREAM,
    scope: "each",
    initial: none,
    initialText: "off",
    description: "Live connections of one client (an IPv4 address, or an IPv6 /64) to the object.",
  },
  connectionRatePerClient: {
    type: perSecond,
    levels: LISTENER,
    scope: "each",
    initial: none,
    initialText: "off",
    description: "New connections per second of one client.",
  },
  connectionBurstPerClient: {
    type: count,
    levels: LISTENER,
    scope: "each",
    initial: undefined,
    initialText: "twice the rate, at least 10",
    description: "New connections that one client may open at once after a quiet time.",
  },
  maxHelloBytes: {
    type: size,
    levels: LISTENER,
    scope: "inherit",
    initial: 65_536,
    initialText: "64KiB",
    description: "Largest ClientHello, in bytes on the wire.",
  },
  bandwidth: {
    type: rate,
    levels: STREAM,
    scope: "inherit",
    initial: none,
    initialText: "off",
    description: "Bytes per second of one connection, each way.",
  },
  allowCidrs: {
    type: cidrs,
    levels: STREAM,
    scope: "each",
    initial: undefined,
    initialText: "everyone",
    description: "Clients that may connect; nobody else may.",
    closesWhenMalformed: true,
  },
  denyCidrs: {
    type: cidrs,
    levels: STREAM,
    scope: "each",
    initial: undefined,
    initialText: "nobody",
    description: "Clients that may not connect, even where allowed.",
    closesWhenMalformed: true,
  },

  quic: {
    type: choice("off", "on"),
    levels: LISTENER,
    scope: "inherit",
    initial: "off",
    initialText: "off",
    description:
      "Whether QUIC is taken on the UDP port of the same number, and routed by the same names: see [http3.md](http3.md).",
  },
  acceptProxyProtocol: {
    type: choice("off", "optional", "required"),
    levels: LISTENER,
    scope: "inherit",
    initial: "off",
    initialText: "off",
    description:
      "Whether connections from `trusted-proxies` begin with a PROXY protocol header, version 1 or 2. When required, nobody else may connect.",
    closesWhenMalformed: true,
  },
  trustedProxies: {
    type: cidrs,
    levels: LISTENER,
    scope: "inherit",
    initial: undefined,
    initialText: "nobody",
    description: "Who is believed when a PROXY protocol header tells the client's address.",
    closesWhenMalformed: true,
  },
  sendProxyProtocol: {
    type: choice("off", "v1", "v2"),
    levels: BACKEND,
    scope: "inherit",
    initial: "off",
    initialText: "off",
    description: "PROXY protocol header to send before the ClientHello.",
  },
  sendProxyProtocolFields: {
    type: choices("authority", "alpn", "unique-id", "crc32c"),
    levels: BACKEND,
    scope: "inherit",
    initial: [],
    initialText: "none",
    description:
      "Fields of that header, in version 2, the most wanted first: the SNI, the first ALPN protocol offered, the connection's id as in the access record, a checksum.",
  },
  sendProxyProtocolMaxBytes: {
    type: headerSize,
    levels: BACKEND,
    scope: "inherit",
    initial: none,
    initialText: "off",
    description:
      "Longest such header in bytes. Fields are put in in the order given; one that would make the header longer is left out.",
  },

  starttls: {
    type: choice("off", "postgres", "smtp", "imap", "pop3", "ldap", "xmpp", "xmpp-server"),
    levels: LISTENER,
    scope: "inherit",
    initial: "off",
    initialText: "off",
    description:
      "What clients speak before TLS, and backends are spoken to in. PostgreSQL, LDAP and XMPP clients may begin with TLS at once.",
  },
  starttlsName: {
    type: hostname,
    levels: LISTENER,
    scope: "inherit",
    initial: "gateway.invalid",
    initialText: "gateway.invalid",
    description:
      "Name that clients are greeted with before TLS, and backends told, where the protocol of `starttls` has that.",
  },

  loadBalancing: {
    type: choice("least-connections", "round-robin", "client-hash"),
    levels: BACKEND,
    scope: "inherit",
    initial: "least-connections",
    initialText: "least-connections",
    description: "How endpoints share connections. `client-hash` keeps a client address with one endpoint.",
  },
  dialAttempts: {
    type: count,
    levels: BACKEND,
    scope: "inherit",
    initial: 3,
    initialText: "3",
    description: "Endpoints tried per connection before it is refused.",
  },
  retryBackoff: {
    type: delay,
    levels: BACKEND,
    scope: "inherit",
    initial: 25,
    initialText: "25ms",
    description:
      "Longest wait before the second retry; each further one may wait twice as long. The first retry goes to another endpoint at once.",
  },
  retryBudget: {
    type: share,
    levels: BACKEND,
    scope: "inherit",
    initial: 0.2,
    initialText: "20%",
    description: "Retries, as a share of the connections to the backend; ten a second are always allowed.",
  },
  maxPendingConnections: {
    type: count,
    levels: ["backend"],
    scope: "inherit",
    initial: none,
    initialText: "off",
    description: "Connections to the backend that may be dialling at once.",
  },
  ejectAfter: {
    type: count,
    levels: BACKEND,
    scope: "inherit",
    initial: DEFAULT_HEALTH_POLICY.ejectAfter,
    initialText: "3",
    description: "Failed connects in a row after which an endpoint is left out.",
  },
  ejectionTime: {
    type: delay,
    levels: BACKEND,
    scope: "inherit",
    initial: DEFAULT_HEALTH_POLICY.ejectionTime,
    initialText: "10s",
    description: "How long an endpoint is left out the first time; each further time in a row lasts twice as long.",
  },
  maxEjectionTime: {
    type: delay,
    levels: BACKEND,
    scope: "inherit",
    initial: DEFAULT_HEALTH_POLICY.maxEjectionTime,
    initialText: "5m",
    description: "Longest time that an endpoint is left out.",
  },
  slowStart: {
    type: delay,
    levels: BACKEND,
    scope: "inherit",
    initial: DEFAULT_HEALTH_POLICY.slowStart,
    initialText: "0s",
    description: "Time over which a new or recovered endpoint is given a growing share.",
  },
  panicThreshold: {
    type: share,
    levels: BACKEND,
    scope: "inherit",
    initial: DEFAULT_HEALTH_POLICY.panicThreshold,
    initialText: "50%",
    description: "When a smaller share of the endpoints is healthy, all of them are used.",
  },
  healthCheck: {
    type: choice("off", "tcp", "tls"),
    levels: BACKEND,
    scope: "inherit",
    initial: "off",
    initialText: "off",
    description:
      "How endpoints are probed: by a TCP connection, or by a whole TLS handshake with the route's own name. Certificates are not verified.",
  },
  healthCheckInterval: {
    type: period,
    levels: BACKEND,
    scope: "inherit",
    initial: 10_000,
    initialText: "10s",
    description: "Time from one probe of an endpoint to the next.",
  },
  healthCheckTimeout: {
    type: period,
    levels: BACKEND,
    scope: "inherit",
    initial: 2_000,
    initialText: "2s",
    description: "Time that a probe may take.",
  },
  healthCheckServerName: {
    type: hostname,
    levels: BACKEND,
    scope: "inherit",
    initial: undefined,
    initialText: "the route's first exact hostname",
    description: "Name to send in TLS probes.",
  },
  healthyThreshold: {
    type: count,
    levels: BACKEND,
    scope: "inherit",
    initial: 2,
    initialText: "2",
    description: "Good probes in a row that bring an endpoint back.",
  },
  unhealthyThreshold: {
    type: count,
    levels: BACKEND,
    scope: "inherit",
    initial: 3,
    initialText: "3",
    description: "Failed probes in a row that take an endpoint out.",
  },

  onRemoval: {
    type: choice("keep", "drain"),
    levels: STREAM,
    scope: "inherit",
    initial: "keep",
    initialText: "keep",
    description: "What becomes of connections whose route or listener is taken out of the configuration.",
  },
  onEndpointRemoval: {
    type: choice("keep", "drain"),
    levels: BACKEND,
    scope: "inherit",
    initial: "keep",
    initialText: "keep",
    description: "What becomes of connections whose endpoint goes or terminates.",
  },
  drainWindow: {
    type: delay,
    levels: ALL,
    scope: "inherit",
    initial: 30_000,
    initialText: "30s",
    description:
      "Time over which connections that drain are ended, spread out so that clients do not all return at once.",
  },
} as const satisfies { readonly [Key in PolicyKey]: PolicyField<PolicyValues[Key]> }

/** Keys in the order of the table. */
export const POLICY_KEYS = Object.keys(POLICY_FIELDS) as readonly PolicyKey[]

/** Domain of the annotations. */
export const ANNOTATION_DOMAIN = "tlsroute.dev"

/** `maxConnectionsPerClient` as `max-connections-per-client`. */
export function annotationName(key: PolicyKey): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

type LevelsOf<Key extends PolicyKey> = (typeof POLICY_FIELDS)[Key]["levels"][number]

/** Policies that a level may set. */
export type PolicyKeyAt<Level extends PolicyLevel> = Level extends "gateway"
  ? PolicyKey
  : { [Key in PolicyKey]: Level extends LevelsOf<Key> ? Key : never }[PolicyKey]
