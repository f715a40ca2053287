import type { Socket } from "node:net"
import { abortSignal, type Checks, holding, milliseconds } from "../../primitives/option-checks.ts"
import { refuseArgument, refuseUsage } from "../errors.ts"
import { Timed, TimerWheel } from "../timer-wheel.ts"
import { adoptReading } from "./socket-owner.ts"
import { Splice, type SpliceObserver } from "./splice.ts"

/** How a splice ended. */
export interface SpliceResult {
  /** Bytes read from the first socket. */
  readonly bytesFromA: number
  /** Bytes read from the second socket. */
  readonly bytesFromB: number
  /**
   * `completed`: both sides ended their streams and everything was delivered. `reset`: one side was reset or
   * failed, and the other was reset for it. `stopped`: ended from here.
   */
  readonly outcome: "completed" | "reset" | "stopped"
  /** The side that ended its stream first, or failed; `undefined` when ended from here. */
  readonly endedBy: "a" | "b" | undefined
  /** What failed, when the outcome is `reset`; how a side went that had nothing more to say or to hear, when it is `completed`. */
  readonly error: Error | undefined
}

/** Options of {@link spliceSockets}. */
export interface SpliceOptions {
  /** Milliseconds without a byte after which both sockets are destroyed. Default `Infinity`. */
  readonly idle?: number | undefined
  /** The same, once one side has ended its stream: counted from that end, or from the last byte after it. Default `Infinity`. */
  readonly halfClosed?: number | undefined
  /** Destroys both sockets when it aborts. */
  readonly signal?: AbortSignal | undefined
}

const OPTIONS: Checks<SpliceOptions> = { idle: milliseconds, halfClosed: milliseconds, signal: abortSignal }
const SOCKET = holding(
  "two sockets, as node:net has them",
  (value) => typeof Object(value).resetAndDestroy === "function",
)

/**
 * Moves bytes between two connected sockets, both ways, until both sides have ended: half-close, reset and
 * backpressure pass through. The sockets are this call's own from then on, and are gone when it resolves.
 *
 * ```ts
 * const result = await spliceSockets(client, backend, { idle: 60_000 })
 * console.log(result.outcome, result.bytesFromA, result.bytesFromB)
 * ```
 *
 * @param a - first socket; give it no `data` listener
 * @param b - second socket
 * @param options - limits
 * @returns byte counts and how it ended; it rejects for what are no sockets and options that cannot be used, with
 * {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE`, and for nothing else
 */
export function spliceSockets(a: Socket, b: Socket, options: SpliceOptions = {}): Promise<SpliceResult> {
  return new Promise((resolve) => {
    for (const socket of [a, b]) refuseArgument("spliceSockets", socket, SOCKET)
    refuseUsage("spliceSockets", options, OPTIONS)
    new LoneSplice(a, b, options, resolve).start()
  })
}

const wheel = new TimerWheel()

/** A splice that stands for itself. */
class LoneSplice extends Timed implements SpliceObserver {
  readonly #splice: Splice
  readonly #a: Socket
  readonly #b: Socket
  readonly #options: SpliceOptions
  readonly #resolve: (result: SpliceResult) => void
  readonly #abort = () => this.#splice.stop()
  #activeAt = 0

  constructor(a: Socket, b: Socket, options: SpliceOptions, resolve: (result: SpliceResult) => void) {
    super()
    this.#a = a
    this.#b = b
    this.#options = options
    this.#resolve = resolve
    a.allowHalfOpen = true
    b.allowHalfOpen = true
    this.#splice = new Splice(a, b, this)
  }

  start(): void {
    const { signal } = this.#options
    this.spliceActive()
    this.#watch()
    signal?.addEventListener("abort", this.#abort)
    for (const socket of [this.#a, this.#b]) this.#adopt(socket)
    if (signal?.aborted) this.#abort()
  }

  #adopt(socket: Socket): void {
    adoptReading(socket, this.#splice)
    // What happened before cannot be heard any more, and is told now.
    if (socket.closed) this.#splice.socketClosed(socket)
    else if (socket.readableEnded) this.#splice.socketEnded(socket)
    socket.resume()
  }

  spliceActive(): void {
    this.#activeAt = wheel.now
  }

  spliceHalfClosed(): void {
    this.spliceActive()
    this.#watch()
  }

  spliceClosed(): void {
    wheel.disarm(this)
    this.#options.signal?.removeEventListener("abort", this.#abort)
    const { bytesFromA, bytesFromB, outcome, endedBy, error } = this.#splice
    this.#resolve({ bytesFromA, bytesFromB, outcome, endedBy, error })
  }

  deadlineReached(): void {
    if (this.#left > 0) this.#watch()
    else this.#splice.stop()
  }

  get #left(): number {
    const { idle, halfClosed } = this.#options
    return wheel.left(this.#activeAt, (this.#splice.halfClosed ? halfClosed : idle) ?? Number.POSITIVE_INFINITY)
  }

  #watch(): void {
    wheel.arm(this, this.#left)
  }
}
