import { createSocket, type Socket } from "node:dgram"
import { once } from "node:events"
import { onTestFinished } from "vitest"

/** What becomes of datagrams on their way, as shares from 0 to 1. */
export interface Weather {
  readonly loss?: number
  readonly duplication?: number
  /** Of datagrams that come a few milliseconds late, behind those sent after them. */
  readonly reordering?: number
}

/** Milliseconds for which what is sent to an old address still arrives. */
const OLD_ADDRESS = 50

/**
 * A network between a client and the gateway: it loses, repeats and delays datagrams, both ways, and gives the client
 * another address when it is told to, as a NAT does that has forgotten it.
 */
export class Relay {
  readonly #front: Socket
  readonly #to: number
  readonly #weather: Weather
  readonly #random: () => number
  /** The sockets by which each client is seen at the gateway, the present one last. */
  readonly #clients = new Map<string, Socket[]>()
  #rebindings = 0
  #isClosed = false
  #afterMoves = 0

  private constructor(front: Socket, to: number, weather: Weather) {
    this.#front = front
    this.#to = to
    this.#weather = weather
    this.#random = seeded()
    front.on("message", (bytes, { address, port }) => void this.#fromClient(bytes, address, port))
  }

  static async open(to: number, weather: Weather = {}): Promise<Relay> {
    const front = await bound()
    const relay = new Relay(front, to, weather)
    onTestFinished(() => {
      relay.#isClosed = true
      front.removeAllListeners("message")
      front.close()
      for (const sockets of relay.#clients.values()) for (const socket of sockets) socket.close()
    })
    return relay
  }

  get port(): number {
    return this.#front.address().port
  }

  /** Moves so far. */
  get rebindings(): number {
    return this.#rebindings
  }

  /** Datagrams that came back to a client at an address that it had moved to. */
  get afterMoves(): number {
    return this.#afterMoves
  }

  /**
   * Every client is seen at another port from now on. What is sent to the old one arrives for a moment yet: a client that
   * only receives has nothing to say, by which it could be found, once nothing arrives any more.
   */
  async rebind(): Promise<void> {
    for (const [client, sockets] of this.#clients) {
      const old = sockets.at(-1)
      sockets.push(await this.#upstream(client, true))
      setTimeout(() => old?.removeAllListeners("message"), OLD_ADDRESS)
      this.#rebindings++
    }
  }

  async #fromClient(bytes: Buffer, address: string, port: number): Promise<void> {
    const client = `${address} ${port}`
    let sockets = this.#clients.get(client)
    if (sockets === undefined) {
      sockets = []
      this.#clients.set(client, sockets)
      sockets.push(await this.#upstream(client, false))
    }
    const all = sockets
    this.#pass(() => all.at(-1)?.send(bytes, this.#to, "127.0.0.1"))
  }

  async #upstream(client: string, isMove: boolean): Promise<Socket> {
    const [address = "", port = ""] = client.split(" ")
    const socket = await bound()
    socket.on("message", (bytes) => {
      if (isMove) this.#afterMoves++
      this.#pass(() => this.#front.send(bytes, Number(port), address))
    })
    return socket
  }

  #pass(send: () => void): void {
    const { loss = 0, duplication = 0, reordering = 0 } = this.#weather
    if (this.#random() < loss) return
    const copies = this.#random() < duplication ? 2 : 1
    const deliver = () => {
      if (!this.#isClosed) send()
    }
    for (let copy = 0; copy < copies; copy++) {
      if (this.#random() < reordering) setTimeout(deliver, 1 + 8 * this.#random())
      else deliver()
    }
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket("udp4")
  socket.on("error", () => undefined)
  socket.bind(0, "127.0.0.1")
  await once(socket, "listening")
  return socket
}

/** Numbers that look random and are the same in every run. */
function seeded(): () => number {
  let state = 1
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
