import { describe, expect, it } from "vitest"
import { buildRouteTable, createRouteTableBuilder } from "../../src/routing/index.ts"
import type { GatewayResources } from "../../src/routing/resources.ts"

const guide: GatewayResources = {
  gateways: [
    {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "Gateway",
      metadata: { name: "gateway" },
      spec: {
        gatewayClassName: "any",
        listeners: [{ name: "tls", port: 8000, protocol: "TLS", tls: { mode: "Passthrough" } }],
      },
    },
  ],
  tlsRoutes: [
    {
      apiVersion: "gateway.networking.k8s.io/v1alpha2",
      kind: "TLSRoute",
      metadata: { name: "route" },
      spec: {
        parentRefs: [{ name: "gateway", port: 8000 }],
        hostnames: ["httpbin.org"],
        rules: [{ backendRefs: [{ name: "httpbin.org", port: 443 }] }],
      },
    },
  ],
}

describe("the reference guide's manifests", () => {
  it("route httpbin.org to the name when it is allowed as an external backend", () => {
    const table = buildRouteTable(guide, { defaultNamespace: "httpbin", externalBackends: ["*"] })
    expect(table.problems).toMatchObject([{ severity: "warning", code: "Deprecated" }])
    expect(table.listeners.map((binding) => binding.key)).toEqual(["*:8000"])
    expect(table.match({ port: 8000, serverName: "httpbin.org" })).toMatchObject({
      matched: true,
      hostname: "httpbin.org",
      listener: { id: "Gateway/httpbin/gateway/tls" },
      route: {
        ref: { namespace: "httpbin", name: "route" },
        totalWeight: 1,
        backends: [{ target: { kind: "name", host: "httpbin.org", port: 443 } }],
      },
    })
    expect(table.match({ port: 8000, serverName: "other.org" })).toMatchObject({ reason: "NoMatchingRoute" })
    expect(table.match({ port: 8000, serverName: undefined })).toMatchObject({ reason: "NoServerName" })
    expect(table.match({ port: 1, serverName: "httpbin.org" })).toMatchObject({ reason: "NoListener" })
  })

  it("refuse the connection when external backends are off", () => {
    const table = buildRouteTable(guide)
    expect(table.match({ port: 8000, serverName: "httpbin.org" })).toMatchObject({
      matched: true,
      route: { backends: [{ target: { kind: "invalid", reason: "BackendNotFound" } }] },
    })
    expect(table.problems.filter(({ severity }) => severity === "error")).toMatchObject([
      { code: "BackendNotFound", path: "spec.rules[0].backendRefs[0]" },
    ])
  })
})

describe("a v1 TLSRoute without hostnames", () => {
  const [route] = guide.tlsRoutes ?? []
  const { hostnames: _, ...spec } = route?.spec ?? { rules: [] }
  const read: GatewayResources = {
    ...guide,
    tlsRoutes: [{ apiVersion: "gateway.networking.k8s.io/v1", kind: "TLSRoute", metadata: { name: "route" }, spec }],
  }

  it("takes every name when an API server gave it, and nothing in a file, whatever was read before", () => {
    const builder = createRouteTableBuilder({ externalBackends: ["*"] })
    for (const admitted of [true, false, true]) {
      const table = builder.build({ ...read, admitted })
      expect(table.match({ port: 8000, serverName: "any.example.com" }).matched).toBe(admitted)
      expect(table.match({ port: 8000, serverName: undefined }).matched).toBe(admitted)
      expect(table.problems[0]).toMatchObject(
        admitted ? { severity: "warning", code: "NoHostnames" } : { severity: "error", code: "Required" },
      )
    }
  })

  it("is the same object for the API server's next snapshot: no rebuild", () => {
    const builder = createRouteTableBuilder({ externalBackends: ["*"] })
    const [first] = builder.build({ ...read, admitted: true }).routes
    expect(builder.build({ ...read, admitted: true }).routes[0]).toBe(first)
  })
})

describe("a reason", () => {
  it("stays short, however long the selector is that leaves a namespace out", () => {
    const matchLabels = Object.fromEntries(Array.from({ length: 2000 }, (_, at) => [`k${at}`, "v".repeat(5000)]))
    const labels = Object.fromEntries(Object.keys(matchLabels).map((key) => [key, "w".repeat(5000)]))
    const [gateway] = guide.gateways ?? []
    const listeners = [
      {
        name: "tls",
        port: 8000,
        protocol: "TLS",
        tls: { mode: "Passthrough" as const },
        allowedRoutes: { namespaces: { from: "Selector" as const, selector: { matchLabels } } },
      },
    ]
    const table = buildRouteTable({
      ...guide,
      gateways: [{ ...gateway, metadata: { name: "gateway" }, spec: { gatewayClassName: "any", listeners } }],
      namespaces: [{ metadata: { name: "default", labels } }],
    })
    const refusal = table.problems.find(({ code }) => code === "NotAllowedByListeners")
    expect(refusal?.message).toContain("does not match: namespace default has k0=w")
    expect(refusal?.message.length).toBeLessThan(3000)
  })
})

describe("a snapshot that is not as it should be", () => {
  it.each([
    ["a list that is none", { services: {} }, "services", "must be a list"],
    ["a list of no such name", { gateway: [] }, "gateway", "there is no list of this name; gateways is meant perhaps"],
    ["an answer that is none to whether it was admitted", { admitted: "yes" }, "admitted", "must be true or false"],
    ["a list of no name like any", { widgets: [] }, "widgets", "there is no list of this name"],
    ["a latest that is no function", { latest: [] }, "latest", "must be a function"],
  ])("with %s is told of, and the rest is in force", (_what, broken, path, message) => {
    const sound = buildRouteTable(guide)
    const table = buildRouteTable({ ...guide, ...broken } as unknown as GatewayResources)
    expect(table.problems).toEqual([{ severity: "error", code: "InvalidResources", path, message }, ...sound.problems])
    expect(table.listeners).toEqual(sound.listeners)
  })

  it.each([[null], ["gateway.yaml"], [[]]])("such as %j is told of", (broken) => {
    expect(buildRouteTable(broken as unknown as GatewayResources).problems).toMatchObject([
      { code: "InvalidResources", path: "", message: "the resources are no object that holds lists of objects" },
    ])
  })
})
