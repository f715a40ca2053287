import { describe, expect, it } from "vitest"
import type { ClientHello } from "../../src/client-hello/hello.ts"
import { PolicyCompiler } from "../../src/gateway/policies/compiler.ts"
import { TableRouter } from "../../src/gateway/table-router.ts"
import type { RouteDecision } from "../../src/proxy/router.ts"
import type { GatewayResources } from "../../src/routing/resources.ts"
import { buildRouteTable } from "../../src/routing/table-builder.ts"
import { gateway, listener, resources, route, service } from "../support/resources.ts"

function routerOf(config: GatewayResources) {
  const table = buildRouteTable(config)
  return { table, router: new TableRouter(table, new PolicyCompiler().compile([], table)) }
}

function ask(router: TableRouter, listenerKey: string, serverName: string | undefined, localAddress?: string) {
  const hello = { serverName } as ClientHello
  return router.route({ listener: listenerKey, hello, clientAddress: "192.0.2.1", clientPort: 1, localAddress })
}

function targetOf(decision: RouteDecision): string {
  return decision.action === "forward" ? decision.target.id : decision.reason
}

describe("a decision", () => {
  const config = resources(
    {
      gateways: [gateway([listener("tls", 443)])],
      tlsRoutes: [route("app", ["app.example.com"], [{ name: "app", port: 443 }])],
    },
    service("app", [8443]),
  )

  it("is the same object for every connection of a match", () => {
    const { router } = routerOf(config)
    const decision = ask(router, "*:443", "app.example.com")
    expect(decision).toMatchObject({ action: "forward", route: "default/app", listener: "Gateway/default/gateway/tls" })
    expect(ask(router, "*:443", "app.example.com")).toBe(decision)
  })

  it("of a name without a route tells the listener that it belongs to", () => {
    const { router } = routerOf(config)
    expect(ask(router, "*:443", "other.example.com")).toEqual({
      action: "refuse",
      reason: "NoMatchingRoute",
      listener: "Gateway/default/gateway/tls",
    })
  })

  it("on a socket that the table has no longer is a refusal", () => {
    const { router } = routerOf(config)
    expect(ask(router, "*:444", "app.example.com")).toEqual({ action: "refuse", reason: "NoListener" })
  })

  it("takes backends in turn by weight, and goes on where it stood under a new table", () => {
    const two = (weights: readonly [number, number]): GatewayResources =>
      resources(
        {
          gateways: [gateway([listener("tls", 443)])],
          tlsRoutes: [
            route(
              "app",
              ["app.example.com"],
              [
                { name: "a", port: 443, weight: weights[0] },
                { name: "b", port: 443, weight: weights[1] },
              ],
            ),
          ],
        },
        service("a", [1]),
        service("b", [2]),
      )
    const { router } = routerOf(two([3, 1]))
    const next = (): string => targetOf(ask(router, "*:443", "app.example.com"))
    const first = [next(), next()]
    const table = buildRouteTable(two([3, 1]))
    router.setTable(table, new PolicyCompiler().compile([], table))
    const all = [...first, next(), next()]
    expect(all.filter((id) => id.includes("/a"))).toHaveLength(3)
    expect(all.filter((id) => id.includes("/b"))).toHaveLength(1)
  })
})

describe("a Gateway with an address of its own, on a port that another has on every address", () => {
  const own = gateway([listener("tls", 443, { hostname: "own.example.com" })], "own")
  const config = resources(
    {
      gateways: [
        gateway([listener("tls", 443, { hostname: "any.example.com" })], "any"),
        { ...own, spec: { ...own.spec, addresses: [{ type: "IPAddress", value: "192.0.2.10" }] } },
      ],
      tlsRoutes: [
        route("any", ["any.example.com"], [{ name: "any", port: 443 }], { name: "any" }),
        route("own", ["own.example.com"], [{ name: "own", port: 443 }], { name: "own" }),
      ],
    },
    service("any", [1]),
    service("own", [2]),
  )

  it.each([
    ["own.example.com", "192.0.2.10", "/own"],
    ["own.example.com", "192.0.2.11", "NoMatchingListener"],
    ["any.example.com", "192.0.2.10", "/any"],
    ["any.example.com", "192.0.2.11", "/any"],
  ])("serves %s at %s: %s", (serverName, address, expected) => {
    const { table, router } = routerOf(config)
    expect(table.listeners.map(({ key, byAddress }) => [key, byAddress])).toEqual([["*:443", true]])
    expect(targetOf(ask(router, "*:443", serverName, address))).toContain(expected)
  })
})
