import { once } from "node:events"
import net from "node:net"
import tls from "node:tls"
import { afterEach, beforeAll, describe, expect, it } from "vitest"
import { LocalDataPlane } from "../../src/gateway/data-plane.ts"
import { GatewayError } from "../../src/gateway/errors.ts"
import { AnnotationScan } from "../../src/gateway/policies/annotated-objects.ts"
import { PolicyCompiler } from "../../src/gateway/policies/compiler.ts"
import { createPassthroughGateway } from "../../src/index.ts"
import { DnsCache } from "../../src/proxy/backend/dns-cache.ts"
import type { GatewayResources } from "../../src/routing/resources.ts"
import { buildRouteTable } from "../../src/routing/table-builder.ts"
import { objectSource } from "../../src/sources/object-source.ts"
import { selfSigned } from "../support/certificate.ts"
import { localPort, startGateway } from "../support/gateway.ts"
import { gateway, listener, resources, route, service } from "../support/resources.ts"

let pair: { readonly key: string; readonly cert: string }
const cleanups: (() => Promise<void> | void)[] = []

beforeAll(() => {
  pair = selfSigned(["app.example.com", "*.example.org"])
})

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A TLS server that answers every connection with its own word. */
async function backend(word: string): Promise<number> {
  const server = tls.createServer(pair, (socket) => void socket.on("error", () => undefined).end(word))
  server.on("tlsClientError", () => undefined)
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  cleanups.push(() => void server.close())
  return (server.address() as net.AddressInfo).port
}

/** What a client gets: the backend's word, `closed` for an end without one, or the code it failed with. */
async function ask(port: number, servername = "app.example.com"): Promise<string> {
  const socket = tls.connect({ port, host: "127.0.0.1", servername, rejectUnauthorized: false })
  try {
    let word = ""
    for await (const chunk of socket) word += chunk
    return word === "" ? "closed" : word
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}

async function serve(options: Parameters<typeof startGateway>[0]) {
  const started = await startGateway(options)
  cleanups.push(() => started.gateway.close({ drainTimeout: 0 }))
  return started
}

const toApp = [{ name: "app", port: 443 }]

it("explains how connections begin on a port, whichever address of a socket for all of them is asked for", async () => {
  const open = gateway([listener("open", 8443)], "open")
  const annotations = { "tlsroute.dev/starttls": "postgres" }
  const own = gateway([listener("own", 8443)], "own")
  const source = objectSource({
    gateways: [
      { ...open, metadata: { ...open.metadata, annotations } },
      {
        ...own,
        metadata: { ...own.metadata, annotations },
        spec: { ...own.spec, addresses: [{ type: "IPAddress", value: "127.0.0.1" }] },
      },
    ],
  })
  const { gateway: served } = await serve({ source })
  for (const address of [undefined, "127.0.0.1", "::ffff:127.0.0.1", "192.0.2.1"]) {
    expect(served.explain({ port: 8443, address, serverName: "a.example" })).toMatchObject({
      starttls: "postgres",
      quic: false,
    })
  }
  expect(served.explain({ port: 9443, serverName: "a.example" })).toMatchObject({ starttls: undefined, quic: false })
  expect(served.addresses()).toMatchObject([{ bound: true, starttls: "postgres" }])
})

async function appOn(ports: readonly number[], word = "app"): Promise<GatewayResources> {
  const listeners = ports.map((port) => listener(`tls-${port}`, port))
  return resources(
    { gateways: [gateway(listeners)], tlsRoutes: [route("app", ["app.example.com"], toApp)] },
    service("app", [await backend(word)]),
  )
}

describe("start", () => {
  it("resolves when every listener is bound, and addresses() tells where", async () => {
    const { gateway: served } = await serve({ source: await appOn([8443, 9443]) })
    expect(served.addresses().map(({ binding, bound }) => [binding.port, bound])).toEqual([
      [8443, true],
      [9443, true],
    ])
    expect(await ask(localPort(served, 8443))).toBe("app")
    expect(await ask(localPort(served, 9443))).toBe("app")
  })

  it("tells in the status which of a Gateway's addresses this machine does not have", async () => {
    const { gateways = [], ...rest } = await appOn([8443])
    const addresses = [{ value: "127.0.0.1" }, { value: "192.0.2.77" }]
    const source = { ...rest, gateways: gateways.map((one) => ({ ...one, spec: { ...one.spec, addresses } })) }
    const served = createPassthroughGateway({ source, mapPort: () => 0 })
    cleanups.push(() => served.close({ drainTimeout: 0 }))
    served.on("error", () => undefined)
    await served.start({ tolerateBindErrors: true })
    expect(await ask(localPort(served))).toBe("app")
    expect(served.statuses().gateways).toMatchObject([
      {
        status: {
          addresses: [{ type: "IPAddress", value: "127.0.0.1" }],
          conditions: [
            { type: "Accepted", status: "True" },
            { type: "Programmed", status: "False", reason: "AddressNotUsable" },
          ],
        },
      },
    ])
  })

  it("throws naming the port that another program has, and binds nothing", async () => {
    const taken = net.createServer().listen(0, "127.0.0.1")
    await once(taken, "listening")
    cleanups.push(() => void taken.close())
    const { port } = taken.address() as net.AddressInfo
    const unstarted = createPassthroughGateway({
      source: await appOn([8443, 9443]),
      address: "127.0.0.1",
      mapPort: (wanted) => (wanted === 9443 ? port : 0),
    })
    const error = await unstarted.start().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(GatewayError)
    expect(error).toMatchObject({ code: "ERR_TLSROUTE_BIND", message: expect.stringContaining(`:${port}`) })
    const [first] = unstarted.addresses()
    if (first?.bound !== true) throw new Error("the free port was not bound before the failure")
    expect(await ask(first.port)).toBe("ECONNREFUSED")
  })

  it("throws what the source throws before its first snapshot", async () => {
    const unstarted = createPassthroughGateway({
      // biome-ignore lint/correctness/useYield: a source that fails at once
      async *source() {
        throw new Error("no such file")
      },
    })
    await expect(unstarted.start()).rejects.toMatchObject({
      code: "ERR_TLSROUTE_SOURCE",
      message: "the config source failed: no such file",
    })
  })

  it("throws when called twice", async () => {
    const empty = createPassthroughGateway({ source: {} })
    cleanups.push(() => empty.close())
    await empty.start({ unusable: "serve" })
    await expect(empty.start()).rejects.toMatchObject({ code: "ERR_TLSROUTE_STATE" })
  })
})

describe("a new snapshot", () => {
  it("routes new connections by the new table and leaves the old ports as they were", async () => {
    const config = objectSource(await appOn([8443], "before"))
    const { gateway: served, port } = await serve({ source: config })
    expect(await ask(port)).toBe("before")
    const applied = once(served, "config")
    config.set(await appOn([8443], "after"))
    await applied
    expect(await ask(port)).toBe("after")
    expect(localPort(served)).toBe(port)
  })

  it("opens the ports that are new and closes those that are gone", async () => {
    const config = objectSource(await appOn([8443, 9443]))
    const { gateway: served } = await serve({ source: config })
    const gone = localPort(served, 9443)
    const applied = once(served, "config")
    config.set(await appOn([8443, 7443]))
    await applied
    expect(await ask(localPort(served, 7443))).toBe("app")
    expect(await ask(gone)).toBe("ECONNREFUSED")
  })

  it("that is partly bad applies its good part and reports the rest", async () => {
    const good = await appOn([8443])
    const bad = { ...route("bad", [], toApp), spec: "nonsense" } as unknown as (typeof good.tlsRoutes & object)[number]
    const { gateway: served, port } = await serve({ source: { ...good, tlsRoutes: [bad, ...(good.tlsRoutes ?? [])] } })
    expect(await ask(port)).toBe("app")
    expect(served.routeTable.problems).toContainEqual(
      expect.objectContaining({ severity: "error", object: expect.objectContaining({ name: "bad" }) }),
    )
  })

  it("that wants a taken port is reported, and the port is bound once it is free", async () => {
    const taken = net.createServer().listen(0, "127.0.0.1")
    await once(taken, "listening")
    const { port } = taken.address() as net.AddressInfo
    const config = objectSource(await appOn([8443]))
    const { gateway: served } = await serve({
      source: config,
      address: "127.0.0.1",
      mapPort: (wanted) => (wanted === 9443 ? port : 0),
    })
    const reported = once(served, "error")
    config.set(await appOn([8443, 9443]))
    expect((await reported)[0]).toMatchObject({
      code: "ERR_TLSROUTE_BIND",
      message: expect.stringContaining(`:${port}`),
    })
    expect(await ask(localPort(served, 8443))).toBe("app")
    const bound = once(served, "config")
    taken.close()
    await bound
    while (!served.addresses().every((state) => state.bound)) await once(served, "config")
    expect(await ask(port)).toBe("app")
  })
})

describe("a source that is none", () => {
  it.each([
    ["left out", undefined, "not undefined"],
    ["a path", "gateway.yaml", 'not the string "gateway.yaml"'],
    ["a list of objects", [], "not an array"],
    ["a promise", Promise.resolve({}), "not [object Promise]"],
    ["what a generator function returns", (async function* () {})(), "not [object AsyncGenerator]"],
  ])("such as %s is refused before anything starts", (_what, source, message) => {
    expect(() => createPassthroughGateway({ source: source as unknown as GatewayResources })).toThrow(
      expect.objectContaining({ code: "ERR_TLSROUTE_OPTION", message: expect.stringContaining(message) }),
    )
  })

  it("or yields what is none, is reported, and the last snapshot stays in force", async () => {
    const good = await appOn([8443])
    const { port, gateway: served } = await serve({
      async *source() {
        yield good
        yield null as unknown as GatewayResources
      },
    })
    const [error] = await once(served, "error")
    expect(error).toMatchObject({
      code: "ERR_TLSROUTE_SOURCE",
      message: "the config source failed: it yielded null, not an object of resources",
    })
    expect(await ask(port)).toBe("app")
  })
})

it("an option's function that fails is reported as what it is, and not as the source", async () => {
  const served = createPassthroughGateway({
    source: await appOn([8443]),
    mapPort: () => 0,
    gatewayAddresses: () => {
      throw new Error("out of order")
    },
  })
  await expect(served.start()).rejects.toMatchObject({
    code: "ERR_TLSROUTE_OPTION",
    message: 'the option "gatewayAddresses" failed for Gateway default/gateway: out of order',
  })
})

describe("a source that throws while running", () => {
  it("is reported and asked again; the last snapshot stays in force", async () => {
    const good = await appOn([8443])
    let calls = 0
    let fail: () => void = () => undefined
    const failure = new Promise<void>((resolve) => {
      fail = resolve
    })
    const { gateway: served, port } = await serve({
      async *source() {
        calls += 1
        yield good
        if (calls > 1) return
        await failure
        throw new Error("connection lost")
      },
    })
    const reported = once(served, "error")
    fail()
    const [error] = await reported
    expect(error).toMatchObject({ code: "ERR_TLSROUTE_SOURCE", message: expect.stringContaining("connection lost") })
    expect(await ask(port)).toBe("app")
    await once(served, "config")
    expect(calls).toBe(2)
  })
})

describe("weights", () => {
  it("share connections exactly, zero means none, and the share of an invalid backendRef is refused", async () => {
    const ports = { a: await backend("a"), b: await backend("b"), never: await backend("never") }
    const source = resources(
      {
        gateways: [gateway([listener("tls", 8443)])],
        tlsRoutes: [
          route(
            "app",
            ["app.example.com"],
            [
              { name: "a", port: 443, weight: 5 },
              { name: "b", port: 443, weight: 3 },
              { name: "never", port: 443, weight: 0 },
              { name: "missing", port: 443, weight: 2 },
            ],
          ),
        ],
      },
      service("a", [ports.a]),
      service("b", [ports.b]),
      service("never", [ports.never]),
    )
    const { port } = await serve({ source })
    const got: Record<string, number> = {}
    for (let i = 0; i < 20; i += 1) {
      const word = await ask(port)
      got[word] = (got[word] ?? 0) + 1
    }
    expect(got).toEqual({ a: 10, b: 6, closed: 4 })
  })
})

describe("an external backend", () => {
  /** A gateway for `origin.example.net`, which DNS puts on this machine; counts how often DNS is asked. */
  async function serveExternal(externalBackends: readonly string[]) {
    const state = { lookups: 0 }
    const names = new DnsCache({
      lookup: async () => {
        state.lookups += 1
        return [{ address: "127.0.0.1", ttl: 60 }]
      },
    })
    const rule = [{ name: "origin.example.net", port: await backend("origin") }]
    const source = resources({
      gateways: [gateway([listener("tls", 8443)])],
      tlsRoutes: [route("app", ["app.example.com"], rule)],
    })
    return { ...(await serve({ source, names, externalBackends })), state }
  }

  it("that is listed by its name is reached wherever DNS leads, with one lookup for its time to live", async () => {
    const { port, state } = await serveExternal(["origin.example.net"])
    for (let connection = 0; connection < 3; connection += 1) expect(await ask(port)).toBe("origin")
    expect(state.lookups).toBe(1)
  })

  it.each(["localhost", "127.0.0.1"])(
    "on this machine is reached where %s is listed, by the system's own names",
    async (name) => {
      const rule = [{ name, port: await backend("here") }]
      const source = resources({
        gateways: [gateway([listener("tls", 8443)])],
        tlsRoutes: [route("app", ["app.example.com"], rule)],
      })
      const { port } = await serve({ source, externalBackends: [name] })
      expect(await ask(port)).toBe("here")
    },
  )

  it.each(["*.example.net", "*"])("that only the pattern %s allows is not dialled on this machine", async (pattern) => {
    const { gateway: served, port } = await serveExternal([pattern])
    const closed = once(served, "close")
    expect(await ask(port)).not.toBe("origin")
    expect((await closed)[0]).toMatchObject({ outcome: "forbidden-address", detail: "ERR_TLSROUTE_FORBIDDEN_ADDRESS" })
  })

  it("that nothing lists is not looked up at all", async () => {
    const { gateway: served, port, state } = await serveExternal([])
    const closed = once(served, "close")
    expect(await ask(port)).not.toBe("origin")
    expect((await closed)[0]).toMatchObject({ outcome: "refused" })
    expect(state.lookups).toBe(0)
  })
})

describe("close", () => {
  /** A gateway with one live connection, to a backend that echoes. */
  async function serveEcho() {
    const server = tls.createServer(pair, (socket) => void socket.on("error", () => undefined).pipe(socket))
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    cleanups.push(() => void server.close())
    const source = resources(
      { gateways: [gateway([listener("tls", 8443)])], tlsRoutes: [route("app", ["app.example.com"], toApp)] },
      service("app", [(server.address() as net.AddressInfo).port]),
    )
    const { gateway: served, port } = await serve({ source })
    const client = tls.connect({ port, host: "127.0.0.1", servername: "app.example.com", rejectUnauthorized: false })
    client.on("error", () => undefined)
    await once(client, "secureConnect")
    return { served, port, client }
  }

  it("lets live connections finish within the drain timeout and accepts no new ones", async () => {
    const { served, port, client } = await serveEcho()
    const closed = served.close({ drainTimeout: 10_000 })
    client.write("still here")
    const [echo] = await once(client, "data")
    expect(String(echo)).toBe("still here")
    expect(await ask(port)).toBe("ECONNREFUSED")
    client.end()
    client.resume()
    await closed
    expect(served.connections.size).toBe(0)
  })

  it("called again with less time ends the wait of the first call", async () => {
    const { served, client } = await serveEcho()
    const ended = new Promise((resolve) => client.once("close", resolve))
    const first = served.close({ drainTimeout: 3_600_000 })
    await Promise.all([served.close({ drainTimeout: 0 }), first, ended])
    expect(served.connections.size).toBe(0)
  })

  it("is what leaving an `await using` block does", async () => {
    let port: number
    {
      await using served = createPassthroughGateway({
        source: await appOn([8443]),
        address: "127.0.0.1",
        mapPort: () => 0,
      })
      await served.start()
      port = localPort(served)
      expect(await ask(port)).toBe("app")
    }
    expect(await ask(port)).toBe("ECONNREFUSED")
  })
})

describe("listeners of a gateway's events", () => {
  it.each<[string, () => unknown]>([
    [
      "throw",
      () => {
        throw new Error("not my day")
      },
    ],
    ["reject", () => Promise.reject(new Error("not my day"))],
    [
      "throw what cannot be described",
      () => {
        throw { toString: () => [] }
      },
    ],
  ])("that %s cost nobody anything", async (_, fail) => {
    const { gateway: served, port } = await serve({ source: await appOn([8443]) })
    const warned = once(process, "warning")
    for (const event of ["connection", "route", "reject", "close", "config", "health"] as const) served.on(event, fail)
    // With a listener for errors that fails as well there is only the process to tell.
    served.on("error", fail)
    expect(await ask(port)).toBe("app")
    expect((await warned)[0]).toMatchObject({ code: "ERR_TLSROUTE_LISTENER" })
    expect(await ask(port, "other.example.com")).not.toBe("app")
    expect(await ask(port)).toBe("app")
  })

  it("hear everything again after removeAllListeners(), whatever was removed", async () => {
    const { gateway: served, port } = await serve({ source: await appOn([8443]) })
    const heard: string[] = []
    served.on("close", () => heard.push("before"))
    served.removeAllListeners()
    served.on("close", ({ outcome }) => heard.push(outcome))
    expect(await ask(port)).toBe("app")
    await expect.poll(() => heard).toEqual(["completed"])
    served.removeAllListeners("close")
    served.on("close", ({ outcome }) => heard.push(`again ${outcome}`))
    expect(await ask(port)).toBe("app")
    await expect.poll(() => heard).toEqual(["completed", "again completed"])
  })
})

describe("a resolver of the program's own", () => {
  it.each<[string, () => unknown]>([
    ["answers what is no list", () => ({ address: "127.0.0.1" })],
    ["answers a list of nonsense", () => [undefined, 7, { address: 1, port: "x" }]],
    ["settles with nonsense", async () => "127.0.0.1"],
    ["rejects with nothing", () => Promise.reject(undefined)],
    [
      "throws",
      () => {
        throw new Error("no names today")
      },
    ],
  ])("that %s for a health check ends nothing", async (_, resolve) => {
    const config = resources(await appOn([8443]), {
      tlsRoutes: [route("named", ["named.example.org"], [{ name: "backend.example.org", port: 443 }])],
    })
    let isAsked: () => void = () => undefined
    const asked = new Promise<void>((done) => {
      isAsked = done
    })
    const names = {
      resolve: () => {
        isAsked()
        return resolve()
      },
      close() {
        throw new Error("never closed")
      },
    } as unknown as DnsCache
    const { gateway: served, port } = await serve({
      source: config,
      names,
      externalBackends: ["backend.example.org"],
      policies: { healthCheck: "tcp" },
    })
    const errors: Error[] = []
    served.on("error", (error) => errors.push(error))
    await asked
    expect(await ask(port)).toBe("app")
    await served.close({ drainTimeout: 0 })
    expect(errors.map(({ message }) => message)).toContainEqual(expect.stringContaining("could not be closed"))
  })
})

it("puts the policy in force on a port that is bound while the configuration changes", async () => {
  const config = await appOn([8443])
  const [edge] = config.gateways ?? []
  if (edge === undefined) throw new Error("no Gateway")
  const denying = { ...edge, metadata: { ...edge.metadata, annotations: { "tlsroute.dev/deny-cidrs": "127.0.0.0/8" } } }
  const build = (resources: GatewayResources) => {
    const table = buildRouteTable(resources)
    return [table, new PolicyCompiler().compile(new AnnotationScan().scan(resources), table)] as const
  }
  const [table, policies] = build(config)
  const plane = new LocalDataPlane(table, policies, {})
  cleanups.push(() => plane.close({ drainTimeout: 0 }))
  const binding = plane.listen({ key: table.listeners[0]?.key ?? "", host: "127.0.0.1", port: 0 })
  plane.setTable(...build({ ...config, gateways: [denying] }))
  const { port } = await binding
  const rejected = once(plane, "reject")
  await ask(port)
  expect((await rejected)[1]).toMatchObject({ reason: "denied" })
})

describe("a first snapshot that is nothing to serve", () => {
  const broken = route("app", ["app..example"], toApp)

  it("makes start() reject, with what is wrong in the error", async () => {
    const served = createPassthroughGateway({ source: { tlsRoutes: [broken] } })
    const error = await served.start().catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(GatewayError)
    expect(error).toMatchObject({
      code: "ERR_TLSROUTE_UNUSABLE",
      message: expect.stringContaining("the configuration asks for no port: TLSRoute default/app spec.hostnames[0]"),
      problems: expect.arrayContaining([expect.objectContaining({ object: expect.objectContaining({ name: "app" }) })]),
    })
    expect(served.addresses()).toEqual([])
  })

  it("is waited out where the program says so, failures of the source included", async () => {
    const config = await appOn([8443])
    let calls = 0
    const served = createPassthroughGateway({
      address: "127.0.0.1",
      mapPort: () => 0,
      async *source() {
        calls += 1
        if (calls === 1) throw new Error("not there yet")
        yield {}
        yield config
      },
    })
    cleanups.push(() => served.close({ drainTimeout: 0 }))
    const reported = once(served, "error")
    const started = served.start({ unusable: "wait" })
    expect((await reported)[0]).toMatchObject({ code: "ERR_TLSROUTE_SOURCE" })
    await started
    expect(await ask(localPort(served))).toBe("app")
  })

  it("is served where the program says so", async () => {
    const served = createPassthroughGateway({ source: {} })
    cleanups.push(() => served.close({ drainTimeout: 0 }))
    await served.start({ unusable: "serve" })
    expect(served.addresses()).toEqual([])
  })
})

it("serves a listener on its old port while its new one cannot be bound", async () => {
  const taken = net.createServer().listen(0, "127.0.0.1")
  await once(taken, "listening")
  cleanups.push(() => void taken.close())
  const { port: occupied } = taken.address() as net.AddressInfo
  const config = await appOn([8443])
  const source = objectSource(config)
  const { gateway: served, port } = await serve({ source, mapPort: (wanted) => (wanted === 9443 ? occupied : 0) })
  served.on("error", () => undefined)
  const applied = once(served, "config")
  source.set({ ...config, gateways: [gateway([listener("tls-8443", 9443)])] })
  expect((await applied)[0].bindings).toMatchObject([{ bound: false, code: "EADDRINUSE", keeps: { port } }])
  expect(await ask(port)).toBe("app")
  const bound = once(served, "config")
  taken.close()
  expect((await bound)[0].bindings).toMatchObject([{ bound: true, port: occupied }])
  expect(await ask(occupied)).toBe("app")
  expect(await ask(port)).toBe("ECONNREFUSED")
})
