import { channel } from "node:diagnostics_channel"
import { once } from "node:events"
import { connect } from "node:net"
import { describe, expect, it, onTestFinished } from "vitest"
import type { ConnectionRecord } from "../../../src/proxy/connection/record.ts"
import { CidrList } from "../../../src/proxy/limits/cidr.ts"
import { SpliceProxy } from "../../../src/proxy/proxy.ts"
import { CLOSE_CHANNEL } from "../../../src/proxy/proxy-host.ts"
import { alpn, body, handshake, inRecords } from "../../client-hello/build.ts"
import { blackHole } from "../black-hole.ts"
import { backend, client, clientHello, deferred, ending, nextRecord, routerTo, startProxy } from "../harness.ts"
import { connectionPolicy, listenerPolicy, policyRouter, proxyProtocol, scope } from "../policy-harness.ts"

const hello = clientHello("a.example")

/** A backend that says a byte to each connection, so that a test knows it is through. */
const greeter = () => backend((socket) => socket.write("!"))

/** A client whose ClientHello is answered by the backend. */
async function through(port: number) {
  const socket = await client(port)
  const answered = deferred<void>()
  socket.once("data", () => answered.resolve())
  socket.write(await hello)
  await answered.promise
  return socket
}

/** How a client that sends its ClientHello comes to its end. A reset may be there before the client knows that it is connected. */
async function turnedAway(port: number): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  const end = ending(socket)
  socket.write(await hello)
  return end
}

describe("rules of a listener, before a byte is read", () => {
  it.each([
    ["denied", { access: { deny: new CidrList(["127.0.0.0/8"]) } }],
    ["denied", { access: { allow: new CidrList(["10.0.0.0/8"]) } }],
    ["too-many-connections", { maxConnections: 0 }],
    ["too-many-of-client", { maxConnectionsPerClient: 0 }],
  ])("turn a client away as %s with a reset", async (outcome, asked) => {
    const policy = listenerPolicy({ scopes: [scope("Gateway/infra/public", asked)] })
    const { proxy, port } = await startProxy({ router: routerTo(await greeter()) }, { policy })
    const record = nextRecord(proxy)
    expect(await turnedAway(port)).toMatch(/ECONNRESET|EPIPE/)
    expect(await record).toMatchObject({
      outcome,
      detail: "Gateway/infra/public",
      endedBy: "proxy",
      serverName: undefined,
    })
  })

  it("let no more connections live than may, and the next one in when one ends", async () => {
    const policy = listenerPolicy({ scopes: [scope("x", { maxConnections: 2, maxConnectionsPerClient: 2 })] })
    const { proxy, port } = await startProxy({ router: routerTo(await greeter()) }, { policy })
    const first = await through(port)
    await through(port)
    expect(await turnedAway(port)).toMatch(/ECONNRESET|EPIPE/)
    first.resetAndDestroy()
    while (proxy.connections.size > 1) await nextRecord(proxy)
    await through(port)
  })

  it("let a client open no more connections in a row than its burst", async () => {
    const policy = listenerPolicy({ scopes: [scope("x", { rate: { perSecond: 0.001, burst: 3 } })] })
    const { proxy, port } = await startProxy({ router: routerTo(await greeter()) }, { policy })
    for (let turn = 0; turn < 3; turn++) await through(port)
    const record = nextRecord(proxy)
    expect(await turnedAway(port)).toMatch(/ECONNRESET|EPIPE/)
    expect(await record).toMatchObject({ outcome: "rate-limited", detail: "x" })
  })

  it("can change while connections live, and concern only new ones", async () => {
    const { proxy, port } = await startProxy({ router: routerTo(await greeter()) })
    const old = await through(port)
    proxy.setListenerPolicy("test", listenerPolicy({ scopes: [scope("x", { maxConnections: 0 })] }))
    expect(await turnedAway(port)).toMatch(/ECONNRESET|EPIPE/)
    expect(old.destroyed).toBe(false)
    proxy.setListenerPolicy("test", undefined)
    await through(port)
  })

  it("can change while the port is being bound: what came last is in force", async () => {
    const proxy = new SpliceProxy({ router: routerTo(await greeter()) })
    onTestFinished(() => proxy.close({ drainTimeout: 0 }))
    const bound = proxy.listen({ key: "test", host: "127.0.0.1", port: 0, policy: listenerPolicy() })
    const nobody = listenerPolicy({ scopes: [scope("x", { maxConnections: 0 })] })
    expect(proxy.setListenerPolicy("test", nobody)).toBe(true)
    expect(await turnedAway((await bound).port)).toMatch(/ECONNRESET|EPIPE/)
  })

  it("are not in force where there is no such listener, then or later", async () => {
    const proxy = new SpliceProxy({ router: routerTo(await greeter()) })
    onTestFinished(() => proxy.close({ drainTimeout: 0 }))
    const nobody = listenerPolicy({ scopes: [scope("x", { maxConnections: 0 })] })
    expect(proxy.setListenerPolicy("test", nobody)).toBe(false)
    const { port } = await proxy.listen({ key: "test", host: "127.0.0.1", port: 0 })
    await through(port)
    expect(proxy.setListenerPolicy("test", nobody)).toBe(true)
    proxy.unlisten("test")
    expect(proxy.setListenerPolicy("test", nobody)).toBe(false)
  })
})

describe("rules of a route, once the name is known", () => {
  it.each([
    ["denied", { access: { deny: new CidrList(["127.0.0.0/8"]) } }],
    ["too-many-connections", { maxConnections: 0 }],
    ["too-many-of-client", { maxConnectionsPerClient: 0 }],
  ])("refuse a client as %s, after its ClientHello", async (outcome, asked) => {
    const policy = connectionPolicy({ scopes: [scope("TLSRoute/shop/checkout", asked)] })
    const { proxy, port } = await startProxy({ router: policyRouter(policy, await greeter()) })
    const record = nextRecord(proxy)
    expect(await turnedAway(port)).toBe("end")
    expect(await record).toMatchObject({
      outcome,
      detail: "TLSRoute/shop/checkout",
      serverName: "a.example",
      route: "shop/checkout",
      matchedListener: "https",
    })
  })

  it("end a connection that idles longer than the route lets it", async () => {
    const policy = connectionPolicy({ idleTimeout: 200 })
    const { proxy, port } = await startProxy({ router: policyRouter(policy, await greeter()) })
    const record = nextRecord(proxy)
    await through(port)
    expect(await record).toMatchObject({ outcome: "idle-timeout", endedBy: "proxy" })
  })

  it("end a connection at its longest duration, shortened by no more than the jitter", async () => {
    const policy = connectionPolicy({ maxDuration: 600, maxDurationJitter: 0.5 })
    const { proxy, port } = await startProxy({ router: policyRouter(policy, await greeter()) })
    const record = nextRecord(proxy)
    await through(port)
    const { outcome, durations } = await record
    expect(outcome).toBe("max-duration")
    expect(durations.total).toBeGreaterThanOrEqual(300)
  })
})

describe("limits of the proxy as a whole", () => {
  it("count connections of every listener", async () => {
    const limits = { scope: scope("gateway", { maxConnections: 1 }) }
    const { proxy, port } = await startProxy({ router: routerTo(await greeter()), limits })
    const { port: other } = await proxy.listen({ key: "other", host: "127.0.0.1", port: 0 })
    await through(port)
    expect(await turnedAway(other)).toMatch(/ECONNRESET|EPIPE/)
  })

  it("bound the bytes that clients without a backend make it hold", async () => {
    const whole = await hello
    const part = whole.subarray(0, 300)
    const limits = { maxHelloMemory: 2 * part.length + whole.length }
    const { proxy, port } = await startProxy({ router: routerTo(await greeter()), limits })
    const stalled = []
    for (let turn = 0; turn < 3; turn++) {
      const socket = await client(port)
      socket.write(part)
      stalled.push(socket)
    }
    while ([...proxy.connections].filter(({ bytesFromClient }) => bytesFromClient > 0).length < 3) {
      await new Promise(setImmediate)
    }
    const record = nextRecord(proxy)
    expect(await turnedAway(port)).toMatch(/ECONNRESET|EPIPE/)
    expect(await record).toMatchObject({ outcome: "hello-memory" })
    const gone = nextRecord(proxy)
    stalled[0]?.resetAndDestroy()
    await gone
    await through(port)
  })

  it("count PROXY headers that are still being read among those bytes", async () => {
    const policy = listenerPolicy({ proxyProtocol: proxyProtocol("required") })
    const limits = { maxHelloMemory: 50 }
    const { proxy, port } = await startProxy({ router: routerTo(await greeter()), limits }, { policy })
    const record = nextRecord(proxy)
    for (let turn = 0; turn < 3; turn++) (await client(port)).write("PROXY TCP4 192.0.2.1")
    expect(await record).toMatchObject({ outcome: "hello-memory", bytesFromClient: 20 })
    expect(proxy.connections.size).toBe(2)
  })

  it("count what clients send behind their ClientHello while the backend does not answer", async () => {
    const whole = await hello
    // What a client sends may wait in the socket's own buffer besides, up to 128 KiB.
    const limits = { maxHelloMemory: 2 * whole.length + 200_000 }
    const { proxy, port } = await startProxy({ router: routerTo(await blackHole()), limits })
    const record = nextRecord(proxy)
    for (let turn = 0; turn < 2; turn++) {
      const socket = await client(port)
      const routed = once(proxy, "route")
      socket.write(whole)
      await routed
      socket.write("early data")
    }
    expect(await record).toMatchObject({ outcome: "hello-memory", serverName: "a.example" })
    expect(proxy.connections.size).toBe(1)
  })

  it("shed new connections while file descriptors run out", async () => {
    const limits = { descriptorReserve: 1_000_000_000 }
    const { proxy, port } = await startProxy({ router: routerTo(await greeter()), limits })
    const record = nextRecord(proxy)
    expect(await turnedAway(port)).toMatch(/ECONNRESET|EPIPE/)
    expect(await record).toMatchObject({ outcome: "no-descriptors" })
  })
})

describe("the record of a connection", () => {
  it("is published on the diagnostics channel, with what the ClientHello told when asked to", async () => {
    const published = deferred<ConnectionRecord>()
    const listener = (record: unknown) => published.resolve(record as ConnectionRecord)
    channel(CLOSE_CHANNEL).subscribe(listener)
    onTestFinished(() => void channel(CLOSE_CHANNEL).unsubscribe(listener))
    const { port } = await startProxy({ router: routerTo(await greeter()), describeHello: true })
    const socket = await through(port)
    socket.resetAndDestroy()
    expect(await published.promise).toMatchObject({
      serverName: "a.example",
      offered: { tlsVersion: "TLS 1.3", echOffered: false, ja4: expect.stringMatching(/^t13d/), alpnProtocols: [] },
    })
  })

  it("keeps of the protocols that a client offers no more than a few, however many those are", async () => {
    const { proxy, port } = await startProxy({ router: routerTo(await greeter()), describeHello: true })
    const record = nextRecord(proxy)
    const many = Array.from({ length: 240 }, (_, index) => String(index).padStart(255, "\u0001"))
    const message = handshake(body({ extensions: [alpn("h2", ...many)] }))
    const socket = await client(port)
    socket.write(inRecords(message, [0x4000, 0x4000, 0x4000]))
    await once(socket, "data")
    socket.resetAndDestroy()
    expect((await record).offered?.alpnProtocols).toEqual(["h2"])
  })
})
