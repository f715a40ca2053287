import type { AddressInfo } from "node:net"
import { connectionClose } from "../../quic/connection-close.ts"
import { hasLongHeader, type LongPacket, readLongPackets } from "../../quic/packet.ts"
import { versionNegotiation } from "../../quic/version-negotiation.ts"
import { alertDescription } from "../connection/refusal.ts"
import { plainAddress } from "../connection/route-request.ts"
import { clientKey } from "../limits/client-key.ts"
import type { ListenerPolicy } from "../policy.ts"
import type { DropReason } from "./drops.ts"
import { type FlowHost, QuicFlow } from "./flow.ts"
import type { ClientDatagram, FlowPort } from "./flow-port.ts"
import { FlowTable, idOf } from "./flow-table.ts"
import { Initials } from "./initials.ts"
import type { UdpBindOptions, UdpPort } from "./udp.ts"

/** What a port needs of the proxy it belongs to. */
export interface QuicPortHost extends FlowHost {
  /** What is asked of connections on a listener now. */
  listenerPolicyOf(listener: string): ListenerPolicy
  /** The next connection's number. */
  nextId(): number
  /** A connection was accepted. */
  connectionAccepted(flow: QuicFlow): void
}

/** Datagrams with a client's Initial packet are at least this long (RFC 9000 section 14.1). */
const MIN_INITIAL_DATAGRAM = 1200
/** A client's first Destination Connection ID has at least this many bytes (RFC 9000 section 7.2). */
const MIN_FIRST_ID = 8
const ANY_ADDRESS: ReadonlySet<string> = new Set(["::", "0.0.0.0"])

/** One UDP port: hands each datagram to the flow that it belongs to, and begins flows for clients that are new. */
export class QuicPort implements FlowPort<QuicFlow> {
  readonly listener: string
  readonly table = new FlowTable<QuicFlow>()
  readonly #host: QuicPortHost
  #socket: UdpPort | undefined
  #isRetired = false
  #closed: () => void = () => undefined

  private constructor(host: QuicPortHost, listener: string) {
    this.#host = host
    this.listener = listener
  }

  /**
   * Binds a port.
   *
   * @param host - the proxy
   * @param listener - key of the listener that it stands beside
   * @param where - what to bind
   * @throws Error of the system when it cannot be bound
   */
  static async open(host: QuicPortHost, listener: string, where: UdpBindOptions): Promise<QuicPort> {
    const port = new QuicPort(host, listener)
    port.#socket = await host.udp.bind(
      where,
      (datagram, address, from) => port.#receive(datagram, address, from),
      (error) => host.connectionError(error),
    )
    return port
  }

  /** Where it is bound; `undefined` once it is closed. */
  get address(): AddressInfo | undefined {
    return this.#socket?.address
  }

  get localAddress(): string | undefined {
    const address = this.#socket?.address.address
    return address === undefined || ANY_ADDRESS.has(address) ? undefined : plainAddress(address)
  }

  /** Takes no new flows any more, and closes once the last one is over: it is they whose datagrams come here. */
  retire(closed: () => void): void {
    this.#isRetired = true
    this.#closed = closed
    this.flowRemoved()
  }

  /** Takes new flows again. */
  revive(): void {
    this.#isRetired = false
  }

  /** Closes at once. */
  close(): void {
    const socket = this.#socket
    if (socket === undefined) return
    this.#socket = undefined
    socket.close()
    this.#closed()
  }

  send(datagram: Uint8Array, port: number, address: string): boolean {
    return this.#socket?.send(datagram, port, address) ?? false
  }

  flowRemoved(): void {
    if (this.#isRetired && this.table.size === 0) this.close()
  }

  #receive(bytes: Buffer, address: string, port: number): void {
    if (this.#socket === undefined) return
    const client = `${address} ${port}`
    if (!hasLongHeader(bytes)) {
      const found = this.table.findShort(client, bytes)
      if (found.length === 0) this.#drop("unknown-flow")
      for (const { flow } of found) flow.clientDatagram({ bytes, packets: undefined, client, address, port })
      return
    }
    const packets = readLongPackets(bytes)
    const first = packets?.[0]
    if (packets === undefined || first === undefined) {
      this.#drop("malformed")
      return
    }
    const datagram = { bytes, packets, client, address, port }
    const { destination, source, type } = first
    const begins = (type === "initial" && destination.length >= MIN_FIRST_ID) || type === undefined
    const found = this.table.findLong(client, idOf(destination), idOf(source), begins)
    if (found.length === 0) this.#begin(datagram, first, packets.length)
    for (const { flow } of found) flow.clientDatagram(datagram)
  }

  #begin(datagram: ClientDatagram, first: LongPacket, packets: number): void {
    const { bytes, address, port } = datagram
    const policy = this.#host.listenerPolicyOf(this.listener)
    const key = clientKey(plainAddress(address))
    const isKnown = this.#host.knownClients.has(key)
    if (first.version !== undefined && first.type !== "initial") this.#drop("unknown-flow")
    else if (bytes.length < MIN_INITIAL_DATAGRAM || first.versionNumber === 0) this.#drop("not-initial")
    else if (first.version === undefined) this.send(versionNegotiation(first), port, address)
    else if (first.destination.length < MIN_FIRST_ID) this.#drop("not-initial")
    else if (!this.#host.decrypts.takeForNew(key, isKnown, packets)) this.#drop("decrypt-budget")
    else if (this.#isRetired || !policy.quic) {
      this.#drop("closing")
      const close = connectionClose(first, alertDescription("no-endpoints", undefined, false))
      if (close !== undefined) this.send(close, port, address)
    } else {
      const initials = new Initials(this.#host, policy.maxHelloBytes)
      const read = initials.begin(bytes)
      if (read.status === "ignored") {
        this.#drop("not-initial")
        return
      }
      const flow = new QuicFlow(this.#host, this, this.#host.nextId(), policy, datagram, first, initials)
      this.#host.connectionAccepted(flow)
      flow.start(datagram, read, isKnown)
    }
  }

  #drop(reason: DropReason): void {
    this.#host.drops.count(reason)
  }
}
