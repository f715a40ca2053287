import { describe, expect, it } from "vitest"
import { quicGateway } from "./support/gateway.ts"
import { aioquicClient, aioquicServer, client, server } from "./support/peer.ts"
import { titled, WITHOUT_GO, WITHOUT_PYTHON } from "./support/programs.ts"
import { Relay } from "./support/relay.ts"

describe.skipIf(WITHOUT_PYTHON !== undefined)(titled("aioquic", WITHOUT_PYTHON), () => {
  it.each([
    ["as it comes", []],
    ["with a ClientHello of several datagrams", ["--large"]],
    ["with version 2", ["--versions", "2"]],
  ])("gets every byte from its own server, %s", async (_what, args) => {
    const { port, records } = await quicGateway([await aioquicServer("a.example"), await aioquicServer("b.example")])
    await aioquicClient(port, ["--name", "a.example", "--bytes", "300000", ...args])
    await aioquicClient(port, ["--name", "b.example", "--bytes", "300000", ...args])
    const closed = await records()
    expect(closed.map(({ transport, serverName }) => `${transport} ${serverName}`)).toEqual([
      "quic a.example",
      "quic b.example",
    ])
  })

  it("is told by the gateway of versions that it knows, when it begins with one that nobody speaks", async () => {
    const { port, records } = await quicGateway([await aioquicServer("a.example")])
    expect(await aioquicClient(port, ["--versions", "reserved,1", "--bytes", "100000"])).toContain("version 0x1")
    expect(await records()).toHaveLength(1)
  })

  it.skipIf(WITHOUT_GO !== undefined)(
    titled("is told by its server of the version that it speaks, and begins again with that", WITHOUT_GO),
    async () => {
      const { port, records } = await quicGateway([await server("a.example", "-v1")])
      expect(await aioquicClient(port, ["--versions", "2,1", "--bytes", "200000"])).toContain("version 0x1")
      expect(await records()).toMatchObject([
        { outcome: "completed", detail: "version-negotiation", endedBy: "backend" },
        { outcome: "drained" },
      ])
    },
  )

  it("keeps its connection when it uses an id told in secret, and then comes from another address", async () => {
    const { port, records } = await quicGateway([await aioquicServer("a.example")])
    const relay = await Relay.open(port)
    // Each time it says that it has used another id.
    const done = aioquicClient(
      relay.port,
      ["--bytes", "100000", "--rounds", "4", "--pause", "0.3", "--change-id"],
      () => void relay.rebind(),
    )
    await done
    expect(relay.afterMoves).toBeGreaterThan(50)
    expect(await records()).toMatchObject([{ serverName: "a.example" }])
  })

  it.skipIf(WITHOUT_GO !== undefined)(
    titled("speaks with quic-go, either way round, and as a server that answers with a Retry", WITHOUT_GO),
    async () => {
      const servers = [
        await aioquicServer("a.example"),
        await aioquicServer("b.example", "--retry"),
        await server("c.example"),
      ]
      const { port, records } = await quicGateway(servers)
      await client(port, "-names", "a.example,b.example", "-bytes", "200000")
      await aioquicClient(port, ["--name", "c.example", "--bytes", "200000"])
      expect(await records()).toHaveLength(3)
    },
  )
})
