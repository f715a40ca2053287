import { describe, expect, it } from "vitest"
import { SnapshotCompiler } from "../../src/gateway/snapshot-compiler.ts"
import type { GatewayResources, TLSRoute } from "../../src/routing/resources.ts"
import { gateway, listener, resources, route, service } from "../support/resources.ts"

const edge = gateway([listener("tls", 8443)])
const app = (hostname: string, backend = "app"): TLSRoute => route("app", [hostname], [{ name: backend, port: 443 }])
const snapshot = (...tlsRoutes: readonly TLSRoute[]): GatewayResources =>
  resources({ gateways: [edge], tlsRoutes }, service("app", [4433]))
const other = route("other", ["other.example"], [{ name: "app", port: 443 }])

const misspelt = ({ spec: { hostnames, ...spec }, ...rest }: TLSRoute): TLSRoute =>
  ({ ...rest, spec: { ...spec, hostnmaes: hostnames } }) as TLSRoute

/** Which of some names are routed. */
function routed(compiled: ReturnType<SnapshotCompiler["compile"]>, ...names: readonly string[]): readonly string[] {
  return names.filter((serverName) => compiled.table.match({ port: 8443, serverName }).matched)
}

describe("an object that was good and turns bad", () => {
  it.each<[string, TLSRoute]>([
    ["a hostname that can be none", app("app..example")],
    ["a backend that there is not", app("app.example", "ap")],
    ["a misspelt field", misspelt(app("app.example"))],
    [
      "an annotation that cannot be read",
      {
        ...app("changed.example"),
        metadata: { ...app("x").metadata, annotations: { "tlsroute.dev/idle-timeout": "soon" } },
      },
    ],
  ])("by %s, stays in force as it was, and what is wrong is told", (_, bad) => {
    const compiler = new SnapshotCompiler({}, "keep")
    compiler.compile(snapshot(app("app.example"), other))
    const after = compiler.compile(snapshot(bad, other))
    expect(routed(after, "app.example", "other.example")).toEqual(["app.example", "other.example"])
    expect(after.table.match({ port: 8443, serverName: "app.example" })).toMatchObject({
      matched: true,
      route: { backends: [{ target: { kind: "endpoints", endpoints: [{ port: 4433 }] } }] },
    })
    expect(after.kept.length).toBeGreaterThan(0)
    for (const problem of after.kept) {
      expect(problem).toMatchObject({
        severity: "error",
        object: { kind: "TLSRoute", namespace: "default", name: "app" },
        message: expect.stringContaining("; the last good version of this TLSRoute stays in force"),
      })
    }
  })

  it("is replaced as soon as it is good again, or goes when it is deleted", () => {
    const compiler = new SnapshotCompiler({}, "keep")
    compiler.compile(snapshot(app("one.example")))
    compiler.compile(snapshot(app("bad..example")))
    const stillBad = compiler.compile(snapshot(app("worse..example")))
    expect(routed(stillBad, "one.example")).toEqual(["one.example"])
    const good = compiler.compile(snapshot(app("two.example")))
    expect(routed(good, "one.example", "two.example")).toEqual(["two.example"])
    expect(good.kept).toEqual([])
    compiler.compile(snapshot(app("bad..example")))
    expect(routed(compiler.compile(snapshot()), "two.example")).toEqual([])
  })

  it("as a Gateway keeps its ports, and no route that changes with it is held back for its sake", () => {
    const compiler = new SnapshotCompiler({}, "keep")
    compiler.compile(snapshot(app("one.example")))
    const broken = gateway([listener("tls", 84_430)])
    const after = compiler.compile({ ...snapshot(app("two.example")), gateways: [broken] })
    expect(after.table.listeners.map(({ port }) => port)).toEqual([8443])
    expect(routed(after, "one.example", "two.example")).toEqual(["two.example"])
    expect(new Set(after.kept.map(({ object }) => object?.kind))).toEqual(new Set(["Gateway"]))
  })

  const ofClass = (gatewayClassName: string) => ({ ...edge, spec: { ...edge.spec, gatewayClassName } })
  const gatewayClass = (controllerName: string) => ({
    apiVersion: "gateway.networking.k8s.io/v1" as const,
    kind: "GatewayClass" as const,
    metadata: { name: "public" },
    spec: { controllerName },
  })
  const attached = (parent: object) => ({
    ...app("app.example"),
    spec: { ...app("app.example").spec, parentRefs: [parent] },
  })

  it.each<[string, string, object]>([
    ["a Gateway with a slip in its class", "Gateway", { gateways: [ofClass("pulbic")] }],
    [
      "a GatewayClass with a slip in its controller",
      "GatewayClass",
      { gatewayClasses: [gatewayClass("tlsroute.dev/gatway-controller")] },
    ],
    ["a route with a slip in its Gateway's name", "TLSRoute", { tlsRoutes: [attached({ name: "gatewya" })] }],
    [
      "a route with a slip in its Gateway's namespace",
      "TLSRoute",
      { tlsRoutes: [attached({ name: "gateway", namespace: "defalt" })] },
    ],
    [
      "a route with a slip in its parent's kind",
      "TLSRoute",
      { tlsRoutes: [attached({ name: "gateway", kind: "Gatway" })] },
    ],
  ])("is %s too, which nobody would serve, and is told once", (_, kind, edit) => {
    const compiler = new SnapshotCompiler({}, "keep")
    const before = {
      ...snapshot(app("app.example")),
      gatewayClasses: [gatewayClass("tlsroute.dev/gateway-controller")],
      gateways: [ofClass("public")],
    }
    expect(routed(compiler.compile(before), "app.example")).toEqual(["app.example"])
    const after = compiler.compile({ ...before, ...edit })
    expect(routed(after, "app.example")).toEqual(["app.example"])
    expect(after.kept).toMatchObject([
      { severity: "error", object: { kind }, message: expect.stringContaining("did you mean") },
    ])
  })

  it.each([[{ name: "gateway-2" }], [{ name: "elsewhere" }], [{ name: "gateway", namespace: "other" }]])(
    "is no route that moves to %j, which others may serve",
    (parent) => {
      const compiler = new SnapshotCompiler({}, "keep")
      compiler.compile(snapshot(app("app.example")))
      const after = compiler.compile({ ...snapshot(), tlsRoutes: [attached(parent)] } as GatewayResources)
      expect(routed(after, "app.example")).toEqual([])
      expect(after.kept).toEqual([])
    },
  )

  it("is applied as far as it goes where the program says so, and from the start", () => {
    const applying = new SnapshotCompiler({}, "apply")
    applying.compile(snapshot(app("app.example")))
    const after = applying.compile(snapshot(app("app..example")))
    expect(routed(after, "app.example")).toEqual([])
    expect(after.kept).toEqual([])
    const first = new SnapshotCompiler({}, "keep").compile(snapshot(app("app.example", "ap"), other))
    expect(first.kept).toEqual([])
    expect(routed(first, "other.example")).toEqual(["other.example"])
  })

  it("is never at fault for what others became: it stays as it is written", () => {
    const compiler = new SnapshotCompiler({}, "keep")
    const before = snapshot(app("app.example"))
    compiler.compile(before)
    const after = compiler.compile({ ...before, services: [], endpointSlices: [] })
    expect(after.kept).toEqual([])
    expect(after.table.problems).toContainEqual(
      expect.objectContaining({ object: expect.objectContaining({ name: "app" }) }),
    )
  })

  it.each([[undefined], [null], [7], ["x"], [{}], [[null, 1, {}, { metadata: null }]]])(
    "is looked for in any snapshot, %j too",
    (odd) => {
      const compiler = new SnapshotCompiler({}, "keep")
      for (const key of ["gateways", "tlsRoutes", "services"] as const) {
        expect(() => compiler.compile({ [key]: odd } as unknown as GatewayResources)).not.toThrow()
      }
    },
  )
})
