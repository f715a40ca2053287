import type { Socket } from "node:net"
import { handOver, reset, type SocketOwner } from "../splice/socket-owner.ts"
import { Timed, type TimerWheel } from "../timer-wheel.ts"
import type { ConnectionState } from "./record.ts"
import type { RefusalAnswer } from "./refusal.ts"

/** Milliseconds that a refused client gets to take its FIN and end its own side. */
const LINGER = 1_000
/** Bytes of a refused client that are read and thrown away, so that its FIN is not overtaken by a RST. */
const LINGER_BYTES = 262_144

/** Is told when a refused client is gone. */
export interface LingeringObserver {
  /** Its socket is closed. */
  lingeringOver(): void
}

/**
 * Owns the socket of a refused client until it is gone. Closing with unread bytes makes the kernel send RST, which may
 * overtake what was written and the FIN: so what still comes is read and dropped for a while.
 */
export class LingeringClose extends Timed implements SocketOwner {
  readonly #socket: Socket
  readonly #observer: LingeringObserver
  readonly #wheel: TimerWheel
  #patience = LINGER_BYTES

  /**
   * @param socket - the client's
   * @param observer - is told when it is gone
   * @param wheel - keeps the time it is given
   */
  constructor(socket: Socket, observer: LingeringObserver, wheel: TimerWheel) {
    super()
    this.#socket = socket
    this.#observer = observer
    this.#wheel = wheel
  }

  /** Where the connection stands. */
  get state(): ConnectionState {
    return "refusing"
  }

  /** Gives the client its answer. */
  start(answer: RefusalAnswer): void {
    handOver(this.#socket, this)
    if (answer === "reset") reset(this.#socket)
    else if (answer === "hang-up") this.#socket.destroy()
    else {
      if (answer !== "close") this.#socket.write(answer)
      this.#socket.end()
      this.#socket.resume()
      this.#wheel.arm(this, LINGER)
    }
  }

  /** Waits no longer. */
  stop(): void {
    this.#socket.destroy()
  }

  deadlineReached(): void {
    this.#socket.destroy()
  }

  socketData(_socket: Socket, chunk: Buffer): void {
    this.#patience -= chunk.length
    if (this.#patience < 0) this.#socket.destroy()
  }

  socketEnded(): void {}

  socketFailed(): void {}

  socketClosed(): void {
    this.#wheel.disarm(this)
    this.#observer.lingeringOver()
  }
}
