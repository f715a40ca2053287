import { QuicHelloReader, type QuicHelloResult } from "../../quic/hello-reader.ts"
import type { LongPacket } from "../../quic/packet.ts"
import type { DecryptBudget } from "./decrypt-budget.ts"
import type { Drops } from "./drops.ts"
import type { ClientDatagram } from "./flow-port.ts"

/** What the reader of Initial packets needs of the proxy. */
export interface InitialsHost {
  /** Bounds the work for packets that must be opened. */
  readonly decrypts: DecryptBudget
  /** Counts what goes nowhere. */
  readonly drops: Drops
}

const INCOMPLETE: QuicHelloResult = { status: "incomplete" }
const IGNORED: QuicHelloResult = { status: "ignored" }

/**
 * What a flow's client says in Initial packets: its ClientHello first, and then, for as long as its handshake lasts,
 * nothing else than that. So it is there before the opening, and outlives it.
 */
export class Initials {
  readonly #host: InitialsHost
  /** Until the client's handshake is over: after that it sends no Initial packet any more (RFC 9001 section 4.9.1). */
  #reader: QuicHelloReader | undefined

  /**
   * @param host - the proxy
   * @param maxHelloBytes - most bytes of the ClientHello
   */
  constructor(host: InitialsHost, maxHelloBytes: number) {
    this.#host = host
    this.#reader = new QuicHelloReader({ maxBytes: maxHelloBytes })
  }

  /** Whether what could begin the connection anew is not taken any more. */
  get isOver(): boolean {
    return this.#reader === undefined
  }

  /** Reads the first datagram, for which the work has been taken already. */
  begin(bytes: Uint8Array): QuicHelloResult {
    return this.#reader?.push(bytes) ?? IGNORED
  }

  /** Reads a further datagram, while the ClientHello is not whole. One that is `ignored` is counted as dropped. */
  read({ bytes, packets = [] }: ClientDatagram): QuicHelloResult {
    // 0-RTT may come before the rest of the hello. Nothing of it can be read, and all of it is for the same connection.
    const isEarly = packets.length > 0 && packets.every(({ type }) => type === "0-rtt")
    if (isEarly) return INCOMPLETE
    if (!this.#mayOpen(packets)) return IGNORED
    const result = this.begin(bytes)
    if (result.status === "ignored") this.#host.drops.count("not-initial")
    return result
  }

  /**
   * Whether a datagram with long headers says nothing else than the ClientHello that was routed by. One that does is
   * counted as dropped.
   */
  mayFollow({ bytes, packets = [] }: ClientDatagram): boolean {
    const hasInitial = packets.some(({ type }) => type === "initial")
    if (hasInitial && !this.#mayOpen(packets)) return false
    const agrees = this.#reader === undefined ? isOfHandshake(packets) : this.#reader.agrees(bytes)
    if (!agrees) this.#host.drops.count("disagrees")
    return agrees
  }

  /** The server has answered with a Retry packet, and goes by another id. */
  retried(id: Uint8Array): void {
    this.#reader?.retried(id)
  }

  /** The client's handshake is over. */
  end(): void {
    this.#reader = undefined
  }

  #mayOpen(packets: readonly LongPacket[]): boolean {
    if (this.#host.decrypts.takeForKnown(packets.length)) return true
    this.#host.drops.count("decrypt-budget")
    return false
  }
}

function isOfHandshake(packets: readonly LongPacket[]): boolean {
  return packets.every(({ type }) => type === "handshake" || type === "0-rtt")
}
