import type { AddressInfo } from "node:net"
import { ListenError } from "../errors.ts"
import { QuicPort, type QuicPortHost } from "./quic-port.ts"
import type { UdpBindOptions } from "./udp.ts"

/** Whether the UDP port beside a listener is open. */
export type QuicState =
  | { readonly bound: true; readonly address: string; readonly port: number }
  | {
      readonly bound: false
      /** Why not. It is tried again. */
      readonly message: string
    }

/** What the ports of a proxy need of it. */
export interface QuicPortsHost extends QuicPortHost {
  /** A listener takes QUIC from now on, or does not, or cannot. */
  quicChanged(listener: string): void
}

const FIRST_RETRY = 1_000
const LAST_RETRY = 30_000

interface Wanted {
  readonly where: UdpBindOptions
  port: QuicPort | undefined
  retry: NodeJS.Timeout | undefined
  failures: number
  /** Why it could not be bound the last time. */
  fault: string | undefined
}

/** Keeps a UDP port open beside each listener that takes QUIC; tries again where the system refuses one. */
export class QuicPorts {
  readonly #host: QuicPortsHost
  readonly #wanted = new Map<string, Wanted>()
  /** Ports that take nothing new, and carry what is left. */
  readonly #retired = new Set<QuicPort>()

  constructor(host: QuicPortsHost) {
    this.#host = host
  }

  /** Whether any listener takes QUIC. */
  get isUsed(): boolean {
    return this.#wanted.size > 0
  }

  /** Where a listener takes QUIC; `undefined` when it does not, or not yet. */
  address(listener: string): AddressInfo | undefined {
    return this.#wanted.get(listener)?.port?.address
  }

  /** The same, or why not; `undefined` for a listener that is to take none, or whose port is being bound. */
  state(listener: string): QuicState | undefined {
    const bound = this.address(listener)
    if (bound !== undefined) return { bound: true, address: bound.address, port: bound.port }
    const fault = this.#wanted.get(listener)?.fault
    return fault === undefined ? undefined : { bound: false, message: fault }
  }

  /** A listener takes QUIC from now on. Settles after the first attempt to bind its port, which may have failed. */
  async want(listener: string, where: UdpBindOptions): Promise<void> {
    if (this.#wanted.has(listener)) return
    const wanted: Wanted = {
      where,
      port: this.#revive(listener, where),
      retry: undefined,
      failures: 0,
      fault: undefined,
    }
    this.#wanted.set(listener, wanted)
    if (wanted.port === undefined) await this.#open(listener, wanted)
    else this.#host.quicChanged(listener)
  }

  /** A listener takes no QUIC any more; its connections go on. */
  unwant(listener: string): void {
    const wanted = this.#wanted.get(listener)
    if (wanted === undefined) return
    this.#wanted.delete(listener)
    clearTimeout(wanted.retry)
    if (wanted.port !== undefined) this.#retire(wanted.port)
    this.#host.quicChanged(listener)
  }

  /** Closes every port at once. */
  close(): void {
    for (const listener of [...this.#wanted.keys()]) this.unwant(listener)
    for (const port of [...this.#retired]) port.close()
  }

  #retire(port: QuicPort): void {
    this.#retired.add(port)
    port.retire(() => this.#retired.delete(port))
  }

  /** The port that the listener had a moment ago, if it is still open: it carries connections. */
  #revive(listener: string, where: UdpBindOptions): QuicPort | undefined {
    for (const port of this.#retired) {
      if (port.listener !== listener || port.address?.port !== where.port) continue
      this.#retired.delete(port)
      port.revive()
      return port
    }
    return undefined
  }

  async #open(listener: string, wanted: Wanted): Promise<void> {
    const { host, port: number } = wanted.where
    let port: QuicPort
    try {
      port = await QuicPort.open(this.#host, listener, wanted.where)
    } catch (cause) {
      if (this.#wanted.get(listener) !== wanted) return
      this.#retry(listener, wanted)
      const { code, message } = cause as NodeJS.ErrnoException
      const error = new ListenError(listener, host, number, code ?? message, { cause, transport: "udp" })
      // What fails again in the same way was told.
      if (wanted.fault === error.message) return
      wanted.fault = error.message
      this.#host.connectionError(error)
      this.#host.quicChanged(listener)
      return
    }
    // It was wanted no longer by the time it was open.
    if (this.#wanted.get(listener) !== wanted) {
      port.close()
      return
    }
    wanted.failures = 0
    wanted.fault = undefined
    wanted.port = port
    this.#host.quicChanged(listener)
  }

  #retry(listener: string, wanted: Wanted): void {
    const delay = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** wanted.failures)
    wanted.failures++
    wanted.retry = setTimeout(() => void this.#open(listener, wanted), delay).unref()
  }
}
