import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { connect as connectTls } from "node:tls"
import { converse } from "./converse.ts"
import type { Exchange } from "./exchange.ts"

/** Milliseconds after which a connection that has not come to its end is taken for stuck. */
const STUCK_AFTER = 30_000

/**
 * Plays a client's part from connect to the end. What it found is in the exchange.
 *
 * @param exchange - its connection
 * @param port - of the gateway
 * @param onConnect - called once its own port is known
 */
export async function playClient(exchange: Exchange, port: number, onConnect: () => void): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true })
  socket.on("error", (error: NodeJS.ErrnoException) => {
    exchange.clientError ??= error.code ?? error.message
  })
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()))
  let watchdog: NodeJS.Timeout | undefined
  const stuck = new Promise<void>((resolve) => {
    watchdog = setTimeout(() => {
      exchange.failures.push("it is stuck")
      socket.destroy()
      resolve()
    }, STUCK_AFTER)
  })
  try {
    await Promise.race([once(socket, "connect"), closed])
    if (socket.destroyed) return
    exchange.connected = true
    exchange.localPort = socket.localPort ?? 0
    onConnect()
    await Promise.race([talk(exchange, socket).then(() => closed), stuck])
  } catch {
    // It was reset while it connected: the error is noted already.
  } finally {
    clearTimeout(watchdog)
    exchange.bytesRead = socket.bytesRead
    exchange.bytesWritten = socket.bytesWritten
    socket.destroy()
  }
}

async function talk(exchange: Exchange, socket: Socket): Promise<void> {
  const { plan } = exchange
  const half = plan.hello.subarray(0, plan.hello.length / 2)
  switch (plan.fault) {
    case "garbage":
      socket.end(Buffer.from("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").subarray(plan.id % 2))
      socket.resume()
      return
    case "hello-ended":
      socket.end(half)
      socket.resume()
      return
    case "hello-reset":
      socket.write(half)
      await sleep(plan.id % 20)
      socket.resetAndDestroy()
      return
    case "hello-stalled":
      socket.write(half)
      socket.resume()
      await once(socket, "end")
      socket.end()
      return
    default:
      await (plan.protocol === "tls" ? talkTls(exchange, socket) : talkRaw(exchange, socket))
  }
}

async function talkRaw(exchange: Exchange, socket: Socket): Promise<void> {
  const { hello, helloPieces } = exchange.plan
  let at = 0
  for (const size of helloPieces) {
    socket.write(hello.subarray(at, at + size))
    at += size
    if (at < hello.length) await sleep(1)
  }
  socket.write(hello.subarray(at))
  await converse({ name: "client", stream: socket, socket, exchange })
}

async function talkTls(exchange: Exchange, socket: Socket): Promise<void> {
  const { plan } = exchange
  const stream = connectTls({ socket, servername: plan.serverName, rejectUnauthorized: false })
  stream.on("error", (error: NodeJS.ErrnoException) => {
    exchange.clientError ??= error.code ?? error.message
  })
  // Not every end of the one is the other's.
  stream.once("close", () => socket.destroy())
  const isUp = await Promise.race([
    once(stream, "secureConnect").then(() => true),
    once(stream, "close").then(() => false),
  ]).catch(() => false)
  if (!isUp) {
    socket.destroy()
    return
  }
  const id = Buffer.alloc(4)
  id.writeUInt32BE(plan.id)
  stream.write(id)
  await converse({ name: "client", stream, socket, exchange })
}
