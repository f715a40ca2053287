import { once } from "node:events"
import type { Socket } from "node:net"
import { describe, expect, it, onTestFinished } from "vitest"
import type { ConnectionRecord } from "../../src/proxy/connection/record.ts"
import type { GatewayResources } from "../../src/routing/resources.ts"
import { bytes, hello, serverName } from "../client-hello/build.ts"
import { blackHole } from "../proxy/black-hole.ts"
import { backend, client, ending } from "../proxy/harness.ts"
import { localPort, startGateway } from "../support/gateway.ts"
import { gateway, listener, resources, route, service } from "../support/resources.ts"

const named = (...names: readonly string[]) => hello({ extensions: [serverName(...names)] })

/** A backend that answers every connection with its own name, and keeps all that it hears. */
async function answering(name: string) {
  const heard: Buffer[] = []
  const { port } = await backend((socket) => {
    socket.write(`${name}\n`)
    socket.on("data", (chunk) => heard.push(chunk))
    socket.on("end", () => socket.end())
  })
  return { heard, service: service(name, [port]), ref: { name, port: 443 } }
}

async function serve(source: GatewayResources, policies = {}) {
  const { gateway: served } = await startGateway({ source, policies })
  onTestFinished(() => served.close({ drainTimeout: 0 }))
  const port = localPort(served)

  /** Sends bytes and tells which backend answers, or how the connection is refused. */
  async function ask(sent: Uint8Array): Promise<string> {
    const socket = await client(port)
    const closed = once(served, "close") as Promise<[ConnectionRecord]>
    const answer = once(socket, "data").catch(() => undefined)
    const end = ending(socket)
    socket.write(sent)
    const word = await Promise.race([answer, end])
    const told = Array.isArray(word) ? String(word[0]).trim() : undefined
    socket.end()
    const [{ kind, outcome, detail }] = await closed
    // What is refused may be told so in words of the gateway's own.
    if (kind === "spliced" && told !== undefined) return told
    return [outcome, detail].filter((part) => part !== undefined).join(" ")
  }

  return { served, port, ask }
}

describe("a route that takes every name, and clients without one", () => {
  async function everything() {
    const any = await answering("any")
    const catchAll = { ...route("any", [], [any.ref]), apiVersion: "gateway.networking.k8s.io/v1alpha2" }
    const { ask } = await serve(
      resources({ gateways: [gateway([listener("tls", 443)])], tlsRoutes: [catchAll] }, any.service),
    )
    return { any, ask }
  }

  it("gets them", async () => {
    const { ask } = await everything()
    expect(await ask(named("a.example.com"))).toBe("any")
    expect(await ask(hello())).toBe("any")
  })

  it.each(["192.0.2.1", "2001:db8::1", "[::1]"])(
    "gets those that send %s for a name, which is none",
    async (literal) => {
      const { ask } = await everything()
      expect(await ask(named(literal))).toBe("any")
    },
  )

  it.each([
    ["plain HTTP", bytes("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n"), "not-tls PLAIN_HTTP"],
    ["a PostgreSQL SSLRequest", bytes(0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f), "not-tls POSTGRESQL"],
    ["a record that claims 65 535 bytes", bytes(22, 3, 1, 0xff, 0xff), "invalid-hello RECORD_TOO_LARGE"],
    ["a hello of two names", named("a.example.com", "b.example.com"), "invalid-hello SERVER_NAME_MULTIPLE"],
    ["a hello of a name that ends in a dot", named("a.example.com."), "invalid-hello SERVER_NAME_TRAILING_DOT"],
    ["a hello of an empty name", named(""), "invalid-hello SERVER_NAME_EMPTY"],
    ["a hello of what some read as an IP address", named("127.1"), "invalid-hello SERVER_NAME_IP_LITERAL"],
  ])("does not get %s: what cannot be read is not a client without a name", async (_, sent, refusal) => {
    const { any, ask } = await everything()
    expect(await ask(sent)).toBe(refusal)
    expect(any.heard).toEqual([])
  })
})

describe("a route that has names", () => {
  it("gets no client that sends an IP address for a name", async () => {
    const { ref, service, heard } = await answering("named")
    const { ask } = await serve(
      resources(
        { gateways: [gateway([listener("tls", 443)])], tlsRoutes: [route("named", ["*.example.com"], [ref])] },
        service,
      ),
    )
    expect(await ask(named("127.0.0.1"))).toBe("refused NoServerName")
    expect(heard).toEqual([])
  })
})

describe("a connection that is routed", () => {
  it("stays with its backend, whatever name a second ClientHello asks for (RFC 8446 section 4.1.4)", async () => {
    const [first, second] = await Promise.all([answering("first"), answering("second")])
    const tlsRoutes = [
      route("first", ["first.example.com"], [first.ref]),
      route("second", ["second.example.com"], [second.ref]),
    ]
    const { port } = await serve(
      resources({ gateways: [gateway([listener("tls", 443)])], tlsRoutes }, first.service, second.service),
    )
    const hellos = [named("first.example.com"), named("second.example.com")]
    const socket = await client(port)
    socket.write(hellos[0]!)
    await once(socket, "data")
    socket.end(hellos[1]!)
    await once(socket, "close")
    expect(Buffer.concat(first.heard)).toEqual(Buffer.concat(hellos))
    expect(second.heard).toEqual([])
  })
})

describe("a route of another namespace", () => {
  const theirs = (name: string, hostnames: readonly string[], ref: { name: string; port: number }) => {
    const { spec, ...rest } = route(name, hostnames, [{ ...ref, namespace: "default" }])
    const parentRefs = [{ name: "gateway", namespace: "default" }]
    return { ...rest, metadata: { name, namespace: "theirs" }, spec: { ...spec, parentRefs } }
  }
  const grant = {
    apiVersion: "gateway.networking.k8s.io/v1beta1",
    kind: "ReferenceGrant",
    metadata: { name: "grant", namespace: "default" },
    spec: {
      from: [{ group: "gateway.networking.k8s.io", kind: "TLSRoute", namespace: "theirs" }],
      to: [{ group: "", kind: "Service" }],
    },
  } as const
  const open = [listener("tls", 443, { allowedRoutes: { namespaces: { from: "All" } } })]

  it("gets no connection from a listener for routes of its own namespace", async () => {
    const app = await answering("app")
    const world = {
      ...resources({ gateways: [gateway([listener("tls", 443)])] }, app.service),
      tlsRoutes: [theirs("x", ["x.example.com"], app.ref), route("own", ["own.example.com"], [app.ref])],
      referenceGrants: [grant],
    }
    const { ask } = await serve(world)
    expect(await ask(named("own.example.com"))).toBe("app")
    expect(await ask(named("x.example.com"))).toBe("refused NoMatchingRoute")
    const { ask: admitted } = await serve({ ...world, gateways: [gateway(open)] })
    expect(await admitted(named("x.example.com"))).toBe("app")
  })

  it("reaches no Service of another namespace without that namespace's ReferenceGrant", async () => {
    const app = await answering("app")
    const world = {
      ...resources({ gateways: [gateway(open)] }, app.service),
      tlsRoutes: [theirs("x", ["x.example.com"], app.ref)],
    }
    const { ask } = await serve(world)
    expect(await ask(named("x.example.com"))).toBe("refused RefNotPermitted")
    expect(app.heard).toEqual([])
    const { ask: granted } = await serve({ ...world, referenceGrants: [grant] })
    expect(await granted(named("x.example.com"))).toBe("app")
  })

  it("does not take a name away from an older route", async () => {
    const [old, late] = await Promise.all([answering("old"), answering("late")])
    const older = route("zz", ["shop.example.com"], [old.ref])
    const newer = theirs("aa", ["shop.example.com"], late.ref)
    const world = {
      ...resources({ gateways: [gateway(open)] }, old.service, late.service),
      tlsRoutes: [
        { ...newer, metadata: { ...newer.metadata, creationTimestamp: "2026-02-01T00:00:00Z" } },
        { ...older, metadata: { ...older.metadata, creationTimestamp: "2026-01-01T00:00:00Z" } },
      ],
      referenceGrants: [grant],
    }
    const { ask } = await serve(world)
    for (let turn = 0; turn < 4; turn += 1) expect(await ask(named("shop.example.com"))).toBe("old")
    expect(late.heard).toEqual([])
  })
})

describe("a name that belongs to a listener without a route for it", () => {
  it("is refused, though a listener for every name has one", async () => {
    const any = await answering("any")
    const listeners = [listener("any", 443), listener("secret", 443, { hostname: "*.secret.example.com" })]
    const catchAll = route("any", ["*.example.com"], [any.ref], { sectionName: "any" })
    const { ask } = await serve(resources({ gateways: [gateway(listeners)], tlsRoutes: [catchAll] }, any.service))
    expect(await ask(named("open.example.com"))).toBe("any")
    expect(await ask(named("x.secret.example.com"))).toBe("refused NoMatchingRoute")
  })
})

describe("clients that reset their connections", () => {
  /** A route to both ports, by turns, of which one that failed once would be left out. */
  const byTurns = (ports: readonly number[]) =>
    serve(
      resources(
        {
          gateways: [gateway([listener("tls", 443)])],
          tlsRoutes: [route("app", ["a.example.com"], [{ name: "app", port: 443 }])],
        },
        service("app", ports),
      ),
      { ejectAfter: 1, panicThreshold: 0, loadBalancing: "round-robin", dialAttempts: 1, dialTimeout: "5m" },
    )

  async function asking(port: number): Promise<Socket> {
    const socket = await client(port)
    socket.write(named("a.example.com"))
    return socket
  }

  it("take no endpoint out when it has answered", async () => {
    const saying = async (word: string) => (await backend((socket) => socket.write(word))).port
    const { served, port } = await byTurns([await saying("a"), await saying("b")])
    for (let turn = 0; turn < 20; turn += 1) {
      const socket = await asking(port)
      await once(socket, "data")
      const closed = once(served, "close")
      socket.resetAndDestroy()
      await closed
    }
    const answers: string[] = []
    while (answers.length < 10) {
      const socket = await asking(port)
      answers.push(String((await once(socket, "data"))[0]))
      socket.destroy()
    }
    expect(answers.filter((answer) => answer === "a")).toHaveLength(5)
  })

  it("take no endpoint out while it is dialled", async () => {
    const echo = await backend((socket) => socket.pipe(socket))
    const { served, port } = await byTurns([(await blackHole()).port, echo.port])
    for (let turn = 0; turn < 3; turn += 1) {
      const pair = [await asking(port), await asking(port)]
      // Of two, one is dialled where nobody answers. Had it been left out, both would be answered by the end of this.
      const answered = await Promise.race(pair.map((socket) => once(socket, "data").then(() => socket)))
      for (let word = 0; word < 20; word += 1) {
        answered.write("again")
        await once(answered, "data")
      }
      expect([...served.connections].map(({ state }) => state).sort()).toEqual(["dialing", "splicing"])
      for (const socket of pair) socket.resetAndDestroy()
      while (served.connections.size > 0) await once(served, "close")
    }
  })
})
