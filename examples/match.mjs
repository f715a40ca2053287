// The matcher alone: Gateway API objects in, routes out. No socket is opened.
//
//   node examples/match.mjs shop.example.com a.b.example.com example.org
import { buildRouteTable, formatExplanation } from "tlsroute/routing"

const apiVersion = "gateway.networking.k8s.io/v1"
const route = (name, hostname) => ({
  apiVersion,
  kind: "TLSRoute",
  metadata: { name },
  spec: {
    parentRefs: [{ name: "edge" }],
    hostnames: [hostname],
    rules: [{ backendRefs: [{ name: `${name}.internal.example.net`, port: 443 }] }],
  },
})

const table = buildRouteTable(
  {
    gateways: [
      {
        apiVersion,
        kind: "Gateway",
        metadata: { name: "edge" },
        spec: {
          gatewayClassName: "example",
          listeners: [{ name: "tls", port: 443, protocol: "TLS", tls: { mode: "Passthrough" } }],
        },
      },
    ],
    tlsRoutes: [route("shop", "shop.example.com"), route("rest", "*.example.com")],
  },
  { externalBackends: ["*.internal.example.net"] },
)

for (const { path, message } of table.problems) console.log(`${path}: ${message}`)

const names = process.argv.slice(2)
for (const serverName of names.length > 0 ? names : ["shop.example.com", "a.b.example.com", "example.org"]) {
  const match = table.match({ port: 443, serverName })
  console.log(`${serverName}: ${match.matched ? `${match.route.ref.name} by ${match.hostname}` : match.reason}`)
}

console.log(`\n${formatExplanation(table.explain({ port: 443, serverName: "shop.example.com" }))}`)
