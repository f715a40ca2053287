import type { Socket } from "node:net"
import type { ClientHello } from "../../client-hello/hello.ts"
import type { RouteRequest } from "../router.ts"
import type { ConnectionInfo } from "./record.ts"

/** What the router is asked, for one connection. What costs a system call waits until it is read. */
export class ConnectionRequest implements RouteRequest {
  readonly listener: string
  readonly hello: ClientHello
  readonly clientAddress: string
  readonly clientPort: number
  readonly #client: Socket

  /**
   * @param connection - whose route is asked for
   * @param client - its client's socket
   * @param hello - its ClientHello
   */
  constructor(connection: ConnectionInfo, client: Socket, hello: ClientHello) {
    this.listener = connection.listener
    this.hello = hello
    this.clientAddress = connection.clientAddress
    this.clientPort = connection.clientPort
    this.#client = client
  }

  get localAddress(): string | undefined {
    const { localAddress } = this.#client
    return localAddress === undefined ? undefined : plainAddress(localAddress)
  }
}

/** A dual-stack socket tells IPv4 addresses as `::ffff:192.0.2.1`. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address
}
