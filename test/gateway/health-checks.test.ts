import { once } from "node:events"
import { createServer } from "node:net"
import { createServer as createTlsServer } from "node:tls"
import { describe, expect, it, onTestFinished } from "vitest"
import { type EndpointHealthChange, HealthChecks } from "../../src/gateway/health-checks.ts"
import { AnnotationScan } from "../../src/gateway/policies/annotated-objects.ts"
import { PolicyCompiler } from "../../src/gateway/policies/compiler.ts"
import type { PolicyOptions } from "../../src/gateway/policies/options.ts"
import { DnsCache } from "../../src/proxy/backend/dns-cache.ts"
import type { Probe } from "../../src/proxy/health/probe.ts"
import type { DialEndpoint } from "../../src/proxy/target.ts"
import type { RouteTableOptions } from "../../src/routing/options.ts"
import type { GatewayResources } from "../../src/routing/resources.ts"
import { buildRouteTable } from "../../src/routing/table-builder.ts"
import { configTo, echo, greeting, NAME, readBytes, serve } from "../faults/harness.ts"
import { client, closedPort, ending, listenOn } from "../proxy/harness.ts"
import { selfSigned } from "../support/certificate.ts"
import { gateway, listener, route, service } from "../support/resources.ts"

const often = { healthCheckInterval: "100ms", healthyThreshold: 1, unhealthyThreshold: 1 } as const

/** Probes of one table, each answered as told. */
function probing(
  resources: GatewayResources,
  policies: PolicyOptions,
  answer: (probe: Probe) => boolean = () => true,
  options: RouteTableOptions = {},
) {
  const probed: Probe[] = []
  const changes: EndpointHealthChange[] = []
  let told: () => void = () => undefined
  const names = new DnsCache({ lookup: async () => [{ address: "192.0.2.7", ttl: 60 }] })
  const checks = new HealthChecks(
    names,
    (change) => changes.push(change),
    async (probe) => {
      probed.push(probe)
      told()
      return answer(probe) ? { healthy: true } : { healthy: false, reason: "ECONNREFUSED" }
    },
  )
  onTestFinished(() => checks.stop())
  const table = buildRouteTable(resources, options)
  const compiled = new PolicyCompiler(policies).compile(new AnnotationScan().scan(resources), table)
  checks.update(table, compiled)
  const probes = async (count: number): Promise<readonly Probe[]> => {
    while (probed.length < count) {
      await new Promise<void>((resolve) => {
        told = resolve
      })
    }
    return probed
  }
  return { checks, changes, probes, table, compiled }
}

describe("a health check", () => {
  it("begins as connections of the listener begin that leads to the route", async () => {
    const port = (number: number, name: string) => ({ ...listener(name, number), hostname: `*.${name}.example` })
    const to = (name: string) => route(name, [`a.${name}.example`], [{ name: "app", port: 443 }], { sectionName: name })
    const world = {
      ...service("app", [1]),
      gateways: [gateway([port(5432, "db"), port(443, "web")])],
      tlsRoutes: [to("db"), to("web")],
    }
    const policies = {
      ...often,
      healthCheck: "tls",
      listeners: { "default/gateway/db": { starttls: "postgres" } },
    } as const
    const { probes } = probing(world, policies)
    const found = (await probes(4)).map(({ serverName, starttls }) => `${serverName} ${starttls?.protocol.name}`)
    expect(new Set(found)).toEqual(new Set(["a.db.example postgres", "a.web.example undefined"]))
  })

  it("is off unless a policy asks for it", async () => {
    const { checks } = probing(configTo({ port: 1 }), {})
    expect(checks.size).toBe(0)
  })

  it("of TLS asks for the route's own name", async () => {
    const { probes } = probing(configTo({ port: 7 }), { healthCheck: "tls", ...often })
    const [probe] = await probes(1)
    expect(probe).toMatchObject({ kind: "tls", address: "127.0.0.1", port: 7, serverName: NAME })
  })

  it.each([
    [["*.example.com", "b.example.com"], "b.example.com"],
    [["*.example.com"], "health-check.example.com"],
  ])("of TLS for the hostnames %j asks for %s", async (hostnames, serverName) => {
    const config = configTo({ port: 7 })
    const tlsRoutes = [route("app", hostnames, [{ name: "app", port: 443 }])]
    const { probes } = probing({ ...config, tlsRoutes }, { healthCheck: "tls", ...often })
    expect((await probes(1))[0]).toMatchObject({ serverName })
  })

  it("of an external backend follows its name", async () => {
    const tlsRoutes = [route("app", [NAME], [{ name: "origin.example.net", port: 443 }])]
    const config = { gateways: [gateway([listener("tls", 443)])], tlsRoutes }
    const options = { externalBackends: ["*"] }
    const { probes } = probing(config, { healthCheck: "tcp", ...often }, () => true, options)
    expect((await probes(1))[0]).toMatchObject({ kind: "tcp", address: "192.0.2.7", port: 443 })
  })

  it("tells of changes, and takes back what it said of an endpoint that it checks no longer", async () => {
    const { checks, changes, probes, table, compiled } = probing(
      configTo({ port: 7 }),
      { healthCheck: "tcp", ...often },
      () => false,
    )
    await probes(2)
    expect(changes).toMatchObject([{ healthy: false, reason: "ECONNREFUSED", endpoint: { port: 7 } }])
    checks.update(buildRouteTable({}), compiled)
    expect(changes.at(-1)).toMatchObject({ healthy: true, target: changes[0]?.target, endpoint: { port: 7 } })
    expect(table.routes).toHaveLength(1)
  })
})

/** The configuration with a second endpoint. */
function withSecond(config: GatewayResources, { port }: DialEndpoint): GatewayResources {
  const [slice] = config.endpointSlices ?? []
  if (slice === undefined) throw new Error("no slice")
  const second = { ...slice, metadata: { ...slice.metadata, name: "second" }, ports: [{ name: "tls", port }] }
  return { ...config, endpointSlices: [slice, second] }
}

describe("an endpoint that fails its checks", () => {
  const policies: PolicyOptions = { healthCheck: "tcp", panicThreshold: "0%", loadBalancing: "round-robin", ...often }

  it("is not dialled, and comes back when it passes them", async () => {
    const dead = await closedPort()
    const {
      gateway: served,
      port,
      records,
      ended,
    } = await serve({
      source: withSecond(configTo(await echo()), dead),
      policies: { ...policies, ejectAfter: 0 },
    })
    const [change] = await once(served, "health")
    expect(change).toMatchObject({ healthy: false, reason: "ECONNREFUSED", endpoint: { port: dead.port } })
    const ask = async (): Promise<void> => {
      const socket = await client(port)
      socket.write(greeting())
      await readBytes(socket, greeting().length)
      const count = records.length
      socket.end()
      await ended(count + 1)
    }
    for (let turn = 0; turn < 4; turn++) await ask()
    expect(records.map(({ dialAttempts }) => dialAttempts)).toEqual([1, 1, 1, 1])

    const revived = createServer((socket) => void socket.on("error", () => undefined).pipe(socket))
    revived.listen(dead.port, "127.0.0.1")
    await once(revived, "listening")
    onTestFinished(() => void revived.close())
    const [back] = await once(served, "health")
    expect(back).toMatchObject({ healthy: true, endpoint: { port: dead.port } })
    for (let turn = 0; turn < 4; turn++) await ask()
    expect(records.slice(4).some(({ endpoint }) => endpoint?.port === dead.port)).toBe(true)
  })

  it("is one that answers TCP and no TLS, where the check is of TLS", async () => {
    const pair = selfSigned([NAME])
    const speaks = await listenOn(createTlsServer(pair, (socket) => void socket.on("error", () => undefined)))
    const mute = await listenOn(createServer((socket) => void socket.destroy()))
    const { gateway: served } = await serve({
      source: withSecond(configTo(speaks), mute),
      policies: { ...policies, healthCheck: "tls" },
    })
    const [change] = await once(served, "health")
    expect(change).toMatchObject({ healthy: false, endpoint: { port: mute.port } })
  })

  it("is used all the same when none is left", async () => {
    const dead = await closedPort()
    const { gateway: served, port, ended } = await serve({ source: configTo(dead), policies })
    await once(served, "health")
    const socket = await client(port)
    const end = ending(socket)
    socket.write(greeting())
    expect(await end).toBe("end")
    expect(await ended(1)).toMatchObject([{ outcome: "dial-failed", detail: "ECONNREFUSED", dialAttempts: 1 }])
  })
})
