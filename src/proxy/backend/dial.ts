import { connect, isIP, type Socket } from "node:net"
import type { OwnSockets } from "../listen/own-sockets.ts"
import { type SlabPool, SlabReader } from "../splice/slabs.ts"
import { adoptDialing, handOver, type SocketOwner, startReading } from "../splice/socket-owner.ts"
import type { GuardedPrelude } from "../starttls/guarded.ts"
import type { StarttlsCode } from "../starttls/prelude.ts"
import type { DialEndpoint } from "../target.ts"
import { LONGEST_TIMER, Timed, type TimerWheel } from "../timer-wheel.ts"

/** Pause before the next address of a name is tried beside the first (RFC 8305 section 5, Connection Attempt Delay). */
const ATTEMPT_DELAY = 250

/** Codes of what this machine has run out of: descriptors, local ports, memory. */
export const OWN_FAULTS: ReadonlySet<string | undefined> = new Set([
  "EMFILE",
  "ENFILE",
  "EADDRNOTAVAIL",
  "ENOBUFS",
  "ENOMEM",
])

/** Refusals that are the client's own doing, or this program's: never held against an endpoint. */
const CLIENTS_OWN: ReadonlySet<StarttlsCode> = new Set(["STARTTLS_UNKNOWN_NAME", "STARTTLS_FAULT"])
/** Refusals that may be the client's doing, where the endpoint knows of it. */
const MAYBE_CLIENTS: ReadonlySet<StarttlsCode> = new Set(["STARTTLS_REFUSED", "STARTTLS_CLOSED"])

/** What a dial tries, one endpoint after the other. */
export interface DialPlan {
  /** Whether attempts run side by side, as for the addresses of one name, or one at a time. */
  readonly race: boolean
  /** Whether {@link next} has another endpoint, and may be asked for it now. */
  readonly more: boolean
  /** Milliseconds to wait before {@link next}, once an attempt has failed. */
  readonly pause: number
  /** The next endpoint to try; `undefined` when there is none. */
  next(): DialEndpoint | undefined
  /**
   * Asks where else the target is, once none of the endpoints known has answered; {@link more} tells what was found.
   * `undefined` when there is nobody to ask, or nobody to ask again. Never rejects.
   */
  renew?(): Promise<void> | undefined
  /** The endpoint refused, or did not answer in time. */
  failed(endpoint: DialEndpoint): void
  /** The attempt came to nothing by this machine's own fault, which must not be held against the endpoint. */
  lost(endpoint: DialEndpoint): void
  /** The endpoint answered. */
  connected(endpoint: DialEndpoint): void
  /** The connection is over. */
  release(): void
}

/** Why a dial came to nothing. `loop`: the last endpoint was a socket of this proxy's own. */
export type DialFailure = "dial-failed" | "dial-timeout" | "loop"

/** Detail of a `loop` that a dial would have made. */
export const OWN_LISTENER = "OWN_LISTENER"

/** Is told how a dial ended; exactly one of the two is called, unless it is aborted. */
export interface DialObserver {
  /** Connected. The socket reads through `slabs`, where it was given, which must be started before this returns. */
  dialConnected(socket: Socket, slabs: SlabReader | undefined, endpoint: DialEndpoint): void
  /** Nothing could be reached; `detail` is the last error's code. */
  dialFailed(reason: DialFailure, detail: string | undefined): void
}

/** What is said to an endpoint before it counts as connected. */
export interface DialOpening {
  /** PROXY protocol header, which comes first. */
  readonly header: Uint8Array | undefined
  /** Makes what is said after it, anew for each endpoint. */
  prelude(): GuardedPrelude
}

interface Attempt {
  readonly socket: Socket
  readonly slabs: SlabReader | undefined
  readonly endpoint: DialEndpoint
  /** From when the socket is connected, where there is one. */
  prelude: GuardedPrelude | undefined
}

/**
 * Connects to the first endpoint of a plan that answers, before one absolute deadline for all attempts.
 * Owns the sockets it opens until one is connected.
 *
 * One at a time, an attempt that hangs gets half of the time left, so that a black hole does not use up the
 * time of the endpoints after it. In a race, attempts start a quarter of a second apart and the first to
 * connect wins, whatever its place.
 */
export class Dial extends Timed implements SocketOwner {
  /** Endpoints tried so far. */
  attempts = 0
  /** The last one of them. */
  last: DialEndpoint | undefined
  readonly #plan: DialPlan
  readonly #observer: DialObserver
  readonly #wheel: TimerWheel
  readonly #pool: SlabPool | undefined
  readonly #due: number
  readonly #own: OwnSockets | undefined
  readonly #opening: DialOpening | undefined
  readonly #open: Attempt[] = []
  /** Until the next attempt. A retry is rare enough for a timer of its own, and waits for less than a tick of the wheel. */
  #pause: NodeJS.Timeout | undefined
  #detail: string | undefined
  #isOver = false
  #isRenewing = false

  /**
   * @param plan - what to try
   * @param observer - is told how it ended
   * @param wheel - keeps the deadline
   * @param pool - memory that sockets read into; without one they emit `data`, to their owner
   * @param due - the deadline, on the clock of `performance.now()`
   * @param own - sockets that are not dialled, as connections would come back
   * @param opening - what an endpoint must answer before it counts as connected
   */
  constructor(
    plan: DialPlan,
    observer: DialObserver,
    wheel: TimerWheel,
    pool: SlabPool | undefined,
    due: number,
    own?: OwnSockets,
    opening?: DialOpening,
  ) {
    super()
    this.#plan = plan
    this.#observer = observer
    this.#wheel = wheel
    this.#pool = pool
    this.#due = due
    this.#own = own
    this.#opening = opening
  }

  /** Begins. May call the observer at once. */
  start(): void {
    clearTimeout(this.#pause)
    while (this.#plan.more) {
      const endpoint = this.#plan.next()
      if (endpoint === undefined) break
      if (this.#attempt(endpoint)) {
        this.#arm()
        return
      }
    }
    // All that is known has been tried. While some of it may still answer, the deadline is that of all attempts.
    if (this.#renew() || this.#open.length > 0) this.#wheel.arm(this, this.#due - performance.now())
    else this.#fail("dial-failed")
  }

  /** Gives up without a word. */
  abort(): void {
    this.#isOver = true
    this.#drop()
  }

  deadlineReached(): void {
    if (performance.now() >= this.#due) {
      this.#fail("dial-timeout")
      return
    }
    if (!this.#plan.race) {
      // What another attempt would cost may have been spent by others meanwhile: then this one has all the time there is.
      if (!this.#plan.more && this.#open.length > 0) {
        this.#wheel.arm(this, this.#due - performance.now())
        return
      }
      this.#detail = "ETIMEDOUT"
      this.#giveUp()
    }
    this.start()
  }

  socketConnected(socket: Socket): void {
    if (this.#opening === undefined) this.#won(socket)
    else this.#speak(socket, this.#opening)
  }

  socketData(socket: Socket, chunk: Uint8Array): void {
    const attempt = this.#open.find((each) => each.socket === socket)
    const step = attempt?.prelude?.push(chunk)
    if (step === undefined) return
    if (step.status === "refused") {
      this.#refused(socket, step.code)
      return
    }
    if (step.send !== undefined) socket.write(step.send)
    if (step.status === "tls") this.#won(socket)
  }

  socketEnded(socket: Socket): void {
    if (this.#opening !== undefined) this.#refused(socket, "STARTTLS_CLOSED")
  }

  socketFailed(socket: Socket, error: NodeJS.ErrnoException): void {
    const lost = this.#remove(socket)
    if (lost === undefined) return
    const isOurs = OWN_FAULTS.has(error.code) || (lost.prelude !== undefined && this.#mayConcernClient)
    this.#lose(lost, error.code ?? error.message, isOurs)
  }

  socketClosed(_socket: Socket): void {}

  /** The socket is connected, and all that comes before TLS is said. */
  #won(socket: Socket): void {
    const won = this.#remove(socket)
    if (won === undefined) return
    this.abort()
    this.#plan.connected(won.endpoint)
    this.#observer.dialConnected(socket, won.slabs, won.endpoint)
  }

  // Before TLS

  #speak(socket: Socket, { header, prelude: make }: DialOpening): void {
    const attempt = this.#open.find((each) => each.socket === socket)
    if (attempt === undefined) return
    const prelude = make()
    attempt.prelude = prelude
    if (prelude.isBroken) {
      this.#refused(socket, "STARTTLS_FAULT")
      return
    }
    attempt.slabs?.listen((bytes) => this.socketData(socket, bytes))
    for (const bytes of [header, prelude.opening]) if (bytes !== undefined) socket.write(bytes)
    // One that is connected is worth more of a wait than a quarter of a second.
    if (this.#plan.race && this.#plan.more) this.#wheel.arm(this, (this.#due - performance.now()) / 2)
  }

  #refused(socket: Socket, code: StarttlsCode): void {
    const lost = this.#remove(socket)
    if (lost === undefined) return
    discard(socket)
    const concernsClient = CLIENTS_OWN.has(code) || (MAYBE_CLIENTS.has(code) && this.#mayConcernClient)
    this.#lose(lost, code, concernsClient)
  }

  /** A backend that is told who the client is may turn that one away: no client must be able to take it out for others. */
  get #mayConcernClient(): boolean {
    return this.#opening?.header !== undefined
  }

  // Failures

  #lose({ endpoint }: Attempt, detail: string, isForgiven: boolean): void {
    this.#detail = detail
    if (isForgiven) this.#plan.lost(endpoint)
    else this.#plan.failed(endpoint)
    if (!this.#plan.more && this.#open.length > 0) return
    // In a race the next attempt need not wait for its turn once one has failed.
    const pause = this.#plan.more ? this.#plan.pause : 0
    if (pause === 0) {
      this.start()
      return
    }
    this.#wheel.arm(this, this.#due - performance.now())
    this.#pause = setTimeout(startDial, Math.min(pause, LONGEST_TIMER), this)
  }

  #attempt(endpoint: DialEndpoint): boolean {
    this.attempts++
    this.last = endpoint
    if (this.#own?.has(endpoint) === true) {
      this.#detail = OWN_LISTENER
      this.#plan.failed(endpoint)
      return false
    }
    const slabs = this.#pool === undefined ? undefined : new SlabReader(this.#pool)
    try {
      assertAddress(endpoint)
      const socket = connect({
        host: endpoint.address,
        port: endpoint.port,
        allowHalfOpen: true,
        noDelay: true,
        ...(slabs === undefined ? undefined : { onread: slabs.onread }),
      })
      adoptDialing(socket, this)
      if (slabs === undefined) startReading(socket)
      this.#open.push({ socket, slabs, endpoint, prelude: undefined })
      return true
    } catch (error) {
      // Not an address, or not a port: whoever named the endpoint is wrong, and the next one may be right.
      this.#detail = (error as NodeJS.ErrnoException).code
      this.#plan.failed(endpoint)
      return false
    }
  }

  #arm(): void {
    const left = this.#due - performance.now()
    const { race, more, renew } = this.#plan
    if (more) this.#wheel.arm(this, race ? Math.min(ATTEMPT_DELAY, left) : left / 2)
    // Addresses that all hang leave half of the time to those that a name has moved to.
    else this.#wheel.arm(this, renew === undefined ? left : left / 2)
  }

  /** Whether the plan is being asked for other endpoints. */
  #renew(): boolean {
    if (this.#isRenewing) return true
    const renewal = this.#plan.renew?.()
    if (renewal === undefined) return false
    this.#isRenewing = true
    void renewal.then(() => {
      this.#isRenewing = false
      if (!this.#isOver) this.start()
    })
    return true
  }

  #remove(socket: Socket): Attempt | undefined {
    // The last is nearly always the only one.
    if (this.#open.at(-1)?.socket === socket) return this.#open.pop()
    const index = this.#open.findIndex((attempt) => attempt.socket === socket)
    return index === -1 ? undefined : this.#open.splice(index, 1)[0]
  }

  /** Counts what is under way as failed. */
  #giveUp(): void {
    for (const { endpoint, prelude } of this.#open) {
      if (prelude !== undefined) this.#detail = "STARTTLS_TIMEOUT" satisfies StarttlsCode
      this.#plan.failed(endpoint)
    }
    this.#drop()
  }

  #drop(): void {
    this.#wheel.disarm(this)
    clearTimeout(this.#pause)
    for (const { socket } of this.#open) discard(socket)
    this.#open.length = 0
  }

  #fail(cause: "dial-failed" | "dial-timeout"): void {
    this.#isOver = true
    this.#giveUp()
    const reason = cause === "dial-failed" && this.#detail === OWN_LISTENER ? "loop" : cause
    this.#observer.dialFailed(reason, this.#detail ?? (reason === "dial-timeout" ? "ETIMEDOUT" : undefined))
  }
}

/** A name would be looked up, past all guards, and nothing at all would be this machine. */
export function assertAddress({ address }: DialEndpoint): void {
  if (isIP(address) === 0) throw new NotAnAddress()
}

class NotAnAddress extends Error {
  readonly code = "ERR_INVALID_IP_ADDRESS"
}

function startDial(dial: Dial): void {
  dial.start()
}

const NOBODY: SocketOwner = { socketEnded() {}, socketFailed() {}, socketClosed() {} }

function discard(socket: Socket): void {
  handOver(socket, NOBODY)
  socket.destroy()
}
