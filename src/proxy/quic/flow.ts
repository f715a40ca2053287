import type { ClientHello } from "../../client-hello/hello.ts"
import { connectionClose } from "../../quic/connection-close.ts"
import { QuicHelloReader, type QuicHelloResult } from "../../quic/hello-reader.ts"
import { hasLongHeader, type LongPacket, readLongPacket } from "../../quic/packet.ts"
import type { DialFailure, DialPlan } from "../backend/dial.ts"
import { planTarget } from "../backend/target-plan.ts"
import { askRouter } from "../connection/decision.ts"
import { summarizeHello } from "../connection/hello-summary.ts"
import type { RoutedHost } from "../connection/host.ts"
import { type DrainOutcome, drainsOnRemoval, Lifetime } from "../connection/lifetime.ts"
import type { Live } from "../connection/live-connections.ts"
import {
  type ConnectionInfo,
  type ConnectionRecord,
  type ConnectionSnapshot,
  type ConnectionState,
  type PhaseDurations,
  type Rejection,
  type RejectReason,
  type Removal,
  UNPROVEN_CLIENT,
} from "../connection/record.ts"
import { RecordDraft } from "../connection/record-draft.ts"
import { alertDescription, rejectReason } from "../connection/refusal.ts"
import { plainAddress } from "../connection/route-request.ts"
import { snapshotOf } from "../connection/snapshot.ts"
import { uniqueId } from "../connection/unique-id.ts"
import { clientKey } from "../limits/client-key.ts"
import { Admission } from "../limits/gate.ts"
import type { ConnectionPolicy, ListenerPolicy } from "../policy.ts"
import type { DialEndpoint, DialTarget } from "../target.ts"
import { Timed } from "../timer-wheel.ts"
import type { DecryptBudget } from "./decrypt-budget.ts"
import type { DropReason, Drops } from "./drops.ts"
import { Flight } from "./flight.ts"
import { FlowDial, type FlowDialObserver } from "./flow-dial.ts"
import { type FlowEntry, type FlowTable, idOf } from "./flow-table.ts"
import type { KnownClients } from "./known-clients.ts"
import { AMPLIFICATION, Path, type PathOwner } from "./path.ts"
import type { UdpNetwork } from "./udp.ts"
import type { Evictable, Unproven } from "./unproven.ts"

/** What a flow needs of the proxy it belongs to. */
export interface FlowHost extends RoutedHost {
  /** Makes sockets to backends. */
  readonly udp: UdpNetwork
  /** Bounds the work for packets that must be opened. */
  readonly decrypts: DecryptBudget
  /** Clients that receive what is sent to their address. */
  readonly knownClients: KnownClients
  /** Flows whose clients have yet to show that. */
  readonly unproven: Unproven<QuicFlow>
  /** Counts what goes nowhere. */
  readonly drops: Drops
  /** No socket of it is left. */
  connectionClosed(flow: QuicFlow): void
}

/** The port that a flow's client sends to. */
export interface FlowPort {
  /** Key of the listener. */
  readonly listener: string
  /** Address that it is bound to, where that is one. */
  readonly localAddress: string | undefined
  /** Its flows. */
  readonly table: FlowTable<QuicFlow>
  /** Sends to a client; false when the kernel takes no more. */
  send(datagram: Uint8Array, port: number, address: string): boolean
  /** A flow is not in the table any more. */
  flowRemoved(): void
}

/** A datagram of a client, as a port has read it. */
export interface ClientDatagram {
  /** The bytes, which are the flow's from here on. */
  readonly bytes: Buffer
  /** Its packets with long headers; `undefined` when it begins with a short one. */
  readonly packets: readonly LongPacket[] | undefined
  /** Address and port that it came from, as one key. */
  readonly client: string
  /** Address that it came from. */
  readonly address: string
  /** Port that it came from. */
  readonly port: number
}

type FlowOutcome = DrainOutcome | "completed" | "idle-timeout" | "max-duration" | "backend-reset"

/** Bytes that a flow is counted with besides its datagrams: its state, its keys, its place in the table. */
const FLOW_BYTES = 2048
/** Milliseconds without a datagram before the client has used the keys of a finished handshake. */
const HANDSHAKE_PATIENCE = 10_000
/** Bytes by which servers overrun their limit: quic-go looks whether it is reached before each datagram, and not after. */
const AMPLIFICATION_SLACK = 4_096
/** Milliseconds for which a refusal is repeated to a client that did not get it. */
const LINGER = 3_000
/** Addresses of one client at once: the one it comes from, and the one it came from. One more is for a third move. */
const MOST_PATHS = 3
/** Milliseconds without any answer after which a path makes room for another. */
const PATH_PATIENCE = 1_000

/**
 * One QUIC connection, from the client's first Initial packet to the last datagram either way: what `Connection` is for
 * TCP. Its end is told in packets that only the two ends can read, so that it ends by silence.
 *
 * ```text
 * accepted → hello → routed → dialing → splicing → closed
 *               └───────┴────────┴────→ closed, and repeats the refusal for a while
 * ```
 */
export class QuicFlow extends Timed implements ConnectionInfo, Live, PathOwner, FlowDialObserver, Evictable {
  readonly transport = "quic"
  readonly id: number
  readonly listener: string
  readonly clientAddress: string
  readonly clientPort: number
  readonly via = undefined
  readonly starttls = undefined
  state: ConnectionState = "accepted"
  hello: ClientHello | undefined
  serverName: string | undefined
  matchedListener: string | undefined
  route: string | undefined
  target: string | undefined
  endpoint: DialEndpoint | undefined
  bytesFromClient = 0
  bytesFromBackend = 0
  datagramsFromClient = 0
  datagramsFromBackend = 0
  liveNext: this | undefined
  livePrevious: this | undefined

  readonly #host: FlowHost
  readonly #port: FlowPort
  readonly #listenerPolicy: ListenerPolicy
  readonly #first: LongPacket
  readonly #admission = new Admission()
  readonly #draft = new RecordDraft()
  readonly #lifetime = new Lifetime()
  readonly #flight = new Flight()
  #entry: FlowEntry<QuicFlow> | undefined
  #policy: ConnectionPolicy
  /** Until the client's handshake is over: after that it sends no Initial packet any more (RFC 9001 section 4.9.1). */
  #reader: QuicHelloReader | undefined
  /** The one that is alive comes first. */
  #paths: readonly Path[]
  #plan: DialPlan | undefined
  #dial: FlowDial | undefined
  #activeAt = 0
  #isReal = false
  #close: Uint8Array | undefined
  #asked = 0

  /**
   * @param host - the proxy
   * @param port - takes the client's datagrams
   * @param id - number in the proxy
   * @param policy - what the listener asks of it
   * @param datagram - the first one
   * @param first - its first packet, an Initial one
   */
  constructor(
    host: FlowHost,
    port: FlowPort,
    id: number,
    policy: ListenerPolicy,
    { client, address, port: clientPort }: ClientDatagram,
    first: LongPacket,
  ) {
    super()
    this.#host = host
    this.#port = port
    this.id = id
    this.listener = port.listener
    this.clientAddress = plainAddress(address)
    this.clientPort = clientPort
    this.#listenerPolicy = policy
    this.#policy = host.connectionPolicy
    this.#first = first
    this.#reader = new QuicHelloReader({ maxBytes: policy.maxHelloBytes })
    this.#paths = [new Path(this, client, address, clientPort, host.wheel.now)]
  }

  get since(): number {
    return performance.timeOrigin + this.#draft.acceptedAt
  }

  get uniqueId(): string {
    return uniqueId(this.#host.instance, this.id)
  }

  get dialAttempts(): number {
    return this.#draft.dialAttempts
  }

  get durations(): PhaseDurations {
    return this.#draft.phases
  }

  /**
   * Takes the first datagram.
   *
   * @param datagram - of a client that is in no flow
   * @param isKnown - whether that client has lately been here
   * @param accepted - is told, before anything comes of it, that this is a connection
   * @returns false when it is none: then nothing is left of it
   */
  begin(datagram: ClientDatagram, isKnown: boolean, accepted: () => void): boolean {
    const result = this.#reader?.push(datagram.bytes) ?? { status: "ignored" }
    if (result.status === "ignored") return false
    const { destination, source } = this.#first
    this.#entry = this.#port.table.add(this, datagram.client, idOf(destination), idOf(source))
    accepted()
    this.state = "hello"
    const { gate, wheel, unproven } = this.#host
    unproven.add(this, isKnown)
    const { scopes, helloTimeout } = this.#listenerPolicy
    const refusal = gate.admitClient(this.#admission, scopes, this.clientAddress) ?? gate.enter(this.#admission, scopes)
    this.#count(datagram, this.#paths[0])
    if (refusal !== undefined) this.#refuse(refusal.reason, refusal.detail)
    else if (this.#keep(datagram, FLOW_BYTES)) {
      wheel.arm(this, helloTimeout)
      this.#read(result)
    }
    return true
  }

  /** Takes a further datagram, which may have come from an address that is not known yet. */
  clientDatagram(datagram: ClientDatagram): void {
    switch (this.state) {
      case "hello":
        this.#readHello(datagram)
        return
      case "routed":
      case "dialing":
        if (!this.#mayFollow(datagram)) return
        this.#count(datagram, this.#paths[0])
        if (this.#keep(datagram, 0)) this.#paths[0]?.send(datagram.bytes)
        return
      case "splicing":
        this.#forward(datagram)
        return
      default:
        this.#repeatRefusal()
    }
  }

  /** Ends it from here, in whatever state it is. */
  stop(): void {
    this.#end("drained", undefined)
  }

  /** Its client has not answered, and others want its place. */
  evict(): void {
    if (this.state === "splicing") {
      this.#end("idle-timeout", UNPROVEN_CLIENT)
      return
    }
    const rejection = { reason: "too-many-connections", detail: UNPROVEN_CLIENT } as const
    this.#draft.settle(rejection.reason, rejection.detail, "proxy")
    this.#host.connectionRejected(this, rejection)
    this.#closed()
  }

  /** Whether its policy ends it when what it was routed by goes. */
  get drainsOnRemoval(): boolean {
    return drainsOnRemoval(this.#policy.drain)
  }

  /** What it was routed by is there no longer: it ends within its window, if its policy says so. */
  removed(removal: Removal | undefined): void {
    this.#lifetime.removed(removal, this.#policy.drain)
    if (this.state === "splicing") this.#watch()
  }

  /** Ends it at a moment drawn from the next `window` milliseconds, unless it is to end before. */
  endWithin(window: number, outcome: DrainOutcome): void {
    this.#lifetime.drain(window, outcome)
    if (this.state === "splicing") this.#watch()
  }

  toJSON(): ConnectionSnapshot {
    return snapshotOf(this)
  }

  /** What became of it; complete once it is closed. */
  record(): ConnectionRecord {
    return this.#draft.of(this)
  }

  // Reading the ClientHello

  #readHello(datagram: ClientDatagram): void {
    const { packets = [], bytes } = datagram
    // 0-RTT may come before the rest of the hello. Nothing of it can be read, and all of it is for the same connection.
    const isEarly = packets.length > 0 && packets.every(({ type }) => type === "0-rtt")
    if (!isEarly && !this.#mayOpen(packets)) return
    const result: QuicHelloResult = isEarly ? { status: "incomplete" } : (this.#reader?.push(bytes) ?? IGNORED)
    if (result.status === "ignored") {
      this.#host.drops.count("not-initial")
      return
    }
    this.#count(datagram, this.#paths[0])
    if (this.#keep(datagram, 0)) this.#read(result)
  }

  #read(result: QuicHelloResult): void {
    if (result.status === "invalid") {
      const { error } = result
      const isHellos = error.name === "ClientHelloError"
      if (isHellos) this.#draft.offeredName = error.offeredName
      this.#refuse(isHellos ? rejectReason(error.code) : "invalid-hello", error.code)
    } else if (result.status === "closed") {
      this.#draft.settle("client-gone", undefined, "client")
      this.#closed()
    } else if (result.status === "complete") {
      this.#draft.helloAt = performance.now()
      this.#draft.offeredName = result.hello.offeredName
      this.hello = result.hello
      this.serverName = result.hello.serverName
      if (this.#host.describesHello) this.#draft.offered = summarizeHello(result.hello)
      this.#decide(result.hello)
    }
  }

  /** Keeps a datagram until a backend answers; false when the flow was refused for it. */
  #keep({ bytes }: ClientDatagram, more: number): boolean {
    if (!this.#host.gate.holdHello(this.#admission, bytes.length + more)) {
      this.#refuse("hello-memory", undefined)
      return false
    }
    if (!this.#flight.push(bytes)) this.#host.drops.count("queue-full")
    return true
  }

  // Routing

  #decide(hello: ClientHello): void {
    const { gate, connectionPolicy } = this.#host
    const { listener, clientAddress, clientPort } = this
    const request = { listener, hello, clientAddress, clientPort, localAddress: this.#port.localAddress }
    const decision = askRouter(this.#host, request)
    if (decision === undefined) {
      this.#refuse("router-error", undefined)
      return
    }
    this.route = decision.route
    this.matchedListener = decision.listener
    if (decision.action === "refuse") {
      this.#refuse("refused", decision.reason)
      return
    }
    this.#policy = decision.policy ?? connectionPolicy
    const refusal = gate.admitRouted(this.#admission, this.#policy.scopes, clientAddress)
    if (refusal !== undefined) {
      this.#refuse(refusal.reason, refusal.detail)
      return
    }
    this.#lifetime.limit(this.#draft.acceptedAt, this.#policy)
    this.target = decision.target.id
    this.state = "routed"
    this.#host.connectionRouted(this, decision)
    // A listener of that event may have stopped the flow.
    if (this.#draft.outcome === undefined) this.#reach(decision.target)
  }

  #reach(target: DialTarget): void {
    const { balancer, names, wheel } = this.#host
    const { backend, dialTimeout } = this.#policy
    const planned = planTarget(target, this.clientAddress, backend, dialTimeout, balancer, names, "quic")
    if (!(planned instanceof Promise)) {
      this.#planned(planned)
      return
    }
    wheel.arm(this, dialTimeout)
    void planned.then((plan) => this.#planned(plan))
  }

  #planned(planned: DialPlan | Rejection): void {
    const isWanted = this.state === "routed" && this.#draft.outcome === undefined
    if ("reason" in planned) {
      if (isWanted) this.#refuse(planned.reason, planned.detail)
    } else if (isWanted) {
      const { wheel, own } = this.#host
      wheel.disarm(this)
      this.state = "dialing"
      this.#plan = planned
      const due = (this.#draft.helloAt ?? this.#draft.acceptedAt) + this.#policy.dialTimeout
      this.#dial = new FlowDial(planned, this, wheel, due, own)
      this.#dial.next()
    } else planned.release()
  }

  // Dialling

  dialEndpoint(endpoint: DialEndpoint): void {
    this.endpoint = endpoint
    const peer = this.#paths[0]?.open(this.#host.udp, endpoint)
    if (peer !== undefined) this.#flight.sendTo(peer)
  }

  dialFailed(reason: DialFailure, detail: string | undefined): void {
    this.#draft.dialAttempts = this.#dial?.attempts ?? 0
    this.endpoint = undefined
    this.#refuse(reason, detail)
  }

  pathFailed(path: Path, code: string | undefined): void {
    if (this.state === "dialing") this.#dial?.refused(code)
    // There is no such port any more. What else the network says of a path may be over the next moment.
    else if (this.state === "splicing" && path === this.#paths[0] && code === "ECONNREFUSED") {
      this.#end("backend-reset", code)
    }
  }

  #answered(): void {
    this.#draft.connectedAt = performance.now()
    this.#draft.dialAttempts = this.#dial?.attempts ?? 0
    this.#dial?.answered()
    this.#dial = undefined
    this.hello = undefined
    this.#flight.clear()
    this.#host.gate.settled(this.#admission)
    this.state = "splicing"
    this.#activeAt = this.#host.wheel.now
    this.#watch()
  }

  // Datagrams both ways

  pathDatagram(path: Path, datagram: Buffer): void {
    if (this.state === "dialing") this.#answered()
    if (this.state !== "splicing") return
    const isOver = hasLongHeader(datagram) && !this.#learn(datagram)
    this.bytesFromBackend += datagram.length
    this.datagramsFromBackend++
    // A backend sends more than this only once its client has answered (RFC 9000 section 8.1).
    if (this.bytesFromBackend > AMPLIFICATION * this.bytesFromClient + AMPLIFICATION_SLACK) this.#proven()
    path.isAnswered = true
    this.#activeAt = this.#host.wheel.now
    // The one that the backend sends on is the one that is alive.
    if (path !== this.#paths[0]) this.#paths = [path, ...this.#paths.filter((each) => each !== path)]
    if (!path.maySend(datagram.length)) this.#drop("amplification")
    else if (!this.#port.send(datagram, path.port, path.address)) this.#drop("send-queue")
    if (isOver) this.#end("completed", "version-negotiation")
  }

  /** Notes the ids by which the client will call the server. False when the server has the client begin anew. */
  #learn(datagram: Buffer): boolean {
    for (let at = 0; at < datagram.length; ) {
      const packet = readLongPacket(datagram, at)
      if (packet === undefined || this.#entry === undefined) return true
      // Version Negotiation (RFC 9000 section 17.2.1): nothing but the client's next attempt can follow.
      if (packet.versionNumber === 0) return false
      this.#port.table.told(this.#entry, idOf(packet.source))
      if (packet.type === "retry") this.#reader?.retried(packet.source)
      at = packet.end
    }
    return true
  }

  #forward(datagram: ClientDatagram): void {
    const { bytes, packets } = datagram
    if (packets !== undefined && !this.#mayFollow(datagram)) return
    const path = this.#paths[0]?.client === datagram.client ? this.#paths[0] : this.#pathOf(datagram)
    if (path === undefined) return
    this.#count(datagram, path)
    if (packets !== undefined) {
      path.isProven ||= this.#isProof(packets)
      const [first] = packets
      if (first !== undefined && this.#entry?.isServerId(idOf(first.destination))) this.#proven()
    }
    // Keys of a finished handshake: what could begin it anew is not taken any more.
    else if (path.isProven) this.#reader = undefined
    this.#activeAt = this.#host.wheel.now
    if (!path.send(bytes)) this.#drop("send-queue")
  }

  /**
   * Whether only who receives what is sent to its address can have sent this (RFC 9000 section 8.1). That a Handshake
   * packet is authentic only the backend can tell, which keeps within the limit until it has seen it.
   */
  #isProof(packets: readonly LongPacket[]): boolean {
    const [first] = packets
    if (first === undefined || this.#entry === undefined) return false
    return this.#entry.isServerId(idOf(first.destination)) || packets.some(({ type }) => type === "handshake")
  }

  /** Its client is real, which nothing shows that can be forged. */
  #proven(): void {
    if (this.#isReal) return
    this.#isReal = true
    const { unproven, knownClients } = this.#host
    unproven.delete(this)
    knownClients.add(clientKey(this.clientAddress))
  }

  #pathOf(datagram: ClientDatagram): Path | undefined {
    const known = this.#paths.find(({ client }) => client === datagram.client)
    if (known !== undefined) return known
    // Nobody moves during the handshake (RFC 9000 section 9): whose first address this was is not known yet.
    if (datagram.packets !== undefined || this.endpoint === undefined || this.#entry === undefined) {
      this.#drop("unknown-flow")
      return undefined
    }
    const address = plainAddress(datagram.address)
    const { gate } = this.#host
    if (!gate.allows(this.#listenerPolicy.scopes, address) || !gate.allows(this.#policy.scopes, address)) {
      this.#drop("denied")
      return undefined
    }
    if (!this.#makeRoom()) {
      this.#drop("queue-full")
      return undefined
    }
    const path = new Path(this, datagram.client, datagram.address, datagram.port, this.#host.wheel.now)
    // The backend validates it: see Path.
    path.isProven = true
    try {
      path.open(this.#host.udp, this.endpoint)
    } catch {
      this.#drop("send-queue")
      return undefined
    }
    this.#paths = [...this.#paths, path]
    this.#port.table.join(this.#entry, path.client)
    return path
  }

  /** Lets a path go that another has followed, or that the backend does not answer on; false when there is none. */
  #makeRoom(): boolean {
    if (this.#paths.length < MOST_PATHS) return true
    const [, ...others] = this.#paths
    const isOver = ({ isAnswered, since }: Path) => isAnswered || this.#host.wheel.left(since, PATH_PATIENCE) <= 0
    const over = others.findLast(isOver)
    if (over === undefined) return false
    this.#paths = this.#paths.filter((path) => path !== over)
    over.close()
    if (this.#entry !== undefined) this.#port.table.leave(this.#entry, over.client)
    return true
  }

  /** Whether a datagram with long headers says nothing else than the ClientHello that was routed by. */
  #mayFollow({ bytes, packets = [] }: ClientDatagram): boolean {
    const hasInitial = packets.some(({ type }) => type === "initial")
    if (hasInitial && !this.#mayOpen(packets)) return false
    const agrees = this.#reader === undefined ? isOfHandshake(packets) : this.#reader.agrees(bytes)
    if (!agrees) this.#drop("disagrees")
    return agrees
  }

  #mayOpen(packets: readonly LongPacket[]): boolean {
    if (this.#host.decrypts.takeForKnown(packets.length)) return true
    this.#drop("decrypt-budget")
    return false
  }

  #count({ bytes }: ClientDatagram, path: Path | undefined): void {
    this.bytesFromClient += bytes.length
    this.datagramsFromClient++
    path?.received(bytes.length)
  }

  #drop(reason: DropReason): void {
    this.#host.drops.count(reason)
  }

  // Ends

  /** Milliseconds of silence that are left to it. */
  get #silenceLeft(): number {
    const { quicIdleTimeout } = this.#policy
    const patience = this.#reader === undefined ? quicIdleTimeout : Math.min(quicIdleTimeout, HANDSHAKE_PATIENCE)
    return this.#host.wheel.left(this.#activeAt, patience)
  }

  /** Arms whichever of the longest duration and the idle limit comes first. */
  #watch(): void {
    this.#host.wheel.arm(this, Math.min(this.#lifetime.endsAt - performance.now(), this.#silenceLeft))
  }

  deadlineReached(): void {
    if (this.state === "hello") this.#refuse("hello-timeout", undefined)
    else if (this.state === "routed") this.#refuse("dial-timeout", undefined)
    else if (this.state === "closed") this.#forget()
    else if (this.state === "splicing") {
      if (performance.now() >= this.#lifetime.endsAt) this.#end(this.#lifetime.outcome, undefined)
      else if (this.#silenceLeft > 0) this.#watch()
      else this.#end("idle-timeout", this.#isReal ? undefined : UNPROVEN_CLIENT)
    }
  }

  /** Refuses a client that no backend has answered, and tells it why. */
  #refuse(reason: RejectReason, detail: string | undefined): void {
    if (this.#draft.outcome !== undefined) return
    this.#draft.settle(reason, detail, "proxy")
    this.#close = connectionClose(this.#first, alertDescription(reason, undefined, this.route !== undefined))
    this.#host.connectionRejected(this, { reason, detail })
    this.#sendClose()
    this.#closed()
  }

  /** To every second, fourth, eighth … datagram of a client that goes on (RFC 9000 section 10.2.1). */
  #repeatRefusal(): void {
    this.#asked++
    if ((this.#asked & (this.#asked - 1)) === 0) this.#sendClose()
  }

  #sendClose(): void {
    const [path] = this.#paths
    if (this.#close !== undefined && path !== undefined) this.#port.send(this.#close, path.port, path.address)
  }

  #end(outcome: FlowOutcome, detail: string | undefined): void {
    const isBackends = outcome === "backend-reset" || outcome === "completed"
    this.#draft.settle(outcome, detail, isBackends ? "backend" : "proxy")
    this.#closed()
  }

  #closed(): void {
    if (this.state === "closed") return
    const { wheel, gate, unproven } = this.#host
    this.state = "closed"
    unproven.delete(this)
    this.#dial?.abort()
    this.#plan?.release()
    for (const path of this.#paths) path.close()
    gate.leave(this.#admission)
    this.hello = undefined
    this.#reader = undefined
    this.#flight.clear()
    if (this.#close === undefined) this.#forget()
    else wheel.arm(this, LINGER)
    this.#host.connectionClosed(this)
  }

  #forget(): void {
    this.#host.wheel.disarm(this)
    if (this.#entry === undefined) return
    this.#port.table.remove(this.#entry)
    this.#entry = undefined
    this.#port.flowRemoved()
  }
}

const IGNORED: QuicHelloResult = { status: "ignored" }

function isOfHandshake(packets: readonly LongPacket[]): boolean {
  return packets.every(({ type }) => type === "handshake" || type === "0-rtt")
}
