import type { ConnectionSnapshot } from "./record.ts"

/** A plain copy of what a connection tells of itself now. */
export function snapshotOf(connection: ConnectionSnapshot): ConnectionSnapshot {
  return {
    id: connection.id,
    uniqueId: connection.uniqueId,
    transport: connection.transport,
    listener: connection.listener,
    clientAddress: connection.clientAddress,
    clientPort: connection.clientPort,
    via: connection.via,
    starttls: connection.starttls,
    since: connection.since,
    state: connection.state,
    serverName: connection.serverName,
    matchedListener: connection.matchedListener,
    route: connection.route,
    target: connection.target,
    endpoint: connection.endpoint,
    bytesFromClient: connection.bytesFromClient,
    bytesFromBackend: connection.bytesFromBackend,
    datagramsFromClient: connection.datagramsFromClient,
    datagramsFromBackend: connection.datagramsFromBackend,
    dialAttempts: connection.dialAttempts,
    durations: connection.durations,
  }
}
