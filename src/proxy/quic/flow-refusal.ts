import type { ConnectionState } from "../connection/record.ts"
import { Timed, type TimerWheel } from "../timer-wheel.ts"

/** Milliseconds for which a refusal is repeated to a client that did not get it. */
const LINGER = 3_000

/** The flow that is refused. */
export interface RefusedFlow {
  /** Sends to its client. */
  answerClient(packet: Uint8Array): void
  /** Its client has had the time to hear of it. */
  refusalOver(): void
}

/** Answers a refused client, and again while it goes on: what it was told may have been lost on its way. */
export class FlowRefusal extends Timed {
  readonly #flow: RefusedFlow
  readonly #close: Uint8Array
  readonly #wheel: TimerWheel
  #asked = 0

  /**
   * @param flow - what is refused
   * @param close - the packet that tells its client so
   * @param wheel - keeps the time that the client is given
   */
  constructor(flow: RefusedFlow, close: Uint8Array, wheel: TimerWheel) {
    super()
    this.#flow = flow
    this.#close = close
    this.#wheel = wheel
  }

  /** Where the connection stands. */
  get state(): ConnectionState {
    return "closed"
  }

  /** Tells the client. */
  start(): void {
    this.#flow.answerClient(this.#close)
    this.#wheel.arm(this, LINGER)
  }

  /** The client goes on: its first, second, fourth, eighth and so on datagram is answered (RFC 9000 section 10.2.1). */
  clientDatagram(): void {
    this.#asked++
    if ((this.#asked & (this.#asked - 1)) === 0) this.#flow.answerClient(this.#close)
  }

  deadlineReached(): void {
    this.#flow.refusalOver()
  }
}
