import { once } from "node:events"
import type { Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import { expect, test, vi } from "vitest"
import type { Router } from "../../src/proxy/router.ts"
import { hello, serverName } from "../client-hello/build.ts"
import {
  backend,
  client,
  clientHello,
  closedPort,
  ending,
  nextRecord,
  readAll,
  routerTo,
  startProxy,
  stopClock,
  until,
} from "./harness.ts"
import { listenerPolicy, proxyProtocol } from "./policy-harness.ts"

const refuseAll: Router = { route: () => ({ action: "refuse", reason: "NoMatchingRoute", route: "default/none" }) }

const knowsNoName: Router = { route: () => ({ action: "refuse", reason: "NoMatchingRoute" }) }

test("a refused client gets a plain FIN after its ClientHello", async () => {
  const { proxy, port } = await startProxy({ router: refuseAll })
  const rejected = once(proxy, "reject")
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello("nowhere.example.com"))
  expect((await readAll(socket)).length).toBe(0)
  socket.end()
  expect((await rejected)[1]).toEqual({ reason: "refused", detail: "NoMatchingRoute" })
  expect(await closed).toMatchObject({
    outcome: "refused",
    detail: "NoMatchingRoute",
    route: "default/none",
    endedBy: "proxy",
    serverName: "nowhere.example.com",
    target: undefined,
    durations: { dial: undefined },
  })
})

test("the FIN arrives even when the client goes on sending", async () => {
  const { port } = await startProxy({ router: refuseAll })
  const socket = await client(port)
  const end = ending(socket)
  socket.write(await clientHello("nowhere.example.com"))
  socket.write(Buffer.alloc(100_000))
  expect(await end).toBe("end")
})

test("a refused client that never ends is let go after a moment, and one that floods at once", async () => {
  const { port, records } = await startProxy({ router: refuseAll })
  stopClock()
  const quiet = await client(port)
  quiet.write(await clientHello("nowhere.example.com"))
  const flooding = await client(port)
  flooding.on("drain", () => flooding.write(Buffer.alloc(1_000_000)))
  flooding.write(await clientHello("nowhere.example.com"))
  flooding.write(Buffer.alloc(1_000_000))
  await until(() => records.length === 1)
  vi.advanceTimersByTime(900)
  expect(records.map(({ clientPort }) => clientPort)).toEqual([flooding.localPort])
  vi.advanceTimersByTime(200)
  await until(() => records.length === 2)
  expect(records[1]?.clientPort).toBe(quiet.localPort)
})

test("with refusal by reset the client sees a reset", async () => {
  const { port } = await startProxy({ router: refuseAll, refusal: "reset" })
  const socket = await client(port)
  socket.write(await clientHello("nowhere.example.com"))
  expect(await ending(socket)).toBe("ECONNRESET")
})

test("with refusal by alert a client whose name has a route that leads nowhere is told of an internal error", async () => {
  const { port } = await startProxy({ router: refuseAll, refusal: "alert" })
  const socket = await client(port)
  socket.write(await clientHello("nowhere.example.com"))
  expect([...(await readAll(socket))]).toEqual([21, 3, 3, 0, 2, 2, 80])
})

test("with refusal by alert a TLS client is told that the name is unknown", async () => {
  const { port } = await startProxy({ router: knowsNoName, refusal: "alert" })
  const socket = connectTls({ host: "127.0.0.1", port, servername: "nowhere.example.com" })
  const [error] = await once(socket, "error")
  expect(error).toMatchObject({ code: "ERR_SSL_TLSV1_UNRECOGNIZED_NAME" })
})

test("with refusal by alert a client whose backend is down is told of an internal error", async () => {
  const { port } = await startProxy({ router: routerTo(await closedPort()), refusal: "alert" })
  const socket = connectTls({ host: "127.0.0.1", port, servername: "down.example.com" })
  const [error] = await once(socket, "error")
  expect(error).toMatchObject({ code: "ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR" })
})

test.each([
  ["plain HTTP", Buffer.from("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")],
  ["an SSH client", Buffer.from("SSH-2.0-OpenSSH_9.9\r\n")],
])("%s is closed at once", async (_, bytes) => {
  const { proxy, port } = await startProxy({ router: refuseAll })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(bytes)
  expect(await ending(socket)).toBe("end")
  expect(await closed).toMatchObject({ outcome: "not-tls", endedBy: "proxy" })
})

test.each([
  ["says nothing", async () => [] as Buffer[]],
  [
    "trickles a valid ClientHello",
    async () => Array.from(await clientHello("example.com"), (byte) => Buffer.from([byte])),
  ],
])("a client that %s is closed at the deadline", async (_, bytes) => {
  const { proxy, port } = await startProxy({ router: refuseAll, deadlines: { hello: 300 } })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  const pieces = await bytes()
  const trickle = setInterval(() => {
    const piece = pieces.shift()
    if (piece !== undefined) socket.write(piece)
  }, 20)
  expect(["end", "ECONNRESET"]).toContain(await ending(socket))
  clearInterval(trickle)
  const record = await closed
  expect(record).toMatchObject({ outcome: "hello-timeout", endedBy: "proxy" })
  expect(record.durations.total).toBeGreaterThanOrEqual(300)
})

test("a ClientHello larger than allowed is refused", async () => {
  const { proxy, port } = await startProxy({ router: refuseAll, maxHelloBytes: 256 })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello(`${"a".repeat(60)}.example.com`))
  expect(await ending(socket)).toBe("end")
  socket.end()
  expect(await closed).toMatchObject({ outcome: "hello-too-large" })
})

test.each<[string, (socket: Socket) => unknown]>([
  ["ends", (socket) => socket.end()],
  ["resets", (socket) => socket.resetAndDestroy()],
])("a client that %s its connection without a byte is a probe", async (_, leave) => {
  const { proxy, port } = await startProxy({ router: refuseAll })
  proxy.on("reject", () => expect.unreachable())
  const closed = nextRecord(proxy)
  leave(await client(port))
  expect(await closed).toMatchObject({ outcome: "probe", endedBy: "client", bytesFromClient: 0 })
})

test("a load balancer that sends a PROXY protocol header and nothing else is a probe", async () => {
  const policy = listenerPolicy({ proxyProtocol: proxyProtocol("required") })
  const { proxy, port } = await startProxy({ router: refuseAll }, { policy })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.end("PROXY UNKNOWN\r\n")
  expect(await closed).toMatchObject({ outcome: "probe", endedBy: "client" })
})

test.each([
  ["nothing", "", "SILENT_CLIENT"],
  ["no whole ClientHello", "\x16", undefined],
])("a client that has sent %s by the deadline is told apart", async (_, sent, detail) => {
  const { proxy, port } = await startProxy({ router: refuseAll, deadlines: { hello: 200 } })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(sent)
  expect(await closed).toMatchObject({ outcome: "hello-timeout", detail })
})

test.each([
  ["alert", /^HTTP\/1\.1 400 Bad Request\r\n.*\r\n\r\nThis port takes TLS only\. Use https\.\n$/s],
  ["close", /^HTTP\/1\.1 400 Bad Request\r\n/],
] as const)("with refusal by %s a client that speaks plain HTTP is told so in HTTP", async (refusal, answer) => {
  const { proxy, port } = await startProxy({ router: refuseAll, refusal })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(`GET / HTTP/1.1\r\nHost: example.com\r\nCookie: ${"x".repeat(20_000)}\r\n\r\n`)
  expect(String(await readAll(socket))).toMatch(answer)
  socket.end()
  expect(await closed).toMatchObject({ outcome: "not-tls", detail: "PLAIN_HTTP" })
})

test.each([
  ["a version of nobody's", hello({ legacyVersion: 0x0203 }), 70],
  ["an extension twice", hello({ extensions: [serverName("a.example"), serverName("a.example")] }), 47],
  ["a name with a space in it", hello({ extensions: [serverName("a example")] }), 47],
  ["a body cut short", Buffer.from([22, 3, 1, 0, 5, 1, 0, 0, 1, 3]), 50],
  ["another message first", Buffer.from([22, 3, 1, 0, 5, 2, 0, 0, 1, 0]), 10],
] as const)("with refusal by alert a ClientHello with %s gets the alert that fits", async (_, bytes, description) => {
  const { port } = await startProxy({ router: refuseAll, refusal: "alert" })
  const socket = await client(port)
  socket.write(bytes)
  expect([...(await readAll(socket))]).toEqual([21, 3, 3, 0, 2, 2, description])
})

test("a listener's policy tells how its own clients are refused", async () => {
  const policy = listenerPolicy({ refusal: "alert" })
  const { port } = await startProxy({ router: knowsNoName, refusal: "reset" }, { policy })
  const socket = await client(port)
  socket.write(await clientHello("nowhere.example.com"))
  expect([...(await readAll(socket))]).toEqual([21, 3, 3, 0, 2, 2, 112])
})

test("a client that leaves before its ClientHello is whole is not a refusal", async () => {
  const { proxy, port } = await startProxy({ router: refuseAll })
  proxy.on("reject", () => expect.unreachable())
  const hello = await clientHello("example.com")
  for (const leave of [(socket: Socket) => socket.end(), (socket: Socket) => socket.resetAndDestroy()]) {
    const closed = nextRecord(proxy)
    const socket = await client(port)
    socket.write(hello.subarray(0, 50))
    await expect.poll(() => [...proxy.connections].at(-1)?.bytesFromClient).toBe(50)
    leave(socket)
    expect(await closed).toMatchObject({ outcome: "client-gone", endedBy: "client" })
  }
})

test("a client that is idle for too long is closed, and so is its backend", async () => {
  const backendClosed: Promise<unknown>[] = []
  const endpoint = await backend((socket) => {
    backendClosed.push(ending(socket))
  })
  const { proxy, port } = await startProxy({ router: routerTo(endpoint), deadlines: { idle: 300 } })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setTimeout(resolve, 150))
    socket.write("still here")
  }
  const record = await closed
  expect(record).toMatchObject({ outcome: "idle-timeout", endedBy: "proxy" })
  expect(record.durations.total).toBeGreaterThan(700)
  expect(await Promise.all(backendClosed)).toEqual(["end"])
})

test("a half-closed connection without traffic is closed sooner", async () => {
  const endpoint = await backend((socket) => socket.resume())
  const { proxy, port } = await startProxy({ router: routerTo(endpoint), deadlines: { halfClosed: 200 } })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.end(await clientHello("example.com"))
  expect(await closed).toMatchObject({ outcome: "half-closed-timeout", endedBy: "proxy" })
})

test("no connection lives longer than the longest duration allowed", async () => {
  const endpoint = await backend((socket) => socket.pipe(socket))
  const { proxy, port } = await startProxy({ router: routerTo(endpoint), deadlines: { max: 400 } })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  socket.on("data", (chunk) => setTimeout(() => socket.writable && socket.write(chunk), 20))
  expect(await closed).toMatchObject({ outcome: "max-duration", endedBy: "proxy" })
})

test.each([
  ["127.1", "invalid-hello", "127.1"],
  ["example.com.\n", "invalid-hello", "example.com.\\x0a"],
  ["127.0.0.1", "refused", "127.0.0.1"],
  ["example.com", "refused", undefined],
])("the record of a client that asks for %j tells what it sent", async (name, outcome, offeredName) => {
  const { proxy, port } = await startProxy({ router: refuseAll })
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.end(hello({ extensions: [serverName(name)] }))
  expect(await closed).toMatchObject({ outcome, offeredName })
})
