import type { DialEndpoint } from "../target.ts"
import type { UdpNetwork, UdpPeer, UdpPeerOwner } from "./udp.ts"

/** What an address that has proven nothing may be sent, for each byte that came from it (RFC 9000 section 8). */
export const AMPLIFICATION = 3

/** Is told what comes back on a path. */
export interface PathOwner {
  /** The backend sent a datagram. */
  pathDatagram(path: Path, datagram: Buffer): void
  /** The backend cannot be reached. */
  pathFailed(path: Path, code: string | undefined): void
}

/**
 * One address of a client, and the socket that stands for it towards the backend. A client that moves gets another
 * socket, so that the backend sees a move where there is one, and validates the new path before it sends much there
 * (RFC 9000 section 9.3). Nobody can draw a connection to another address but who holds its keys.
 */
export class Path implements UdpPeerOwner {
  /** The client's address, as the socket tells it. */
  readonly address: string
  /** The client's port. */
  readonly port: number
  /** Both, as flows are found by them. */
  readonly client: string
  /** When it began, on the clock of the proxy's timer wheel. */
  readonly since: number
  /** The backend has sent something on it. */
  isAnswered = false
  /** The client has shown that it receives what is sent to its address. */
  isProven = false
  readonly #owner: PathOwner
  #peer: UdpPeer | undefined
  #received = 0
  #sent = 0

  constructor(owner: PathOwner, client: string, address: string, port: number, now: number) {
    this.since = now
    this.#owner = owner
    this.client = client
    this.address = address
    this.port = port
  }

  /** Whether there is a backend at its other end. */
  get isOpen(): boolean {
    return this.#peer !== undefined
  }

  /** Leads to an endpoint from now on. @throws Error when the system has no socket to give. */
  open(network: UdpNetwork, endpoint: DialEndpoint): UdpPeer {
    this.close()
    this.#peer = network.connect(endpoint, this)
    return this.#peer
  }

  /** Counts what came from the client. */
  received(bytes: number): void {
    this.#received += bytes
  }

  /** Counts what is to be sent to the client; false when that is more than it may be sent. */
  maySend(bytes: number): boolean {
    if (!this.isProven && this.#sent + bytes > AMPLIFICATION * this.#received) return false
    this.#sent += bytes
    return true
  }

  /** Sends to the backend; false when the kernel takes no more. */
  send(datagram: Buffer): boolean {
    return this.#peer?.send(datagram) ?? false
  }

  /** Closes its socket. */
  close(): void {
    this.#peer?.close()
    this.#peer = undefined
  }

  peerDatagram(datagram: Buffer): void {
    this.#owner.pathDatagram(this, datagram)
  }

  peerFailed(code: string | undefined): void {
    this.#owner.pathFailed(this, code)
  }
}
