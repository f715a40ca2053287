import type { UdpPeer } from "./udp.ts"

/** Datagrams kept for a backend that has not answered: a hello of 64 KiB takes 55. */
const MOST_DATAGRAMS = 96

/** What a client has sent before a backend answered, kept to be sent again to the next one if it does not. */
export class Flight {
  #datagrams: Buffer[] = []

  /** Keeps a datagram; false when there are too many. */
  push(datagram: Buffer): boolean {
    if (this.#datagrams.length >= MOST_DATAGRAMS) return false
    this.#datagrams.push(datagram)
    return true
  }

  /** Sends all, in the order in which they came. */
  sendTo(peer: UdpPeer): void {
    for (const datagram of this.#datagrams) peer.send(datagram)
  }

  /** Lets go of all. */
  clear(): void {
    this.#datagrams = []
  }
}
