import { connect, createServer } from "node:net"
import { networkInterfaces } from "node:os"
import { describe, expect, it } from "vitest"
import { OwnSockets } from "../../src/proxy/listen/own-sockets.ts"
import { SpliceProxy } from "../../src/proxy/proxy.ts"
import type { DialEndpoint } from "../../src/proxy/target.ts"
import {
  backend,
  client,
  clientHello,
  closedPort,
  ending,
  listenOn,
  nextRecord,
  readAll,
  routerTo,
  startProxy,
} from "./harness.ts"
import { connectionPolicy, listenerPolicy, policyRouter, proxyProtocol, scope } from "./policy-harness.ts"

const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
const outward = all.find(({ internal, family }) => !internal && family === "IPv4")?.address

describe("an address and port that a proxy listens on", () => {
  it.each<readonly [string, string, boolean]>([
    ["127.0.0.1", "127.0.0.1", true],
    ["127.0.0.1", "0.0.0.0", true],
    ["127.0.0.1", "::ffff:127.0.0.1", true],
    ["127.0.0.1", "127.0.0.2", false],
    ["127.0.0.1", "::1", false],
    ["192.0.2.1", "192.0.2.1", true],
    ["192.0.2.1", "192.0.2.2", false],
    ["fe80::1", "fe80::1%eth0", true],
    ["::1", "0:0:0:0:0:0:0:1", true],
    ["::1", "::", true],
    ["::", "127.0.0.1", true],
    ["::", "127.1.2.3", true],
    ["::", "::1", true],
    ["::", "::", true],
    ["::", "192.0.2.1", false],
    ["::", "2001:db8::1", false],
    ["0.0.0.0", "127.0.0.1", true],
    ["0.0.0.0", "192.0.2.1", false],
    ["::", "not an address", false],
    ...(outward === undefined ? [] : [["::", outward, true] as const, ["0.0.0.0", outward, true] as const]),
  ])("bound to %s is reached by %s: %s", (bound, address, expected) => {
    const own = new OwnSockets()
    own.add("a", { address: bound, port: 443, family: bound.includes(":") ? "IPv6" : "IPv4" })
    expect(own.has({ address, port: 443 })).toBe(expected)
    expect(own.has({ address, port: 8443 })).toBe(false)
    own.delete("a")
    expect(own.has({ address, port: 443 })).toBe(false)
  })
})

/** A proxy whose backend is at its own port, once that is known. */
async function looped(host: string | undefined, address: string, ...others: readonly DialEndpoint[]) {
  const { port: own } = await closedPort()
  const router = routerTo({ address, port: own }, ...others)
  return startProxy({ router, balance: "round-robin" }, { host, port: own })
}

describe("a backend that is the gateway itself", () => {
  it.each([
    ["127.0.0.1", "127.0.0.1"],
    [undefined, "127.0.0.1"],
    [undefined, "::1"],
    [undefined, outward ?? "127.0.0.5"],
    ["0.0.0.0", "0.0.0.0"],
  ])("is not dialled, bound to %s and dialled at %s", async (host, address) => {
    const { proxy, port, records } = await looped(host, address)
    const closed = nextRecord(proxy)
    const socket = await client(port)
    socket.end(await clientHello("a.example"))
    expect(await ending(socket)).toBe("end")
    expect(await closed).toMatchObject({ outcome: "loop", detail: "OWN_LISTENER", endedBy: "proxy" })
    expect(records).toHaveLength(1)
  })

  it("is passed over for one that is not", async () => {
    const other = await backend((socket) => socket.once("data", () => socket.end("answer")))
    const { port } = await looped("127.0.0.1", "127.0.0.1", other)
    for (let turn = 0; turn < 2; turn++) {
      const socket = await client(port)
      socket.write(await clientHello("a.example"))
      expect((await readAll(socket)).toString()).toBe("answer")
      socket.end()
    }
  })

  it("is dialled once it listens there no longer", async () => {
    const { port: own } = await closedPort()
    const proxy = new SpliceProxy({ router: routerTo({ address: "127.0.0.1", port: own }) })
    await proxy.listen({ key: "a", host: "127.0.0.1", port: own })
    const { port } = await proxy.listen({ key: "b", host: "127.0.0.1", port: 0 })
    proxy.unlisten("a")
    await listenOn(
      createServer((socket) => socket.once("data", () => socket.end("another program"))),
      "127.0.0.1",
      own,
    )
    const socket = await client(port)
    socket.write(await clientHello("a.example"))
    expect((await readAll(socket)).toString()).toBe("another program")
    socket.destroy()
    await proxy.close({ drainTimeout: 0 })
  })
})

describe("a backend that leads back through another proxy", () => {
  it("and keeps no id, grows to the limit of connections per client, and no further", async () => {
    let own = 0
    const hop = await backend((socket) => {
      const onward = connect({ port: own, host: "127.0.0.1", localAddress: "127.0.0.2" }).on("error", () => {})
      onward.on("close", () => socket.destroy())
      socket.pipe(onward).pipe(socket)
    })
    const most = 20
    const { proxy, port, records } = await startProxy(
      { router: routerTo(hop) },
      { policy: listenerPolicy({ scopes: [scope("gateway", { maxConnectionsPerClient: most })] }) },
    )
    own = port
    const closed = nextRecord(proxy)
    const socket = await client(port)
    socket.resume().write(await clientHello("a.example"))
    expect(await closed).toMatchObject({ outcome: "too-many-of-client", clientAddress: "127.0.0.2" })
    socket.destroy()
    await expect.poll(() => proxy.connections.size).toBe(0)
    expect(records).toHaveLength(1 + most + 1)
  })

  it("is found out by the id that its PROXY protocol header carries on", async () => {
    let own = 0
    const hop = await backend((socket) => {
      const onward = connect({ port: own, host: "127.0.0.1" }).on("error", () => {})
      onward.on("close", () => socket.destroy())
      socket.pipe(onward).pipe(socket)
    })
    const policy = connectionPolicy({}, { proxyHeader: { version: 2, fields: ["unique-id"] } })
    const { proxy, port, records } = await startProxy(
      { router: policyRouter(policy, hop) },
      { policy: listenerPolicy({ proxyProtocol: proxyProtocol("optional") }) },
    )
    own = port
    const closed = nextRecord(proxy)
    const socket = await client(port)
    socket.resume().write(await clientHello("a.example"))
    expect(await closed).toMatchObject({ outcome: "loop", detail: "OWN_UNIQUE_ID" })
    socket.destroy()
    await expect.poll(() => proxy.connections.size).toBe(0)
    expect(records).toHaveLength(2)
  })
})
