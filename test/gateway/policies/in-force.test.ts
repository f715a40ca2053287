import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { describe, expect, it, onTestFinished } from "vitest"
import { parseProxyHeader } from "../../../src/proxy/proxy-protocol/parser.ts"
import type { GatewayResources, KubernetesObject } from "../../../src/routing/resources.ts"
import { objectSource } from "../../../src/sources/object-source.ts"
import { configTo, echo, greeting, readBytes, serve } from "../../faults/harness.ts"
import { backend, client, closedPort, deferred, ending } from "../../proxy/harness.ts"

type Annotations = Readonly<Record<string, string>>

/** The objects with annotations under `tlsroute.dev/` added. */
function annotate<T extends KubernetesObject>(
  objects: readonly T[] | undefined,
  annotations: Annotations,
): readonly T[] {
  const entries = Object.entries(annotations).map(([name, value]) => [`tlsroute.dev/${name}`, value])
  return (objects ?? []).map((object) => ({
    ...object,
    metadata: { ...object.metadata, annotations: Object.fromEntries(entries) },
  }))
}

const onGateway = (config: GatewayResources, annotations: Annotations): GatewayResources => ({
  ...config,
  gateways: annotate(config.gateways, annotations),
})
const onRoute = (config: GatewayResources, annotations: Annotations): GatewayResources => ({
  ...config,
  tlsRoutes: annotate(config.tlsRoutes, annotations),
})
const onService = (config: GatewayResources, annotations: Annotations): GatewayResources => ({
  ...config,
  services: annotate(config.services, annotations),
})

/** A client whose ClientHello came back from an echoing backend. */
async function through(port: number): Promise<Socket> {
  const socket = await client(port)
  socket.write(greeting())
  await readBytes(socket, greeting().length)
  return socket
}

/** How a client that sends its ClientHello comes to its end. A reset may be there before it knows that it is connected. */
async function refused(port: number): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  const end = ending(socket)
  socket.write(greeting())
  return end
}

describe("a policy in an annotation", () => {
  it("of a Gateway holds on its port", async () => {
    const config = onGateway(configTo(await echo()), { "max-connections": "1" })
    const { port, ended } = await serve({ source: config })
    await through(port)
    expect(await refused(port)).toMatch(/ECONNRESET|EPIPE/)
    expect(await ended(1)).toMatchObject([{ outcome: "too-many-connections", detail: "Gateway/default/gateway" }])
  })

  it("of a TLSRoute holds once the SNI is known", async () => {
    const config = onRoute(configTo(await echo()), { "deny-cidrs": "127.0.0.0/8" })
    const { port, ended } = await serve({ source: config })
    expect(await refused(port)).toBe("end")
    expect(await ended(1)).toMatchObject([{ outcome: "denied", detail: "TLSRoute/default/app", route: "default/app" }])
  })

  it("of a Service holds for its connections", async () => {
    const told = deferred<Buffer>()
    const endpoint = await backend((socket) => socket.once("data", (chunk: Buffer) => told.resolve(chunk)))
    const config = onService(configTo(endpoint), { "send-proxy-protocol": "v2" })
    const { port } = await serve({ source: config })
    const socket = await client(port)
    socket.write(greeting())
    const parsed = parseProxyHeader(await told.promise)
    if (parsed.status !== "complete") throw new Error(parsed.status)
    expect(parsed.header.addresses?.source).toMatchObject({ address: "127.0.0.1", port: socket.localPort })
    expect(Buffer.from(parsed.rest)).toEqual(greeting())
  })

  it("that changes holds for connections from then on, and not for those that are there", async () => {
    const config = configTo(await echo())
    const source = objectSource(config)
    const { gateway, port, ended } = await serve({ source })
    const before = await through(port)
    const applied = once(gateway, "config")
    source.set(onRoute(config, { "deny-cidrs": "0.0.0.0/0" }))
    await applied
    expect(await refused(port)).toBe("end")
    expect(await ended(1)).toMatchObject([{ outcome: "denied" }])
    before.write("still here")
    expect(String(await readBytes(before, 10))).toBe("still here")
  })

  it("that cannot be read is told with the configuration's other problems", async () => {
    const config = onRoute(configTo(await echo()), { "idle-timeout": "soon" })
    const source = objectSource(config)
    const { gateway } = await serve({ source })
    const applied = once(gateway, "config")
    source.set({ ...config })
    const [{ problems }] = await applied
    expect(problems).toMatchObject([{ code: "InvalidPolicyValue", object: { kind: "TLSRoute", name: "app" } }])
  })
})

describe("the policies option", () => {
  it("has the last word over annotations of the object it names", async () => {
    const config = onRoute(configTo(await echo()), { "deny-cidrs": "0.0.0.0/0" })
    const { port } = await serve({
      source: config,
      policies: { routes: { "default/app": { denyCidrs: ["192.0.2.0/24"] } } },
    })
    await through(port)
  })

  it("bounds the connections of the whole gateway", async () => {
    const config = configTo(await echo(), [443, 8443])
    const { gateway, port, ended } = await serve({ source: config, policies: { maxConnections: 1 } })
    await through(port)
    const [, other] = gateway.addresses()
    if (other?.bound !== true) throw new Error("the second port is not bound")
    expect(await refused(other.port)).toMatch(/ECONNRESET|EPIPE/)
    expect(await ended(1)).toMatchObject([{ outcome: "too-many-connections", detail: "gateway" }])
  })

  it("that cannot be used keeps the gateway from being made", async () => {
    const source = configTo(await echo())
    await expect(serve({ source, policies: { idleTimeout: "soon" } })).rejects.toMatchObject({
      code: "ERR_TLSROUTE_POLICY",
      message: expect.stringContaining("policies.idleTimeout"),
    })
  })
})

describe("backends", () => {
  it("that take no more connections are not asked for more", async () => {
    const config = onService(configTo(await echo()), { "max-connections": "1" })
    const { port, ended } = await serve({ source: config })
    const held = await through(port)
    expect(await refused(port)).toBe("end")
    expect(await ended(1)).toMatchObject([{ outcome: "circuit-open", detail: "max-connections" }])
    held.end()
    await ended(2)
    await through(port)
  })

  it("that refuse are left out after failures in a row, and the others carry on without another attempt", async () => {
    const [dead, alive] = [await closedPort(), await echo()]
    const config = configTo(alive)
    const [slice] = config.endpointSlices ?? []
    if (slice === undefined) throw new Error("no slice")
    const second = {
      ...slice,
      metadata: { ...slice.metadata, name: "dead" },
      ports: [{ name: "tls", port: dead.port }],
    }
    const source = onService(
      { ...config, endpointSlices: [slice, second] },
      { "eject-after": "2", "load-balancing": "round-robin", "panic-threshold": "0%", "ejection-time": "1h" },
    )
    const { port, records, ended } = await serve({ source })
    for (let count = 1; count <= 12; count++) {
      const socket = await through(port)
      socket.end()
      await ended(count)
    }
    const attempts = records.map(({ dialAttempts }) => dialAttempts)
    expect(attempts.filter((each) => each === 2)).toHaveLength(2)
    expect(attempts.slice(6)).toEqual([1, 1, 1, 1, 1, 1])
  })
})

describe("a bandwidth cap", () => {
  it("slows each direction of a connection down to its rate, and loses nothing", async () => {
    const config = onRoute(configTo(await echo()), { bandwidth: "1MiB" })
    const { port } = await serve({ source: config })
    const socket = await through(port)
    const sent = Buffer.alloc(524_288, "x")
    const from = performance.now()
    socket.write(sent)
    const echoed = await readBytes(socket, sent.length)
    const took = performance.now() - from
    expect(echoed.equals(sent)).toBe(true)
    // Half a megabyte beyond the burst of a tenth of a second takes four tenths, and a timer is never early.
    expect(took).toBeGreaterThan(300)
  })
})

describe("connections of a route that is removed", () => {
  const other = (config: GatewayResources): GatewayResources => ({ ...config, tlsRoutes: [] })

  it("go on, unless told otherwise", async () => {
    const config = configTo(await echo())
    const source = objectSource(config)
    const { gateway, port } = await serve({ source })
    const socket = await through(port)
    const applied = once(gateway, "config")
    source.set(other(config))
    await applied
    socket.write("still here")
    expect(String(await readBytes(socket, 10))).toBe("still here")
  })

  it("end within the window where its policy is to drain", async () => {
    const config = onRoute(configTo(await echo()), { "on-removal": "drain", "drain-window": "200ms" })
    const source = objectSource(config)
    const { port, ended } = await serve({ source })
    const sockets = await Promise.all(Array.from({ length: 8 }, () => through(port)))
    const ends = sockets.map(ending)
    source.set(other(config))
    expect(await Promise.all(ends)).toEqual(sockets.map(() => "end"))
    for (const record of await ended(8)) expect(record).toMatchObject({ outcome: "route-removed", endedBy: "proxy" })
  })

  it("end with their listener where its policy is to drain", async () => {
    const config = onGateway(configTo(await echo()), { "on-removal": "drain", "drain-window": "0s" })
    const source = objectSource(config)
    const { port, ended } = await serve({ source })
    const end = ending(await through(port))
    source.set({ ...config, gateways: [] })
    expect(await end).toBe("end")
    expect(await ended(1)).toMatchObject([{ outcome: "route-removed" }])
  })
})

describe("connections of an endpoint that is removed", () => {
  it("end within the window where the Service's policy is to drain, and those of other endpoints go on", async () => {
    const [staying, going] = [await echo(), await echo()]
    const config = configTo(staying)
    const [slice] = config.endpointSlices ?? []
    if (slice === undefined) throw new Error("no slice")
    const leaving = {
      ...slice,
      metadata: { ...slice.metadata, name: "going" },
      ports: [{ name: "tls", port: going.port }],
    }
    const annotated = onService(
      { ...config, endpointSlices: [slice, leaving] },
      { "on-endpoint-removal": "drain", "drain-window": "0s", "load-balancing": "round-robin" },
    )
    const source = objectSource(annotated)
    const { gateway, port, ended } = await serve({ source })
    const sockets = [await through(port), await through(port)]
    const endpoints = [...gateway.connections].map(({ endpoint }) => endpoint?.port)
    const gone = sockets[endpoints.indexOf(going.port)]
    const kept = sockets[endpoints.indexOf(staying.port)]
    if (gone === undefined || kept === undefined) throw new Error("both endpoints should have had their turn")
    const end = ending(gone)
    source.set({ ...annotated, endpointSlices: [slice] })
    expect(await end).toBe("end")
    expect(await ended(1)).toMatchObject([{ outcome: "endpoint-removed", endpoint: { port: going.port } }])
    kept.write("still here")
    expect(String(await readBytes(kept, 10))).toBe("still here")
  })
})
