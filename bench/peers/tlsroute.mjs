// The gateway as it is published, configured by Gateway API objects.
// Run with `{"port": number, "routes": {"name": port}, "workers"?: number}` as the argument.
import { createPassthroughGateway } from "../../dist/index.js"

const { port, routes, workers } = JSON.parse(process.argv[2])
const namespace = "bench"
const backends = Object.entries(routes).map(([hostname, backendPort]) => ({
  name: hostname.split(".")[0],
  hostname,
  backendPort,
}))

const gateway = createPassthroughGateway({
  address: "127.0.0.1",
  workers,
  source: {
    gateways: [
      {
        apiVersion: "gateway.networking.k8s.io/v1",
        kind: "Gateway",
        metadata: { name: "gateway", namespace },
        spec: {
          gatewayClassName: "tlsroute",
          listeners: [{ name: "tls", port, protocol: "TLS", tls: { mode: "Passthrough" } }],
        },
      },
    ],
    tlsRoutes: backends.map(({ name, hostname }) => ({
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "TLSRoute",
      metadata: { name, namespace },
      spec: {
        parentRefs: [{ name: "gateway" }],
        hostnames: [hostname],
        rules: [{ backendRefs: [{ name, port: 443 }] }],
      },
    })),
    services: backends.map(({ name }) => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace },
      spec: { ports: [{ name: "tls", port: 443 }] },
    })),
    endpointSlices: backends.map(({ name, backendPort }) => ({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name, namespace, labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      ports: [{ name: "tls", port: backendPort }],
      endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
    })),
  },
})

gateway.on("config", ({ problems }) => {
  if (problems.length > 0) throw new Error(`the benchmark's objects have problems: ${JSON.stringify(problems)}`)
})
await gateway.start()
