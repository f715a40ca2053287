import type { Socket } from "node:net"
import type { ClientHello } from "../../client-hello/hello.ts"
import { Dial, type DialFailure, type DialObserver, type DialOpening, type DialPlan } from "../backend/dial.ts"
import { planTarget } from "../backend/target-plan.ts"
import type { ConnectionPolicy, ListenerPolicy } from "../policy.ts"
import type { SlabPool, SlabReader } from "../splice/slabs.ts"
import { adoptReading, type SocketOwner } from "../splice/socket-owner.ts"
import type { StarttlsPolicy } from "../starttls/policy.ts"
import type { DialEndpoint, DialTarget } from "../target.ts"
import { Timed } from "../timer-wheel.ts"
import { type ClientObserver, ClientReader, type ClientReaderHost, type ReadConnection } from "./client-reader.ts"
import { askRouter } from "./decision.ts"
import { guardPrelude } from "./guard-prelude.ts"
import type { ConnectionInfo, ConnectionState, Rejection, RejectReason, Waiting } from "./record.ts"
import { ConnectionRequest } from "./route-request.ts"
import { sentHeader } from "./sent-header.ts"

const NOTHING = new Uint8Array(0)
/** Milliseconds in which no backend is reached, from the ClientHello, until that is told. */
const SLOW_DIAL = 10_000
/** The same from the end of a client that ends its side meanwhile. */
const SLOW_DIAL_AFTER_END = 1_000

/** What an opening needs of the proxy. */
export interface OpeningHost extends ClientReaderHost {
  /** Memory that backends' sockets read into. */
  readonly slabs: SlabPool
  /** It waits for its backend for longer than is usual. */
  connectionWaiting(connection: ConnectionInfo, waiting: Waiting): void
}

/** The connection that is opened: here is noted what is found out about it, and here it is told how that ended. */
export interface OpenedConnection extends ReadConnection {
  matchedListener: string | undefined
  route: string | undefined
  target: string | undefined
  endpoint: DialEndpoint | undefined
  /** What holds for it, from when it is routed. */
  policy: ConnectionPolicy
  /** A backend has answered, and has been sent what the client sent so far. The plan is to be released at the end. */
  openingConnected(backend: Socket, slabs: SlabReader | undefined, plan: DialPlan): void
  /** It is to be refused; no backend has heard of it. `farewell` is to be sent first, where its protocol has one. */
  openingRefused(reason: RejectReason, detail: string | undefined, farewell: Uint8Array | undefined): void
  /** The client's socket is gone. */
  openingClosed(): void
}

/** What an opening waits for. */
type Stage =
  /** For the client's ClientHello, and for what comes before it. */
  | { readonly name: "reading" }
  /** For a name to be looked up. */
  | { readonly name: "routed" }
  /** For a backend to answer. */
  | { readonly name: "dialing"; readonly dial: Dial; readonly plan: DialPlan }
  /** For nothing any more, but perhaps for the client's socket to close. */
  | { readonly name: "over"; readonly state: ConnectionState }

const READING: Stage = { name: "reading" }
const ROUTED: Stage = { name: "routed" }

/**
 * The first part of a connection's life, from accept until a backend has answered, with all that is needed only until
 * then. It owns the client's socket meanwhile, and has one deadline at any time. What the client says is read by
 * {@link ClientReader}, and a backend found by {@link Dial}.
 *
 * ```text
 * reading → routed → dialing → over
 * ```
 */
export class Opening extends Timed implements SocketOwner, ClientObserver, DialObserver {
  readonly #connection: OpenedConnection
  readonly #host: OpeningHost
  readonly #client: Socket
  readonly #policy: ListenerPolicy
  readonly #reader: ClientReader
  #stage: Stage = READING
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
    this.#reader = new ClientReader(connection, host, client, policy, this)
  }

  /** Where the connection stands. */
  get state(): ConnectionState {
    switch (this.#stage.name) {
      case "reading":
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
    if (!isProxy && proxyProtocol?.mode === "required") {
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
    this.#reader.start(isProxy)
  }

  /** Ends the client's socket from here. */
  stop(): void {
    this.#release()
    this.#client.destroy()
  }

  deadlineReached(): void {
    if (this.#stage === READING) this.#refuse("hello-timeout", this.#reader.lateness)
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

  // The client's socket

  socketData(_socket: Socket, chunk: Buffer): void {
    this.#connection.bytesBefore += chunk.length
    switch (this.#stage.name) {
      case "reading":
        if (this.#hold(chunk.length)) this.#reader.push(chunk)
        return
      case "routed":
      case "dialing":
        this.#keepEarly(chunk)
        return
    }
  }

  socketEnded(_socket: Socket): void {
    if (this.#stage === READING) {
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
    this.#connection.draft.settle(this.#reader.isSilent ? "probe" : "client-gone", code, "client")
    this.#release()
  }

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

  // Reading the client

  clientRefused(reason: RejectReason, detail: string | undefined, farewell: Uint8Array | undefined): void {
    this.#refuse(reason, detail, farewell)
  }

  clientLeft(code: string, farewell: Uint8Array | undefined): void {
    this.#gone(code)
    if (farewell !== undefined) this.#client.write(farewell)
    this.#client.destroySoon()
  }

  // Routing

  clientRead(hello: ClientHello): void {
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
      prelude: () => guardPrelude(this.#host, () => protocol.toBackend({ greetingName, serverName })),
    }
  }

  #header(): Uint8Array | undefined {
    const { proxyHeader } = this.#connection.policy.backend
    if (proxyHeader === undefined) return undefined
    const header = sentHeader(proxyHeader, this.#connection, this.#client, this.#reader.destination)
    this.#connection.draft.proxyHeaderBytes = header.length
    return header
  }

  /** What the backend reads first: what the client sent, byte for byte, and in one segment where it fits. */
  #firstBytes(): Uint8Array {
    const header = this.#policy.starttls === undefined ? this.#header() : undefined
    const { bytes } = this.#reader
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
