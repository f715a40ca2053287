import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import { Duplex } from "node:stream"
import { connect as tlsConnect } from "node:tls"
import { onTestFinished, vi } from "vitest"
import type { ConnectionRecord } from "../../src/proxy/connection/record.ts"
import { type ListenOptions, SpliceProxy, type SpliceProxyOptions } from "../../src/proxy/index.ts"
import type { Router } from "../../src/proxy/router.ts"
import type { DialEndpoint } from "../../src/proxy/target.ts"
import { freePort } from "../support/free-port.ts"

/** Real ClientHello bytes as Node.js sends them for a server name, or without one. */
export function clientHello(
  serverName: string | undefined,
  options: { readonly ALPNProtocols?: string[] } = {},
): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        done()
        resolve(chunk)
        // Node.js writes its first flight before tls.connect returns.
        queueMicrotask(() => socket.destroy())
      },
    })
    const socket = tlsConnect({
      socket: wire,
      ...options,
      ...(serverName === undefined ? {} : { servername: serverName }),
    })
    socket.on("error", () => {})
  })
}

/** Listens, on a port of the system's choosing if none is given, until the test is over. */
export async function listenOn(server: Server, host = "127.0.0.1", port = 0): Promise<DialEndpoint> {
  const sockets = new Set<Socket>()
  server.on("connection", (socket) => {
    sockets.add(socket)
    socket.on("error", () => {})
    socket.on("close", () => sockets.delete(socket))
  })
  server.listen(port, host)
  await once(server, "listening")
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const bound = server.address() as AddressInfo
  return { address: bound.address, port: bound.port }
}

/** A TCP backend. `serve` gets each socket; half-open is allowed. */
export function backend(serve: (socket: Socket) => void, host?: string, port?: number): Promise<DialEndpoint> {
  return listenOn(createServer({ allowHalfOpen: true }, serve), host, port)
}

/** A port nobody listens on. */
export async function closedPort(): Promise<DialEndpoint> {
  return { address: "127.0.0.1", port: await freePort() }
}

/** A router that sends everything to the same endpoints. */
export function routerTo(...endpoints: readonly DialEndpoint[]): Router {
  const target = { kind: "endpoints", id: "backend", endpoints } as const
  const decision = { action: "forward", target, route: "default/route" } as const
  return { route: () => decision }
}

/** A proxy that listens, closed when the test is over. */
export async function startProxy(
  options: SpliceProxyOptions,
  listen: Partial<ListenOptions> = {},
): Promise<{ readonly proxy: SpliceProxy; readonly port: number; readonly records: ConnectionRecord[] }> {
  const proxy = new SpliceProxy(options)
  const records: ConnectionRecord[] = []
  proxy.on("close", (record) => records.push(record))
  onTestFinished(() => proxy.close({ drainTimeout: 0 }))
  const { port } = await proxy.listen({ key: "test", host: "127.0.0.1", port: 0, ...listen })
  return { proxy, port, records }
}

/**
 * Stops the clock that a proxy's deadlines go by, until the test is over: it goes on by `vi.advanceTimersByTime` alone,
 * however busy the machine is. To be called once the proxy listens.
 */
export function stopClock(): void {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] })
  onTestFinished(() => void vi.useRealTimers())
}

/** Waits until something holds while the clock stands still; `expect.poll` would have it go on. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate)
}

/** A raw TCP client, connected. */
export async function client(port: number, host = "127.0.0.1"): Promise<Socket> {
  const socket = connect({ port, host, allowHalfOpen: true, noDelay: true })
  socket.on("error", () => {})
  onTestFinished(() => {
    socket.destroy()
  })
  await once(socket, "connect")
  return socket
}

/** Two ends of one TCP connection. */
export async function pair(): Promise<readonly [near: Socket, far: Socket]> {
  const server = createServer({ allowHalfOpen: true })
  const { port } = await listenOn(server)
  const accepted = once(server, "connection")
  const far = await client(port)
  const [near] = (await accepted) as [Socket]
  return [near, far]
}

/** Everything a socket sends until it ends; its own side stays open. Rejects when it is reset. */
export function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on("data", (chunk: Buffer) => chunks.push(chunk))
  return new Promise((resolve, reject) => {
    socket.once("end", () => resolve(Buffer.concat(chunks)))
    socket.once("error", reject)
    socket.once("close", () => reject(new Error("closed before its end")))
  })
}

/** How a socket comes to its end: the peer's FIN, or an error's code. */
export function ending(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once("end", () => resolve("end"))
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.resume()
  })
}

/** The next close record of a proxy. */
export function nextRecord(proxy: SpliceProxy): Promise<ConnectionRecord> {
  return new Promise((resolve) => proxy.once("close", resolve))
}

/** A promise with its handles, for what a backend's callback finds out. */
export function deferred<T>() {
  let resolve: (value: T | PromiseLike<T>) => void = () => {}
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
