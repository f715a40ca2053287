import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import { ListenError, ProxyError } from "../errors.ts"
import type { ListenOptions } from "../options.ts"

/** Buffer marks of accepted sockets: a write that waits below its mark would not tell when it is done. */
const HIGH_WATER_MARK = 65_536

/**
 * Binds a port.
 *
 * @param options - what to bind
 * @param accept - takes each connection
 * @param failed - is told of errors after binding, such as a lack of file descriptors
 * @throws {@link ListenError} when the port cannot be bound
 */
export function bind(
  options: ListenOptions,
  accept: (socket: Socket) => void,
  failed: (error: ProxyError) => void,
): Promise<Server> {
  const { key, host, port, backlog, reusePort } = options
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true, highWaterMark: HIGH_WATER_MARK })
    const refused = (cause: NodeJS.ErrnoException) =>
      reject(new ListenError(key, host, port, cause.code ?? cause.message, { cause }))
    server.once("error", refused)
    server.once("listening", () => {
      server.off("error", refused)
      server.on("error", (cause) => {
        failed(new ProxyError("ERR_TLSROUTE_ACCEPT", `Listener ${key} could not accept: ${cause.message}`, { cause }))
      })
      resolve(server)
    })
    server.on("connection", accept)
    try {
      server.listen({
        port,
        // Shared handles of a cluster would ignore which worker asked; each process binds its own.
        exclusive: reusePort === true,
        ...(host === undefined ? {} : { host }),
        ...(backlog === undefined ? {} : { backlog }),
        ...(reusePort === undefined ? {} : { reusePort }),
      })
    } catch (cause) {
      refused(cause as NodeJS.ErrnoException)
    }
  })
}

/** Address that a server is bound to. */
export function boundAddress(server: Server): AddressInfo {
  const address = server.address()
  if (address === null || typeof address === "string") {
    throw new ProxyError("ERR_TLSROUTE_PROXY_USAGE", "The listener was closed while it was being bound")
  }
  return address
}
