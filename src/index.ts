/**
 * Make any Node.js program a Kubernetes Gateway API TLS-passthrough gateway.
 *
 * ```ts
 * import { createPassthroughGateway, fileSource } from "tlsroute"
 *
 * const gateway = createPassthroughGateway({ source: fileSource("gateway.yaml") })
 * gateway.on("close", (record) => console.log(record.serverName, record.outcome))
 * await gateway.start()
 * ```
 *
 * Each part can be used alone: `tlsroute/client-hello`, `tlsroute/quic`, `tlsroute/routing`, `tlsroute/proxy`,
 * `tlsroute/sources`.
 *
 * It routes by the name a client asks for, without decrypting. It does not terminate TLS, does not speak HTTP,
 * and the name is not proof of who asks.
 *
 * @module tlsroute
 * @packageDocumentation
 */
export type { BindingState, ListenTarget, LocalAddressOptions } from "./gateway/bindings.ts"
export type { DataPlaneOptions, EndpointVerdict } from "./gateway/data-plane.ts"
export { GatewayError, type GatewayErrorCode } from "./gateway/errors.ts"
export type { ConfigApplied, GatewayEvents, TableServerEvents, WorkerDeath } from "./gateway/events.ts"
export type { GatewayExplanation } from "./gateway/explain.ts"
export { createPassthroughGateway, PassthroughGateway } from "./gateway/gateway.ts"
export type { EndpointHealthChange } from "./gateway/health-checks.ts"
export type { PassthroughGatewayOptions, TableServerOptions } from "./gateway/options.ts"
export type { PolicyKey, PolicyLevel, PolicyValues } from "./gateway/policies/fields.ts"
export { PolicyError, type PolicyOptions, type PolicySettings } from "./gateway/policies/options.ts"
export type { StartOptions } from "./gateway/start.ts"
export { TableServer } from "./gateway/table-server.ts"
export type { LookupFailure } from "./proxy/backend/name-resolver.ts"
export type {
  AbandonedOutcome,
  AbandonedRecord,
  ConnectionInfo,
  ConnectionOutcome,
  ConnectionRecord,
  RefusedRecord,
  Rejection,
  RejectReason,
  SplicedOutcome,
  SplicedRecord,
  Waiting,
} from "./proxy/connection/record.ts"
export type { SpliceProxyEvents } from "./proxy/events.ts"
export type { Ejection } from "./proxy/health/endpoint-health.ts"
export type { SpliceProxyOptions } from "./proxy/options.ts"
export type { RouteTableOptions } from "./routing/options.ts"
export type { PolicyCode, ProblemCode, RoutingCode, SchemaCode, SourceCode } from "./routing/problem-codes.ts"
export { formatExplanation } from "./routing/report/format-explanation.ts"
export type { GatewayResources, ResourceProblem } from "./routing/resources.ts"
export type { Explanation, RouteQuery, RouteTable, Statuses, StatusOptions } from "./routing/route-table.ts"
export { type FileSourceOptions, fileSource, readResources } from "./sources/file-source.ts"
export { objectSource } from "./sources/object-source.ts"
export type { GatewaySource, SourceFunction } from "./sources/source.ts"
export { SourceError, type SourceErrorCode } from "./sources/source-error.ts"
