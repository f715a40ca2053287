/**
 * A gateway's configuration from a Kubernetes API server, and its statuses written back.
 *
 * @module tlsroute/kubernetes
 * @packageDocumentation
 */
export { type ClusterAccess, type ClusterAccessOptions, loadClusterAccess } from "./cluster-access.ts"
export type { ClusterEvent } from "./cluster-watcher.ts"
export { KubernetesError, type KubernetesErrorCode } from "./errors.ts"
export { type Node, type PublishedAddress, serviceAddresses } from "./gateway-addresses.ts"
export { type EnsureGatewayClassOptions, ensureGatewayClass } from "./gateway-class.ts"
export type { LeaseOptions } from "./leader-election.ts"
export { type NodeZoneOptions, readNodeZone } from "./node-zone.ts"
export type { ReflectorEvent } from "./reflector.ts"
export { type ServiceAddresses, type ServiceAddressesOptions, watchServiceAddresses } from "./service-addresses.ts"
export { type ClusterSnapshotOptions, readClusterSnapshot } from "./snapshot.ts"
export { type KubernetesSourceOptions, kubernetesSource } from "./source.ts"
export type { EventDraft } from "./status-events.ts"
export {
  type StatusWriter,
  type StatusWriterEvent,
  type StatusWriterOptions,
  startStatusWriter,
} from "./status-writer.ts"
