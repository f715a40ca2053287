// PostgreSQL by name: many databases behind one port, told apart by the name that clients connect to.
//
//   node examples/databases.mjs 5432 orders.db.example.com=10.0.0.11:5432 users.db.example.com=10.0.0.12:5432
//   psql "host=orders.db.example.com hostaddr=127.0.0.1 sslmode=require user=joe dbname=orders"
import { createPassthroughGateway, objectSource } from "tlsroute"

const [localPort, ...databases] = process.argv.slice(2)
if (databases.length === 0) {
  console.error("usage: node databases.mjs PORT NAME=ADDRESS:PORT…")
  process.exit(2)
}

/** A route for one name, and a Service with one address behind it. */
function database(name, address, port) {
  const label = name.split(".")[0]
  const metadata = { namespace: "default", name: label }
  return {
    tlsRoutes: [
      {
        apiVersion: "gateway.networking.k8s.io/v1",
        kind: "TLSRoute",
        metadata,
        spec: {
          parentRefs: [{ name: "databases" }],
          hostnames: [name],
          rules: [{ backendRefs: [{ name: label, port: 5432 }] }],
        },
      },
    ],
    services: [{ apiVersion: "v1", kind: "Service", metadata, spec: { ports: [{ name: "postgres", port: 5432 }] } }],
    endpointSlices: [
      {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: { ...metadata, labels: { "kubernetes.io/service-name": label } },
        addressType: "IPv4",
        ports: [{ name: "postgres", port: Number(port) }],
        endpoints: [{ addresses: [address] }],
      },
    ],
  }
}

const routes = databases.map((text) => {
  const [name, endpoint = ""] = text.split("=")
  return database(name, ...endpoint.split(":"))
})
const gateway = createPassthroughGateway({
  source: objectSource({
    gateways: [
      {
        apiVersion: "gateway.networking.k8s.io/v1",
        kind: "Gateway",
        metadata: { namespace: "default", name: "databases" },
        spec: {
          gatewayClassName: "tlsroute",
          listeners: [{ name: "postgres", port: 5432, protocol: "TLS", tls: { mode: "Passthrough" } }],
        },
      },
    ],
    tlsRoutes: routes.flatMap(({ tlsRoutes }) => tlsRoutes),
    services: routes.flatMap(({ services }) => services),
    endpointSlices: routes.flatMap(({ endpointSlices }) => endpointSlices),
  }),
  address: "127.0.0.1",
  mapPort: () => Number(localPort),
  // Clients of PostgreSQL ask for TLS in plain text, before they send a ClientHello.
  policies: { starttls: "postgres" },
})

gateway.on("close", ({ serverName, route, outcome, detail }) => {
  console.log(
    `${serverName ?? "no name"} → ${route ?? "no route"}: ${outcome}${detail === undefined ? "" : `, ${detail}`}`,
  )
})
gateway.on("error", (error) => console.error(error.message))

await gateway.start()
for (const state of gateway.addresses()) {
  if (state.bound) console.log(`listening on ${state.address}:${state.port}`)
}

process.once("SIGINT", () => gateway.close({ drainTimeout: 10_000 }))
