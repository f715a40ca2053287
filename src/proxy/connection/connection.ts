import type { Socket } from "node:net"
import type { ClientHello } from "../../client-hello/hello.ts"
import type { DialPlan } from "../backend/dial.ts"
import { Admission } from "../limits/gate.ts"
import type { ConnectionPolicy, ListenerPolicy, RefusalMode } from "../policy.ts"
import type { SlabReader } from "../splice/slabs.ts"
import { Splice, type SpliceObserver } from "../splice/splice.ts"
import type { DialEndpoint } from "../target.ts"
import { Timed } from "../timer-wheel.ts"
import { type DrainOutcome, drainsOnRemoval, Lifetime } from "./lifetime.ts"
import { LingeringClose, type LingeringObserver } from "./lingering-close.ts"
import type { Live } from "./live-connections.ts"
import { type OpenedConnection, Opening, type OpeningHost } from "./opening.ts"
import {
  type ConnectionInfo,
  type ConnectionRecord,
  type ConnectionSnapshot,
  type ConnectionState,
  type EndedBy,
  NOTHING_AFTER_PROXY_HEADER,
  type PhaseDurations,
  type RejectReason,
  type Removal,
} from "./record.ts"
import { RecordDraft } from "./record-draft.ts"
import { refusalAnswer } from "./refusal.ts"
import { plainAddress } from "./route-request.ts"
import { snapshotOf } from "./snapshot.ts"
import { uniqueId } from "./unique-id.ts"

/** What a connection needs of the proxy it belongs to. */
export interface ConnectionHost extends OpeningHost {
  /** How refused clients learn of it. */
  readonly refusal: RefusalMode
  /** No socket of it is left. */
  connectionClosed(connection: Connection): void
}

/** Who owns the sockets at present. */
interface Phase {
  /** Where the connection stands. */
  readonly state: ConnectionState
  /** Ends it from here. */
  stop(): void
}

/**
 * Milliseconds that a connection is spliced before silent peers are asked whether they are there: that takes eight
 * system calls, a quarter of all that a short connection takes, and most connections are short.
 */
const SETTLED = 250
/** Milliseconds that a backend may say nothing from when it is connected, until that is told. */
const SILENT = 10_000

const CLOSED: Phase = { state: "closed", stop() {} }

/**
 * One client's connection, from accept to the end. Each phase of its life owns the sockets and has one deadline:
 * {@link Opening}, then {@link Splice}, whose deadlines are kept here, or {@link LingeringClose} when it is refused.
 *
 * ```text
 * accepted → hello → routed → dialing → splicing → half-closed → closed
 *     └────────┴────────┴────────┴────→ refusing ──────────────────┘
 * ```
 */
export class Connection
  extends Timed
  implements ConnectionInfo, Live, OpenedConnection, SpliceObserver, LingeringObserver
{
  readonly id: number
  readonly listener: string
  readonly starttls: string | undefined
  clientAddress: string
  clientPort: number
  via: DialEndpoint | undefined
  hello: ClientHello | undefined
  serverName: string | undefined
  matchedListener: string | undefined
  route: string | undefined
  target: string | undefined
  endpoint: DialEndpoint | undefined
  /** @internal */
  liveNext: this | undefined
  /** @internal */
  livePrevious: this | undefined
  /** @internal */
  policy: ConnectionPolicy
  /** @internal */
  bytesBefore = 0
  /** @internal */
  readonly draft = new RecordDraft()
  /** @internal */
  readonly admission = new Admission()

  readonly #host: ConnectionHost
  readonly #client: Socket
  readonly #refusal: RefusalMode
  readonly #clientKeepalive: number
  readonly #lifetime = new Lifetime()
  #phase: Phase
  /** What it takes of its target, once connected; kept, like the splice, to the end. */
  #plan: DialPlan | undefined
  #splice: Splice | undefined
  #activeAt = 0
  /** When it is looked at next, besides its deadlines: once it has settled, then once its backend is long silent. */
  #lookAt = Number.POSITIVE_INFINITY
  #isSettled = false

  /**
   * @param host - the proxy
   * @param id - number in the proxy
   * @param listener - key of the listener that took it
   * @param client - accepted socket
   * @param policy - what the listener asks of it
   */
  constructor(host: ConnectionHost, id: number, listener: string, client: Socket, policy: ListenerPolicy) {
    super()
    this.#host = host
    this.id = id
    this.listener = listener
    this.starttls = policy.starttls?.protocol.name
    this.#client = client
    this.#refusal = policy.refusal ?? host.refusal
    this.#clientKeepalive = policy.keepalive
    this.clientAddress = plainAddress(client.remoteAddress ?? "")
    this.clientPort = client.remotePort ?? 0
    this.policy = host.connectionPolicy
    this.#phase = new Opening(this, host, client, policy)
  }

  /** Begins to read, unless it is turned away at the door. */
  start(): void {
    if (this.#phase instanceof Opening) this.#phase.start()
  }

  get state(): ConnectionState {
    return this.#phase.state
  }

  get transport(): "tcp" {
    return "tcp"
  }

  get datagramsFromClient(): number {
    return 0
  }

  get datagramsFromBackend(): number {
    return 0
  }

  get since(): number {
    return performance.timeOrigin + this.draft.acceptedAt
  }

  get uniqueId(): string {
    return uniqueId(this.#host.instance, this.id)
  }

  get bytesFromClient(): number {
    return this.bytesBefore + (this.#splice?.bytesFromA ?? 0)
  }

  get bytesFromBackend(): number {
    return this.#splice?.bytesFromB ?? 0
  }

  get dialAttempts(): number {
    return this.draft.dialAttempts
  }

  get durations(): PhaseDurations {
    return this.draft.phases
  }

  /** Ends it from here, in whatever state it is. */
  stop(): void {
    this.draft.settle("drained", undefined, "proxy")
    this.#phase.stop()
  }

  /** Whether its policy ends it when what it was routed by goes. */
  get drainsOnRemoval(): boolean {
    return drainsOnRemoval(this.policy.drain)
  }

  /** What it was routed by is there no longer: it ends within its window, if its policy says so. */
  removed(removal: Removal | undefined): void {
    this.#lifetime.removed(removal, this.policy.drain)
    if (this.#phase === this.#splice) this.#watch()
  }

  /** Ends it at a moment drawn from the next `window` milliseconds, unless it is to end before. */
  endWithin(window: number, outcome: DrainOutcome): void {
    this.#lifetime.drain(window, outcome)
    if (this.#phase === this.#splice) this.#watch()
  }

  toJSON(): ConnectionSnapshot {
    return snapshotOf(this)
  }

  /** What became of it; complete once it is closed. */
  record(): ConnectionRecord {
    return this.draft.of(this)
  }

  // Opening

  openingConnected(backend: Socket, slabs: SlabReader | undefined, plan: DialPlan): void {
    this.#lifetime.limit(this.draft.acceptedAt, this.policy)
    this.#plan = plan
    this.#splice = new Splice(this.#client, backend, this, slabs, this.policy.bandwidth)
    this.#phase = this.#splice
    this.#lookAt = this.#connectedAt + SETTLED
    this.spliceActive()
    this.#watch()
    if (this.#client.readableEnded) this.#splice.socketEnded(this.#client)
  }

  openingRefused(reason: RejectReason, detail: string | undefined, farewell: Uint8Array | undefined): void {
    this.draft.settle(reason, detail, "proxy")
    const lingering = new LingeringClose(this.#client, this, this.#host.wheel)
    this.#phase = lingering
    const rejection = { reason, detail }
    this.#host.connectionRejected(this, rejection)
    const hasRoute = this.route !== undefined
    lingering.start(farewell ?? refusalAnswer(rejection, this.#refusal, this.hello !== undefined, hasRoute))
  }

  openingClosed(): void {
    this.#closed()
  }

  // Refusing

  lingeringOver(): void {
    this.#closed()
  }

  // Splicing

  spliceActive(): void {
    this.#activeAt = this.#host.wheel.now
  }

  spliceHalfClosed(side: "a" | "b"): void {
    if (this.draft.outcome === undefined) this.draft.endedBy = side === "a" ? "client" : "backend"
    // The time to answer an end counts from that end, however long nobody had said anything before.
    this.spliceActive()
    this.#watch()
  }

  spliceClosed(): void {
    const code = this.#splice?.error?.code
    if (this.#splice?.outcome === "reset") {
      const by = this.#splice.endedBy === "a" ? "client" : "backend"
      this.draft.settle(`${by}-reset`, this.#backendDetail(by) ?? code, by)
    }
    const { endedBy } = this.draft
    this.draft.settle("completed", this.#backendDetail(endedBy) ?? code, endedBy)
    this.#closed()
  }

  /** What there is to say of a backend that ended the connection. */
  #backendDetail(endedBy: EndedBy): string | undefined {
    // Where something is spoken before TLS, the backend has answered after its header.
    const isFirst = this.starttls === undefined && this.draft.proxyHeaderBytes !== undefined
    const isHeaderRefused = isFirst && this.bytesFromBackend === 0
    return endedBy === "backend" && isHeaderRefused ? NOTHING_AFTER_PROXY_HEADER : undefined
  }

  /** Milliseconds until neither side has been heard for as long as that may be. */
  get #silenceLeft(): number {
    const limit = this.state === "half-closed" ? this.policy.halfClosedTimeout : this.policy.idleTimeout
    // What is held back to keep to a rate is not the peers' silence.
    return this.#splice?.isThrottled === true ? limit : this.#host.wheel.left(this.#activeAt, limit)
  }

  get #connectedAt(): number {
    return this.draft.connectedAt ?? this.draft.acceptedAt
  }

  /** Arms whichever of the longest duration, the limit of silence and the next look comes first. */
  #watch(): void {
    const left = Math.min(this.#lifetime.endsAt, this.#lookAt) - performance.now()
    this.#host.wheel.arm(this, Math.min(left, this.#silenceLeft))
  }

  #look(): void {
    const isSilent = this.bytesFromBackend === 0 && this.draft.endedBy !== "backend"
    this.#lookAt = Number.POSITIVE_INFINITY
    if (!this.#isSettled) {
      this.#isSettled = true
      if (isSilent) this.#lookAt = this.#connectedAt + SILENT
      this.#splice?.askSilentPeers(this.#clientKeepalive, this.policy.backend.keepalive)
    } else if (isSilent) {
      this.#host.connectionWaiting(this, { reason: "silent-backend", endpoint: this.endpoint })
    }
  }

  // Ends

  deadlineReached(): void {
    if (performance.now() >= this.#lookAt) this.#look()
    // A listener of what was seen may have stopped it.
    if (this.#phase !== this.#splice) return
    const isOld = performance.now() >= this.#lifetime.endsAt
    if (!isOld && this.#silenceLeft > 0) {
      this.#watch()
      return
    }
    const silent = this.state === "half-closed" ? "half-closed-timeout" : "idle-timeout"
    this.draft.settle(isOld ? this.#lifetime.outcome : silent, undefined, "proxy")
    this.#phase.stop()
  }

  #closed(): void {
    this.#phase = CLOSED
    this.#host.wheel.disarm(this)
    this.#plan?.release()
    this.#host.gate.leave(this.admission)
    this.#host.connectionClosed(this)
  }
}
