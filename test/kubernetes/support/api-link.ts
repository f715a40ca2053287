import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"

/** A network between the controller and the API server, which a test can cut and block. */
export class ApiLink {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #blocked = false

  private constructor(target: number) {
    this.#server = createServer((client) => {
      if (this.#blocked) {
        client.destroy()
        return
      }
      const upstream = connect(target, "127.0.0.1")
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(socket)
        socket.on("error", () => undefined)
        socket.on("close", () => {
          this.#sockets.delete(socket)
          other.destroy()
        })
      }
      client.pipe(upstream).pipe(client)
    })
  }

  /** A link to a port of 127.0.0.1. */
  static async to(port: number): Promise<ApiLink> {
    const link = new ApiLink(port)
    link.#server.listen(0, "127.0.0.1")
    await once(link.#server, "listening")
    return link
  }

  /** Where the API server is reached through this link. */
  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Breaks every connection; new ones are let through. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Breaks every connection and lets none through until {@link unblock}. */
  block(): void {
    this.#blocked = true
    this.cut()
  }

  unblock(): void {
    this.#blocked = false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.block()
    this.#server.close()
    await once(this.#server, "close")
  }
}
