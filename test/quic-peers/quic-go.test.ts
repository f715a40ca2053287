import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { quicGateway } from "./support/gateway.ts"
import { client, server } from "./support/peer.ts"
import { titled, WITHOUT_GO } from "./support/programs.ts"
import { Relay, type Weather } from "./support/relay.ts"

describe.skipIf(WITHOUT_GO !== undefined)(titled("a client of quic-go", WITHOUT_GO), () => {
  it("gets every byte of two names from their own servers, though it has one socket for both", async () => {
    const servers = [await server("a.example"), await server("b.example")]
    const { port, records } = await quicGateway(servers)
    await client(port, "-names", "a.example,b.example", "-bytes", "3000000", "-rounds", "2")
    const closed = await records()
    expect(closed.map(({ serverName }) => serverName).sort()).toEqual(["a.example", "b.example"])
    for (const record of closed) {
      expect(record).toMatchObject({ transport: "quic", kind: "spliced", outcome: "drained", dialAttempts: 1 })
      expect(record.bytesFromBackend).toBeGreaterThan(12_000_000)
      expect(record.datagramsFromBackend).toBeGreaterThan(8_000)
    }
  })

  it.each([
    ["version 2", ["-versions", "2"], []],
    ["0-RTT", ["-early"], []],
    ["a Retry", [], ["-retry"]],
    ["ids of 18 bytes", [], ["-id-length", "18"]],
  ])("speaks with %s", async (what, args, serverArgs) => {
    const { port, records } = await quicGateway([await server("a.example", ...serverArgs)])
    const said = await client(port, "-names", "a.example", "-bytes", "200000", ...args)
    if (what === "0-RTT") expect(said).toContain("0-RTT true from a.example")
    expect(await records()).toHaveLength(what === "0-RTT" ? 2 : 1)
  })

  it("gets to the same endpoint over TCP and over QUIC, where client-hash asks for it", async () => {
    const servers = await Promise.all(["a.example", "a.example", "a.example", "a.example"].map((name) => server(name)))
    const { port, records } = await quicGateway(servers, { policies: { loadBalancing: "client-hash" } })
    const clients = Array.from({ length: 8 }, (_, at) => `127.0.0.${at + 10}`)
    for (const from of clients) {
      await client(port, "-from", from, "-bytes", "20000", "-tcp")
      await client(port, "-from", from, "-bytes", "20000")
    }
    const closed = await records()
    const endpointsOf = (wanted: string) =>
      clients.map(
        (from) =>
          closed.find(({ clientAddress, transport }) => clientAddress === from && transport === wanted)?.endpoint?.port,
      )
    expect(endpointsOf("quic")).toEqual(endpointsOf("tcp"))
    expect(new Set(endpointsOf("quic")).size).toBeGreaterThan(1)
    expect(endpointsOf("quic")).not.toContain(undefined)
  })

  it("is told at once, with unrecognized_name, that a name has no route", async () => {
    const { port, records } = await quicGateway([await server("a.example")])
    await expect(client(port, "-names", "c.example")).rejects.toThrow("closed by the peer with 0x170")
    expect(await records()).toMatchObject([{ transport: "quic", kind: "refused", outcome: "refused" }])
  })

  it("is told at once, with internal_error, that nobody is there", async () => {
    const dead = { name: "a.example", port: 1 }
    const { port, records } = await quicGateway([dead])
    await expect(client(port, "-names", "a.example")).rejects.toThrow("closed by the peer with 0x150")
    expect(await records()).toMatchObject([{ outcome: "dial-failed", detail: "ECONNREFUSED" }])
  })

  const weathers: readonly (readonly [string, Weather])[] = [
    ["loses one datagram in twenty", { loss: 0.05 }],
    ["repeats one in ten", { duplication: 0.1 }],
    ["brings one in ten late", { reordering: 0.1 }],
    ["does all of it", { loss: 0.03, duplication: 0.05, reordering: 0.05 }],
  ]
  it.each(weathers)("gets every byte over a network that %s", async (_what, weather) => {
    const { port } = await quicGateway([await server("a.example")])
    const relay = await Relay.open(port, weather)
    await client(relay.port, "-names", "a.example", "-bytes", "500000", "-rounds", "2")
  })

  it("gets every byte though its address changes, again and again", async () => {
    const { port, records } = await quicGateway([await server("a.example")])
    const relay = await Relay.open(port)
    const done = client(relay.port, "-names", "a.example", "-bytes", "400000", "-rounds", "6", "-pause", "300ms")
    let isDone = false
    void done.finally(() => {
      isDone = true
    })
    while (!isDone) {
      await sleep(400)
      await relay.rebind()
    }
    await done
    expect(relay.rebindings).toBeGreaterThan(2)
    expect(relay.afterMoves).toBeGreaterThan(100)
    // One connection from beginning to end: nobody had to connect again.
    expect(await records()).toMatchObject([{ serverName: "a.example" }])
  })
})
