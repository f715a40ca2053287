import { expect, it } from "vitest"
import { EndpointCounts } from "../../src/cli/admin/endpoint-counts.ts"
import type { ConnectionInfo } from "../../src/proxy/connection/record.ts"
import { buildRouteTable } from "../../src/routing/table-builder.ts"
import { gateway, listener, resources, route, service } from "../support/resources.ts"

it("counts a backend's live connections by endpoint, and those of a name as the name's, whichever address it leads to", () => {
  const { routes } = buildRouteTable(
    resources(
      { gateways: [gateway([listener("tls", 443)])] },
      {
        tlsRoutes: [
          route("pods", ["pods.example"], [{ name: "app", port: 443 }]),
          route("name", ["name.example"], [{ name: "app.example.net", port: 443 }]),
        ],
      },
      service("app", [8443]),
    ),
    { externalBackends: ["*"] },
  )
  const [byName = "", ofPods = ""] = routes.flatMap(({ backends }) => backends.map(({ target }) => target.id)).sort()
  const counts = new EndpointCounts(routes, 10)
  const count = (target: string, address: string, port: number) =>
    counts.add({ target, endpoint: { address, port } } as ConnectionInfo)
  for (const address of ["192.0.2.1", "2001:db8::1"]) count(byName, address, 443)
  count(ofPods, "127.0.0.1", 8443)
  expect(counts.counts()).toEqual({
    [byName]: 2,
    [`${byName} app.example.net:443`]: 2,
    [ofPods]: 1,
    [`${ofPods} 127.0.0.1:8443`]: 1,
  })
})
