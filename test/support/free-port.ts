import { createSocket } from "node:dgram"
import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"

/** A port of 127.0.0.1 that nobody had a moment ago, for TCP or UDP, for programs that cannot be given port 0. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  const socket = createSocket("udp4")
  try {
    const bound = once(socket, "listening")
    socket.bind({ port, address: "127.0.0.1", exclusive: true })
    await bound
    return port
  } catch (error) {
    // The system chooses among what is free for TCP; UDP sockets have numbers of their own.
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return await freePort()
    throw error
  } finally {
    socket.close()
    server.close()
    await once(server, "close")
  }
}
