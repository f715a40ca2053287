import { describe, expect, it } from "vitest"
import { buildRouteTable, formatExplanation } from "../../src/routing/index.ts"
import { gateway, listener, route, service, slice } from "./world.ts"

const world = {
  gateways: [
    gateway("gateway", {
      listeners: [listener("any", 443), listener("wildcard", 443, "*.example.com"), listener("org", 443, "*.org")],
    }),
  ],
  tlsRoutes: [
    route("web", {
      rules: [
        {
          backendRefs: [
            { name: "backend", port: 443, weight: 9 },
            { name: "missing", port: 443 },
          ],
        },
      ],
    }),
    route("old", { hostnames: ["web.example.com"] }, { creationTimestamp: "2025-01-01T00:00:00Z" }),
    route("wide", { hostnames: ["*.example.com", "*.com"] }),
    route("elsewhere", { parentRefs: [{ name: "gateway", sectionName: "any" }], hostnames: ["web.example.com"] }),
    route("refused", { hostnames: ["example.net"], parentRefs: [{ name: "gateway", sectionName: "wildcard" }] }),
  ],
  services: [service("backend")],
  endpointSlices: [slice("backend", "x", [{ addresses: ["10.0.0.1"] }, { addresses: ["fd00::1"] }])],
}

describe("an explanation", () => {
  it("tells, as a tree, which listener was chosen, what became of every route, and where connections go", () => {
    const explanation = buildRouteTable(world).explain({ port: 443, serverName: "web.example.com" })
    expect(formatExplanation(explanation)).toBe(
      `
web.example.com on port 443
listeners
├─ ✓ Gateway/default/gateway/wildcard (*.example.com): hostname *.example.com is the most specific that matches web.example.com; no other listener is asked
├─ ✗ Gateway/default/gateway/org (*.org): hostname *.org does not match web.example.com
└─ ✗ Gateway/default/gateway/any (any hostname): any hostname matches, but hostname *.example.com is more specific
routes
├─ ✓ TLSRoute default/web (web.example.com): web.example.com is the most specific that matches, and default/web comes before default/old
├─ ✗ TLSRoute default/old (web.example.com): on equal hostnames, default/web is older
├─ ✗ TLSRoute default/wide (*.example.com): web.example.com of default/web is more specific than *.example.com
├─ ✗ TLSRoute default/wide (*.com): web.example.com of default/web is more specific than *.example.com
└─ ✗ TLSRoute default/refused (example.net): no hostname of the route intersects the listeners' (wildcard: *.example.com)
backends of TLSRoute default/web
├─ ✓ 90.0 % Service default/backend → 10.0.0.1:8443, [fd00::1]:8443
└─ ✗ 10.0 % Service default/missing → refused, BackendNotFound: there is no Service default/missing
`.trim(),
    )
  })

  it("takes a name as people write it, as clients' names are taken", () => {
    const table = buildRouteTable(world)
    expect(table.explain({ port: 443, serverName: "Web.Example.COM" })).toEqual(
      table.explain({ port: 443, serverName: "web.example.com" }),
    )
  })

  it("is data too: every candidate with its hostname on the listener, and the outcome", () => {
    const { result, listeners, routes } = buildRouteTable(world).explain({ port: 443, serverName: "x.example.com" })
    expect(result).toMatchObject({ matched: true, hostname: "*.example.com", route: { ref: { name: "wide" } } })
    expect(listeners.map(({ listener: { name }, outcome }) => `${name} ${outcome}`)).toEqual([
      "wildcard chosen",
      "org no-match",
      "any lost",
    ])
    expect(routes.map(({ route: { name }, hostname, outcome }) => `${name} ${hostname} ${outcome}`)).toEqual([
      "wide *.example.com won",
      "wide *.example.com lost",
      "old web.example.com no-match",
      "web web.example.com no-match",
      "refused undefined not-attached",
    ])
  })

  it("of a refusal says at which step nothing was left", () => {
    const table = buildRouteTable({ ...world, tlsRoutes: [] })
    const tree = (port: number, serverName?: string) =>
      formatExplanation(table.explain({ port, serverName })).split("\n").at(-1)
    expect(tree(443, "web.example.com")).toBe("✗ refused: NoMatchingRoute")
    expect(tree(443)).toBe("✗ refused: NoServerName")
    expect(tree(444, "web.example.com")).toBe("✗ refused: NoListener")
  })

  it("shows a few of many routes that do not match, and every one of them in its data", () => {
    const tlsRoutes = [...world.tlsRoutes, ...Array.from({ length: 1000 }, (_, at) => route(`r${at}`))]
    const explanation = buildRouteTable({ ...world, tlsRoutes }).explain({ port: 443, serverName: "web.example.com" })
    expect(explanation.routes).toHaveLength(1005)
    const lines = formatExplanation(explanation).split("\n")
    expect(lines.length).toBeLessThan(30)
    expect(lines).toContain("└─ … and 990 more like it")
    expect(lines).toContainEqual(expect.stringContaining("TLSRoute default/refused"))
  })
})
