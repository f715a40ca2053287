import { randomUUID } from "node:crypto"
import type { Socket } from "node:net"
import type { ClientHello } from "../../client-hello/hello.ts"
import { ClientHelloParser } from "../../client-hello/parser.ts"
import { Dial, type DialFailure, type DialObserver, type DialOpening, type DialPlan } from "../backend/dial.ts"
import { planTarget } from "../backend/target-plan.ts"
import { ProxyError } from "../errors.ts"
import type { Admission } from "../limits/gate.ts"
import type { ConnectionPolicy, ListenerPolicy } from "../policy.ts"
import type { ProxyAddress, ProxyHeader } from "../proxy-protocol/header.ts"
import { ProxyHeaderParser } from "../proxy-protocol/parser.ts"
import type { SlabPool, SlabReader } from "../splice/slabs.ts"
import { adoptReading, type SocketOwner } from "../splice/socket-owner.ts"
import { GuardedPrelude } from "../starttls/guarded.ts"
import type { StarttlsPolicy } from "../starttls/policy.ts"
import type { Prelude, PreludeStep } from "../starttls/prelude.ts"
import type { DialEndpoint, DialTarget } from "../target.ts"
import { Timed } from "../timer-wheel.ts"
import { askRouter } from "./decision.ts"
import { summarizeHello } from "./hello-summary.ts"
import type { RoutedHost } from "./host.ts"
import {
  type ConnectionInfo,
  type ConnectionState,
  type Rejection,
  type RejectReason,
  SILENT_CLIENT,
  type Waiting,
} from "./record.ts"
import type { RecordDraft } from "./record-draft.ts"
import { rejectReason } from "./refusal.ts"
import { ConnectionRequest } from "./route-request.ts"
import { sentHeader } from "./sent-header.ts"

const NOTHING = new Uint8Array(0)
/** Length of what {@link ConnectionInfo.uniqueId} is. */
const UNIQUE_ID_BYTES = 29
/** Milliseconds in which no backend is reached, from the ClientHello, until that is told. */
const SLOW_DIAL = 10_000
/** The same from the end of a client that ends its side meanwhile. */
const SLOW_DIAL_AFTER_END = 1_000

/** What an opening needs of the proxy. */
export interface OpeningHost extends RoutedHost {
  /** What the ids of connections of this gateway begin with, whichever of its proxies has them. */
  readonly family: string
  /** Memory that backends' sockets read into. */
  readonly slabs: SlabPool
  /** It waits for its backend for longer than is usual. */
  connectionWaiting(connection: ConnectionInfo, waiting: Waiting): void
}

/** The connection that is opened: here is noted what is found out about it, and here it is told how that ended. */
export interface OpenedConnection extends ConnectionInfo {
  clientAddress: string
  clientPort: number
  via: DialEndpoint | undefined
  hello: ClientHello | undefined
  serverName: string | undefined
  matchedListener: string | undefined
  route: string | undefined
  target: string | undefined
  endpoint: DialEndpoint | undefined
  /** What holds for it, from when it is routed. */
  policy: ConnectionPolicy
  /** Bytes read from the client so far. */
  bytesBefore: number
  /** What else its record will tell. */
  readonly draft: RecordDraft
  /** What it has been let in with. */
  readonly admission: Admission
  /** A backend has answered, and has been sent what the client sent so far. The plan is to be released at the end. */
  openingConnected(backend: Socket, slabs: SlabReader | undefined, plan: DialPlan): void
  /** It is to be refused; no backend has heard of it. `farewell` is to be sent first, where its protocol has one. */
  openingRefused(reason: RejectReason, detail: string | undefined, farewell: Uint8Array | undefined): void
  /** The client's socket is gone. */
  openingClosed(): void
}

/** What an opening waits for. */
type Stage =
  | { readonly name: "proxy-header"; readonly parser: ProxyHeaderParser }
  | { readonly name: "prelude"; readonly prelude: Prelude }
  | { readonly name: "hello" }
  | { readonly name: "routed" }
  | { readonly name: "dialing"; readonly dial: Dial; readonly plan: DialPlan }
  /** For nothing any more, but perhaps for the client's socket to close. */
  | { readonly name: "over"; readonly state: ConnectionState }

const HELLO: Stage = { name: "hello" }
const ROUTED: Stage = { name: "routed" }

/**
 * The first part of a connection's life, from accept until a backend has answered, with all that is needed only until
 * then. It owns the client's socket meanwhile, and has one deadline at any time.
 *
 * ```text
 * (PROXY header →) (STARTTLS prelude →) hello → routed → dialing → over
 * ```
 */
export class Opening extends Timed implements SocketOwner, DialObserver {
  readonly #connection: OpenedConnection
  readonly #host: OpeningHost
  readonly #client: Socket
  readonly #policy: ListenerPolicy
  readonly #parser: ClientHelloParser
  #stage: Stage = HELLO
  /** Bytes of the PROXY header, with which a client has said nothing yet. */
  #headerBytes = 0
  /** What the client connected to, as a PROXY header tells it. */
  #destination: ProxyAddress | undefined
  /** Bytes that the client sent after its ClientHello. */
  #early: Buffer[] | undefined
  /** When it is told that no backend is reached yet. */
  #tellAt = Number.POSITIVE_INFINITY

  /**
   * @param connection - what is opened
   * @param host - the proxy
   * @param client - accepted socket
   * @param policy - what the listener asks
   */
  constructor(connection: OpenedConnection, host: OpeningHost, client: Socket, policy: ListenerPolicy) {
    super()
    this.#connection = connection
    this.#host = host
    this.#client = client
    this.#policy = policy
    this.#parser = new ClientHelloParser({ maxBytes: policy.maxHelloBytes })
  }

  /** Where the connection stands. */
  get state(): ConnectionState {
    switch (this.#stage.name) {
      case "proxy-header":
      case "prelude":
      case "hello":
        return this.#connection.bytesBefore === 0 ? "accepted" : "hello"
      case "over":
        return this.#stage.state
      default:
        return this.#stage.name
    }
  }

  /** Begins to read, unless the client is turned away at the door. */
  start(): void {
    const { gate, wheel } = this.#host
    const { scopes, proxyProtocol, helloTimeout } = this.#policy
    const { admission, clientAddress, draft } = this.#connection
    adoptReading(this.#client, this)
    // Reset before it was accepted, it has no address any more: no rule can be held against it, and no backend told of it.
    if (clientAddress === "") {
      draft.settle("probe", undefined, "client")
      this.stop()
      return
    }
    const isProxy = proxyProtocol?.trusted.has(clientAddress) === true
    if (isProxy) this.#stage = { name: "proxy-header", parser: new ProxyHeaderParser() }
    else if (proxyProtocol?.mode === "required") {
      this.#refuse("untrusted-proxy", undefined)
      return
    }
    // A proxy speaks for many clients: what it may is asked of each of them, once its header is read.
    const refusal =
      (isProxy ? undefined : gate.admitClient(admission, scopes, clientAddress)) ?? gate.enter(admission, scopes)
    if (refusal !== undefined) {
      this.#refuse(refusal.reason, refusal.detail)
      return
    }
    wheel.arm(this, helloTimeout)
    if (!isProxy) this.#begin()
  }

  /** Ends the client's socket from here. */
  stop(): void {
    this.#release()
    this.#client.destroy()
  }

  deadlineReached(): void {
    // Where the gateway speaks first, a silent client has its own reasons.
    if (this.#stage.name === "prelude") this.#refuse("hello-timeout", undefined)
    else if (this.#isBeforeHello) this.#refuse("hello-timeout", this.#isSilent ? SILENT_CLIENT : undefined)
    else this.#dialWaits()
  }

  /** No backend is reached yet. A dial has a deadline of its own. */
  #dialWaits(): void {
    if (performance.now() >= this.#tellAt) {
      this.#tellAt = Number.POSITIVE_INFINITY
      const endpoint = this.#stage.name === "dialing" ? this.#stage.dial.last : undefined
      const reason = this.#client.readableEnded ? "ended-while-dialing" : "slow-dial"
      this.#host.connectionWaiting(this.#connection, { reason, endpoint })
    }
    // A listener of that event may have stopped the connection.
    if (this.#stage.name === "over") return
    if (this.#stage === ROUTED && performance.now() >= this.#dialDue) this.#refuse("dial-timeout", "NAME_LOOKUP")
    else this.#watchDial()
  }

  get #dialDue(): number {
    const { draft, policy } = this.#connection
    return (draft.helloAt ?? draft.acceptedAt) + policy.dialTimeout
  }

  #watchDial(): void {
    const due = this.#stage === ROUTED ? this.#dialDue : Number.POSITIVE_INFINITY
    this.#host.wheel.arm(this, Math.min(due, this.#tellAt) - performance.now())
  }

  get #isBeforeHello(): boolean {
    const { name } = this.#stage
    return name === "proxy-header" || name === "prelude" || name === "hello"
  }

  /** Whether the client has said nothing. */
  get #isSilent(): boolean {
    return this.#connection.bytesBefore === this.#headerBytes
  }

  // The client's socket

  socketData(_socket: Socket, chunk: Buffer): void {
    this.#connection.bytesBefore += chunk.length
    const stage = this.#stage
    switch (stage.name) {
      case "proxy-header":
        if (this.#hold(chunk.length)) this.#readProxyHeader(stage.parser, chunk)
        return
      case "prelude":
        if (this.#hold(chunk.length)) this.#readPrelude(stage.prelude, chunk)
        return
      case "hello":
        if (this.#hold(chunk.length)) this.#readHello(chunk)
        return
      case "routed":
      case "dialing":
        this.#keepEarly(chunk)
        return
    }
  }

  socketEnded(_socket: Socket): void {
    if (this.#isBeforeHello) {
      this.#gone(undefined)
      this.#client.end()
      return
    }
    // Once a ClientHello is whole, its client may end its side, and still wait for an answer.
    this.#tellAt = Math.min(this.#tellAt, performance.now() + SLOW_DIAL_AFTER_END)
    if (this.#stage.name === "routed" || this.#stage.name === "dialing") this.#watchDial()
  }

  socketFailed(_socket: Socket, error: NodeJS.ErrnoException): void {
    this.#gone(error.code)
  }

  socketClosed(_socket: Socket): void {
    this.#gone(undefined)
    this.#connection.openingClosed()
  }

  #gone(code: string | undefined): void {
    this.#connection.draft.settle(this.#isSilent ? "probe" : "client-gone", code, "client")
    this.#release()
  }

  // Reading the ClientHello

  #hold(bytes: number): boolean {
    const isHeld = this.#host.gate.holdHello(this.#connection.admission, bytes)
    if (!isHeld) this.#refuse("hello-memory", undefined)
    return isHeld
  }

  /**
   * Data right behind the ClientHello (RFC 8446 section 2.3, early data): at most one read is held, and up to two more
   * by the socket, which reads on until its own buffer is full.
   */
  #keepEarly(chunk: Buffer): void {
    if (!this.#hold(chunk.length + 2 * this.#client.readableHighWaterMark)) return
    if (this.#early === undefined) this.#early = [chunk]
    else this.#early.push(chunk)
    this.#client.pause()
  }

  #readProxyHeader(parser: ProxyHeaderParser, chunk: Buffer): void {
    const result = parser.push(chunk)
    if (result.status === "incomplete") return
    if (result.status === "invalid") {
      this.#refuse("invalid-proxy-header", result.error.code)
      return
    }
    this.#stage = HELLO
    if (result.status === "complete") {
      this.#headerBytes = this.#connection.bytesBefore - result.rest.length
      if (this.#hasSent(result.header)) {
        this.#refuse("loop", "OWN_UNIQUE_ID")
        return
      }
      this.#believe(result.header)
    } else if (this.#policy.proxyProtocol?.mode === "required") {
      this.#refuse("no-proxy-header", undefined)
      return
    }
    const { admission, clientAddress } = this.#connection
    const refusal = this.#host.gate.admitClient(admission, this.#policy.scopes, clientAddress)
    if (refusal !== undefined) {
      this.#refuse(refusal.reason, refusal.detail)
      return
    }
    this.#begin()
    // What came behind the header is read by whatever comes first now.
    if (result.rest.length === 0) return
    if (this.#stage.name === "prelude") this.#readPrelude(this.#stage.prelude, result.rest)
    else if (this.#stage.name === "hello") this.#readHello(result.rest)
  }

  /** Whether this gateway has told a backend of the same connection: the id is one of its own. */
  #hasSent({ uniqueId }: ProxyHeader): boolean {
    if (uniqueId?.length !== UNIQUE_ID_BYTES) return false
    return Buffer.from(uniqueId).toString("latin1").startsWith(this.#host.family)
  }

  #believe({ addresses }: ProxyHeader): void {
    if (addresses === undefined) return
    const connection = this.#connection
    connection.via = { address: connection.clientAddress, port: connection.clientPort }
    connection.clientAddress = addresses.source.address
    connection.clientPort = addresses.source.port
    this.#destination = addresses.destination
  }

  // STARTTLS, towards the client

  /** It is known who the client is: it is greeted, where its protocol has that. */
  #begin(): void {
    const { starttls } = this.#policy
    if (starttls === undefined) return
    const { protocol, greetingName } = starttls
    const prelude = this.#guarded(() => protocol.toClient({ greetingName, nonce: randomUUID }))
    this.#stage = { name: "prelude", prelude }
    if (prelude.isBroken) this.#refuse("starttls-failed", "STARTTLS_FAULT")
    else if (prelude.opening !== undefined) this.#client.write(prelude.opening)
  }

  #readPrelude(prelude: Prelude, chunk: Uint8Array): void {
    const step = prelude.push(chunk)
    if (step.status === "refused") {
      this.#endPrelude(step)
      return
    }
    if (step.send !== undefined) this.#client.write(step.send)
    if (step.status === "more") return
    this.#stage = HELLO
    if (step.rest.length > 0) this.#readHello(step.rest)
  }

  #endPrelude({ code, send }: PreludeStep & { readonly status: "refused" }): void {
    if (code !== "STARTTLS_QUIT") {
      this.#refuse("starttls-failed", code, send)
      return
    }
    // The client took its leave, in the way of its protocol.
    this.#gone(code)
    if (send !== undefined) this.#client.write(send)
    this.#client.destroySoon()
  }

  #guarded(make: () => Prelude): GuardedPrelude {
    return new GuardedPrelude(make, (cause) => {
      const message = "The prelude of a STARTTLS protocol threw or answered nonsense; it must not"
      this.#host.connectionError(new ProxyError("ERR_TLSROUTE_STARTTLS", message, { cause }))
    })
  }

  // The ClientHello

  #readHello(chunk: Uint8Array): void {
    const { draft } = this.#connection
    const result = this.#parser.push(chunk)
    if (result.status === "incomplete") return
    if (result.status === "invalid") {
      draft.offeredName = result.error.offeredName
      this.#refuse(rejectReason(result.error.code), result.error.code)
      return
    }
    draft.helloAt = performance.now()
    draft.offeredName = result.hello.offeredName
    this.#connection.hello = result.hello
    this.#connection.serverName = result.hello.serverName
    if (this.#host.describesHello) draft.offered = summarizeHello(result.hello)
    this.#route(result.hello)
  }

  // Routing

  #route(hello: ClientHello): void {
    const { gate } = this.#host
    const connection = this.#connection
    const request = new ConnectionRequest(connection, this.#client, hello)
    const decision = askRouter(this.#host, request)
    if (decision === undefined) {
      this.#refuse("router-error", undefined)
      return
    }
    connection.route = decision.route
    connection.matchedListener = decision.listener
    if (decision.action === "refuse") {
      this.#refuse("refused", decision.reason)
      return
    }
    if (decision.policy !== undefined) connection.policy = decision.policy
    const refusal = gate.admitRouted(connection.admission, connection.policy.scopes, connection.clientAddress)
    if (refusal !== undefined) {
      this.#refuse(refusal.reason, refusal.detail)
      return
    }
    connection.target = decision.target.id
    this.#stage = ROUTED
    this.#host.connectionRouted(connection, decision)
    // A listener of that event may have stopped the connection.
    if (this.#stage === ROUTED) this.#reach(decision.target)
  }

  #reach(target: DialTarget): void {
    const { balancer, names } = this.#host
    const { clientAddress, policy } = this.#connection
    if (policy.dialTimeout > SLOW_DIAL) this.#tellAt = performance.now() + SLOW_DIAL
    const planned = planTarget(target, clientAddress, policy.backend, policy.dialTimeout, balancer, names)
    if (!(planned instanceof Promise)) {
      this.#planned(planned)
      return
    }
    this.#watchDial()
    void planned.then((plan) => this.#planned(plan))
  }

  #planned(planned: DialPlan | Rejection): void {
    if ("reason" in planned) this.#refuse(planned.reason, planned.detail)
    else if (this.#stage === ROUTED) this.#dial(planned)
    // The client went away while a name was looked up.
    else planned.release()
  }

  // Dialling

  #dial(plan: DialPlan): void {
    const { wheel, slabs, own } = this.#host
    const { policy } = this.#connection
    // What is held to a rate must be paused at will, which a socket that reads into slabs decides by itself.
    const isThrottled = policy.bandwidth !== Number.POSITIVE_INFINITY
    const { starttls } = this.#policy
    const opening = starttls === undefined ? undefined : this.#dialOpening(starttls)
    const dial = new Dial(plan, this, wheel, isThrottled ? undefined : slabs, this.#dialDue, own, opening)
    this.#stage = { name: "dialing", dial, plan }
    this.#watchDial()
    dial.start()
  }

  dialFailed(reason: DialFailure, detail: string | undefined): void {
    if (this.#stage.name === "dialing") {
      this.#connection.draft.dialAttempts = this.#stage.dial.attempts
      this.#connection.endpoint = this.#stage.dial.last
    }
    this.#refuse(reason, detail)
  }

  dialConnected(backend: Socket, slabs: SlabReader | undefined, endpoint: DialEndpoint): void {
    if (this.#stage.name !== "dialing") return
    const { dial, plan } = this.#stage
    const connection = this.#connection
    connection.draft.connectedAt = performance.now()
    connection.draft.dialAttempts = dial.attempts
    connection.endpoint = endpoint
    backend.write(this.#firstBytes())
    connection.hello = undefined
    // The plan is the connection's now.
    this.#stage = { name: "over", state: "dialing" }
    this.#host.wheel.disarm(this)
    this.#host.gate.settled(connection.admission)
    connection.openingConnected(backend, slabs, plan)
    if (this.#early !== undefined) this.#client.resume()
  }

  /** What a backend is told before TLS: the PROXY header comes before the prelude, as before everything. */
  #dialOpening({ protocol, greetingName }: StarttlsPolicy): DialOpening {
    const { serverName } = this.#connection
    return {
      header: this.#header(),
      prelude: () => this.#guarded(() => protocol.toBackend({ greetingName, serverName })),
    }
  }

  #header(): Uint8Array | undefined {
    const { proxyHeader } = this.#connection.policy.backend
    if (proxyHeader === undefined) return undefined
    const header = sentHeader(proxyHeader, this.#connection, this.#client, this.#destination)
    this.#connection.draft.proxyHeaderBytes = header.length
    return header
  }

  /** What the backend reads first: what the client sent, byte for byte, and in one segment where it fits. */
  #firstBytes(): Uint8Array {
    const header = this.#policy.starttls === undefined ? this.#header() : undefined
    const { bytes } = this.#parser
    if (header === undefined && this.#early === undefined) return bytes
    return Buffer.concat([header ?? NOTHING, bytes, ...(this.#early ?? [])])
  }

  // Ends

  #refuse(reason: RejectReason, detail: string | undefined, farewell?: Uint8Array): void {
    if (this.#stage.name === "over") return
    this.#release()
    this.#connection.openingRefused(reason, detail, farewell)
  }

  /** Lets go of everything but the client's socket, whatever was under way. */
  #release(): void {
    const stage = this.#stage
    if (stage.name === "over") return
    this.#stage = { name: "over", state: this.state }
    this.#host.wheel.disarm(this)
    if (stage.name === "dialing") {
      stage.dial.abort()
      stage.plan.release()
    }
    this.#host.gate.settled(this.#connection.admission)
  }
}
