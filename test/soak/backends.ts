import { once } from "node:events"
import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import { setImmediate as nextTurn } from "node:timers/promises"
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls"
import { ClientHelloParser } from "../../src/client-hello/parser.ts"
import { type ProxyHeader, ProxyTlvType } from "../../src/proxy/proxy-protocol/header.ts"
import { ProxyHeaderParser } from "../../src/proxy/proxy-protocol/parser.ts"
import { selfSigned } from "../support/certificate.ts"
import { converse } from "./converse.ts"
import type { Exchange } from "./exchange.ts"

/** Finds the connection that a backend has been told the number of. */
export type Find = (id: number) => Exchange | undefined

/** A backend that listens. */
export interface Backend {
  readonly name: string
  readonly port: number
  /** Connections that it has at present. */
  readonly live: number
  /** Lets go of all of them: not every reset is noticed by a socket that has nothing to read or write. */
  sweep(): void
  close(): void
}

/** What went wrong at a backend with a connection that it cannot tell the number of. */
export type Report = (failure: string) => void

/**
 * A backend that speaks TLS, or takes the ClientHello for the beginning of a stream of its own kind, as the server name
 * says. One that `expectsProxy` refuses connections without a PROXY protocol header that is right in every field.
 */
export async function startBackend(name: string, find: Find, report: Report, expectsProxy = false): Promise<Backend> {
  const context = createSecureContext(selfSigned(["soak.example"]))
  const sockets = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
    socket.on("error", () => undefined)
    serve(socket).catch((error: unknown) => report(`backend ${name}: ${String(error)}`))
  })

  async function serve(socket: Socket): Promise<void> {
    const proxied = expectsProxy ? await readProxyHeader(socket) : undefined
    if (expectsProxy && proxied === undefined) return
    const parser = new ClientHelloParser()
    const hello = await readUntil(socket, (chunk) => {
      const result = parser.push(chunk)
      if (result.status === "invalid") report(`backend ${name} was sent no ClientHello: ${result.error.message}`)
      return result.status === "complete" ? result.hello : undefined
    })
    // The connection was given up before all of it was there.
    if (hello === undefined) return
    const told = { proxied, serverName: hello.serverName }
    const bytes = Buffer.from(parser.bytes)
    if (hello.serverName?.startsWith("tls") === true) await serveTls(socket, bytes, told)
    else await serveRaw(socket, bytes, Buffer.from(hello.random).readUInt32BE(0), told)
  }

  async function serveRaw(socket: Socket, bytes: Buffer, id: number, told: Told): Promise<void> {
    const exchange = find(id)
    if (exchange === undefined) return report(`backend ${name} was sent a connection that nobody made: ${id}`)
    const { hello } = exchange.plan
    if (!bytes.subarray(0, hello.length).equals(hello)) exchange.failures.push("the ClientHello was altered")
    arrived(exchange, told)
    await converse({ name: "backend", stream: socket, socket, exchange }, bytes.subarray(hello.length))
  }

  async function serveTls(socket: Socket, bytes: Buffer, told: Told): Promise<void> {
    socket.unshift(bytes)
    const stream = secure(socket, context)
    const first: Buffer[] = []
    const id = await readUntil(stream, (chunk) => {
      first.push(chunk)
      const all = Buffer.concat(first)
      return all.length < 4 ? undefined : all
    })
    if (id === undefined) return
    const exchange = find(id.readUInt32BE(0))
    if (exchange === undefined) return report(`backend ${name} was sent a TLS connection that nobody made`)
    arrived(exchange, told)
    // Ended while it is still being read, a TLS stream of Node.js loses what comes in the same segment.
    await nextTurn()
    await converse({ name: "backend", stream, socket, exchange }, id.subarray(4))
  }

  function arrived(exchange: Exchange, { proxied, serverName }: Told): void {
    if (exchange.backend !== undefined) exchange.failures.push(`it came to ${exchange.backend} and to ${name}`)
    exchange.backend = name
    if (serverName !== exchange.plan.serverName) exchange.failures.push(`it came with the name ${serverName}`)
    if (proxied === undefined) return
    const { addresses, authority, tlvs } = proxied
    const isRight =
      addresses?.source.port === exchange.localPort &&
      addresses.source.address === "127.0.0.1" &&
      authority === serverName &&
      tlvs.some(({ type }) => type === ProxyTlvType.crc32c)
    if (!isRight) exchange.failures.push(`its PROXY header is wrong: ${JSON.stringify(proxied)}`)
  }

  async function readProxyHeader(socket: Socket): Promise<ProxyHeader | undefined> {
    const parser = new ProxyHeaderParser()
    return readUntil(socket, (chunk) => {
      const result = parser.push(chunk)
      if (result.status === "complete") {
        if (result.rest.length > 0) socket.unshift(result.rest)
        return result.header
      }
      if (result.status !== "incomplete") report(`backend ${name} was sent no PROXY header`)
      return undefined
    })
  }

  function sweep(): void {
    for (const socket of sockets) socket.destroy()
  }

  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return {
    name,
    port,
    get live() {
      return sockets.size
    },
    sweep,
    close() {
      server.close()
      sweep()
    },
  }
}

/** What a connection brought, besides its stream. */
interface Told {
  readonly proxied: ProxyHeader | undefined
  readonly serverName: string | undefined
}

function secure(socket: Socket, secureContext: SecureContext): TLSSocket {
  const stream = new TLSSocket(socket, { isServer: true, secureContext })
  stream.on("error", () => undefined)
  stream.once("close", () => socket.destroy())
  return stream
}

/** Reads chunk by chunk until something comes of it; `undefined` when the stream ends, or is gone, before. */
function readUntil<T>(stream: Socket, take: (chunk: Buffer) => T | undefined): Promise<T | undefined> {
  return new Promise((resolve) => {
    const finish = (value: T | undefined) => {
      stream.off("data", onData).off("end", onEnd).off("close", onEnd)
      if (value === undefined) stream.destroy()
      resolve(value)
    }
    const onEnd = () => finish(undefined)
    const onData = (chunk: Buffer) => {
      stream.pause()
      const value = take(chunk)
      if (value === undefined) stream.resume()
      else finish(value)
    }
    stream.on("data", onData).on("end", onEnd).on("close", onEnd)
    stream.resume()
  })
}
