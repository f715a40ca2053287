import { hasLongHeader, type LongPacket, readLongPacket } from "../../quic/packet.ts"
import { plainAddress } from "../connection/route-request.ts"
import type { DialEndpoint } from "../target.ts"
import type { TimerWheel } from "../timer-wheel.ts"
import type { DropReason, Drops } from "./drops.ts"
import type { ClientDatagram, FlowPort } from "./flow-port.ts"
import { type FlowEntry, idOf } from "./flow-table.ts"
import type { Initials } from "./initials.ts"
import { AMPLIFICATION, Path, type PathOwner } from "./path.ts"
import type { UdpNetwork, UdpPeer } from "./udp.ts"

/** What paths need of the proxy. */
export interface FlowPathsHost {
  /** Makes sockets to backends. */
  readonly udp: UdpNetwork
  /** Counts what goes nowhere. */
  readonly drops: Drops
  /** Tells how long a path has been there. */
  readonly wheel: TimerWheel
}

/** The flow whose client they lead to. It is told what comes back on each. */
export interface PathsOwner extends PathOwner {
  /** Whether its client may move to an address. */
  allows(address: string): boolean
  /** Its client is real, which nothing shows that can be forged. Told once. */
  clientProven(): void
}

/** Bytes by which servers overrun their limit: quic-go looks whether it is reached before each datagram, and not after. */
const AMPLIFICATION_SLACK = 4_096
/** Addresses of one client at once: the one it comes from, and the one it came from. One more is for a third move. */
const MOST_PATHS = 3
/** Milliseconds without any answer after which a path makes room for another. */
const PATH_PATIENCE = 1_000

/**
 * The ways between a flow's client and its backend: passes datagrams on, follows a client that moves, and sees which
 * addresses have shown that somebody is there. It keeps the flow's place in the table of its port.
 */
export class FlowPaths<Flow extends PathsOwner> {
  bytesFromClient = 0
  bytesFromBackend = 0
  datagramsFromClient = 0
  datagramsFromBackend = 0
  readonly #flow: Flow
  readonly #host: FlowPathsHost
  readonly #port: FlowPort<Flow>
  readonly #initials: Initials
  readonly #entry: FlowEntry<Flow>
  /** The one that is alive. */
  #path: Path
  #others: readonly Path[] = []
  #endpoint: DialEndpoint | undefined
  #isProven = false

  /**
   * @param flow - whose paths they are
   * @param host - the proxy
   * @param port - takes the client's datagrams
   * @param initials - what the client says in Initial packets
   * @param datagram - the client's first one
   * @param first - its first packet
   */
  constructor(
    flow: Flow,
    host: FlowPathsHost,
    port: FlowPort<Flow>,
    initials: Initials,
    { client, address, port: clientPort }: ClientDatagram,
    { destination, source }: LongPacket,
  ) {
    this.#flow = flow
    this.#host = host
    this.#port = port
    this.#initials = initials
    this.#path = new Path(flow, client, address, clientPort, host.wheel.now)
    this.#entry = port.table.add(flow, client, idOf(destination), idOf(source))
  }

  /** Whether its client is real. */
  get isProven(): boolean {
    return this.#isProven
  }

  /** Address that the client sends to, where that is one. */
  get localAddress(): string | undefined {
    return this.#port.localAddress
  }

  /** Whether a path is the one that is alive. */
  isAlive(path: Path): boolean {
    return path === this.#path
  }

  /** Counts a datagram that the client has sent before a backend answered. */
  received({ bytes }: ClientDatagram): void {
    this.#count(bytes, this.#path)
  }

  /** Leads to an endpoint from now on. @throws Error when the system has no socket to give. */
  open(endpoint: DialEndpoint): UdpPeer {
    this.#endpoint = endpoint
    return this.#path.open(this.#host.udp, endpoint)
  }

  /** Sends to the endpoint that it leads to, if to any. Nothing is lost if that fails: it is kept until one answers. */
  sendEarly({ bytes }: ClientDatagram): void {
    this.#path.send(bytes)
  }

  /** Passes a datagram of the client on to the backend; false when it goes nowhere. */
  toBackend(datagram: ClientDatagram): boolean {
    const { bytes, packets } = datagram
    if (packets !== undefined && !this.#initials.mayFollow(datagram)) return false
    const path = this.#path.client === datagram.client ? this.#path : this.#pathOf(datagram)
    if (path === undefined) return false
    this.#count(bytes, path)
    if (packets !== undefined) this.#seeProof(path, packets)
    // Keys of a finished handshake: what could begin it anew is not taken any more.
    else if (path.isProven) this.#initials.end()
    if (!path.send(bytes)) this.#drop("send-queue")
    return true
  }

  /** Passes a datagram of the backend on to the client; false when no other one can follow. */
  toClient(path: Path, datagram: Buffer): boolean {
    const isOver = hasLongHeader(datagram) && !this.#learn(datagram)
    this.bytesFromBackend += datagram.length
    this.datagramsFromBackend++
    // A backend sends more than this only once its client has answered (RFC 9000 section 8.1).
    if (this.bytesFromBackend > AMPLIFICATION * this.bytesFromClient + AMPLIFICATION_SLACK) this.#proven()
    path.isAnswered = true
    // The one that the backend sends on is the one that is alive.
    if (path !== this.#path) this.#revive(path)
    if (!path.maySend(datagram.length)) this.#drop("amplification")
    else if (!this.#port.send(datagram, path.port, path.address)) this.#drop("send-queue")
    return !isOver
  }

  /** Sends something to the client that is not the backend's. */
  answer(packet: Uint8Array): void {
    this.#port.send(packet, this.#path.port, this.#path.address)
  }

  /** Closes all sockets. What the client sends is the flow's still. */
  close(): void {
    this.#path.close()
    for (const path of this.#others) path.close()
  }

  /** What the client sends is not the flow's any more. */
  leave(): void {
    this.#port.table.remove(this.#entry)
    this.#port.flowRemoved()
  }

  #count(bytes: Buffer, path: Path): void {
    this.bytesFromClient += bytes.length
    this.datagramsFromClient++
    path.received(bytes.length)
  }

  #drop(reason: DropReason): void {
    this.#host.drops.count(reason)
  }

  /** Notes the ids by which the client will call the server. False when the server has the client begin anew. */
  #learn(datagram: Buffer): boolean {
    for (let at = 0; at < datagram.length; ) {
      const packet = readLongPacket(datagram, at)
      if (packet === undefined) return true
      // Version Negotiation (RFC 9000 section 17.2.1): nothing but the client's next attempt can follow.
      if (packet.versionNumber === 0) return false
      this.#port.table.told(this.#entry, idOf(packet.source))
      if (packet.type === "retry") this.#initials.retried(packet.source)
      at = packet.end
    }
    return true
  }

  // Address validation

  /**
   * Only who receives what is sent to its address can call the server by an id that it told, or send a Handshake packet
   * (RFC 9000 section 8.1). That such a packet is authentic only the backend can tell, which keeps within the limit until
   * it has seen it.
   */
  #seeProof(path: Path, packets: readonly LongPacket[]): void {
    const [first] = packets
    const isCalled = first !== undefined && this.#entry.isServerId(idOf(first.destination))
    path.isProven ||= isCalled || packets.some(({ type }) => type === "handshake")
    if (isCalled) this.#proven()
  }

  #proven(): void {
    if (this.#isProven) return
    this.#isProven = true
    this.#flow.clientProven()
  }

  // Migration

  #revive(path: Path): void {
    this.#others = [this.#path, ...this.#others.filter((each) => each !== path)]
    this.#path = path
  }

  #pathOf(datagram: ClientDatagram): Path | undefined {
    const known = this.#others.find(({ client }) => client === datagram.client)
    if (known !== undefined) return known
    // Nobody moves during the handshake (RFC 9000 section 9): whose first address this was is not known yet.
    if (datagram.packets !== undefined || this.#endpoint === undefined) {
      this.#drop("unknown-flow")
      return undefined
    }
    if (!this.#flow.allows(plainAddress(datagram.address))) {
      this.#drop("denied")
      return undefined
    }
    if (!this.#makeRoom()) {
      this.#drop("queue-full")
      return undefined
    }
    const path = new Path(this.#flow, datagram.client, datagram.address, datagram.port, this.#host.wheel.now)
    // The backend validates it: see Path.
    path.isProven = true
    try {
      path.open(this.#host.udp, this.#endpoint)
    } catch {
      this.#drop("send-queue")
      return undefined
    }
    this.#others = [...this.#others, path]
    this.#port.table.join(this.#entry, path.client)
    return path
  }

  /** Lets a path go that another has followed, or that the backend does not answer on; false when there is none. */
  #makeRoom(): boolean {
    if (1 + this.#others.length < MOST_PATHS) return true
    const isOver = ({ isAnswered, since }: Path) => isAnswered || this.#host.wheel.left(since, PATH_PATIENCE) <= 0
    const over = this.#others.findLast(isOver)
    if (over === undefined) return false
    this.#others = this.#others.filter((path) => path !== over)
    over.close()
    this.#port.table.leave(this.#entry, over.client)
    return true
  }
}
