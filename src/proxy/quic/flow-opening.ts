import type { ClientHello } from "../../client-hello/hello.ts"
import type { QuicHelloResult } from "../../quic/hello-reader.ts"
import type { DialFailure, DialPlan } from "../backend/dial.ts"
import { planTarget } from "../backend/target-plan.ts"
import { askRouter } from "../connection/decision.ts"
import { summarizeHello } from "../connection/hello-summary.ts"
import type { RoutedHost } from "../connection/host.ts"
import type { ConnectionInfo, ConnectionState, Rejection, RejectReason } from "../connection/record.ts"
import type { RecordDraft } from "../connection/record-draft.ts"
import { rejectReason } from "../connection/refusal.ts"
import type { Admission } from "../limits/gate.ts"
import type { ConnectionPolicy, ListenerPolicy } from "../policy.ts"
import type { DialEndpoint, DialTarget } from "../target.ts"
import { Timed } from "../timer-wheel.ts"
import type { Drops } from "./drops.ts"
import { Flight } from "./flight.ts"
import { FlowDial, type FlowDialObserver } from "./flow-dial.ts"
import type { ClientDatagram } from "./flow-port.ts"
import type { Initials } from "./initials.ts"
import type { UdpPeer } from "./udp.ts"

/** What an opening needs of the proxy. */
export interface FlowOpeningHost extends RoutedHost {
  /** Counts what goes nowhere. */
  readonly drops: Drops
}

/** The flow that is opened: here is noted what is found out about it, and here it is told how that ended. */
export interface OpenedFlow extends ConnectionInfo {
  hello: ClientHello | undefined
  serverName: string | undefined
  matchedListener: string | undefined
  route: string | undefined
  target: string | undefined
  endpoint: DialEndpoint | undefined
  /** What holds for it, from when it is routed. */
  policy: ConnectionPolicy
  /** What else its record will tell. */
  readonly draft: RecordDraft
  /** What it has been let in with. */
  readonly admission: Admission
  /** A backend has answered, and has been sent what the client sent so far. The plan is to be released at the end. */
  openingAnswered(plan: DialPlan): void
  /** It is to be refused; no backend has answered it. */
  openingRefused(reason: RejectReason, detail: string | undefined): void
  /** The client gave up by itself. */
  openingLeft(): void
}

/** The only path that there is during an opening. */
export interface OpeningPath {
  /** Address that the client sends to, where that is one. */
  readonly localAddress: string | undefined
  /** Counts a datagram of the client. */
  received(datagram: ClientDatagram): void
  /** Leads to an endpoint from now on. @throws Error when the system has no socket to give. */
  open(endpoint: DialEndpoint): UdpPeer
  /** Sends to the endpoint that it leads to, if to any. */
  sendEarly(datagram: ClientDatagram): void
}

/** What an opening waits for. */
type Stage =
  /** To be started. */
  | { readonly name: "accepted" }
  /** For the client's ClientHello. */
  | { readonly name: "reading" }
  /** For a name to be looked up. */
  | { readonly name: "routed" }
  /** For a backend to answer. */
  | { readonly name: "dialing"; readonly dial: FlowDial; readonly plan: DialPlan }
  /** For nothing any more. */
  | { readonly name: "over"; readonly state: ConnectionState }

/** Bytes that a flow is counted with besides its datagrams: its state, its keys, its place in the table. */
const FLOW_BYTES = 2048

const ACCEPTED: Stage = { name: "accepted" }
const READING: Stage = { name: "reading" }
const ROUTED: Stage = { name: "routed" }

/**
 * The first part of a flow's life, from its client's first Initial packet until a backend has answered, with all that is
 * needed only until then: what the client has sent is kept, to be sent to the next backend if one does not answer. It has
 * one deadline at any time. What the client says is read by {@link Initials}, and a backend found by {@link FlowDial}.
 *
 * ```text
 * accepted → reading → routed → dialing → over
 * ```
 */
export class FlowOpening extends Timed implements FlowDialObserver {
  readonly #flow: OpenedFlow
  readonly #host: FlowOpeningHost
  readonly #policy: ListenerPolicy
  readonly #path: OpeningPath
  readonly #initials: Initials
  readonly #flight = new Flight()
  #stage: Stage = ACCEPTED

  /**
   * @param flow - what is opened
   * @param host - the proxy
   * @param policy - what the listener asks
   * @param path - where datagrams come from and go to
   * @param initials - what the client says in Initial packets
   */
  constructor(flow: OpenedFlow, host: FlowOpeningHost, policy: ListenerPolicy, path: OpeningPath, initials: Initials) {
    super()
    this.#flow = flow
    this.#host = host
    this.#policy = policy
    this.#path = path
    this.#initials = initials
  }

  /** Where the connection stands. */
  get state(): ConnectionState {
    switch (this.#stage.name) {
      case "reading":
        return "hello"
      case "over":
        return this.#stage.state
      default:
        return this.#stage.name
    }
  }

  /**
   * Begins with the first datagram, unless the client is turned away at the door.
   *
   * @param datagram - the first one
   * @param read - what has been read of it
   */
  start(datagram: ClientDatagram, read: QuicHelloResult): void {
    this.#stage = READING
    const { gate, wheel } = this.#host
    const { admission, clientAddress } = this.#flow
    const { scopes, helloTimeout } = this.#policy
    const refusal = gate.admitClient(admission, scopes, clientAddress) ?? gate.enter(admission, scopes)
    this.#path.received(datagram)
    if (refusal !== undefined) this.#refuse(refusal.reason, refusal.detail)
    else if (this.#keep(datagram, FLOW_BYTES)) {
      wheel.arm(this, helloTimeout)
      this.#read(read)
    }
  }

  /** Takes a further datagram. */
  clientDatagram(datagram: ClientDatagram): void {
    switch (this.#stage.name) {
      case "reading": {
        const read = this.#initials.read(datagram)
        if (read.status === "ignored") return
        this.#path.received(datagram)
        if (this.#keep(datagram, 0)) this.#read(read)
        return
      }
      case "routed":
      case "dialing":
        if (!this.#initials.mayFollow(datagram)) return
        this.#path.received(datagram)
        if (this.#keep(datagram, 0)) this.#path.sendEarly(datagram)
        return
    }
  }

  /** Lets go of everything that was under way. */
  release(): void {
    const stage = this.#stage
    if (stage.name === "over") return
    this.#over()
    if (stage.name !== "dialing") return
    stage.dial.abort()
    stage.plan.release()
  }

  deadlineReached(): void {
    if (this.#stage === READING) this.#refuse("hello-timeout", undefined)
    else if (this.#stage === ROUTED) this.#refuse("dial-timeout", undefined)
  }

  // Reading the ClientHello

  #read(result: QuicHelloResult): void {
    const { draft } = this.#flow
    if (result.status === "invalid") {
      const { error } = result
      const isHellos = error.name === "ClientHelloError"
      if (isHellos) draft.offeredName = error.offeredName
      this.#refuse(isHellos ? rejectReason(error.code) : "invalid-hello", error.code)
    } else if (result.status === "closed") {
      this.release()
      this.#flow.openingLeft()
    } else if (result.status === "complete") {
      draft.helloAt = performance.now()
      draft.offeredName = result.hello.offeredName
      this.#flow.hello = result.hello
      this.#flow.serverName = result.hello.serverName
      if (this.#host.describesHello) draft.offered = summarizeHello(result.hello)
      this.#decide(result.hello)
    }
  }

  /** Keeps a datagram until a backend answers; false when the flow was refused for it. */
  #keep({ bytes }: ClientDatagram, more: number): boolean {
    if (!this.#host.gate.holdHello(this.#flow.admission, bytes.length + more)) {
      this.#refuse("hello-memory", undefined)
      return false
    }
    if (!this.#flight.push(bytes)) this.#host.drops.count("queue-full")
    return true
  }

  // Routing

  #decide(hello: ClientHello): void {
    const flow = this.#flow
    const { listener, clientAddress, clientPort } = flow
    const { localAddress } = this.#path
    const decision = askRouter(this.#host, { listener, hello, clientAddress, clientPort, localAddress })
    if (decision === undefined) {
      this.#refuse("router-error", undefined)
      return
    }
    flow.route = decision.route
    flow.matchedListener = decision.listener
    if (decision.action === "refuse") {
      this.#refuse("refused", decision.reason)
      return
    }
    if (decision.policy !== undefined) flow.policy = decision.policy
    const refusal = this.#host.gate.admitRouted(flow.admission, flow.policy.scopes, clientAddress)
    if (refusal !== undefined) {
      this.#refuse(refusal.reason, refusal.detail)
      return
    }
    flow.target = decision.target.id
    this.#stage = ROUTED
    this.#host.connectionRouted(flow, decision)
    // A listener of that event may have stopped the flow.
    if (this.#stage === ROUTED) this.#reach(decision.target)
  }

  #reach(target: DialTarget): void {
    const { balancer, names, wheel } = this.#host
    const { clientAddress, policy } = this.#flow
    const planned = planTarget(target, clientAddress, policy.backend, policy.dialTimeout, balancer, names, "quic")
    if (!(planned instanceof Promise)) {
      this.#planned(planned)
      return
    }
    wheel.arm(this, this.#dialDue - performance.now())
    void planned.then((plan) => this.#planned(plan))
  }

  get #dialDue(): number {
    const { draft, policy } = this.#flow
    return (draft.helloAt ?? draft.acceptedAt) + policy.dialTimeout
  }

  #planned(planned: DialPlan | Rejection): void {
    if ("reason" in planned) this.#refuse(planned.reason, planned.detail)
    else if (this.#stage === ROUTED) this.#dial(planned)
    // The flow ended while a name was looked up.
    else planned.release()
  }

  // Dialling

  #dial(plan: DialPlan): void {
    const { wheel, own } = this.#host
    wheel.disarm(this)
    const dial = new FlowDial(plan, this, wheel, this.#dialDue, own)
    this.#stage = { name: "dialing", dial, plan }
    dial.next()
  }

  dialEndpoint(endpoint: DialEndpoint): void {
    this.#flow.endpoint = endpoint
    this.#flight.sendTo(this.#path.open(endpoint))
  }

  dialFailed(reason: DialFailure, detail: string | undefined): void {
    if (this.#stage.name === "dialing") this.#flow.draft.dialAttempts = this.#stage.dial.attempts
    this.#flow.endpoint = undefined
    this.#refuse(reason, detail)
  }

  /** The system says that the endpoint cannot be reached. */
  refused(code: string | undefined): void {
    if (this.#stage.name === "dialing") this.#stage.dial.refused(code)
  }

  /** The endpoint has answered. */
  answered(): void {
    if (this.#stage.name !== "dialing") return
    const { dial, plan } = this.#stage
    const flow = this.#flow
    flow.draft.connectedAt = performance.now()
    flow.draft.dialAttempts = dial.attempts
    flow.hello = undefined
    dial.answered()
    // The plan is the flow's now.
    this.#over()
    flow.openingAnswered(plan)
  }

  // Ends

  #refuse(reason: RejectReason, detail: string | undefined): void {
    if (this.#stage.name === "over") return
    this.release()
    this.#flow.openingRefused(reason, detail)
  }

  #over(): void {
    this.#stage = { name: "over", state: this.state }
    this.#host.wheel.disarm(this)
    this.#host.gate.settled(this.#flow.admission)
    this.#flight.clear()
  }
}
