import { once } from "node:events"
import { connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it, onTestFinished, vi } from "vitest"
import { CidrList } from "../../../src/proxy/limits/cidr.ts"
import { SpliceProxy } from "../../../src/proxy/proxy.ts"
import { bytes, hello, serverName, versions } from "../../client-hello/build.ts"
import { ACK, CLIENT_DESTINATION, cryptoFrame, datagram, hex, inFrames, message, packet } from "../../quic/build.ts"
import { freePort } from "../../support/free-port.ts"
import { backend, closedPort, stopClock } from "../harness.ts"
import { listenerPolicy, scope } from "../policy-harness.ts"
import { fromServer, helloFor, opened, Peer, quicProxy, short } from "./harness.ts"

const SERVER_ID = hex("f067a5502a4262b5")
const keyId = CLIENT_DESTINATION
const withAlert = (description: number) => Buffer.from(bytes(0x1c, 0x41, description, 0, 0))

/** A flow whose handshake is over: what its client and backend sent so far has been taken. */
async function begun(names = ["a.example"], options: Parameters<typeof quicProxy>[1] = {}) {
  const [client, backend] = [await Peer.open(), await Peer.open()]
  const all = await quicProxy(Object.fromEntries(names.map((name) => [name, [backend.endpoint]])), options)
  client.send(helloFor(names[0] ?? ""), all.at)
  const { from } = await backend.next()
  backend.send(fromServer("handshake", { source: SERVER_ID }), from)
  await client.next()
  client.send(packet(new Uint8Array(30), { type: "handshake", destination: SERVER_ID }), all.at)
  await backend.next()
  return { ...all, client, backend, toProxy: from }
}

describe("datagrams", () => {
  it("go to the backend of the name and back, unchanged, from the first one on", async () => {
    const [client, a, b] = [await Peer.open(), await Peer.open(), await Peer.open()]
    const { at, proxy } = await quicProxy({ "a.example": [a.endpoint], "b.example": [b.endpoint] })
    const frames = inFrames(message({ extensions: [serverName("b.example"), versions(0x0304)] }), [60])
    const sent = frames.map((frame, number) => datagram(frame, { number })).toReversed()
    for (const each of sent) client.send(each, at)
    expect((await b.next()).bytes).toEqual(Buffer.from(sent[0] ?? ""))
    const { bytes: second, from } = await b.next()
    expect(second).toEqual(Buffer.from(sent[1] ?? ""))
    const answer = fromServer("initial", { source: SERVER_ID }, 1100)
    b.send(answer, from)
    expect((await client.next()).bytes).toEqual(answer)
    const inside = short(SERVER_ID)
    client.send(inside, at)
    expect((await b.next()).bytes).toEqual(inside)
    expect(a.pending).toBe(0)
    expect([...proxy.connections]).toMatchObject([
      {
        transport: "quic",
        state: "splicing",
        serverName: "b.example",
        datagramsFromClient: 3,
        datagramsFromBackend: 1,
      },
    ])
  })

  it("of two connections from one address go to a backend each", async () => {
    const [client, a, b] = [await Peer.open(), await Peer.open(), await Peer.open()]
    const { at } = await quicProxy({ "a.example": [a.endpoint], "b.example": [b.endpoint] })
    client.send(helloFor("a.example"), at)
    client.send(helloFor("b.example", { destination: new Uint8Array(8).fill(9) }), at)
    const ids = [hex("aaaaaaaa"), hex("bbbbbbbb")]
    for (const [index, backend] of [a, b].entries()) {
      backend.send(fromServer("handshake", { source: ids[index] as Uint8Array }), (await backend.next()).from)
      await client.next()
    }
    client.send(short(ids[1] as Uint8Array, "for b"), at)
    client.send(short(ids[0] as Uint8Array, "for a"), at)
    expect((await b.next()).bytes.toString("latin1")).toMatch(/for b$/)
    expect((await a.next()).bytes.toString("latin1")).toMatch(/for a$/)
  })

  it("of 0-RTT that come between the parts of a hello go with it", async () => {
    const [client, backend] = [await Peer.open(), await Peer.open()]
    const { at } = await quicProxy({ "a.example": [backend.endpoint] })
    const [first, second] = inFrames(message({ extensions: [serverName("a.example")] }), [50]) as [
      Uint8Array,
      Uint8Array,
    ]
    const early = packet(new Uint8Array(90), { type: "0-rtt" })
    const sent = [
      datagram(first),
      early,
      datagram(second, { number: 1 }),
      packet(new Uint8Array(80), { type: "0-rtt" }),
    ]
    for (const each of sent) client.send(each, at)
    for (const each of sent) expect((await backend.next()).bytes).toEqual(Buffer.from(each))
  })

  it("of a Retry and what follows it pass", async () => {
    const [client, backend] = [await Peer.open(), await Peer.open()]
    const { at } = await quicProxy({ "a.example": [backend.endpoint] })
    client.send(helloFor("a.example"), at)
    backend.send(fromServer("retry", { source: SERVER_ID }), (await backend.next()).from)
    await client.next()
    const again = helloFor("a.example", { destination: SERVER_ID, token: hex("0102") })
    client.send(again, at)
    expect((await backend.next()).bytes).toEqual(Buffer.from(again))
  })

  it("of an Initial packet with a short id told in secret go to the connection of that address", async () => {
    const { client, backend, at } = await begun()
    const late = datagram(ACK, { destination: hex("01020304"), keyId, number: 2 })
    client.send(late, at)
    expect((await backend.next()).bytes).toEqual(Buffer.from(late))
  })

  it("that would have the connection begin again with another name go nowhere", async () => {
    const { client, backend, proxy, at } = await begun()
    const drops = once(proxy, "drops")
    for (const fields of [{}, { destination: SERVER_ID }, { destination: SERVER_ID, keyId }]) {
      client.send(helloFor("b.example", fields), at)
    }
    client.send(datagram(ACK, { destination: SERVER_ID, keyId, number: 2 }), at)
    client.send(short(SERVER_ID), at)
    expect((await backend.next()).bytes).toHaveLength(1200)
    expect((await backend.next()).bytes).toEqual(short(SERVER_ID))
    // Once the handshake is over, no Initial packet is passed at all.
    client.send(helloFor("a.example"), at)
    client.send(short(SERVER_ID), at)
    expect((await backend.next()).bytes).toEqual(short(SERVER_ID))
    expect((await drops)[0]).toEqual({ disagrees: 4 })
  })

  it("that belong to nobody are dropped and counted", async () => {
    const client = await Peer.open()
    const { at, proxy, records } = await quicProxy({})
    const drops = once(proxy, "drops")
    client.send(short(SERVER_ID), at)
    client.send(packet(new Uint8Array(30), { type: "handshake", destination: SERVER_ID }), at)
    client.send(packet(new Uint8Array(30)), at)
    client.send(datagram(new Uint8Array(30), { side: "server" }), at)
    client.send(bytes(0xc0, 0, 0, 0, 1, 200), at)
    expect((await drops)[0]).toEqual({ "unknown-flow": 2, "not-initial": 2, malformed: 1 })
    expect(client.pending + records.length + proxy.connections.size).toBe(0)
  })
})

describe("a client that moves", () => {
  it("is followed by an id that its server told, and seen by the backend to have moved", async () => {
    const { at, backend, toProxy, proxy } = await begun()
    const elsewhere = await Peer.open("127.0.0.2")
    elsewhere.send(short(SERVER_ID), at)
    const { from } = await backend.next()
    expect(from.port).not.toBe(toProxy.port)
    const answer = short(hex("00"), "to the new address")
    backend.send(answer, from)
    expect((await elsewhere.next()).bytes).toEqual(answer)
    expect(proxy.connections.size).toBe(1)
  })

  it("is answered at the address that the backend answers to", async () => {
    const { at, client, backend, toProxy } = await begun()
    const elsewhere = await Peer.open("127.0.0.2")
    elsewhere.send(short(SERVER_ID), at)
    await backend.next()
    const answer = short(hex("00"), "not convinced yet")
    backend.send(answer, toProxy)
    expect((await client.next()).bytes).toEqual(answer)
    expect(elsewhere.pending).toBe(0)
  })

  it("is followed by an id told in secret that it used before", async () => {
    const { at, client, backend } = await begun()
    client.send(short(hex("0102030405060708")), at)
    await backend.next()
    const elsewhere = await Peer.open("127.0.0.2")
    elsewhere.send(short(hex("0102030405060708"), "moved"), at)
    expect((await backend.next()).bytes.toString()).toMatch(/moved$/)
  })

  it("is not followed to an address that is not allowed", async () => {
    const access = { allow: undefined, deny: new CidrList(["127.0.0.2/32"]) }
    const { at, client, backend, proxy } = await begun(["a.example"], {
      connection: { scopes: [scope("route", { access })] },
    })
    const drops = once(proxy, "drops")
    const elsewhere = await Peer.open("127.0.0.2")
    elsewhere.send(short(SERVER_ID), at)
    expect((await drops)[0]).toEqual({ denied: 1 })
    client.send(short(SERVER_ID, "still here"), at)
    expect((await backend.next()).bytes.toString()).toMatch(/still here$/)
  })

  it("is followed as often as it moves, when the backend answers it there", async () => {
    const { at, backend } = await begun()
    for (let move = 2; move < 9; move++) {
      const elsewhere = await Peer.open(`127.0.0.${move}`)
      elsewhere.send(short(SERVER_ID, `move ${move}`), at)
      const { bytes: moved, from } = await backend.next()
      expect(moved.toString()).toMatch(new RegExp(`move ${move}$`))
      const answer = short(hex("00"), "followed")
      backend.send(answer, from)
      expect((await elsewhere.next()).bytes).toEqual(answer)
    }
  })

  it("is seen on three addresses at once at most", async () => {
    const { at, backend, proxy } = await begun()
    const peers = [await Peer.open("127.0.0.2"), await Peer.open("127.0.0.3"), await Peer.open("127.0.0.4")]
    const drops = once(proxy, "drops")
    for (const peer of peers) peer.send(short(SERVER_ID), at)
    await drops
    expect(backend.pending).toBe(2)
  })
})

describe("a client that has proven nothing", () => {
  it("is sent three times what came from it at most, and all once it has answered", async () => {
    const [client, backend] = [await Peer.open(), await Peer.open()]
    const { at, proxy } = await quicProxy({ "a.example": [backend.endpoint] })
    const drops = once(proxy, "drops")
    client.send(helloFor("a.example"), at)
    const { from } = await backend.next()
    for (let count = 0; count < 6; count++) backend.send(fromServer("handshake", { source: SERVER_ID }, 1100), from)
    expect((await drops)[0]).toEqual({ amplification: 3 })
    for (let count = 0; count < 3; count++) await client.next()
    client.send(packet(new Uint8Array(30), { type: "handshake", destination: SERVER_ID }), at)
    await backend.next()
    for (let count = 0; count < 6; count++) backend.send(fromServer("handshake", { source: SERVER_ID }, 1100), from)
    for (let count = 0; count < 6; count++) await client.next()
  })
})

describe("clients that have proven nothing", () => {
  it("have 2048 places, of which the oldest is given to the newest", async () => {
    const { at, proxy, records } = await quicProxy({ "a.example": [] }, { listener: { helloTimeout: 60_000 } })
    const cut = (id: number) => {
      const destination = new Uint8Array(8)
      destination.set([id >> 8, id & 255])
      return datagram(cryptoFrame(0, message().subarray(0, 50)), { destination })
    }
    // Each from an address of its own, as one client has a share only.
    const peers = await Promise.all(Array.from({ length: 10 }, (_, at) => Peer.open(`127.0.1.${at + 1}`)))
    for (let id = 0; records.length < 5; id++) {
      peers[id % peers.length]?.send(cut(id), at)
      if (id % 20 > 0) continue
      await sleep(20)
      expect(proxy.connections.size).toBeLessThanOrEqual(2_048)
    }
    expect(records[0]).toMatchObject({
      kind: "refused",
      outcome: "too-many-connections",
      detail: "UNPROVEN_CLIENT",
      clientAddress: "127.0.1.1",
      clientPort: peers[0]?.port,
    })
    expect(peers.every(({ pending }) => pending === 0)).toBe(true)
  }, 120_000)

  it("keep their place though a packet comes that anybody can forge, until one calls the server by its id", async () => {
    const [client, backend] = [await Peer.open(), await Peer.open()]
    const { at, closed } = await quicProxy(
      { "a.example": [backend.endpoint] },
      { connection: { quicIdleTimeout: 300 } },
    )
    const handshake = (destination: Uint8Array) => packet(new Uint8Array(30), { type: "handshake", destination })
    for (const [destination, detail] of [
      [keyId, "UNPROVEN_CLIENT"],
      [SERVER_ID, undefined],
    ] as const) {
      client.send(helloFor("a.example"), at)
      backend.send(fromServer("handshake", { source: SERVER_ID }), (await backend.next()).from)
      await client.next()
      client.send(handshake(destination), at)
      await backend.next()
      expect(await closed()).toMatchObject({ outcome: "idle-timeout", detail })
    }
  })

  it("are proven by a backend that sends more than it may to others", async () => {
    const [client, backend] = [await Peer.open(), await Peer.open()]
    const { at, closed } = await quicProxy(
      { "a.example": [backend.endpoint] },
      { connection: { quicIdleTimeout: 300 } },
    )
    client.send(helloFor("a.example"), at)
    const { from } = await backend.next()
    for (let count = 0; count < 8; count++) backend.send(fromServer("handshake", { source: SERVER_ID }, 1100), from)
    expect(await closed()).toMatchObject({ outcome: "idle-timeout", detail: undefined })
  })

  it("are told apart in the record of a connection that ended in silence", async () => {
    const [client, backend] = [await Peer.open(), await Peer.open()]
    const { at, closed } = await quicProxy(
      { "a.example": [backend.endpoint] },
      { connection: { quicIdleTimeout: 100 } },
    )
    client.send(helloFor("a.example"), at)
    backend.send(fromServer("initial", { source: SERVER_ID }), (await backend.next()).from)
    expect(await closed()).toMatchObject({ kind: "spliced", outcome: "idle-timeout", detail: "UNPROVEN_CLIENT" })
  })
})

describe("a client is refused", () => {
  it("with unrecognized_name where its name has no route, and again as long as it goes on", async () => {
    const client = await Peer.open()
    const { at, closed } = await quicProxy({})
    client.send(helloFor("a.example"), at)
    expect(opened((await client.next()).bytes, keyId)).toEqual(withAlert(112))
    expect(await closed()).toMatchObject({
      transport: "quic",
      outcome: "refused",
      detail: "NoRoute",
      datagramsFromClient: 1,
    })
    for (let count = 0; count < 7; count++) client.send(helloFor("a.example"), at)
    for (let count = 0; count < 3; count++) expect(opened((await client.next()).bytes, keyId)).toEqual(withAlert(112))
  })

  it("with decode_error for a hello that servers may read differently", async () => {
    const client = await Peer.open()
    const { at, closed } = await quicProxy({})
    client.send(helloFor("a.example."), at)
    expect(opened((await client.next()).bytes, keyId)).toEqual(withAlert(50))
    expect(await closed()).toMatchObject({ outcome: "invalid-hello", detail: "SERVER_NAME_TRAILING_DOT" })
    client.send(datagram(bytes(0x1e), { destination: SERVER_ID }), at)
    expect(opened((await client.next()).bytes, SERVER_ID)).toEqual(withAlert(50))
    expect(await closed()).toMatchObject({ outcome: "invalid-hello", detail: "FRAME_NOT_ALLOWED" })
  })

  it("with access_denied where its TCP connections have taken all that it may have", async () => {
    const [client, backend] = [await Peer.open(), await Peer.open()]
    const limited = [scope("listener", { maxConnectionsPerClient: 1 })]
    const { at, closed, proxy } = await quicProxy(
      { "a.example": [backend.endpoint] },
      { listener: { scopes: limited } },
    )
    const accepted = once(proxy, "connection")
    const tcp = connect(at.port, "127.0.0.1")
    await accepted
    client.send(helloFor("a.example"), at)
    expect(opened((await client.next()).bytes, keyId)).toEqual(withAlert(49))
    expect(await closed()).toMatchObject({ transport: "quic", outcome: "too-many-of-client", detail: "listener" })
    tcp.destroy()
    expect(await closed()).toMatchObject({ transport: "tcp", datagramsFromClient: 0 })
  })

  it("when its hello is not whole in time", async () => {
    const client = await Peer.open()
    const { at, closed } = await quicProxy({}, { listener: { helloTimeout: 100 } })
    client.send(datagram(cryptoFrame(0, message().subarray(0, 50))), at)
    expect(opened((await client.next()).bytes, keyId)).toEqual(withAlert(50))
    expect(await closed()).toMatchObject({ outcome: "hello-timeout" })
  })

  it("not, but told of versions, when it speaks one that cannot be read", async () => {
    const client = await Peer.open()
    const { at, records } = await quicProxy({})
    const unknown = helloFor("a.example")
    unknown.set(hex("0a0a0a0a"), 1)
    client.send(unknown, at)
    const answer = (await client.next()).bytes
    expect(answer.readUInt32BE(1)).toBe(0)
    expect(answer.toString("hex")).toMatch(/00000001.*6b3343cf$/)
    expect(records).toHaveLength(0)
  })
})

describe("a backend", () => {
  it("that has no such port gives way to the next", async () => {
    const [client, backend] = [await Peer.open(), await Peer.open()]
    const endpoints = [await closedPort(), backend.endpoint]
    const { at, proxy, records } = await quicProxy({ "a.example": endpoints })
    client.send(helloFor("a.example"), at)
    const { from } = await backend.next()
    backend.send(fromServer("initial", { source: SERVER_ID }), from)
    await client.next()
    await proxy.close({ drainTimeout: 0 })
    expect(records).toMatchObject([{ endpoint: backend.endpoint, dialAttempts: 2 }])
  })

  it("that says nothing gives way to the next after half of the time", async () => {
    const [client, silent, backend] = [await Peer.open(), await Peer.open(), await Peer.open()]
    const { at, proxy } = await quicProxy(
      { "a.example": [silent.endpoint, backend.endpoint] },
      { connection: { dialTimeout: 800 } },
    )
    stopClock()
    client.send(helloFor("a.example"), at)
    await silent.next()
    vi.advanceTimersByTime(500)
    const { bytes: again, from } = await backend.next()
    expect(again).toEqual(Buffer.from(helloFor("a.example")))
    const answer = fromServer("initial", { source: SERVER_ID })
    backend.send(answer, from)
    expect((await client.next()).bytes).toEqual(answer)
    expect([...proxy.connections]).toMatchObject([{ endpoint: backend.endpoint }])
  })

  it("that nobody hears of in time has its client refused", async () => {
    const [client, silent] = [await Peer.open(), await Peer.open()]
    const { at, closed } = await quicProxy({ "a.example": [silent.endpoint] }, { connection: { dialTimeout: 200 } })
    client.send(helloFor("a.example"), at)
    expect(opened((await client.next()).bytes, keyId)).toEqual(withAlert(80))
    expect(await closed()).toMatchObject({ outcome: "dial-timeout", detail: "ETIMEDOUT", dialAttempts: 1 })
  })

  it("is the same for a client's TCP and QUIC connections where client-hash asks for it", async () => {
    const endpoints = await Promise.all(
      Array.from({ length: 8 }, async () => backend(() => undefined, "127.0.0.1", await freePort())),
    )
    for (const { port } of endpoints) await Peer.open("127.0.0.1", port)
    const { at, proxy } = await quicProxy({ "a.example": endpoints }, { balance: "client-hash" })
    const client = await Peer.open()
    const routed = once(proxy, "route")
    client.send(helloFor("a.example"), at)
    await routed
    const tcp = connect(at.port, "127.0.0.1")
    onTestFinished(() => void tcp.destroy())
    tcp.write(hello({ extensions: [serverName("a.example"), versions(0x0304)] }))
    const states = () => [...proxy.connections].map(({ transport, state }) => `${transport} ${state}`)
    while (!states().includes("tcp splicing")) await sleep(5)
    const [overQuic, overTcp] = [...proxy.connections]
    expect(overQuic).toMatchObject({ transport: "quic", endpoint: { address: "127.0.0.1" } })
    expect(overTcp).toMatchObject({ transport: "tcp", endpoint: overQuic?.endpoint })
  })

  it("that goes away ends the connection", async () => {
    const { client, at, closed, backend } = await begun()
    backend.close()
    client.send(short(SERVER_ID), at)
    expect(await closed()).toMatchObject({ outcome: "backend-reset", detail: "ECONNREFUSED", endedBy: "backend" })
  })
})

describe("a connection ends", () => {
  it("by silence, and its record tells what went through", async () => {
    const { closed, client, backend, at } = await begun(["a.example"], { connection: { quicIdleTimeout: 200 } })
    client.send(short(SERVER_ID), at)
    await backend.next()
    expect(await closed()).toMatchObject({
      transport: "quic",
      outcome: "idle-timeout",
      endedBy: "proxy",
      datagramsFromClient: 3,
      datagramsFromBackend: 1,
      bytesFromClient: 1200 + packet(new Uint8Array(30), { type: "handshake", destination: SERVER_ID }).length + 15,
      dialAttempts: 1,
      durations: { dial: expect.any(Number), hello: expect.any(Number) },
    })
  })

  it("not before it is silent, however long the proxy has had nothing to do", async () => {
    const { records, client, backend, at, toProxy } = await begun(["a.example"], {
      connection: { quicIdleTimeout: 700 },
    })
    // Either side alone keeps it.
    for (let count = 0; count < 8; count++) {
      await sleep(150)
      client.send(short(SERVER_ID, `up ${count}`), at)
      expect((await backend.next()).bytes.toString("latin1")).toMatch(new RegExp(`up ${count}$`))
    }
    for (let count = 0; count < 8; count++) {
      await sleep(150)
      backend.send(short(hex("00"), `down ${count}`), toProxy)
      expect((await client.next()).bytes.toString("latin1")).toMatch(new RegExp(`down ${count}$`))
    }
    expect(records).toHaveLength(0)
  })

  it("with the proxy, after the drain", async () => {
    const { proxy, records } = await begun()
    await proxy.close({ drainTimeout: 100 })
    expect(records).toMatchObject([{ outcome: "drained" }])
    expect(proxy.quicAddress("test")).toBeUndefined()
  })

  it("not with its listener, which takes no others any more", async () => {
    const { proxy, client, backend, at } = await begun()
    proxy.unlisten("test")
    const late = await Peer.open()
    late.send(helloFor("a.example"), at)
    expect(opened((await late.next()).bytes, keyId)).toEqual(withAlert(80))
    client.send(short(SERVER_ID, "goes on"), at)
    expect((await backend.next()).bytes.toString()).toMatch(/goes on$/)
  })
})

describe("a listener", () => {
  it("takes QUIC as long as its policy says so", async () => {
    const { proxy, at } = await quicProxy({})
    proxy.setListenerPolicy("test", listenerPolicy())
    expect(proxy.quicAddress("test")).toBeUndefined()
    const taken = await Peer.open("127.0.0.1", at.port)
    expect(taken.port).toBe(at.port)
  })

  it("serves TCP, says why it takes no QUIC, and tries again, when another program has its UDP port", async () => {
    const proxy = new SpliceProxy({ router: { route: () => ({ action: "refuse", reason: "none" }) } })
    const errors: Error[] = []
    proxy.on("error", (error) => errors.push(error))
    const { port } = await proxy.listen({ key: "test", host: "127.0.0.1", port: await freePort() })
    const taken = await Peer.open("127.0.0.1", port)
    proxy.setListenerPolicy("test", listenerPolicy({ quic: true }))
    while (errors.length === 0) await sleep(5)
    expect(errors[0]).toMatchObject({ code: "ERR_TLSROUTE_LISTEN", reason: "EADDRINUSE", message: /UDP 127/ })
    expect(proxy.quicState("test")).toEqual({ bound: false, message: errors[0]?.message })
    taken.close()
    const [key, state] = await once(proxy, "quic")
    expect([key, state]).toEqual(["test", { bound: true, address: "127.0.0.1", port }])
    expect(proxy.quicState("test")).toEqual(state)
    expect(errors).toHaveLength(1)
    await proxy.close({ drainTimeout: 0 })
  })
})
