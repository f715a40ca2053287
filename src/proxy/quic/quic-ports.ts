import type { AddressInfo } from "node:net"
import { ListenError } from "../errors.ts"
import { QuicPort, type QuicPortHost } from "./quic-port.ts"
import type { UdpBindOptions } from "./udp.ts"

const FIRST_RETRY = 1_000
const LAST_RETRY = 30_000

interface Wanted {
  readonly where: UdpBindOptions
  port: QuicPort | undefined
  retry: NodeJS.Timeout | undefined
  failures: number
}

/** Keeps a UDP port open beside each listener that takes QUIC; tries again where the system refuses one. */
export class QuicPorts {
  readonly #host: QuicPortHost
  readonly #wanted = new Map<string, Wanted>()
  /** Ports that take nothing new, and carry what is left. */
  readonly #retired = new Set<QuicPort>()

  constructor(host: QuicPortHost) {
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

  /** A listener takes QUIC from now on. Settles after the first attempt to bind its port, which may have failed. */
  async want(listener: string, where: UdpBindOptions): Promise<void> {
    if (this.#wanted.has(listener)) return
    const wanted: Wanted = { where, port: this.#revive(listener, where), retry: undefined, failures: 0 }
    this.#wanted.set(listener, wanted)
    if (wanted.port === undefined) await this.#open(listener, wanted)
  }

  /** A listener takes no QUIC any more; its connections go on. */
  unwant(listener: string): void {
    const wanted = this.#wanted.get(listener)
    if (wanted === undefined) return
    this.#wanted.delete(listener)
    clearTimeout(wanted.retry)
    if (wanted.port !== undefined) this.#retire(wanted.port)
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
      if (this.#wanted.get(listener) === wanted) this.#retry(listener, wanted)
      const { code, message } = cause as NodeJS.ErrnoException
      this.#host.connectionError(new ListenError(listener, host, number, code ?? message, { cause, transport: "udp" }))
      return
    }
    wanted.failures = 0
    if (this.#wanted.get(listener) === wanted) wanted.port = port
    // It was wanted no longer by the time it was open.
    else port.close()
  }

  #retry(listener: string, wanted: Wanted): void {
    const delay = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** wanted.failures)
    wanted.failures++
    wanted.retry = setTimeout(() => void this.#open(listener, wanted), delay).unref()
  }
}
