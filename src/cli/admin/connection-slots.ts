import type { Socket } from "node:net"

/**
 * Bounds the connections of a server so that those who hold many keep out nobody who needs one. When all places are
 * taken, the newcomer gets the place that the address with the most connections has held for the longest time.
 */
export class ConnectionSlots {
  readonly #most: number
  /** By address, oldest first. */
  readonly #holders = new Map<string, Set<Socket>>()
  #taken = 0

  /** @param most - connections at a time */
  constructor(most: number) {
    this.#most = most
  }

  /** Gives a connection a place, for as long as it is open. */
  take(socket: Socket): void {
    const address = socket.remoteAddress ?? ""
    const held = this.#holders.get(address) ?? new Set()
    this.#holders.set(address, held)
    held.add(socket)
    this.#taken += 1
    socket.once("close", () => this.#leave(address, socket))
    if (this.#taken > this.#most) this.#free()
  }

  #free(): void {
    const [address, [oldest]] = [...this.#holders].reduce((one, other) => (other[1].size > one[1].size ? other : one))
    if (oldest === undefined) return
    this.#leave(address, oldest)
    oldest.destroy()
  }

  #leave(address: string, socket: Socket): void {
    const held = this.#holders.get(address)
    if (held?.delete(socket) !== true) return
    this.#taken -= 1
    if (held.size === 0) this.#holders.delete(address)
  }
}
