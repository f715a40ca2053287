/**
 * The data plane: accept, read the ClientHello, ask a router, dial, splice.
 *
 * @module tlsroute/proxy
 * @packageDocumentation
 */
export type { ClientHello, ClientHelloTransport } from "../client-hello/hello.ts"
export { type AddressLookup, type AddressRecord, systemLookup } from "./backend/address-lookup.ts"
export { isSafeDestination } from "./backend/destinations.ts"
export { DnsCache, type DnsCacheOptions } from "./backend/dns-cache.ts"
export type { LookupFailure, NameResolver } from "./backend/name-resolver.ts"
export type { BalancePolicy } from "./balance/policy.ts"
export { type WeightedChoice, WeightedRoundRobin } from "./balance/weighted-round-robin.ts"
export type { HelloSummary } from "./connection/hello-summary.ts"
export type {
  AbandonedOutcome,
  AbandonedRecord,
  ConnectionDurations,
  ConnectionInfo,
  ConnectionOutcome,
  ConnectionRecord,
  ConnectionSnapshot,
  ConnectionState,
  EndedBy,
  PhaseDurations,
  RecordBase,
  RefusedRecord,
  Rejection,
  RejectReason,
  Removal,
  SplicedOutcome,
  SplicedRecord,
  Waiting,
} from "./connection/record.ts"
export { ListenError, ProxyError, type ProxyErrorCode } from "./errors.ts"
export type { SpliceProxyEvents } from "./events.ts"
export type { CircuitLimits } from "./health/circuit.ts"
export { DEFAULT_HEALTH_POLICY, type Ejection, type HealthPolicy } from "./health/endpoint-health.ts"
export { type AccessList, admits, type Cidr, CidrList, parseCidr } from "./limits/cidr.ts"
export type { ProxyLimits } from "./limits/gate.ts"
export type { CloseOptions, Deadlines, ListenOptions, SpliceProxyOptions } from "./options.ts"
export type {
  BackendPolicy,
  ConnectionPolicy,
  DrainPolicy,
  HealthCheck,
  ListenerPolicy,
  ProxyProtocolPolicy,
  RefusalMode,
  ScopePolicy,
  SentProxyHeader,
} from "./policy.ts"
export { SpliceProxy } from "./proxy.ts"
export { CLOSE_CHANNEL } from "./proxy-host.ts"
export {
  encodeProxyV1,
  encodeProxyV2,
  type ProxyHeaderAddresses,
  type ProxyHeaderFields,
} from "./proxy-protocol/encode.ts"
export { ProxyProtocolError, type ProxyProtocolErrorCode } from "./proxy-protocol/errors.ts"
export { type ProxyAddress, type ProxyHeader, type ProxyTlv, ProxyTlvType } from "./proxy-protocol/header.ts"
export {
  type ProxyHeaderOptions,
  ProxyHeaderParser,
  type ProxyHeaderResult,
  parseProxyHeader,
} from "./proxy-protocol/parser.ts"
export type { DropCounts, DropReason } from "./quic/drops.ts"
export type { QuicState } from "./quic/quic-ports.ts"
export type * from "./router.ts"
export { type SpliceOptions, type SpliceResult, spliceSockets } from "./splice/splice-sockets.ts"
export { type LineAnswer, type LineDialect, LinePrelude } from "./starttls/lines.ts"
export type { StarttlsPolicy } from "./starttls/policy.ts"
export type {
  BackendPreludeContext,
  ClientPreludeContext,
  Prelude,
  PreludeStep,
  StarttlsCode,
  StarttlsProtocol,
} from "./starttls/prelude.ts"
export { STARTTLS_PROTOCOLS, type StarttlsName } from "./starttls/protocols.ts"
export type * from "./target.ts"
