import type { Socket } from "node:net"
import type { ClientHello } from "../../client-hello/hello.ts"
import { ClientHelloParser } from "../../client-hello/parser.ts"
import { Dial, type DialObserver, type DialPlan } from "../backend/dial.ts"
import type { NameResolver } from "../backend/dns-cache.ts"
import { planTarget } from "../backend/target-plan.ts"
import type { Balancer } from "../balance/balancer.ts"
import { ProxyError } from "../errors.ts"
import { type Gate, Pass } from "../limits/gate.ts"
import type { RefusalMode } from "../options.ts"
import type { ConnectionPolicy, ListenerPolicy, SentProxyHeader } from "../policy.ts"
import type { ProxyAddress, ProxyHeader } from "../proxy-protocol/header.ts"
import { outgoingHeader } from "../proxy-protocol/outgoing.ts"
import { ProxyHeaderParser } from "../proxy-protocol/parser.ts"
import type { RouteDecision, Router } from "../router.ts"
import type { SlabPool, SlabReader } from "../splice/slabs.ts"
import { adoptReading, reset, type SocketOwner } from "../splice/socket-owner.ts"
import { Splice, type SpliceObserver } from "../splice/splice.ts"
import type { DialEndpoint, DialTarget } from "../target.ts"
import { Timed, type TimerWheel } from "../timer-wheel.ts"
import { Account } from "./account.ts"
import { Farewell, type FarewellObserver } from "./farewell.ts"
import { summarizeHello } from "./hello-summary.ts"
import type { Live } from "./live-connections.ts"
import type {
  ConnectionInfo,
  ConnectionRecord,
  ConnectionSnapshot,
  ConnectionState,
  Rejection,
  RejectReason,
  Removal,
} from "./record.ts"
import { rejectReason } from "./refusal.ts"
import { ConnectionRequest, plainAddress } from "./route-request.ts"

const NOTHING = new Uint8Array(0)

/** Why a connection is ended though nothing is wrong with it. */
type DrainOutcome = "drained" | "route-removed" | "endpoint-removed"

/** What a connection needs of the proxy it belongs to. */
export interface ConnectionHost {
  /** Router in force now. */
  readonly router: Router
  /** Tells this proxy from all others. */
  readonly instance: string
  /** Lets connections in. */
  readonly gate: Gate
  /** What holds for connections whose router gives them no policy. */
  readonly connectionPolicy: ConnectionPolicy
  /** How refused clients learn of it. */
  readonly refusal: RefusalMode
  /** Whether records tell of the ClientHello. */
  readonly describesHello: boolean
  /** Keeps deadlines. */
  readonly wheel: TimerWheel
  /** Chooses endpoints. */
  readonly balancer: Balancer
  /** Resolves names. */
  readonly names: NameResolver
  /** Memory that backends' sockets read into. */
  readonly slabs: SlabPool
  /** A target was chosen. */
  connectionRouted(connection: Connection, decision: RouteDecision): void
  /** It was refused. */
  connectionRejected(connection: Connection, rejection: Rejection): void
  /** No socket of it is left. */
  connectionClosed(connection: Connection): void
  /** Something that is not the client's doing. */
  connectionError(error: Error): void
}

/**
 * One client's connection, from accept to the end: a state machine in which every state has one owner of the
 * sockets (this, then {@link Dial}, then {@link Splice} or {@link Farewell}) and one deadline.
 *
 * ```text
 * accepted → hello → routed → dialing → splicing → half-closed → closed
 *     └────────┴────────┴────────┴────→ refusing ──────────────────┘
 * ```
 */
export class Connection
  extends Timed
  implements ConnectionInfo, Live, SocketOwner, DialObserver, SpliceObserver, FarewellObserver
{
  readonly id: number
  readonly listener: string
  clientAddress: string
  clientPort: number
  via: DialEndpoint | undefined
  state: ConnectionState = "accepted"
  hello: ClientHello | undefined
  serverName: string | undefined
  matchedListener: string | undefined
  route: string | undefined
  target: string | undefined
  endpoint: DialEndpoint | undefined
  liveNext: this | undefined
  livePrevious: this | undefined

  readonly #host: ConnectionHost
  readonly #client: Socket
  readonly #listenerPolicy: ListenerPolicy
  readonly #pass = new Pass()
  readonly #account = new Account()
  #policy: ConnectionPolicy
  #proxyHeader: ProxyHeaderParser | undefined
  /** What the client connected to, as a PROXY header tells it. */
  #destination: ProxyAddress | undefined
  /** When it is ended whatever happens, and what for. */
  #endBy = Number.POSITIVE_INFINITY
  #endFor: "max-duration" | DrainOutcome = "max-duration"
  #parser: ClientHelloParser | undefined
  /** Bytes that the client sent after its ClientHello before a backend was there. */
  #early: Buffer[] | undefined
  #dial: Dial | undefined
  #plan: DialPlan | undefined
  #splice: Splice | undefined
  #farewell: Farewell | undefined
  #clientEnded = false
  #bytesBefore = 0
  #activeAt = 0

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
    this.#client = client
    this.clientAddress = plainAddress(client.remoteAddress ?? "")
    this.clientPort = client.remotePort ?? 0
    this.#listenerPolicy = policy
    this.#policy = host.connectionPolicy
    this.#parser = new ClientHelloParser({ maxBytes: policy.maxHelloBytes })
  }

  get since(): number {
    return performance.timeOrigin + this.#account.acceptedAt
  }

  get uniqueId(): string {
    // Of one width, so that a header that a receiver takes today is not longer than it takes after some uptime.
    return `${this.#host.instance}-${this.id.toString(16).padStart(12, "0")}`
  }

  get bytesFromClient(): number {
    return this.#bytesBefore + (this.#splice?.bytesFromA ?? 0)
  }

  get bytesFromBackend(): number {
    return this.#splice?.bytesFromB ?? 0
  }

  /** Begins to read, unless it is turned away at the door. */
  start(): void {
    const { gate, wheel } = this.#host
    const { scopes, proxyProtocol, helloTimeout } = this.#listenerPolicy
    adoptReading(this.#client, this)
    // Reset before it was accepted, it has no address any more: no rule can be held against it, and no backend told of it.
    if (this.clientAddress === "") {
      this.#account.settle("client-gone", undefined, "client")
      this.#client.destroy()
      return
    }
    const isProxy = proxyProtocol?.trusted.has(this.clientAddress) === true
    if (isProxy) this.#proxyHeader = new ProxyHeaderParser()
    else if (proxyProtocol?.mode === "required") {
      this.#turnAway("untrusted-proxy", undefined)
      return
    }
    // A proxy speaks for many clients: what it may is asked of each of them, once its header is read.
    const refusal =
      (isProxy ? undefined : gate.admitClient(this.#pass, scopes, this.clientAddress)) ?? gate.enter(this.#pass, scopes)
    if (refusal !== undefined) this.#turnAway(refusal.reason, refusal.detail)
    else wheel.arm(this, helloTimeout)
  }

  /** Ends it from here, in whatever state it is. */
  stop(): void {
    this.#account.settle("drained", undefined, "proxy")
    this.#dial?.abort()
    if (this.#splice === undefined) this.#client.destroy()
    else this.#splice.stop()
  }

  /** Whether its policy ends it when what it was routed by goes. */
  get drainsOnRemoval(): boolean {
    const { onRemoval, onEndpointRemoval } = this.#policy.drain
    return onRemoval === "drain" || onEndpointRemoval === "drain"
  }

  /** What it was routed by is there no longer: it ends within its window, if its policy says so. */
  removed(removal: Removal | undefined): void {
    const { onRemoval, onEndpointRemoval, window } = this.#policy.drain
    if (removal === "route" && onRemoval === "drain") this.endWithin(window, "route-removed")
    if (removal === "endpoint" && onEndpointRemoval === "drain") this.endWithin(window, "endpoint-removed")
  }

  /** Ends it at a moment drawn from the next `window` milliseconds, unless it is to end before. */
  endWithin(window: number, outcome: DrainOutcome): void {
    if (this.#endFor !== "max-duration") return
    const moment = performance.now() + window * Math.random()
    if (moment > this.#endBy) return
    this.#endBy = moment
    this.#endFor = outcome
    if (this.state === "splicing" || this.state === "half-closed") this.#watch()
  }

  toJSON(): ConnectionSnapshot {
    return {
      id: this.id,
      uniqueId: this.uniqueId,
      listener: this.listener,
      clientAddress: this.clientAddress,
      clientPort: this.clientPort,
      via: this.via,
      since: this.since,
      state: this.state,
      serverName: this.serverName,
      matchedListener: this.matchedListener,
      route: this.route,
      target: this.target,
      endpoint: this.endpoint,
      bytesFromClient: this.bytesFromClient,
      bytesFromBackend: this.bytesFromBackend,
    }
  }

  /** What became of it; complete once it is closed. */
  record(): ConnectionRecord {
    const { state: _, ...snapshot } = this.toJSON()
    const { offered, dialAttempts, outcome = "completed", detail, endedBy } = this.#account
    return { ...snapshot, offered, dialAttempts, outcome, detail, endedBy, durations: this.#account.durations() }
  }

  // Reading the ClientHello

  socketData(_socket: Socket, chunk: Buffer): void {
    this.#bytesBefore += chunk.length
    if (this.#parser !== undefined && (this.state === "accepted" || this.state === "hello")) {
      this.state = "hello"
      if (!this.#host.gate.holdHello(this.#pass, chunk.length)) this.#turnAway("hello-memory", undefined)
      else if (this.#proxyHeader === undefined) this.#readHello(this.#parser, chunk)
      else this.#readProxyHeader(this.#proxyHeader, chunk)
      return
    }
    // Data right behind the ClientHello (RFC 8446 section 2.3, early data): at most one read is held, and up to two
    // more by the socket, which reads on until its own buffer is full.
    if (!this.#host.gate.holdHello(this.#pass, chunk.length + 2 * this.#client.readableHighWaterMark)) {
      this.#dial?.abort()
      this.#refuse("hello-memory", undefined)
      return
    }
    if (this.#early === undefined) this.#early = [chunk]
    else this.#early.push(chunk)
    this.#client.pause()
  }

  socketEnded(_socket: Socket): void {
    this.#clientEnded = true
    if (this.state !== "accepted" && this.state !== "hello") return
    this.#account.settle("client-gone", undefined, "client")
    this.#client.end()
  }

  socketFailed(_socket: Socket, error: NodeJS.ErrnoException): void {
    this.#account.settle("client-gone", error.code, "client")
    this.#dial?.abort()
  }

  socketClosed(_socket: Socket): void {
    this.#account.settle("client-gone", undefined, "client")
    this.#dial?.abort()
    this.#closed()
  }

  #readProxyHeader(parser: ProxyHeaderParser, chunk: Buffer): void {
    const result = parser.push(chunk)
    if (result.status === "incomplete") return
    if (result.status === "invalid") {
      this.#turnAway("invalid-proxy-header", result.error.code)
      return
    }
    this.#proxyHeader = undefined
    if (result.status === "complete") this.#believe(result.header)
    else if (this.#listenerPolicy.proxyProtocol?.mode === "required") {
      this.#turnAway("no-proxy-header", undefined)
      return
    }
    const refusal = this.#host.gate.admitClient(this.#pass, this.#listenerPolicy.scopes, this.clientAddress)
    if (refusal !== undefined) this.#turnAway(refusal.reason, refusal.detail)
    else if (result.rest.length > 0 && this.#parser !== undefined) this.#readHello(this.#parser, result.rest)
  }

  #believe({ addresses }: ProxyHeader): void {
    if (addresses === undefined) return
    this.via = { address: this.clientAddress, port: this.clientPort }
    this.clientAddress = addresses.source.address
    this.clientPort = addresses.source.port
    this.#destination = addresses.destination
  }

  #readHello(parser: ClientHelloParser, chunk: Uint8Array): void {
    const result = parser.push(chunk)
    if (result.status === "incomplete") return
    if (result.status === "invalid") {
      this.#refuse(rejectReason(result.error.code), result.error.code)
      return
    }
    this.#account.helloAt = performance.now()
    this.hello = result.hello
    this.serverName = result.hello.serverName
    if (this.#host.describesHello) this.#account.offered = summarizeHello(result.hello)
    this.#decide(result.hello)
  }

  // Routing

  #decide(hello: ClientHello): void {
    let decision: RouteDecision
    try {
      decision = this.#host.router.route(new ConnectionRequest(this, this.#client, hello))
    } catch (cause) {
      this.#host.connectionError(new ProxyError("ERR_TLSROUTE_ROUTER", "The router threw; it must not", { cause }))
      this.#refuse("router-error", undefined)
      return
    }
    this.route = decision.route
    this.matchedListener = decision.listener
    if (decision.action === "refuse") {
      this.#refuse("refused", decision.reason)
      return
    }
    if (decision.policy !== undefined) this.#policy = decision.policy
    const refusal = this.#host.gate.admitRouted(this.#pass, this.#policy.scopes, this.clientAddress)
    if (refusal !== undefined) {
      this.#refuse(refusal.reason, refusal.detail)
      return
    }
    const { maxDuration, maxDurationJitter } = this.#policy
    this.#endBy = Math.min(
      this.#endBy,
      this.#account.acceptedAt + maxDuration * (1 - maxDurationJitter * Math.random()),
    )
    this.target = decision.target.id
    this.state = "routed"
    this.#host.connectionRouted(this, decision)
    // A listener of that event may have stopped the connection.
    if (this.#account.outcome === undefined) this.#reach(decision.target)
  }

  #reach(target: DialTarget): void {
    const { balancer, names, wheel } = this.#host
    const { backend, dialTimeout } = this.#policy
    const planned = planTarget(target, this.clientAddress, backend, dialTimeout, balancer, names)
    if (!(planned instanceof Promise)) {
      this.#planned(planned)
      return
    }
    wheel.arm(this, this.#policy.dialTimeout)
    void planned.then((plan) => this.#planned(plan))
  }

  #planned(planned: DialPlan | Rejection): void {
    const isWanted = this.state === "routed" && this.#account.outcome === undefined
    if ("reason" in planned) {
      if (isWanted) this.#refuse(planned.reason, planned.detail)
    } else if (isWanted) this.#connect(planned)
    // The client went away while a name was looked up.
    else planned.release()
  }

  // Dialling

  #connect(plan: DialPlan): void {
    const { wheel, slabs } = this.#host
    wheel.disarm(this)
    this.state = "dialing"
    this.#plan = plan
    const due = (this.#account.helloAt ?? this.#account.acceptedAt) + this.#policy.dialTimeout
    // What is held to a rate must be paused at will, which a socket that reads into slabs decides by itself.
    const isThrottled = this.#policy.bandwidth !== Number.POSITIVE_INFINITY
    this.#dial = new Dial(plan, this, wheel, isThrottled ? undefined : slabs, due)
    this.#dial.start()
  }

  dialFailed(reason: "dial-failed" | "dial-timeout", detail: string | undefined): void {
    this.#account.dialAttempts = this.#dial?.attempts ?? 0
    this.#refuse(reason, detail)
  }

  dialConnected(backend: Socket, slabs: SlabReader | undefined, endpoint: DialEndpoint): void {
    this.#account.connectedAt = performance.now()
    this.#account.dialAttempts = this.#dial?.attempts ?? 0
    this.#dial = undefined
    this.endpoint = endpoint
    const parser = this.#parser
    const early = this.#early
    this.#parser = undefined
    this.#early = undefined
    const header = headerFor(this, this.#policy.backend.proxyHeader, this.#client, this.#destination)
    this.hello = undefined
    this.#host.gate.settled(this.#pass)
    // The backend reads what the client sent, byte for byte, and in one segment where it fits.
    if (parser !== undefined) {
      const isAlone = header === undefined && early === undefined
      backend.write(isAlone ? parser.bytes : Buffer.concat([header ?? NOTHING, parser.bytes, ...(early ?? [])]))
    }
    this.state = "splicing"
    this.#splice = new Splice(this.#client, backend, this, slabs, this.#policy.bandwidth)
    this.spliceActive()
    this.#watch()
    if (early !== undefined) this.#client.resume()
    if (this.#clientEnded) this.#splice.socketEnded(this.#client)
  }

  // Splicing

  spliceActive(): void {
    this.#activeAt = this.#host.wheel.now
  }

  spliceHalfClosed(side: "a" | "b"): void {
    this.state = "half-closed"
    if (this.#account.outcome === undefined) this.#account.endedBy = side === "a" ? "client" : "backend"
    this.#watch()
  }

  spliceClosed(): void {
    const splice = this.#splice
    if (splice?.outcome === "reset") {
      const byClient = splice.endedBy === "a"
      const code = (splice.error as NodeJS.ErrnoException | undefined)?.code
      this.#account.settle(byClient ? "client-reset" : "backend-reset", code, byClient ? "client" : "backend")
    }
    this.#account.settle("completed", undefined, this.#account.endedBy)
    this.#closed()
  }

  /** Milliseconds that may go by without a byte. */
  get #patience(): number {
    return this.state === "half-closed" ? this.#policy.halfClosedTimeout : this.#policy.idleTimeout
  }

  /** Arms whichever of the longest duration and the idle limit comes first. */
  #watch(): void {
    this.#host.wheel.arm(this, Math.min(this.#endBy, this.#activeAt + this.#patience) - performance.now())
  }

  // Ends

  deadlineReached(): void {
    switch (this.state) {
      case "accepted":
      case "hello":
        this.#refuse("hello-timeout", undefined)
        return
      case "routed":
        this.#refuse("dial-timeout", undefined)
        return
      case "splicing":
      case "half-closed":
        this.#spliceDue()
        return
    }
  }

  #spliceDue(): void {
    const now = performance.now()
    const old = now >= this.#endBy
    if (!old && now < this.#activeAt + this.#patience) {
      this.#watch()
      return
    }
    const inactive = this.state === "half-closed" ? "half-closed-timeout" : "idle-timeout"
    this.#account.settle(old ? this.#endFor : inactive, undefined, "proxy")
    this.#splice?.stop()
  }

  /** Refuses a client before its ClientHello is whole: with a reset, which leaves nothing behind. */
  #turnAway(reason: RejectReason, detail: string | undefined): void {
    if (this.#account.outcome !== undefined) return
    this.#account.settle(reason, detail, "proxy")
    this.state = "refusing"
    this.#parser = undefined
    this.#host.wheel.disarm(this)
    this.#host.gate.settled(this.#pass)
    this.#host.connectionRejected(this, { reason, detail })
    reset(this.#client)
  }

  /** Refuses a client that no backend has heard of yet. */
  #refuse(reason: RejectReason, detail: string | undefined): void {
    const { refusal, wheel } = this.#host
    if (this.#account.outcome !== undefined) return
    this.#account.settle(reason, detail, "proxy")
    this.state = "refusing"
    this.#parser = undefined
    this.#early = undefined
    this.#plan?.release()
    this.#host.gate.settled(this.#pass)
    this.#host.connectionRejected(this, { reason, detail })
    wheel.disarm(this)
    this.#farewell = new Farewell(this.#client, this, wheel)
    this.#farewell.start(refusal, reason)
  }

  farewellOver(): void {
    this.#closed()
  }

  #closed(): void {
    if (this.state === "closed") return
    this.state = "closed"
    this.#host.wheel.disarm(this)
    this.#plan?.release()
    this.#host.gate.leave(this.#pass)
    this.#parser = undefined
    this.#early = undefined
    this.#host.connectionClosed(this)
  }
}

function headerFor(
  connection: ConnectionInfo,
  header: SentProxyHeader | undefined,
  client: Socket,
  told: ProxyAddress | undefined,
): Uint8Array | undefined {
  if (header === undefined) return undefined
  const { clientAddress, clientPort, serverName, uniqueId, hello } = connection
  const { localAddress, localPort } = client
  const seen =
    localAddress === undefined || localPort === undefined ? undefined : { address: localAddress, port: localPort }
  const destination = told ?? seen
  const source = { address: clientAddress, port: clientPort }
  const addresses = destination === undefined ? undefined : { source, destination }
  return outgoingHeader(header, { addresses, serverName, alpnProtocol: hello?.firstAlpnProtocols(256)[0], uniqueId })
}
