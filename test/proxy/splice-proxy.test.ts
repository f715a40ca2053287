import { once } from "node:events"
import { createSecureServer as createHttp2Server, connect as http2Connect } from "node:http2"
import { createServer as createHttpsServer, request } from "node:https"
import { connect as connectTls, createServer as createTlsServer } from "node:tls"
import { expect, test } from "vitest"
import { SpliceProxy } from "../../src/proxy/proxy.ts"
import type { Router } from "../../src/proxy/router.ts"
import type { DialEndpoint } from "../../src/proxy/target.ts"
import { certificateAuthority } from "../support/certificate.ts"
import {
  backend,
  client,
  clientHello,
  closedPort,
  deferred,
  ending,
  listenOn,
  nextRecord,
  readAll,
  routerTo,
  startProxy,
} from "./harness.ts"

const authority = certificateAuthority()

async function httpsBackend(name: string) {
  return listenOn(createHttpsServer(authority.issue([name]), (_, response) => response.end(`hello from ${name}`)))
}

test("each name reaches its own backend, with that backend's certificate", async () => {
  const endpoints = {
    "a.example.com": await httpsBackend("a.example.com"),
    "b.example.com": await httpsBackend("b.example.com"),
  }
  const router: Router = {
    route: ({ hello }) => {
      const endpoint = endpoints[hello.serverName as keyof typeof endpoints]
      return endpoint === undefined
        ? { action: "refuse", reason: "no-route" }
        : { action: "forward", target: { kind: "endpoints", id: `${hello.serverName}`, endpoints: [endpoint] } }
    },
  }
  const { port } = await startProxy({ router })
  for (const name of Object.keys(endpoints)) {
    const answer = await new Promise<string>((resolve, reject) => {
      request({ host: "127.0.0.1", port, servername: name, ca: authority.cert, agent: false }, (response) => {
        response.setEncoding("utf8").on("data", resolve)
      })
        .on("error", reject)
        .end()
    })
    expect(answer).toBe(`hello from ${name}`)
  }
})

test("HTTP/2 is negotiated end to end and many streams share a connection", async () => {
  const server = createHttp2Server(authority.issue(["h2.example.com"]))
  server.on("stream", (stream, headers) => {
    stream.respond({ ":status": 200 })
    stream.end(`path ${headers[":path"]}`)
  })
  const { port, proxy } = await startProxy({ router: routerTo(await listenOn(server)) })
  const session = http2Connect(`https://h2.example.com:${port}`, {
    ca: authority.cert,
    createConnection: () =>
      connectTls({ host: "127.0.0.1", port, servername: "h2.example.com", ca: authority.cert, ALPNProtocols: ["h2"] }),
  })
  const answers = await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const stream = session.request({ ":path": `/${index}` }).setEncoding("utf8")
      const [body] = await once(stream, "data")
      return body
    }),
  )
  expect(answers).toEqual(Array.from({ length: 20 }, (_, index) => `path /${index}`))
  expect(proxy.connections.size).toBe(1)
  session.close()
})

test.each([
  ["one segment", (hello: Buffer) => [hello]],
  ["single bytes", (hello: Buffer) => Array.from(hello, (byte) => Buffer.from([byte]))],
  ["a split record header", (hello: Buffer) => [hello.subarray(0, 3), hello.subarray(3)]],
  ["many records", intoRecords],
])("a ClientHello in %s is replayed byte for byte", async (_, split) => {
  const pieces = split(await clientHello("example.com"))
  const received = deferred<Buffer>()
  const endpoint = await backend((socket) => received.resolve(readAll(socket)))
  const { port } = await startProxy({ router: routerTo(endpoint) })
  const socket = await client(port)
  for (const piece of pieces) {
    socket.write(piece)
    // Each piece in a turn of its own, so that the kernel hands it over by itself.
    await new Promise(setImmediate)
  }
  socket.end("tail")
  expect((await received.promise).equals(Buffer.concat([...pieces, Buffer.from("tail")]))).toBe(true)
})

test("bytes that follow the ClientHello before a backend is there are replayed in order", async () => {
  const hello = await clientHello("example.com")
  const early = Buffer.alloc(300_000, "early data ")
  const received = deferred<Buffer>()
  const endpoint = await backend((socket) => received.resolve(readAll(socket)))
  const asked = deferred<void>()
  const resolved = deferred<readonly DialEndpoint[]>()
  const { proxy, port } = await startProxy({
    router: { route: () => ({ action: "forward", target: { kind: "name", id: "n", host: "n", port: 1 } }) },
    names: {
      resolve: () => {
        asked.resolve()
        return resolved.promise
      },
    },
  })
  const socket = await client(port)
  socket.write(hello)
  await asked.promise
  socket.end(early)
  const [connection] = proxy.connections
  await expect.poll(() => connection?.bytesFromClient).toBeGreaterThan(hello.length)
  expect(connection?.bytesFromClient).toBeLessThan(hello.length + early.length)
  resolved.resolve([endpoint])
  expect((await received.promise).equals(Buffer.concat([hello, early]))).toBe(true)
})

test("events come in order, and the record tells the whole story", async () => {
  const endpoint = await backend((socket) => {
    socket.once("data", () => socket.end("0123456789"))
  })
  const { proxy, port } = await startProxy({ router: routerTo(endpoint) })
  const events: string[] = []
  proxy.on("connection", (connection) => events.push(`connection ${connection.id} ${connection.state}`))
  proxy.on("route", (connection, decision) => events.push(`route ${connection.serverName} ${decision.route}`))
  proxy.on("reject", () => events.push("reject"))
  proxy.on("close", () => events.push("close"))
  const closed = nextRecord(proxy)
  const hello = await clientHello("example.com")
  const before = Date.now()
  const socket = await client(port)
  const clientPort = socket.localPort
  socket.write(hello)
  await readAll(socket)
  expect([...proxy.connections][0]?.toJSON()).toMatchObject({ state: "half-closed", bytesFromBackend: 10 })
  socket.end()
  const record = await closed
  expect(record).toEqual({
    kind: "spliced",
    id: 1,
    uniqueId: expect.stringMatching(/^[0-9a-f]{16}-0{11}1$/),
    transport: "tcp",
    datagramsFromClient: 0,
    datagramsFromBackend: 0,
    via: undefined,
    matchedListener: undefined,
    offered: undefined,
    offeredName: undefined,
    proxyHeaderBytes: undefined,
    starttls: undefined,
    listener: "test",
    clientAddress: "127.0.0.1",
    clientPort,
    since: expect.any(Number),
    serverName: "example.com",
    route: "default/route",
    target: "backend",
    endpoint,
    bytesFromClient: hello.length,
    bytesFromBackend: 10,
    dialAttempts: 1,
    outcome: "completed",
    detail: undefined,
    endedBy: "backend",
    durations: { hello: expect.any(Number), dial: expect.any(Number), total: expect.any(Number) },
  })
  expect(Math.abs(record.since - before)).toBeLessThan(1_000)
  expect(record.durations.total).toBeGreaterThan(record.durations.hello ?? Number.NaN)
  expect(events).toEqual(["connection 1 accepted", "route example.com default/route", "close"])
  expect(JSON.parse(JSON.stringify(record))).toMatchObject({ serverName: "example.com" })
})

test("another router takes effect for the next connection and leaves live ones alone", async () => {
  const [first, second] = await Promise.all(
    ["first", "second"].map((name) => backend((socket) => socket.on("data", () => socket.write(name)))),
  )
  const { proxy, port } = await startProxy({ router: routerTo(first!) })
  const hello = await clientHello("example.com")
  const old = await client(port)
  old.write(hello)
  expect(String((await once(old, "data"))[0])).toBe("first")
  proxy.setRouter(routerTo(second!))
  const young = await client(port)
  young.write(hello)
  expect(String((await once(young, "data"))[0])).toBe("second")
  old.write("more")
  expect(String((await once(old, "data"))[0])).toBe("first")
})

test("a router that throws refuses the connection and is reported", async () => {
  const { proxy, port } = await startProxy({
    router: {
      route: () => {
        throw new Error("broken")
      },
    },
  })
  const failed = new Promise((resolve) => proxy.once("error", resolve))
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  expect(await ending(socket)).toBe("end")
  socket.end()
  expect(await failed).toMatchObject({ code: "ERR_TLSROUTE_ROUTER", cause: new Error("broken") })
  expect(await closed).toMatchObject({ outcome: "router-error", endedBy: "proxy" })
})

test("a port that is taken is named in the error", async () => {
  const taken = await backend(() => {})
  const { proxy } = await startProxy({ router: routerTo() })
  await expect(proxy.listen({ key: "other", host: "127.0.0.1", port: taken.port })).rejects.toMatchObject({
    name: "ListenError",
    code: "ERR_TLSROUTE_LISTEN",
    reason: "EADDRINUSE",
    port: taken.port,
    message: expect.stringContaining(`127.0.0.1:${taken.port}`),
  })
  await expect(proxy.listen({ key: "test", port: 0 })).rejects.toThrow('a listener with the key "test" exists')
  await expect(proxy.listen({ key: "bad", port: 70_000 })).rejects.toMatchObject({ reason: "ERR_SOCKET_BAD_PORT" })
})

test("a listener that is taken away stops accepting, and its connections go on", async () => {
  const endpoint = await backend((socket) => socket.pipe(socket))
  const { proxy, port } = await startProxy({ router: routerTo(endpoint) })
  const socket = await client(port)
  const hello = await clientHello("example.com")
  socket.write(hello)
  expect((await once(socket, "data"))[0].equals(hello)).toBe(true)
  expect(proxy.address("test")?.port).toBe(port)
  expect(proxy.unlisten("test")).toBe(true)
  expect(proxy.unlisten("test")).toBe(false)
  expect(proxy.address("test")).toBeUndefined()
  await expect(client(port)).rejects.toMatchObject({ code: "ECONNREFUSED" })
  socket.write("ping")
  expect(String((await once(socket, "data"))[0])).toBe("ping")
  await proxy.listen({ key: "test", host: "127.0.0.1", port })
  await client(port)
})

test("the client's certificate check fails as it would without the proxy when names do not agree", async () => {
  const server = createTlsServer(authority.issue(["right.example.com"]))
  const { port } = await startProxy({ router: routerTo(await listenOn(server)) })
  const socket = connectTls({ host: "127.0.0.1", port, servername: "wrong.example.com", ca: authority.cert })
  const [error] = await once(socket, "error")
  expect(error).toMatchObject({ code: "ERR_TLS_CERT_ALTNAME_INVALID" })
})

test("a target without endpoints is refused", async () => {
  const { proxy, port } = await startProxy({ router: routerTo() })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  expect(await ending(socket)).toBe("end")
  socket.end()
  expect(await closed).toMatchObject({ outcome: "no-endpoints", endedBy: "proxy", dialAttempts: 0 })
})

test("a backend that refuses is told apart from one that does not exist", async () => {
  const { proxy, port } = await startProxy({ router: routerTo(await closedPort()) })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  expect(await ending(socket)).toBe("end")
  socket.end()
  expect(await closed).toMatchObject({ outcome: "dial-failed", detail: "ECONNREFUSED", dialAttempts: 1 })
})

/** The handshake message over records of 20 bytes each (RFC 8446 section 5.1 allows any split). */
function intoRecords(hello: Buffer): Buffer[] {
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += 20) {
    const part = message.subarray(at, at + 20)
    records.push(Buffer.concat([Buffer.from([22, 3, 1, 0, part.length]), part]))
  }
  return records
}

test.each([Number.NaN, -1, "10s"])("a deadline of %s is refused", (limit) => {
  expect(() => new SpliceProxy({ router: routerTo(), deadlines: { hello: limit as number } })).toThrow(
    expect.objectContaining({ code: "ERR_TLSROUTE_PROXY_USAGE", message: expect.stringContaining("deadlines.hello") }),
  )
})

test("a listener that is taken away while it is being bound is not bound, and its key is free", async () => {
  const { proxy } = await startProxy({ router: routerTo(await closedPort()) })
  const binding = proxy.listen({ key: "more", host: "127.0.0.1", port: 0 })
  expect(proxy.unlisten("more")).toBe(true)
  const again = proxy.listen({ key: "more", host: "127.0.0.1", port: 0 })
  await expect(binding).rejects.toMatchObject({ code: "ERR_TLSROUTE_LISTEN" })
  expect((await again).port).toBe(proxy.address("more")?.port)
})

test("a proxy that is closed while a listener is being bound binds nothing", async () => {
  const proxy = new SpliceProxy({ router: routerTo(await closedPort()) })
  const binding = proxy.listen({ key: "late", host: "127.0.0.1", port: 0 })
  await proxy.close({ drainTimeout: 0 })
  await expect(binding).rejects.toMatchObject({ code: "ERR_TLSROUTE_PROXY_USAGE" })
  expect(proxy.address("late")).toBeUndefined()
})

test.each([
  [
    "throws",
    () => {
      throw new Error("not my day")
    },
  ],
  ["rejects", () => Promise.reject(new Error("not my day"))],
])("a listener of an event that %s costs nobody anything: it is told as an error", async (_, listener) => {
  const endpoint = await backend((socket) => socket.pipe(socket))
  const { proxy, port } = await startProxy({ router: routerTo(endpoint) })
  const errors: Error[] = []
  proxy.on("error", (error) => errors.push(error))
  for (const event of ["connection", "route", "close"] as const) proxy.on(event, listener)
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  await once(socket, "data")
  socket.end()
  socket.resume()
  await once(socket, "close")
  await expect.poll(() => errors.length).toBe(3)
  expect(errors.map((error) => (error as NodeJS.ErrnoException).code)).toEqual(
    new Array(3).fill("ERR_TLSROUTE_LISTENER"),
  )
  expect(errors[0]?.message).toContain('"connection" failed: not my day')
})
