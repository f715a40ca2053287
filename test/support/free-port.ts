import { randomInt } from "node:crypto"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { createServer } from "node:net"

/**
 * Ports that programs must ask for: what a system chooses by itself, for port 0 or for a connection's own end, lies
 * above (Linux from 32768, others from 49152). One of those may be anybody's again by the time it is used.
 */
const [FIRST, LAST] = [10_240, 32_767]

/** A port that nobody has at any address, for TCP or UDP, for what cannot be given port 0. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST + 1)
    if ((await canListen(port)) && (await canBind(port))) return port
  }
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer().listen(port)
  try {
    await once(server, "listening")
  } catch {
    return false
  }
  server.close()
  await once(server, "close")
  return true
}

async function canBind(port: number): Promise<boolean> {
  const socket = createSocket("udp4")
  const bound = once(socket, "listening")
  socket.bind(port)
  try {
    await bound
    return true
  } catch {
    return false
  } finally {
    socket.close()
  }
}
