import { once } from "node:events"
import type { Socket } from "node:net"
import { describe, onTestFinished } from "vitest"
import type { PassthroughGateway } from "../../src/gateway/gateway.ts"
import type { PassthroughGatewayOptions } from "../../src/gateway/options.ts"
import type { ConnectionRecord } from "../../src/proxy/connection/record.ts"
import type { DialEndpoint } from "../../src/proxy/target.ts"
import type { GatewayResources } from "../../src/routing/resources.ts"
import { hello, serverName } from "../client-hello/build.ts"
import { backend, client } from "../proxy/harness.ts"
import { localPort, startGateway } from "../support/gateway.ts"
import { gateway, listener, resources, route, service } from "../support/resources.ts"

/** The name that every gateway here routes. */
export const NAME = "app.example.com"

/** A second name, whose backend does nothing wrong. */
export const HONEST = "honest.example.com"

/** How much a heavy test does: 1 by default, more where a machine has the time. */
export const SCALE = Number(process.env["TLSROUTE_FAULTS_SCALE"] ?? 1)

/** For what only Linux has: `/proc`, and an address for every client in 127.0.0.0/8. */
export const onLinux = describe.skipIf(process.platform !== "linux")

/** A whole ClientHello for a name, in one record. */
export function greeting(name: string = NAME): Buffer {
  return Buffer.from(hello({ extensions: [serverName(name)] }))
}

/** A configuration that routes {@link NAME} on these Gateway ports to one backend, of one endpoint or more. */
export function configTo(
  endpoint: Pick<DialEndpoint, "port">,
  ports: readonly number[] = [443],
  others: readonly Pick<DialEndpoint, "port">[] = [],
): GatewayResources {
  const listeners = ports.map((port) => listener(`tls-${port}`, port))
  return resources(
    { gateways: [gateway(listeners)], tlsRoutes: [route("app", [NAME], [{ name: "app", port: 443 }])] },
    service(
      "app",
      [endpoint, ...others].map(({ port }) => port),
    ),
  )
}

/** The same on one port, with a second route, of {@link HONEST}, to an {@link echo}. */
export async function configToBoth(endpoint: Pick<DialEndpoint, "port">): Promise<GatewayResources> {
  const honest = await echo()
  return resources(
    configTo(endpoint),
    { tlsRoutes: [route("honest", [HONEST], [{ name: "honest", port: 443 }])] },
    service("honest", [honest.port]),
  )
}

/** A backend that sends back what it gets, and ends when its client does. */
export function echo(asked: () => void = () => undefined): Promise<DialEndpoint> {
  return backend((socket) => {
    asked()
    socket.pipe(socket)
  })
}

/** A gateway that serves until the test is over. */
export interface Served {
  readonly gateway: PassthroughGateway
  /** Local port of its first listener. */
  readonly port: number
  /** What became of each connection so far. */
  readonly records: readonly ConnectionRecord[]
  /** Resolves once so many connections have ended. */
  ended(count: number): Promise<readonly ConnectionRecord[]>
}

/** Starts the gateway; it is closed when the test is over. */
export async function serve(options: PassthroughGatewayOptions): Promise<Served> {
  const { gateway: served } = await startGateway(options)
  onTestFinished(() => served.close({ drainTimeout: 0 }))
  const records: ConnectionRecord[] = []
  served.on("close", (record) => records.push(record))
  return {
    gateway: served,
    port: localPort(served),
    records,
    async ended(count) {
      while (records.length < count) await once(served, "close")
      return records
    },
  }
}

/** Reads until so many bytes are there. */
export async function readBytes(socket: Socket, count: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  for (let got = 0; got < count; ) {
    const chunk: Buffer | null = socket.read()
    if (chunk === null) {
      if (socket.readableEnded || socket.destroyed) throw new Error(`ended after ${got} of ${count} bytes`)
      const waiting = new AbortController()
      const { signal } = waiting
      await Promise.race([once(socket, "readable", { signal }), once(socket, "close", { signal })])
      waiting.abort()
      continue
    }
    chunks.push(chunk)
    got += chunk.length
  }
  return Buffer.concat(chunks)
}

/** A client whose hello has come back from an {@link echo}. */
export async function connected(port: number, name?: string): Promise<Socket> {
  const socket = await client(port)
  const bytes = greeting(name)
  socket.write(bytes)
  await readBytes(socket, bytes.length)
  return socket
}

/** Sends a word through an {@link echo} and tells what comes back. */
export async function says(socket: Socket, word: string): Promise<string> {
  socket.write(word)
  return String(await readBytes(socket, word.length))
}

/** Whether an honest client is served: a whole exchange from connect to a clean end. */
export async function isServed(port: number, name?: string): Promise<boolean> {
  const socket = await connected(port, name)
  if ((await says(socket, "honest")) !== "honest") return false
  socket.end()
  socket.resume()
  await once(socket, "close")
  return !socket.errored
}
