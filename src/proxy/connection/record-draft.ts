import type { HelloSummary } from "./hello-summary.ts"
import type {
  AbandonedOutcome,
  ConnectionInfo,
  ConnectionOutcome,
  ConnectionRecord,
  EndedBy,
  PhaseDurations,
} from "./record.ts"

const ABANDONED: ReadonlySet<ConnectionOutcome> = new Set<AbandonedOutcome>([
  "client-gone",
  "probe",
  "drained",
  "worker-lost",
])

/** What is noted of one connection as it goes from phase to phase, for its record. */
export class RecordDraft {
  /** On the clock of `performance.now()`, like all times here. */
  readonly acceptedAt: number = performance.now()
  /** When the ClientHello was whole. */
  helloAt: number | undefined
  /** When a backend had answered. */
  connectedAt: number | undefined
  /** Endpoints tried. */
  dialAttempts = 0
  /** What the ClientHello told, where records are to tell it. */
  offered: HelloSummary | undefined
  /** What was sent in place of a server name that could be taken. */
  offeredName: string | undefined
  /** Bytes of the PROXY protocol header that the backend was sent. */
  proxyHeaderBytes: number | undefined
  /** How it ended; `undefined` while it has not. */
  outcome: ConnectionOutcome | undefined
  /** Code that tells more. */
  detail: string | undefined
  /** Who ended it, so far as known. */
  endedBy: EndedBy = "proxy"

  /** The first reason to end is the one that counts. */
  settle(outcome: ConnectionOutcome, detail: string | undefined, endedBy: EndedBy): void {
    if (this.outcome !== undefined) return
    this.outcome = outcome
    this.detail = detail
    this.endedBy = endedBy
  }

  /** The record, with time per phase until now. Written out: a copy that leaves out a property costs more than the rest. */
  of(connection: ConnectionInfo): ConnectionRecord {
    const outcome = this.outcome ?? "completed"
    const { hello, dial } = this.phases
    const record = {
      kind: this.#kind(outcome),
      id: connection.id,
      uniqueId: connection.uniqueId,
      transport: connection.transport,
      listener: connection.listener,
      clientAddress: connection.clientAddress,
      clientPort: connection.clientPort,
      via: connection.via,
      starttls: connection.starttls,
      since: connection.since,
      serverName: connection.serverName,
      matchedListener: connection.matchedListener,
      route: connection.route,
      target: connection.target,
      endpoint: connection.endpoint,
      bytesFromClient: connection.bytesFromClient,
      bytesFromBackend: connection.bytesFromBackend,
      datagramsFromClient: connection.datagramsFromClient,
      datagramsFromBackend: connection.datagramsFromBackend,
      offered: this.offered,
      offeredName: this.offeredName,
      proxyHeaderBytes: this.proxyHeaderBytes,
      dialAttempts: this.dialAttempts,
      outcome,
      detail: this.detail,
      endedBy: this.endedBy,
      durations: { hello, dial, total: performance.now() - this.acceptedAt },
    }
    // Kind, outcome and endpoint go together as the phases do.
    return record as ConnectionRecord
  }

  /** Time taken by the phases that are over. */
  get phases(): PhaseDurations {
    const { acceptedAt, helloAt, connectedAt } = this
    return {
      hello: helloAt === undefined ? undefined : helloAt - acceptedAt,
      dial: helloAt === undefined || connectedAt === undefined ? undefined : connectedAt - helloAt,
    }
  }

  #kind(outcome: ConnectionOutcome): ConnectionRecord["kind"] {
    if (this.connectedAt !== undefined) return "spliced"
    return ABANDONED.has(outcome) ? "abandoned" : "refused"
  }
}
