import { assertAddress, type DialFailure, type DialPlan, OWN_FAULTS, OWN_LISTENER } from "../backend/dial.ts"
import type { OwnSockets } from "../listen/own-sockets.ts"
import type { DialEndpoint } from "../target.ts"
import { LONGEST_TIMER, Timed, type TimerWheel } from "../timer-wheel.ts"

/** Milliseconds for one of several addresses of a name: they lead to the same place, so that another may be nearer. */
const RACE_PATIENCE = 1_000

/** Is told how a dial goes. */
export interface FlowDialObserver {
  /** Sends what there is to an endpoint. @throws Error when there is no socket for it. */
  dialEndpoint(endpoint: DialEndpoint): void
  /** Nobody could be reached; `detail` is the last error's code. */
  dialFailed(reason: DialFailure, detail: string | undefined): void
}

/**
 * Finds an endpoint that answers, one after the other, before one absolute deadline. Whether a datagram has arrived is
 * known by an answer alone; so an endpoint that says nothing gets half of the time left before the next one is tried.
 *
 * Silence is not held against an endpoint, as a client can bring it about: servers say nothing to what is not to their
 * liking. What the system says of an endpoint is.
 */
export class FlowDial extends Timed {
  /** Endpoints tried so far. */
  attempts = 0
  readonly #plan: DialPlan
  readonly #observer: FlowDialObserver
  readonly #wheel: TimerWheel
  readonly #due: number
  readonly #own: OwnSockets
  #endpoint: DialEndpoint | undefined
  #pause: NodeJS.Timeout | undefined
  #detail: string | undefined
  #isOver = false

  /**
   * @param plan - what to try
   * @param observer - is told how it goes
   * @param wheel - keeps the deadline
   * @param due - the deadline, on the clock of `performance.now()`
   * @param own - sockets of the proxy itself, which must not be dialled
   */
  constructor(plan: DialPlan, observer: FlowDialObserver, wheel: TimerWheel, due: number, own: OwnSockets) {
    super()
    this.#plan = plan
    this.#observer = observer
    this.#wheel = wheel
    this.#due = due
    this.#own = own
  }

  /** Begins, or goes on with the next endpoint. May call the observer at once. */
  next(): void {
    if (this.#isOver) return
    while (this.#plan.more) {
      const endpoint = this.#plan.next()
      if (endpoint === undefined) break
      if (this.#attempt(endpoint)) return
    }
    const renewal = this.#plan.renew?.()
    if (renewal === undefined) {
      this.#fail("dial-failed")
      return
    }
    this.#wheel.arm(this, this.#due - performance.now())
    void renewal.then(() => this.#renewed())
  }

  /** The endpoint has answered. */
  answered(): DialEndpoint | undefined {
    const endpoint = this.#endpoint
    this.abort()
    if (endpoint !== undefined) this.#plan.connected(endpoint)
    return endpoint
  }

  /** The system says that the endpoint cannot be reached. */
  refused(code: string | undefined): void {
    const endpoint = this.#endpoint
    if (this.#isOver || endpoint === undefined) return
    this.#endpoint = undefined
    this.#detail = code
    if (OWN_FAULTS.has(code)) this.#plan.lost(endpoint)
    else this.#plan.failed(endpoint)
    const pause = this.#plan.more ? this.#plan.pause : 0
    if (pause === 0) {
      this.next()
      return
    }
    this.#wheel.arm(this, this.#due - performance.now())
    this.#pause = setTimeout(() => this.next(), Math.min(pause, LONGEST_TIMER))
  }

  /** Gives up without a word. */
  abort(): void {
    this.#isOver = true
    this.#endpoint = undefined
    clearTimeout(this.#pause)
    this.#wheel.disarm(this)
  }

  deadlineReached(): void {
    if (this.#endpoint !== undefined) this.#plan.lost(this.#endpoint)
    this.#endpoint = undefined
    if (performance.now() >= this.#due) this.#fail("dial-timeout")
    else this.next()
  }

  #attempt(endpoint: DialEndpoint): boolean {
    this.attempts++
    if (this.#own.has(endpoint)) {
      this.#detail = OWN_LISTENER
      this.#plan.failed(endpoint)
      return false
    }
    this.#endpoint = endpoint
    try {
      assertAddress(endpoint)
      this.#observer.dialEndpoint(endpoint)
    } catch (error) {
      this.#endpoint = undefined
      this.#detail = (error as NodeJS.ErrnoException).code
      if (OWN_FAULTS.has(this.#detail)) this.#plan.lost(endpoint)
      else this.#plan.failed(endpoint)
      return false
    }
    const left = this.#due - performance.now()
    const patience = this.#plan.race ? Math.min(RACE_PATIENCE, left) : left / 2
    this.#wheel.arm(this, this.#plan.more ? patience : left)
    return true
  }

  #renewed(): void {
    if (this.#isOver) return
    if (this.#plan.more) this.next()
    else this.#fail("dial-failed")
  }

  #fail(cause: "dial-failed" | "dial-timeout"): void {
    this.abort()
    const reason = cause === "dial-failed" && this.#detail === OWN_LISTENER ? "loop" : cause
    this.#observer.dialFailed(reason, this.#detail ?? (reason === "dial-timeout" ? "ETIMEDOUT" : undefined))
  }
}
