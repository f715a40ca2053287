import type { Socket } from "node:net"
import { Gathering } from "./gathering.ts"
import type { SlabReader, SlabSink } from "./slabs.ts"
import { handOver, keepAlive, reset, type SocketOwner } from "./socket-owner.ts"
import { Throttle, type ThrottleObserver } from "./throttle.ts"

/** Milliseconds given to a side to end its stream by itself, once the other was reset. */
const GRACE = 100
/** Bytes that it may send meanwhile, as TLS ends with a `close_notify`; more would be missed. */
const LAST_WORDS = 4_096

/** Codes by which the system tells that the peer is not there any more. */
const RESETS: ReadonlySet<string | undefined> = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED"])

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
 * and nothing is read that cannot be written on. At most one read per direction is held in memory, of a fast flow eight.
 */
export class Splice implements SocketOwner, SlabSink, ThrottleObserver {
  /** Bytes read from the first socket. */
  bytesFromA = 0
  /** Bytes read from the second socket. */
  bytesFromB = 0
  /**
   * How it ended, so far as known. `completed`: both sides said all that they had to say. `reset`: one side was reset or
   * failed, and the other was reset for it. `stopped`: ended from here.
   */
  outcome: "completed" | "reset" | "stopped" = "completed"
  /** The side that ended first. */
  endedBy: "a" | "b" | undefined
  /** What failed; of a splice that is `completed`, how a side went that had nothing more to say or to hear. */
  error: NodeJS.ErrnoException | undefined
  readonly #a: Socket
  readonly #b: Socket
  readonly #observer: SpliceObserver
  readonly #slabs: SlabReader | undefined
  readonly #gathering: Gathering | undefined
  readonly #throttle: { readonly a: Throttle; readonly b: Throttle } | undefined
  #aEnded = false
  #bEnded = false
  #aPaused = false
  #bPaused = false
  #open = 2
  /** Until then a side whose peer was reset may end by itself. */
  #grace: NodeJS.Timeout | undefined
  #lastWords = 0

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
    // Sockets that come with slabs are this proxy's own, and so is what it reads from them.
    this.#gathering = slabs === undefined ? undefined : new Gathering(a, b)
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
    this.#endGrace()
    this.#a.destroy()
    this.#b.destroy()
  }

  slabRead(bytes: number): void {
    this.bytesFromB += bytes
    this.#observer.spliceActive()
    if (this.#grace !== undefined) this.#hearLastWords(bytes)
  }

  socketData(socket: Socket, chunk: Buffer): void {
    this.#observer.spliceActive()
    if (this.#grace !== undefined) this.#hearLastWords(chunk.length)
    if (socket === this.#a) {
      this.bytesFromA += chunk.length
      if (this.#gathering !== undefined) {
        this.#gathering.write(chunk)
        return
      }
      this.#throttle?.a.spend(chunk.length)
      if (this.#b.write(chunk) || this.#b.writableLength === 0) return
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
      if (this.#gathering !== undefined) {
        if (this.#gathering.drained()) this.#a.resume()
        return
      }
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
    this.#endGrace()
    if (socket === this.#a) this.#gathering?.flush()
    const first = !this.halfClosed
    if (socket === this.#a) this.#aEnded = true
    else this.#bEnded = true
    if (first) {
      this.endedBy ??= socket === this.#a ? "a" : "b"
      this.#observer.spliceHalfClosed(this.endedBy)
      // The other was reset before: nobody is left to hear from.
      if (this.error !== undefined) reset(socket)
    }
    const other = socket === this.#a ? this.#b : this.#a
    // With all of it in the kernel's hands, closing a plain TCP socket sends the same FIN as ending it, for one
    // system call and several turns less. Sockets that read into slabs are this proxy's own, hence plain.
    if (!first && this.#slabs !== undefined && other.writableLength === 0) other.destroy()
    else other.end()
  }

  socketFailed(socket: Socket, error: NodeJS.ErrnoException): void {
    if (this.outcome !== "completed") return
    if (socket === this.#a) this.#gathering?.flush()
    if (this.error !== undefined) {
      if (this.#grace === undefined) return
      // The other went as well, and of itself, as it was not told: so do PostgreSQL's client and server where each closes
      // with the other's `close_notify` unread.
      if (RESETS.has(error.code)) this.#endGrace()
      else this.#giveUp()
      return
    }
    this.error = error
    const isA = socket === this.#a
    const [hasEnded, hasOtherEnded] = isA ? [this.#aEnded, this.#bEnded] : [this.#bEnded, this.#aEnded]
    const isSentAll = socket.writableEnded && socket.writableLength === 0
    const isBehind = isA ? (this.#slabs?.isStopped ?? this.#bPaused) : (this.#gathering?.isBehind ?? this.#aPaused)
    if (RESETS.has(error.code) && hasOtherEnded && (hasEnded || isSentAll)) {
      // Who was sent the other's end, and said its own or has nothing to say, may go as it likes: with bytes unread, as
      // the answer to a `close_notify`, the system makes a reset of an orderly close.
      reset(isA ? this.#b : this.#a)
    } else if (RESETS.has(error.code) && !hasOtherEnded && !isBehind) {
      // The other's end may be on its way: what the two say last crosses, and who closes at once resets. So PostgreSQL's
      // server goes when it is told to, before it has read the client's `close_notify`, and its client before it has
      // read the server's.
      if (!hasEnded) this.endedBy = isA ? "a" : "b"
      this.#grace = setTimeout(endGrace, GRACE, this)
    } else {
      this.endedBy = isA ? "a" : "b"
      this.#giveUp()
    }
  }

  /** @internal */
  graceOver(): void {
    this.#giveUp()
  }

  #hearLastWords(bytes: number): void {
    this.#lastWords += bytes
    if (this.#lastWords > LAST_WORDS) this.#giveUp()
  }

  /** The side that ended first, or failed without an end, is lost, so that the other is reset. */
  #giveUp(): void {
    this.#endGrace()
    this.outcome = "reset"
    reset(this.endedBy === "a" ? this.#b : this.#a)
  }

  #endGrace(): void {
    clearTimeout(this.#grace)
    this.#grace = undefined
  }

  socketClosed(socket: Socket): void {
    this.#open--
    if (this.#open > 0) {
      // A socket that is gone before both streams have ended was destroyed by other hands: the peer must not wait for it.
      if (!(this.#aEnded && this.#bEnded) && this.#grace === undefined) reset(socket === this.#a ? this.#b : this.#a)
      return
    }
    this.#endGrace()
    this.#slabs?.release()
    this.#gathering?.release()
    this.#throttle?.a.release()
    this.#throttle?.b.release()
    this.#observer.spliceClosed()
  }
}

function endGrace(splice: Splice): void {
  splice.graceOver()
}
