/**
 * The Gateway API objects that route each name to a port of 127.0.0.1, by kind.
 *
 * @param {{ port: number, routes: Record<string, number> }} launch
 */
export function gatewayObjects({ port, routes }) {
  const namespace = "bench"
  const backends = Object.entries(routes).map(([hostname, backendPort]) => ({
    name: hostname.split(".")[0],
    hostname,
    backendPort,
  }))
  return {
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
  }
}
