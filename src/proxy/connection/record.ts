import type { ClientHello, ClientHelloTransport } from "../../client-hello/hello.ts"
import type { DialEndpoint } from "../target.ts"
import type { HelloSummary } from "./hello-summary.ts"

/**
 * Where a connection stands.
 *
 * `accepted` and `hello`: nothing known yet, then bytes of the ClientHello. `routed`: a target is chosen and
 * its name is being resolved. `dialing`: connecting to an endpoint. `splicing`: bytes flow both ways.
 * `half-closed`: one side has ended, the other still may send. `refusing`: the end is on its way to a client
 * that was refused. `closed`: no socket is left.
 */
export type ConnectionState =
  | "accepted"
  | "hello"
  | "routed"
  | "dialing"
  | "splicing"
  | "half-closed"
  | "refusing"
  | "closed"

/** Why a connection was refused before any byte reached a backend. */
export type RejectReason =
  /** File descriptors are running out; connections in progress come first. */
  | "no-descriptors"
  /** The client's address is not allowed, or denied. */
  | "denied"
  /** The client opens connections faster than it may. */
  | "rate-limited"
  /** As many connections are live as may be. */
  | "too-many-connections"
  /** As many connections of this client are live as may be. */
  | "too-many-of-client"
  /** Connections that have no backend yet hold as many bytes as they may. */
  | "hello-memory"
  /** A PROXY protocol header is required, and the peer is nobody who may send one. */
  | "untrusted-proxy"
  /** A PROXY protocol header is required, and the connection does not begin with one. */
  | "no-proxy-header"
  /** The PROXY protocol header is malformed. */
  | "invalid-proxy-header"
  /** The client did not start TLS in the way of the listener's STARTTLS protocol; the detail is a `StarttlsCode`. */
  | "starttls-failed"
  /** The first bytes are not TLS. */
  | "not-tls"
  /** TLS, but not a ClientHello that every server would read as the same name. */
  | "invalid-hello"
  /** The ClientHello is, or says it will be, larger than `maxHelloBytes`. */
  | "hello-too-large"
  /** No whole ClientHello by the deadline. */
  | "hello-timeout"
  /** The router refused. */
  | "refused"
  /** The router threw. */
  | "router-error"
  /** The target has as many connections, or as many being dialled, as it may. */
  | "circuit-open"
  /** The target has no endpoint. */
  | "no-endpoints"
  /** The target's name has no address. */
  | "unresolved"
  /** The target's name has only addresses that must not be dialled. */
  | "forbidden-address"
  /** The target leads back to this gateway: to a socket that it listens on, or through another proxy. */
  | "loop"
  /** Every endpoint tried refused the connection. */
  | "dial-failed"
  /** No endpoint answered by the deadline. */
  | "dial-timeout"

/** How a connection ended that was not refused, before a backend was reached. */
export type AbandonedOutcome =
  /** The client went away. */
  | "client-gone"
  /** The client connected and went without a byte, but perhaps a PROXY protocol header, as load balancers' probes do. */
  | "probe"
  /** The proxy closed. */
  | "drained"
  /** The worker that carried it died, or was ended as it hung. */
  | "worker-lost"

/** How a connection ended that had a backend. */
export type SplicedOutcome =
  /** Both sides ended their streams. */
  | "completed"
  /** The client reset the connection; the backend's side was reset too. */
  | "client-reset"
  /** The backend reset the connection; the client's side was reset too. */
  | "backend-reset"
  /** No byte either way for too long. */
  | "idle-timeout"
  /** One side had ended, and the other sent nothing for too long. */
  | "half-closed-timeout"
  /** The connection reached its longest allowed duration. */
  | "max-duration"
  /** The proxy closed while it was live. */
  | "drained"
  /** Its route or its listener was taken out of the configuration, and its policy was to drain. */
  | "route-removed"
  /** Its endpoint was taken out of the configuration, and its policy was to drain. */
  | "endpoint-removed"
  /** The worker that carried it died, or was ended as it hung. */
  | "worker-lost"

/** How a connection ended. */
export type ConnectionOutcome = RejectReason | AbandonedOutcome | SplicedOutcome

/**
 * Detail of a `hello-timeout`: the client sent nothing. It may wait for the server to speak first, as clients of MySQL,
 * SMTP and IMAP do, or know of no TLS.
 */
export const SILENT_CLIENT = "SILENT_CLIENT"

/**
 * Detail of an `idle-timeout` or `too-many-connections` over QUIC: the client never showed that it receives what is sent to
 * its address, which may be forged.
 */
export const UNPROVEN_CLIENT = "UNPROVEN_CLIENT"

/** What was taken out of the configuration. */
export type Removal = "route" | "endpoint"

/**
 * The detail of a connection that the backend reset or ended without having sent a byte, once it had been sent a PROXY
 * protocol header: it may expect none, or none as long.
 */
export const NOTHING_AFTER_PROXY_HEADER = "NOTHING_AFTER_PROXY_HEADER"

/** Who ended a connection: the side that ended its stream first, or reset it. */
export type EndedBy = "client" | "backend" | "proxy"

/** A live view of one connection. The same object in every event; read what is needed at once, or take a {@link ConnectionInfo.toJSON}. */
export interface ConnectionInfo {
  /** Unique in this proxy, counting from 1. */
  readonly id: number
  /** Unique among all proxies, 29 characters; what backends are told in a PROXY protocol header. */
  readonly uniqueId: string
  /** What carries it. */
  readonly transport: ClientHelloTransport
  /** Key given to `listen`. */
  readonly listener: string
  /** Client's IP address, as the socket or a trusted PROXY header tells it; an IPv4-mapped one is written as IPv4. */
  readonly clientAddress: string
  /** Client's TCP or UDP port. Over QUIC this and the address are those that the connection began with. */
  readonly clientPort: number
  /** The proxy whose header told the client's address; `undefined` when the client connected itself. */
  readonly via: DialEndpoint | undefined
  /** STARTTLS protocol of the listener, for example `postgres`; `undefined` where connections begin with TLS. */
  readonly starttls: string | undefined
  /** When it was accepted: milliseconds since 1970. */
  readonly since: number
  /** Where it stands. */
  readonly state: ConnectionState
  /** The ClientHello, from the time it is whole until splicing starts; then let go, as it pins the bytes it was read from. */
  readonly hello: ClientHello | undefined
  /** SNI, when there was one. */
  readonly serverName: string | undefined
  /** What the router called the listener that the name belongs to, where a port has several. */
  readonly matchedListener: string | undefined
  /** What the router called the route. */
  readonly route: string | undefined
  /** Id of the target. */
  readonly target: string | undefined
  /** Endpoint connected to, or, where none was, tried last. */
  readonly endpoint: DialEndpoint | undefined
  /** Bytes read from the client, the ClientHello included. */
  readonly bytesFromClient: number
  /** Bytes read from the backend. */
  readonly bytesFromBackend: number
  /** Datagrams read from the client; 0 over TCP. */
  readonly datagramsFromClient: number
  /** Datagrams read from the backend; 0 over TCP. */
  readonly datagramsFromBackend: number
  /** Endpoints tried; 0 until one has answered, or none is left. */
  readonly dialAttempts: number
  /** Time taken by the phases that are over. */
  readonly durations: PhaseDurations
  /** Plain copy, for a log, an answer in JSON, or another thread. */
  toJSON(): ConnectionSnapshot
}

/** Plain copy of a {@link ConnectionInfo}. */
export type ConnectionSnapshot = Omit<ConnectionInfo, "hello" | "toJSON">

/** Time spent per phase, in milliseconds with fractions; `undefined` for a phase that is not over. */
export interface PhaseDurations {
  /** From accept to a whole ClientHello. */
  readonly hello: number | undefined
  /** From the router's answer to an established backend connection, name lookup and retries included. */
  readonly dial: number | undefined
}

/** Time spent per phase by a connection that has ended, in milliseconds with fractions. */
export interface ConnectionDurations extends PhaseDurations {
  /** From accept to the end. */
  readonly total: number
}

/** What every record tells. */
export interface RecordBase extends Omit<ConnectionSnapshot, "state"> {
  /** What the ClientHello told, when there was a whole one and the proxy was asked to describe it. */
  readonly offered: HelloSummary | undefined
  /**
   * What the client sent in place of a server name that could be taken: a name that was refused, or an IP address,
   * which counts as none. Escaped (`\\x00`), 256 characters at most.
   */
  readonly offeredName: string | undefined
  /** Bytes of the PROXY protocol header that the backend was sent, if it was sent one. */
  readonly proxyHeaderBytes: number | undefined
  /** Code that tells more: of the hello's error, the router's refusal, or the system's error. */
  readonly detail: string | undefined
  /** Who ended it. */
  readonly endedBy: EndedBy
  /** Time per phase. */
  readonly durations: ConnectionDurations
}

/** A connection that was refused: no byte of it has reached a backend. */
export interface RefusedRecord extends RecordBase {
  readonly kind: "refused"
  /** Why. */
  readonly outcome: RejectReason
}

/** A connection that nobody refused and that ended before a backend was reached. */
export interface AbandonedRecord extends RecordBase {
  readonly kind: "abandoned"
  /** How it ended. */
  readonly outcome: AbandonedOutcome
}

/** A connection that was spliced with a backend. */
export interface SplicedRecord extends RecordBase {
  readonly kind: "spliced"
  /** How it ended. */
  readonly outcome: SplicedOutcome
  readonly target: string
  readonly endpoint: DialEndpoint
}

/** What became of one connection: emitted once for each. `kind` tells how far it came, and narrows the rest. */
export type ConnectionRecord = RefusedRecord | AbandonedRecord | SplicedRecord

/** That a connection waits for its backend for longer than is usual. It goes on all the same. */
export interface Waiting {
  /**
   * `silent-backend`: 10 s have gone by since the backend was connected, without a byte from it. `slow-dial`: 10 s have
   * gone by since the ClientHello, and no backend is reached; only where the dial may take longer. `ended-while-dialing`:
   * the same, once the client has ended its side for a second.
   */
  readonly reason: "silent-backend" | "slow-dial" | "ended-while-dialing"
  /** What is waited for: the endpoint connected to, or dialled last; `undefined` while a name is looked up. */
  readonly endpoint: DialEndpoint | undefined
}

/** Why a connection was refused; its `close` follows. */
export interface Rejection {
  /** Why. */
  readonly reason: RejectReason
  /** Code that tells more: of the hello's error, the router's refusal, or the system's error. */
  readonly detail: string | undefined
}
