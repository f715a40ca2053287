import type { Socket } from "node:net"
import type { RefusalMode } from "../options.ts"
import { handOver, reset, type SocketOwner } from "../splice/socket-owner.ts"
import { Timed, type TimerWheel } from "../timer-wheel.ts"
import type { RejectReason } from "./record.ts"
import { alertFor } from "./refusal.ts"

/** Milliseconds that a refused client gets to take its FIN and end its own side. */
const LINGER = 1_000
/** Bytes of a refused client that are read and thrown away, so that its FIN is not overtaken by a RST. */
const LINGER_BYTES = 262_144

/** Is told when a refused client is gone. */
export interface FarewellObserver {
  /** Its socket is closed. */
  farewellOver(): void
}

/** Owns the socket of a client that is refused after its ClientHello, until it is gone. */
export class Farewell extends Timed implements SocketOwner {
  readonly #socket: Socket
  readonly #observer: FarewellObserver
  readonly #wheel: TimerWheel
  #patience = LINGER_BYTES

  /**
   * @param socket - the client's
   * @param observer - is told when it is gone
   * @param wheel - keeps the time it is given
   */
  constructor(socket: Socket, observer: FarewellObserver, wheel: TimerWheel) {
    super()
    this.#socket = socket
    this.#observer = observer
    this.#wheel = wheel
  }

  /** Refuses it. */
  start(mode: RefusalMode, reason: RejectReason): void {
    handOver(this.#socket, this)
    if (mode === "reset") {
      reset(this.#socket)
      return
    }
    // Nothing that does not speak TLS, or does not speak at all, is worth waiting for.
    if (reason === "not-tls" || reason === "hello-timeout") {
      this.#socket.destroy()
      return
    }
    if (mode === "alert") this.#socket.write(alertFor(reason))
    // Closing with unread bytes makes the kernel send RST, which may overtake the FIN: what still comes is read and dropped.
    this.#socket.end()
    this.#socket.resume()
    this.#wheel.arm(this, LINGER)
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
    this.#observer.farewellOver()
  }
}
