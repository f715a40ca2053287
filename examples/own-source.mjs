// A gateway whose routes come from the program itself.
//
//   node examples/own-source.mjs 8443
//
// Each line of standard input adds a route: a name, and the IP address and port to send it to.
//
//   shop.example.com 127.0.0.1:9443
import { createInterface } from "node:readline"
import { createPassthroughGateway, objectSource } from "tlsroute"

const port = Number(process.argv[2] ?? 8443)
const apiVersion = "gateway.networking.k8s.io/v1"

const gatewayObject = {
  apiVersion,
  kind: "Gateway",
  metadata: { name: "edge" },
  spec: {
    gatewayClassName: "example",
    listeners: [{ name: "tls", port: 443, protocol: "TLS", tls: { mode: "Passthrough" } }],
  },
}

// What is in force. Objects that stay are used again, so that only what changed is built anew.
let resources = { gateways: [gatewayObject], tlsRoutes: [], services: [], endpointSlices: [] }
const source = objectSource(resources)

function addRoute(hostname, address, backendPort) {
  const name = `route-${resources.tlsRoutes.length}`
  resources = {
    ...resources,
    tlsRoutes: [
      ...resources.tlsRoutes,
      {
        apiVersion,
        kind: "TLSRoute",
        metadata: { name },
        spec: {
          parentRefs: [{ name: "edge" }],
          hostnames: [hostname],
          rules: [{ backendRefs: [{ name, port: 443 }] }],
        },
      },
    ],
    services: [
      ...resources.services,
      { apiVersion: "v1", kind: "Service", metadata: { name }, spec: { ports: [{ port: 443, name: "tls" }] } },
    ],
    endpointSlices: [
      ...resources.endpointSlices,
      {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: { name, labels: { "kubernetes.io/service-name": name } },
        addressType: "IPv4",
        ports: [{ name: "tls", port: backendPort }],
        endpoints: [{ addresses: [address], conditions: { ready: true } }],
      },
    ],
  }
  source.set(resources)
}

const gateway = createPassthroughGateway({ source, address: "127.0.0.1", mapPort: { 443: port } })
gateway.on("config", ({ table, problems }) => {
  for (const { path, message } of problems) console.log(`${path}: ${message}`)
  console.log(`${table.routes.length} routes`)
})
await gateway.start()
const [binding] = gateway.addresses()
if (binding?.bound) console.log(`listening on ${binding.address}:${binding.port}`)

for await (const line of createInterface({ input: process.stdin })) {
  const [, hostname, address, backendPort] = /^(\S+) ([\d.]+):(\d+)$/.exec(line) ?? []
  if (hostname === undefined) console.log("write: name address:port")
  else addRoute(hostname, address, Number(backendPort))
}
await gateway.close()
