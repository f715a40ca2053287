import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import type net from "node:net"
import tls from "node:tls"
import { afterEach, beforeAll, describe, expect, it } from "vitest"
import type { GatewayResources } from "../../src/routing/resources.ts"
import { objectSource } from "../../src/sources/object-source.ts"
import type { GatewaySource } from "../../src/sources/source.ts"
import { selfSigned } from "../support/certificate.ts"
import { localPort, startGateway } from "../support/gateway.ts"
import { gateway, listener, resources, route, service } from "../support/resources.ts"

const MIB = 1024 * 1024
const NAME = "app.example.com"
let pair: { readonly key: string; readonly cert: string }
const cleanups: (() => Promise<void> | void)[] = []

beforeAll(() => {
  pair = selfSigned([NAME])
})

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function backend(onConnection: (socket: tls.TLSSocket) => void): Promise<number> {
  const server = tls.createServer({ ...pair, allowHalfOpen: true } as tls.TlsOptions, onConnection)
  server.on("tlsClientError", () => undefined)
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  cleanups.push(() => void server.close())
  return (server.address() as net.AddressInfo).port
}

function config(backendPort: number, routes = [route("app", [NAME], [{ name: "app", port: 443 }])]): GatewayResources {
  return resources({ gateways: [gateway([listener("tls", 8443)])], tlsRoutes: routes }, service("app", [backendPort]))
}

async function serve(source: GatewaySource) {
  const started = await startGateway({ source })
  cleanups.push(() => started.gateway.close({ drainTimeout: 0 }))
  return started
}

async function connect(port: number): Promise<tls.TLSSocket> {
  const socket = tls.connect({
    port,
    host: "127.0.0.1",
    servername: NAME,
    ca: pair.cert,
    allowHalfOpen: true,
  } as tls.ConnectionOptions)
  await once(socket, "secureConnect")
  return socket
}

/** Random bytes that need not be kept: the same block over and over, its place written into it. */
function* blocks(total: number, size = 256 * 1024): Generator<Buffer> {
  const block = randomBytes(size)
  for (let sent = 0; sent < total; sent += size) {
    block.writeUInt32BE(sent / size)
    yield Buffer.from(block)
  }
}

/** Reads to the end and leaves the socket open for writing, which `for await` on the socket itself does not. */
function reading(socket: tls.TLSSocket): AsyncIterable<Buffer> {
  return { [Symbol.asyncIterator]: () => socket.iterator({ destroyOnReturn: false }) }
}

async function send(socket: tls.TLSSocket, total: number): Promise<string> {
  const hash = createHash("sha256")
  for (const block of blocks(total)) {
    hash.update(block)
    if (!socket.write(block)) await once(socket, "drain")
  }
  socket.end()
  return hash.digest("hex")
}

/** Reads to the end; `pauseEvery` makes a reader that stops for a moment after each so many bytes. */
async function receive(socket: tls.TLSSocket, pauseEvery = Number.POSITIVE_INFINITY): Promise<string> {
  const hash = createHash("sha256")
  let unread = 0
  for await (const chunk of reading(socket)) {
    hash.update(chunk)
    unread += chunk.length
    if (unread < pauseEvery) continue
    unread = 0
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return hash.digest("hex")
}

describe("bytes through the gateway", () => {
  it("100 MiB each way at once arrive as they were sent, with a slow reader at either end", async () => {
    const atBackend: Promise<readonly [string, string]>[] = []
    const port = await backend((socket) => {
      atBackend.push(Promise.all([receive(socket, MIB), send(socket, 100 * MIB)]))
    })
    const { port: at } = await serve(config(port))
    const client = await connect(at)
    const [received, sent] = await Promise.all([receive(client, MIB), send(client, 100 * MIB)])
    const [backendReceived, backendSent] = (await atBackend[0]) ?? []
    expect(received).toBe(backendSent)
    expect(backendReceived).toBe(sent)
  }, 120_000)

  it("a client that ends first still gets everything the server sends after", async () => {
    let sent: Promise<string> | undefined
    const port = await backend(async (socket) => {
      for await (const _ of reading(socket));
      sent = send(socket, 8 * MIB)
    })
    const { port: at } = await serve(config(port))
    const client = await connect(at)
    client.end("request")
    const received = await receive(client)
    expect(received).toBe(await sent)
  })

  it("a server that ends first still gets everything the client sends after", async () => {
    const got: Promise<string>[] = []
    const port = await backend((socket) => {
      socket.end("greeting")
      got.push(receive(socket))
    })
    const { port: at } = await serve(config(port))
    const client = await connect(at)
    for await (const _ of reading(client));
    const sent = await send(client, 8 * MIB)
    expect(await got[0]).toBe(sent)
  })
})

describe("many connections", () => {
  it("2 000 at once are all served, and no socket is left when they have gone", async () => {
    const port = await backend((socket) => void socket.on("error", () => undefined).pipe(socket))
    const { gateway: served, port: at } = await serve(config(port))
    let closed = 0
    const allClosed = new Promise<void>((resolve) => {
      served.on("close", () => {
        closed += 1
        if (closed === 2000) resolve()
      })
    })
    const clients: tls.TLSSocket[] = []
    for (let batch = 0; batch < 20; batch += 1) {
      clients.push(...(await Promise.all(Array.from({ length: 100 }, () => connect(at)))))
    }
    expect(served.connections.size).toBe(2000)
    await Promise.all(
      clients.map(async (client, index) => {
        client.end(`client ${index}`)
        let echoed = ""
        for await (const chunk of client) echoed += chunk
        expect(echoed).toBe(`client ${index}`)
      }),
    )
    await allClosed
    expect(served.connections.size).toBe(0)
  }, 120_000)
})

describe("a change of configuration", () => {
  it("under load drops no connection and loses no byte", async () => {
    const port = await backend((socket) => void socket.on("error", () => undefined).pipe(socket))
    const source = objectSource(config(port))
    const { gateway: served, port: at } = await serve(source)
    const clients = await Promise.all(Array.from({ length: 50 }, () => connect(at)))
    const traffic = clients.map((client) => Promise.all([receive(client), send(client, 2 * MIB)]))
    for (let change = 0; change < 50; change += 1) {
      const applied = once(served, "config")
      // Every other snapshot takes the listener away altogether, or gives it another route.
      source.set(change % 2 === 0 ? {} : config(port, [route(`app-${change}`, [NAME], [{ name: "app", port: 443 }])]))
      await applied
    }
    for (const [received, sent] of await Promise.all(traffic)) expect(received).toBe(sent)
    const late = await connect(localPort(served))
    late.destroy()
  }, 60_000)

  it("lets no new connection fail while the route moves from backend to backend", async () => {
    const echo = () => backend((socket) => void socket.on("error", () => undefined).pipe(socket))
    const ports = [await echo(), await echo()] as const
    const source = objectSource(config(ports[0]))
    const { gateway: served, port: at } = await serve(source)
    let isOver = false
    const changes = (async () => {
      let change = 0
      for (; !isOver; change += 1) {
        const applied = once(served, "config")
        source.set(config(ports[change % 2 === 0 ? 1 : 0]))
        await applied
      }
      return change
    })()
    const client = async () => {
      for (let connection = 0; connection < 20; connection += 1) {
        const socket = await connect(at)
        socket.end("request")
        let answer = ""
        for await (const chunk of socket) answer += chunk
        expect(answer).toBe("request")
      }
    }
    await Promise.all(Array.from({ length: 10 }, client)).finally(() => {
      isOver = true
    })
    expect(await changes).toBeGreaterThan(10)
  }, 60_000)
})
