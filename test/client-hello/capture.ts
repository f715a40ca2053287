import { once } from "node:events"
import { createServer, type Socket } from "node:net"
import type { ConnectionOptions } from "node:tls"
import { connect } from "node:tls"
import { type Client, run } from "../support/clients.ts"

/** Listens, lets `open` send a ClientHello to the port, and returns its record. */
async function capture(open: (port: number) => unknown): Promise<Buffer> {
  const server = createServer()
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { port: number }
  try {
    const accepted = once(server, "connection") as Promise<[Socket]>
    const opened = open(port)
    const [socket] = await accepted
    const bytes = await firstRecord(socket)
    socket.destroy()
    await opened
    return bytes
  } finally {
    server.close()
  }
}

async function firstRecord(socket: Socket): Promise<Buffer> {
  let bytes = Buffer.alloc(0)
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    bytes = Buffer.concat([bytes, chunk])
    if (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt16BE(3)) return bytes
  }
  throw new Error(`the client went away after ${bytes.length} bytes`)
}

/** The ClientHello of this Node.js with these options. */
export function fromNode(options: ConnectionOptions): Promise<Buffer> {
  return capture((port) => {
    connect({ host: "127.0.0.1", port, ...options }).on("error", () => undefined)
  })
}

/** The ClientHello of a program, whose arguments are made from the port. */
export function fromClient(client: Client, args: (port: number) => readonly string[]): Promise<Buffer> {
  return capture((port) => run(client, args(port)))
}
