import type { Socket } from "node:net"
import { ByteRate } from "../limits/byte-rate.ts"
import { LONGEST_TIMER } from "../timer-wheel.ts"

/** Is told when a socket may be read again, as far as its rate goes. */
export interface ThrottleObserver {
  /** The pause is over. */
  throttleOver(socket: Socket): void
}

/**
 * Holds what is read from one socket to a rate, by pausing it. Pauses are as long as the rate asks, down to
 * 10 ms, which is finer than the wheel ticks: each has a timer of its own, but only throttled sockets have them.
 */
export class Throttle {
  readonly #rate: ByteRate
  readonly #socket: Socket
  readonly #observer: ThrottleObserver
  #timer: NodeJS.Timeout | undefined

  /**
   * @param bytesPerSecond - rate to hold it to
   * @param socket - what is read
   * @param observer - resumes it
   */
  constructor(bytesPerSecond: number, socket: Socket, observer: ThrottleObserver) {
    this.#rate = new ByteRate(bytesPerSecond, performance.now())
    this.#socket = socket
    this.#observer = observer
  }

  /** Whether the socket is paused for its rate. */
  get isHolding(): boolean {
    return this.#timer !== undefined
  }

  /** Counts bytes read, and pauses the socket if it has been too fast. */
  spend(bytes: number): void {
    const pause = this.#rate.spend(bytes, performance.now())
    if (pause === 0 || this.#timer !== undefined) return
    this.#socket.pause()
    this.#timer = setTimeout(endPause, Math.min(pause, LONGEST_TIMER), this)
  }

  /** The socket is gone. */
  release(): void {
    clearTimeout(this.#timer)
  }

  /** @internal */
  over(): void {
    this.#timer = undefined
    this.#observer.throttleOver(this.#socket)
  }
}

function endPause(throttle: Throttle): void {
  throttle.over()
}
