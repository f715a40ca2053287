import type { Socket } from "node:net"
import { Timed, TimerWheel } from "../timer-wheel.ts"
import { freeRead } from "./freeing.ts"
import type { SlabReader, SlabSink } from "./slabs.ts"
import { adoptReading, handOver, keepAlive, reset, type SocketOwner } from "./socket-owner.ts"
import { Throttle, type ThrottleObserver } from "./throttle.ts"

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
  /** What failed, when the outcome is `reset`. */
  readonly error: Error | undefined
}

/** Is told of a splice's turning points. */
export interface SpliceObserver {
  /** Bytes moved; for idle deadlines. */
  spliceActive(): void
  /** The first side has ended its stream. */
  spliceHalfClosed(side: "a" | "b"): void
  /** Both sockets are gone. */
  spliceClosed(): void
}

/**
 * Moves bytes between two sockets until both have ended: half-close, reset and backpressure pass through,
 * and nothing is read that cannot be written on. At most one read per direction is held in memory.
 */
export class Splice implements SocketOwner, SlabSink, ThrottleObserver {
  /** Bytes read from the first socket. */
  bytesFromA = 0
  /** Bytes read from the second socket. */
  bytesFromB = 0
  /** How it ended, so far as known. */
  outcome: SpliceResult["outcome"] = "completed"
  /** The side that ended first. */
  endedBy: "a" | "b" | undefined
  /** What failed. */
  error: Error | undefined
  readonly #a: Socket
  readonly #b: Socket
  readonly #observer: SpliceObserver
  readonly #slabs: SlabReader | undefined
  readonly #throttle: { readonly a: Throttle; readonly b: Throttle } | undefined
  #aEnded = false
  #bEnded = false
  #aPaused = false
  #bPaused = false
  #open = 2

  /**
   * Both sockets must have an owner already, and allow half-open.
   *
   * @param a - first socket
   * @param b - second socket
   * @param observer - is told of turning points
   * @param slabs - reads `b`, where it was made to read into slabs; such a socket cannot be held to a rate
   * @param bytesPerSecond - rate that each direction is held to
   */
  constructor(
    a: Socket,
    b: Socket,
    observer: SpliceObserver,
    slabs?: SlabReader,
    bytesPerSecond = Number.POSITIVE_INFINITY,
  ) {
    this.#a = a
    this.#b = b
    this.#observer = observer
    this.#slabs = slabs
    this.#throttle =
      bytesPerSecond === Number.POSITIVE_INFINITY
        ? undefined
        : { a: new Throttle(bytesPerSecond, a, this), b: new Throttle(bytesPerSecond, b, this) }
    slabs?.start(b, a, this)
    handOver(a, this)
    handOver(b, this)
  }

  /** Where it stands. */
  get state(): "splicing" | "half-closed" {
    return this.halfClosed ? "half-closed" : "splicing"
  }

  /** Whether one side, or both, have ended their streams. */
  get halfClosed(): boolean {
    return this.#aEnded || this.#bEnded
  }

  /** Whether bytes are held back now, to keep to a rate. */
  get isThrottled(): boolean {
    return this.#throttle !== undefined && (this.#throttle.a.isHolding || this.#throttle.b.isHolding)
  }

  /**
   * Has the kernel ask silent peers whether they are there: see {@link keepAlive}.
   *
   * @param a - milliseconds of silence of the first socket's peer
   * @param b - the same of the second's
   */
  askSilentPeers(a: number, b: number): void {
    keepAlive(this.#a, a)
    keepAlive(this.#b, b)
  }

  /** Ends both sides from here, what was not delivered is lost. */
  stop(): void {
    if (this.outcome === "completed") this.outcome = "stopped"
    this.#a.destroy()
    this.#b.destroy()
  }

  slabRead(bytes: number): void {
    this.bytesFromB += bytes
    this.#observer.spliceActive()
  }

  socketData(socket: Socket, chunk: Buffer): void {
    this.#observer.spliceActive()
    if (socket === this.#a) {
      this.bytesFromA += chunk.length
      this.#throttle?.a.spend(chunk.length)
      const more = this.#b.write(chunk)
      if (this.#b.writableLength === 0) {
        // Sockets that come with slabs are this proxy's own, and so is what it reads from them.
        if (this.#slabs !== undefined) freeRead(chunk)
        return
      }
      if (more) return
      this.#aPaused = true
    } else {
      this.bytesFromB += chunk.length
      this.#throttle?.b.spend(chunk.length)
      if (this.#a.write(chunk) || this.#a.writableLength === 0) return
      this.#bPaused = true
    }
    socket.pause()
  }

  socketDrained(socket: Socket): void {
    this.#observer.spliceActive()
    if (socket === this.#b) {
      if (!this.#aPaused) return
      this.#aPaused = false
      if (this.#throttle?.a.isHolding !== true) this.#a.resume()
      return
    }
    if (this.#slabs !== undefined) {
      if (this.#slabs.drained()) this.#b.resume()
      return
    }
    if (!this.#bPaused) return
    this.#bPaused = false
    if (this.#throttle?.b.isHolding !== true) this.#b.resume()
  }

  throttleOver(socket: Socket): void {
    this.#observer.spliceActive()
    if (!(socket === this.#a ? this.#aPaused : this.#bPaused)) socket.resume()
  }

  socketEnded(socket: Socket): void {
    const first = !this.halfClosed
    if (socket === this.#a) this.#aEnded = true
    else this.#bEnded = true
    if (first) {
      this.endedBy = socket === this.#a ? "a" : "b"
      this.#observer.spliceHalfClosed(this.endedBy)
    }
    const other = socket === this.#a ? this.#b : this.#a
    // With all of it in the kernel's hands, closing a plain TCP socket sends the same FIN as ending it, for one
    // system call and several turns less. Sockets that read into slabs are this proxy's own, hence plain.
    if (!first && this.#slabs !== undefined && other.writableLength === 0) other.destroy()
    else other.end()
  }

  socketFailed(socket: Socket, error: Error): void {
    if (this.outcome !== "completed") return
    this.outcome = "reset"
    this.error = error
    this.endedBy = socket === this.#a ? "a" : "b"
    reset(socket === this.#a ? this.#b : this.#a)
  }

  socketClosed(socket: Socket): void {
    this.#open--
    if (this.#open > 0) {
      // A socket that is gone before both streams have ended was destroyed by other hands: the peer must not wait for it.
      if (!(this.#aEnded && this.#bEnded)) reset(socket === this.#a ? this.#b : this.#a)
      return
    }
    this.#slabs?.release()
    this.#throttle?.a.release()
    this.#throttle?.b.release()
    this.#observer.spliceClosed()
  }
}

/** Options of {@link spliceSockets}. */
export interface SpliceOptions {
  /** Milliseconds without a byte after which both sockets are destroyed. Default `Infinity`. */
  readonly idle?: number
  /** The same, once one side has ended its stream: counted from that end, or from the last byte after it. Default `Infinity`. */
  readonly halfClosed?: number
  /** Destroys both sockets when it aborts. */
  readonly signal?: AbortSignal
}

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
 * @returns byte counts and how it ended; it never rejects
 */
export function spliceSockets(a: Socket, b: Socket, options: SpliceOptions = {}): Promise<SpliceResult> {
  return new Promise((resolve) => new LoneSplice(a, b, options, resolve).start())
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
