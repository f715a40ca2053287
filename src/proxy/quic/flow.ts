import type { ClientHello } from "../../client-hello/hello.ts"
import { connectionClose } from "../../quic/connection-close.ts"
import type { QuicHelloResult } from "../../quic/hello-reader.ts"
import type { LongPacket } from "../../quic/packet.ts"
import type { DialPlan } from "../backend/dial.ts"
import { type DrainOutcome, drainsOnRemoval, Lifetime } from "../connection/lifetime.ts"
import type { Live } from "../connection/live-connections.ts"
import {
  type ConnectionInfo,
  type ConnectionRecord,
  type ConnectionSnapshot,
  type ConnectionState,
  type EndedBy,
  type PhaseDurations,
  type RejectReason,
  type Removal,
  UNPROVEN_CLIENT,
} from "../connection/record.ts"
import { RecordDraft } from "../connection/record-draft.ts"
import { alertDescription } from "../connection/refusal.ts"
import { plainAddress } from "../connection/route-request.ts"
import { snapshotOf } from "../connection/snapshot.ts"
import { uniqueId } from "../connection/unique-id.ts"
import { clientKey } from "../limits/client-key.ts"
import { Admission } from "../limits/gate.ts"
import type { ConnectionPolicy, ListenerPolicy } from "../policy.ts"
import type { DialEndpoint } from "../target.ts"
import { Timed } from "../timer-wheel.ts"
import { FlowOpening, type FlowOpeningHost, type OpenedFlow } from "./flow-opening.ts"
import { FlowPaths, type FlowPathsHost, type PathsOwner } from "./flow-paths.ts"
import type { ClientDatagram, FlowPort } from "./flow-port.ts"
import { FlowRefusal, type RefusedFlow } from "./flow-refusal.ts"
import type { Initials, InitialsHost } from "./initials.ts"
import type { KnownClients } from "./known-clients.ts"
import type { Path } from "./path.ts"
import type { Evictable, Unproven } from "./unproven.ts"

/** What a flow needs of the proxy it belongs to. */
export interface FlowHost extends FlowOpeningHost, FlowPathsHost, InitialsHost {
  /** Clients that receive what is sent to their address. */
  readonly knownClients: KnownClients
  /** Flows whose clients have yet to show that. */
  readonly unproven: Unproven<QuicFlow>
  /** No socket of it is left. */
  connectionClosed(flow: QuicFlow): void
}

type FlowOutcome = DrainOutcome | "client-gone" | "completed" | "idle-timeout" | "max-duration" | "backend-reset"

/** Milliseconds without a datagram before the client has used the keys of a finished handshake. */
const HANDSHAKE_PATIENCE = 10_000

/**
 * One QUIC connection, from the client's first Initial packet to the last datagram either way: what `Connection` is for
 * TCP. Its end is told in packets that only the two ends can read, so that it ends by silence. It is opened by
 * {@link FlowOpening}; its datagrams go by {@link FlowPaths}, and its deadlines are kept here from then on. A refused
 * client is answered by {@link FlowRefusal}.
 *
 * ```text
 * accepted → hello → routed → dialing → splicing → closed
 *               └───────┴────────┴────→ closed, and repeats the refusal for a while
 * ```
 */
export class QuicFlow extends Timed implements ConnectionInfo, Live, OpenedFlow, PathsOwner, RefusedFlow, Evictable {
  readonly transport = "quic"
  readonly id: number
  readonly listener: string
  readonly clientAddress: string
  readonly clientPort: number
  readonly via = undefined
  readonly starttls = undefined
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
  readonly draft = new RecordDraft()
  /** @internal */
  readonly admission = new Admission()

  readonly #host: FlowHost
  readonly #listenerPolicy: ListenerPolicy
  readonly #first: LongPacket
  readonly #initials: Initials
  readonly #paths: FlowPaths<QuicFlow>
  readonly #lifetime = new Lifetime()
  #phase: FlowOpening | "splicing" | FlowRefusal | "closed"
  /** What it takes of its target, once a backend has answered. */
  #plan: DialPlan | undefined
  #activeAt = 0

  /**
   * @param host - the proxy
   * @param port - takes the client's datagrams
   * @param id - number in the proxy
   * @param policy - what the listener asks of it
   * @param datagram - the first one
   * @param first - its first packet, an Initial one
   * @param initials - what the client says in Initial packets, of which the first datagram has been read
   */
  constructor(
    host: FlowHost,
    port: FlowPort<QuicFlow>,
    id: number,
    policy: ListenerPolicy,
    datagram: ClientDatagram,
    first: LongPacket,
    initials: Initials,
  ) {
    super()
    this.#host = host
    this.id = id
    this.listener = port.listener
    this.clientAddress = plainAddress(datagram.address)
    this.clientPort = datagram.port
    this.#listenerPolicy = policy
    this.policy = host.connectionPolicy
    this.#first = first
    this.#initials = initials
    this.#paths = new FlowPaths(this, host, port, initials, datagram, first)
    this.#phase = new FlowOpening(this, host, policy, this.#paths, initials)
  }

  get state(): ConnectionState {
    return typeof this.#phase === "string" ? this.#phase : this.#phase.state
  }

  get since(): number {
    return performance.timeOrigin + this.draft.acceptedAt
  }

  get uniqueId(): string {
    return uniqueId(this.#host.instance, this.id)
  }

  get bytesFromClient(): number {
    return this.#paths.bytesFromClient
  }

  get bytesFromBackend(): number {
    return this.#paths.bytesFromBackend
  }

  get datagramsFromClient(): number {
    return this.#paths.datagramsFromClient
  }

  get datagramsFromBackend(): number {
    return this.#paths.datagramsFromBackend
  }

  get dialAttempts(): number {
    return this.draft.dialAttempts
  }

  get durations(): PhaseDurations {
    return this.draft.phases
  }

  /**
   * Begins, once it is known to be there.
   *
   * @param datagram - the first one
   * @param read - what has been read of it
   * @param isKnown - whether the client has lately been here
   */
  start(datagram: ClientDatagram, read: QuicHelloResult, isKnown: boolean): void {
    // A listener of its acceptance may have stopped it.
    if (!(this.#phase instanceof FlowOpening)) return
    this.#host.unproven.add(this, isKnown)
    this.#phase.start(datagram, read)
  }

  /** Takes a further datagram, which may have come from an address that is not known yet. */
  clientDatagram(datagram: ClientDatagram): void {
    const phase = this.#phase
    if (phase === "splicing") {
      if (this.#paths.toBackend(datagram)) this.#activeAt = this.#host.wheel.now
    } else if (phase !== "closed") phase.clientDatagram(datagram)
  }

  /** Ends it from here, in whatever state it is. */
  stop(): void {
    // A listener that hears of a refusal may stop it too: its client is to be told first.
    if (this.draft.outcome === undefined) this.#end("drained", undefined)
  }

  /** Its client has not answered, and others want its place. */
  evict(): void {
    if (this.#phase === "splicing") {
      this.#end("idle-timeout", UNPROVEN_CLIENT)
      return
    }
    const rejection = { reason: "too-many-connections", detail: UNPROVEN_CLIENT } as const
    this.draft.settle(rejection.reason, rejection.detail, "proxy")
    this.#host.connectionRejected(this, rejection)
    this.#close("closed")
  }

  /** Whether its policy ends it when what it was routed by goes. */
  get drainsOnRemoval(): boolean {
    return drainsOnRemoval(this.policy.drain)
  }

  /** What it was routed by is there no longer: it ends within its window, if its policy says so. */
  removed(removal: Removal | undefined): void {
    this.#lifetime.removed(removal, this.policy.drain)
    if (this.#phase === "splicing") this.#watch()
  }

  /** Ends it at a moment drawn from the next `window` milliseconds, unless it is to end before. */
  endWithin(window: number, outcome: DrainOutcome): void {
    this.#lifetime.drain(window, outcome)
    if (this.#phase === "splicing") this.#watch()
  }

  toJSON(): ConnectionSnapshot {
    return snapshotOf(this)
  }

  /** What became of it; complete once it is closed. */
  record(): ConnectionRecord {
    return this.draft.of(this)
  }

  // Opening

  openingAnswered(plan: DialPlan): void {
    this.#lifetime.limit(this.draft.acceptedAt, this.policy)
    this.#plan = plan
    this.#phase = "splicing"
    this.#activeAt = this.#host.wheel.now
    this.#watch()
  }

  openingRefused(reason: RejectReason, detail: string | undefined): void {
    this.draft.settle(reason, detail, "proxy")
    this.#host.connectionRejected(this, { reason, detail })
    const close = connectionClose(this.#first, alertDescription(reason, undefined, this.route !== undefined))
    const refusal = close === undefined ? "closed" : new FlowRefusal(this, close, this.#host.wheel)
    if (refusal !== "closed") refusal.start()
    this.#close(refusal)
  }

  openingLeft(): void {
    this.#end("client-gone", undefined)
  }

  // Refusing

  answerClient(packet: Uint8Array): void {
    this.#paths.answer(packet)
  }

  refusalOver(): void {
    this.#phase = "closed"
    this.#paths.leave()
  }

  // Splicing

  pathDatagram(path: Path, datagram: Buffer): void {
    if (this.#phase instanceof FlowOpening) this.#phase.answered()
    if (this.#phase !== "splicing") return
    this.#activeAt = this.#host.wheel.now
    if (!this.#paths.toClient(path, datagram)) this.#end("completed", "version-negotiation")
  }

  pathFailed(path: Path, code: string | undefined): void {
    if (this.#phase instanceof FlowOpening) this.#phase.refused(code)
    // There is no such port any more. What else the network says of a path may be over the next moment.
    else if (this.#phase === "splicing" && this.#paths.isAlive(path) && code === "ECONNREFUSED") {
      this.#end("backend-reset", code)
    }
  }

  allows(address: string): boolean {
    const { gate } = this.#host
    return gate.allows(this.#listenerPolicy.scopes, address) && gate.allows(this.policy.scopes, address)
  }

  clientProven(): void {
    const { unproven, knownClients } = this.#host
    unproven.delete(this)
    knownClients.add(clientKey(this.clientAddress))
  }

  /** Milliseconds of silence that are left to it. */
  get #silenceLeft(): number {
    const { quicIdleTimeout } = this.policy
    const patience = this.#initials.isOver ? quicIdleTimeout : Math.min(quicIdleTimeout, HANDSHAKE_PATIENCE)
    return this.#host.wheel.left(this.#activeAt, patience)
  }

  /** Arms whichever of the longest duration and the idle limit comes first. */
  #watch(): void {
    this.#host.wheel.arm(this, Math.min(this.#lifetime.endsAt - performance.now(), this.#silenceLeft))
  }

  // Ends

  deadlineReached(): void {
    if (performance.now() >= this.#lifetime.endsAt) this.#end(this.#lifetime.outcome, undefined)
    else if (this.#silenceLeft > 0) this.#watch()
    else this.#end("idle-timeout", this.#paths.isProven ? undefined : UNPROVEN_CLIENT)
  }

  #end(outcome: FlowOutcome, detail: string | undefined): void {
    this.draft.settle(outcome, detail, endedBy(outcome))
    this.#close("closed")
  }

  #close(phase: FlowRefusal | "closed"): void {
    const { wheel, gate, unproven } = this.#host
    if (this.#phase instanceof FlowOpening) this.#phase.release()
    this.#phase = phase
    wheel.disarm(this)
    unproven.delete(this)
    this.#plan?.release()
    this.#paths.close()
    gate.leave(this.admission)
    this.#initials.end()
    this.hello = undefined
    if (phase === "closed") this.#paths.leave()
    this.#host.connectionClosed(this)
  }
}

function endedBy(outcome: FlowOutcome): EndedBy {
  switch (outcome) {
    case "client-gone":
      return "client"
    case "completed":
    case "backend-reset":
      return "backend"
    default:
      return "proxy"
  }
}
