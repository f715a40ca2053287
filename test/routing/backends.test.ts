import { describe, expect, it } from "vitest"
import {
  type BackendResolver,
  type BackendTarget,
  buildRouteTable,
  createRouteTableBuilder,
  formatExplanation,
  type GatewayLocation,
  type GatewayResources,
  type RouteTableOptions,
} from "../../src/routing/index.ts"
import { gateway, grant, route, service, slice } from "./world.ts"

/** The target of the first backendRef of the one route. */
function target(resources: GatewayResources, options?: RouteTableOptions): BackendTarget {
  const table = buildRouteTable({ gateways: [gateway("gateway")], tlsRoutes: [route("a")], ...resources }, options)
  const match = table.match({ port: 443, serverName: "a.example.com" })
  if (!match.matched) throw new Error(match.reason)
  return match.route.backends[0]!.target
}

const addressesOf = (found: BackendTarget): unknown =>
  found.kind === "endpoints" ? found.endpoints.map(({ address, port }) => `${address} ${port}`) : found

const to = (ref: object) => [route("a", { rules: [{ backendRefs: [{ name: "backend", port: 443, ...ref }] }] })]

describe("a Service as backend", () => {
  const ready = { addresses: ["10.0.0.1"], conditions: { ready: true } }
  const unknown = { addresses: ["10.0.0.2"] }
  const unready = { addresses: ["10.0.0.3"], conditions: { ready: false } }
  const draining = { addresses: ["10.0.0.4"], conditions: { ready: false, serving: true, terminating: true } }
  const gone = { addresses: ["10.0.0.5"], conditions: { ready: false, serving: false, terminating: true } }

  it.each([
    [
      "ready endpoints, and those of unknown readiness",
      [unready, unknown, ready, draining],
      ["10.0.0.1 8443", "10.0.0.2 8443"],
    ],
    ["terminating and serving endpoints only when nothing is ready", [unready, draining, gone], ["10.0.0.4 8443"]],
  ])("takes %s (EndpointSlice conditions)", (_, endpoints, expected) => {
    const found = target({ services: [service("backend")], endpointSlices: [slice("backend", "x", endpoints)] })
    expect(addressesOf(found)).toEqual(expected)
  })

  it.each<[string, GatewayLocation, string | undefined]>([
    ["PreferSameZone", {}, "zone: tell it by the option location (--zone)"],
    ["PreferClose", { nodeName: "node-1" }, "zone: tell it by the option location (--zone)"],
    ["PreferSameNode", { zone: "a" }, "node: tell it by the option location (--node-name)"],
    ["PreferSameZone", { zone: "a" }, undefined],
    ["PreferSameNode", { nodeName: "node-1" }, undefined],
  ])(
    "with trafficDistribution %s at %j tells what of its place the gateway must know",
    (trafficDistribution, location, missing) => {
      const services = [service("backend", { trafficDistribution })]
      const resources = { gateways: [gateway("gateway")], tlsRoutes: to({}), services }
      const told = buildRouteTable(resources, { location }).problems.filter(
        ({ path }) => path === "spec.trafficDistribution",
      )
      const message = `has no effect while the gateway does not know its own ${missing}`
      expect(told).toMatchObject(missing === undefined ? [] : [{ code: "NoEffect", message }])
    },
  )

  it("refuses connections when no endpoint takes any (TLSRouteRule.backendRefs: a Service with no endpoints)", () => {
    const found = target({ services: [service("backend")], endpointSlices: [slice("backend", "x", [unready, gone])] })
    expect(found).toMatchObject({ kind: "invalid", reason: "NoEndpoints" })
  })

  it("is dialled at its cluster addresses when it has no EndpointSlices, unless it is headless", () => {
    const dual = service("backend", { clusterIPs: ["10.96.0.1", "FD00:0::1"] })
    expect(addressesOf(target({ services: [dual] }))).toEqual(["10.96.0.1 443", "fd00::1 443"])
    const headless = service("backend", { clusterIP: "None", clusterIPs: ["None"] })
    expect(target({ services: [headless] })).toMatchObject({ reason: "NoEndpoints" })
  })

  it("joins IPv4 and IPv6 slices, each endpoint once, with zones, nodes and hints kept", () => {
    const located = { ...ready, zone: "a", nodeName: "n1", hints: { forZones: [{ name: "a" }, { name: "b" }] } }
    const six = slice("backend", "six", [{ addresses: ["2001:DB8::1"] }], { addressType: "IPv6" })
    const found = target({
      services: [service("backend")],
      endpointSlices: [six, slice("backend", "four", [located]), slice("backend", "again", [located])],
    })
    expect(found).toMatchObject({
      endpoints: [
        { address: "10.0.0.1", port: 8443, zone: "a", nodeName: "n1", forZones: ["a", "b"] },
        { address: "2001:db8::1", port: 8443 },
      ],
    })
  })

  it.each([
    [
      "by the Service port's name",
      [{ name: "tls", port: 443 }],
      [
        { name: "http", port: 80 },
        { name: "tls", port: 9443 },
      ],
      "10.0.0.1 9443",
    ],
    [
      "by number where a slice has no names",
      [{ name: "tls", port: 443, targetPort: 9443 }],
      [{ port: 80 }, { port: 9443 }],
      "10.0.0.1 9443",
    ],
    [
      "of TCP, not of another protocol with that name",
      [{ port: 443 }],
      [{ port: 1, protocol: "UDP" }, { port: 2 }],
      "10.0.0.1 2",
    ],
  ])("finds the endpoints' port %s", (_, ports, slicePorts, expected) => {
    const endpointSlices = [slice("backend", "x", [ready], { ports: slicePorts })]
    expect(addressesOf(target({ services: [service("backend", { ports })], endpointSlices }))).toEqual([expected])
  })

  it("of type ExternalName is refused unless allowed twice: the type and the name (CVE-2021-25740)", () => {
    const services = [service("backend", { type: "ExternalName", externalName: "db.example.org" })]
    expect(target({ services }, { externalBackends: ["*"] })).toMatchObject({ reason: "BackendNotFound" })
    expect(target({ services }, { externalNameServices: true })).toMatchObject({ reason: "BackendNotFound" })
    const both = { externalNameServices: true, externalBackends: ["*.example.org"] }
    expect(target({ services }, both)).toMatchObject({ kind: "name", host: "db.example.org", port: 443 })
  })
})

describe("an external backend", () => {
  it.each([
    ["httpbin.org", ["*"], true],
    ["httpbin.org", ["httpbin.org"], true],
    ["a.b.example.com", ["*.example.com"], true],
    ["example.com", ["*.example.com"], false],
    ["httpbin.org", [], false],
    ["nodots", ["*"], false],
    ["nodots", ["nodots"], true],
    ["localhost", ["*"], false],
    ["localhost", ["localhost"], true],
    ["LocalHost", ["localhost"], true],
    ["::1", ["::1"], true],
    ["127.0.0.1", ["127.0.0.1"], true],
    ["svc.localhost", ["*"], false],
    ["metadata.google.internal", ["*"], false],
    ["metadata.google.internal", ["metadata.google.internal"], true],
    ["169.254.169.254", ["*"], false],
    ["127.1", ["*"], false],
    ["a.0x7f", ["*"], false],
    ["10.1.2.3", ["10.1.2.3"], true],
  ])("%s with externalBackends %j: %s", (name, externalBackends, allowed) => {
    const found = target({ tlsRoutes: to({ name }) }, { externalBackends })
    expect(found.kind !== "invalid").toBe(allowed)
  })

  it("that is this machine is refused with what would allow it", () => {
    expect(target({ tlsRoutes: to({ name: "localhost" }) }, { externalBackends: ["*"] })).toMatchObject({
      reason: "BackendNotFound",
      message: expect.stringMatching(/externalBackends \(--external-backends\) must list it literally/),
    })
  })

  it("without a dot gives way to a Service of that name", () => {
    const world = { tlsRoutes: to({ name: "backend" }), services: [service("backend")] }
    expect(target(world, { externalBackends: ["backend"] })).toMatchObject({ kind: "endpoints" })
  })

  it.each([
    ["db.example.org", ["*"], "external backend db.example.org → db.example.org:443 (DNS)"],
    ["localhost", ["localhost"], "external backend localhost → localhost:443 (DNS)"],
    ["127.0.0.1", ["127.0.0.1"], "external backend 127.0.0.1 → 127.0.0.1:443"],
    ["::1", ["::1"], "external backend ::1 → [::1]:443"],
    ["missing", ["*"], "Service default/missing → refused"],
  ])("is called what it is: %s", (name, externalBackends, text) => {
    const table = buildRouteTable({ gateways: [gateway("gateway")], tlsRoutes: to({ name }) }, { externalBackends })
    expect(formatExplanation(table.explain({ port: 443, serverName: "a.example.com" }))).toContain(text)
  })

  it("named itself may resolve to any address; matched by a pattern it may not", () => {
    expect(
      target({ tlsRoutes: to({ name: "in.example.com" }) }, { externalBackends: ["in.example.com"] }),
    ).toMatchObject({ anyAddress: true })
    expect(target({ tlsRoutes: to({ name: "in.example.com" }) }, { externalBackends: ["*"] })).not.toHaveProperty(
      "anyAddress",
    )
  })
})

describe("a reference across namespaces", () => {
  it("works while a ReferenceGrant permits it, and no longer (ReferenceGrant: respond to removal by revoking)", () => {
    const builder = createRouteTableBuilder()
    const world: GatewayResources = {
      gateways: [gateway("gateway")],
      tlsRoutes: to({ namespace: "other" }),
      services: [service("backend", {}, { namespace: "other" })],
    }
    const reason = (resources: GatewayResources) => {
      const match = builder.build(resources).match({ port: 443, serverName: "a.example.com" })
      const found = match.matched ? match.route.backends[0]!.target : undefined
      return found?.kind === "invalid" ? found.reason : found?.kind
    }
    expect(reason(world)).toBe("RefNotPermitted")
    expect(reason({ ...world, referenceGrants: [grant("other", "default")] })).toBe("endpoints")
    expect(reason({ ...world, referenceGrants: [grant("other", "elsewhere")] })).toBe("RefNotPermitted")
    expect(reason(world)).toBe("RefNotPermitted")
  })
})

describe("a backend of another kind", () => {
  // A ServiceImport is backed by a Service of a derived name here, as many controllers do it.
  const serviceImport: BackendResolver = ({ ref, port }, lookup) => {
    if (lookup.object(ref) === undefined) return { refused: "BackendNotFound", message: `no ServiceImport ${ref.name}` }
    return lookup.service(ref.namespace, `derived-${ref.name}`, port ?? 443)
  }
  const backendResolvers: Record<string, BackendResolver> = {
    "multicluster.x-k8s.io/ServiceImport": serviceImport,
    "example.com/Backend": ({ ref }, lookup) => {
      const found = lookup.object(ref) as { spec?: { host: string; port: number } } | undefined
      return { host: found!.spec!.host, port: found!.spec!.port }
    },
  }
  const other = (group: string, kind: string, spec: object = {}) => ({
    apiVersion: `${group}/v1`,
    kind,
    metadata: { name: "backend", namespace: "default" },
    spec,
  })

  it("is refused with InvalidKind when nothing resolves it", () => {
    expect(target({ tlsRoutes: to({ group: "example.com", kind: "Backend" }) })).toMatchObject({
      reason: "InvalidKind",
    })
  })

  it("resolves through the resolver registered for it, again after what it read has changed", () => {
    const builder = createRouteTableBuilder({ backendResolvers })
    const world: GatewayResources = {
      gateways: [gateway("gateway")],
      tlsRoutes: to({ group: "multicluster.x-k8s.io", kind: "ServiceImport" }),
      services: [service("derived-backend")],
      others: [other("multicluster.x-k8s.io", "ServiceImport")],
    }
    const found = (resources: GatewayResources) => {
      const match = builder.build(resources).match({ port: 443, serverName: "a.example.com" })
      return match.matched ? match.route.backends[0]!.target : undefined
    }
    expect(found({ ...world, others: [] })).toMatchObject({
      reason: "BackendNotFound",
      message: "no ServiceImport backend",
    })
    expect(found(world)).toMatchObject({ endpoints: [{ address: "10.96.0.1", port: 443 }] })
    const endpointSlices = [slice("derived-backend", "x", [{ addresses: ["10.0.0.7"] }])]
    expect(found({ ...world, endpointSlices })).toMatchObject({ endpoints: [{ address: "10.0.0.7", port: 8443 }] })
  })

  it("gives what a target has, and nothing else that its resolver put there", () => {
    const answer = {
      endpoints: [
        { address: "FD00:0::1", port: 443, zone: "a", forZones: ["a", 1], extra: 1n },
        { address: "fd00::1", port: 443, zone: "a", forZones: ["a"], call: () => undefined },
      ],
    }
    const resolver = (() => answer) as unknown as BackendResolver
    const found = target(
      { tlsRoutes: to({ group: "example.com", kind: "Backend" }) },
      { backendResolvers: { "example.com/Backend": resolver } },
    )
    expect(found).toMatchObject({ endpoints: [{ address: "fd00::1", port: 443, zone: "a", forZones: ["a"] }] })
    expect(structuredClone(found)).toEqual(found)
  })

  it("is apart from another whose name and port read the same", () => {
    const named: BackendResolver = ({ ref, port }) => ({ host: ref.name, port: port ?? 1 })
    const kind = { group: "example.com", kind: "Backend" }
    const rules = [
      {
        backendRefs: [
          { ...kind, name: "db:443" },
          { ...kind, name: "db", port: 443 },
          { ...kind, name: "db%3A443" },
        ],
      },
    ]
    const table = buildRouteTable(
      { gateways: [gateway("gateway")], tlsRoutes: [route("a", { rules })] },
      { backendResolvers: { "example.com/Backend": named } },
    )
    expect(table.routes[0]!.backends.map(({ target }) => target)).toMatchObject([
      { host: "db:443", port: 1 },
      { host: "db", port: 443 },
      { host: "db%3A443", port: 1 },
    ])
  })

  it("resolves to a name, and is refused when its resolver throws", () => {
    const tlsRoutes = to({ group: "example.com", kind: "Backend", port: undefined })
    const others = [other("example.com", "Backend", { host: "db.internal", port: 5432 })]
    expect(target({ tlsRoutes, others }, { backendResolvers })).toMatchObject({
      kind: "name",
      host: "db.internal",
      port: 5432,
    })
    expect(target({ tlsRoutes }, { backendResolvers })).toMatchObject({ kind: "invalid", reason: "BackendNotFound" })
  })

  it("is refused when its resolver throws what cannot be put into words", () => {
    const backendResolvers = {
      "example.com/Backend": () => {
        throw Object.create(null)
      },
    }
    const tlsRoutes = to({ group: "example.com", kind: "Backend" })
    expect(target({ tlsRoutes }, { backendResolvers })).toMatchObject({ kind: "invalid", reason: "BackendNotFound" })
  })

  it.each([
    [undefined],
    [{}],
    [{ endpoints: [{ address: "x", port: 1 }] }],
    [{ endpoints: [{ address: "10.0.0.1", port: 0 }] }],
  ])("is refused when its resolver answers %j", (answer) => {
    const resolver = (() => answer) as unknown as BackendResolver
    const tlsRoutes = to({ group: "example.com", kind: "Backend" })
    expect(target({ tlsRoutes }, { backendResolvers: { "example.com/Backend": resolver } })).toMatchObject({
      kind: "invalid",
      reason: "BackendNotFound",
    })
  })
})

describe("a resolver that answers with a promise", () => {
  it.each<[string, () => Promise<unknown>]>([
    ["resolves", async () => ({ host: "db.internal", port: 5432 })],
    ["rejects", () => Promise.reject(new Error("out of order"))],
  ])("which %s refuses the backend, and is told why", (_, answer) => {
    const backendResolvers = { "example.com/Backend": answer as unknown as BackendResolver }
    const found = target({ tlsRoutes: to({ group: "example.com", kind: "Backend" }) }, { backendResolvers })
    expect(found).toMatchObject({
      reason: "BackendNotFound",
      message: expect.stringMatching(/must answer at once, not with a promise/),
    })
  })
})

describe("weights", () => {
  it("count over every backendRef of every rule, invalid ones included, and zero means zero", () => {
    const rules = [
      {
        backendRefs: [
          { name: "backend", port: 443, weight: 0 },
          { name: "missing", port: 443, weight: 80 },
        ],
      },
      {
        backendRefs: [
          { name: "backend", port: 443, weight: 19 },
          { name: "backend", port: 443 },
        ],
      },
    ]
    const tlsRoutes = [{ ...route("a", { rules }), apiVersion: "gateway.networking.k8s.io/v1alpha2" }]
    const table = buildRouteTable({ gateways: [gateway("gateway")], tlsRoutes, services: [service("backend")] })
    expect(table.routes).toMatchObject([
      {
        totalWeight: 100,
        backends: [
          { weight: 0 },
          { weight: 80, target: { kind: "invalid" } },
          { weight: 19, target: { kind: "endpoints" } },
          { weight: 1, path: "spec.rules[1].backendRefs[1]" },
        ],
      },
    ])
  })
})
