// HTTP/3 by name: one site, over TCP and over QUIC, on the ports of the same number.
//
//   node examples/http3.mjs 8443 shop.example.com 10.0.0.11 443
//   curl --http3-only --connect-to ::127.0.0.1:8443 https://shop.example.com/
import { createPassthroughGateway, objectSource } from "tlsroute"

const [localPort, hostname, address, port] = process.argv.slice(2)
if (port === undefined) {
  console.error("usage: node http3.mjs PORT NAME ADDRESS PORT")
  process.exit(2)
}

const metadata = { namespace: "default", name: "site" }
const gateway = createPassthroughGateway({
  source: objectSource({
    gateways: [
      {
        apiVersion: "gateway.networking.k8s.io/v1",
        kind: "Gateway",
        // On each listener of this Gateway, QUIC beside TLS.
        metadata: { ...metadata, annotations: { "tlsroute.dev/quic": "on" } },
        spec: {
          gatewayClassName: "tlsroute",
          listeners: [{ name: "tls", port: 443, protocol: "TLS", tls: { mode: "Passthrough" } }],
        },
      },
    ],
    tlsRoutes: [
      {
        apiVersion: "gateway.networking.k8s.io/v1",
        kind: "TLSRoute",
        metadata,
        spec: {
          parentRefs: [{ name: "site" }],
          hostnames: [hostname],
          rules: [{ backendRefs: [{ name: "site", port: 443 }] }],
        },
      },
    ],
    services: [{ apiVersion: "v1", kind: "Service", metadata, spec: { ports: [{ name: "https", port: 443 }] } }],
    endpointSlices: [
      {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: { ...metadata, labels: { "kubernetes.io/service-name": "site" } },
        addressType: "IPv4",
        // QUIC goes to the UDP port of the same number.
        ports: [{ name: "https", port: Number(port) }],
        endpoints: [{ addresses: [address] }],
      },
    ],
  }),
  address: "127.0.0.1",
  mapPort: () => Number(localPort),
})

gateway.on("close", ({ transport, serverName, outcome }) => {
  console.log(`${serverName ?? "no name"} over ${transport}: ${outcome}`)
})
gateway.on("error", (error) => console.error(error.message))

await gateway.start()
for (const state of gateway.addresses()) {
  if (!state.bound) continue
  console.log(`listening on ${state.address}:${state.port}`)
  if (state.quic?.bound) console.log(`listening on UDP ${state.quic.address}:${state.quic.port}`)
}

process.once("SIGINT", () => gateway.close({ drainTimeout: 10_000 }))
