import type { BackendRef, Gateway, GatewayResources, Listener, TLSRoute } from "../../src/routing/resources.ts"

/** A TLS/Passthrough listener. */
export function listener(name: string, port: number, rest: Partial<Listener> = {}): Listener {
  return { name, port, protocol: "TLS", tls: { mode: "Passthrough" }, ...rest }
}

/** A Gateway named `gateway` in namespace `default`. */
export function gateway(listeners: readonly Listener[], name = "gateway"): Gateway {
  return {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "Gateway",
    metadata: { name, namespace: "default", generation: 1 },
    spec: { gatewayClassName: "tlsroute", listeners },
  }
}

/** A route to `backendRefs` attached to every listener of the Gateway. */
export function route(
  name: string,
  hostnames: readonly string[],
  backendRefs: readonly BackendRef[],
  parentRef: { readonly name?: string; readonly port?: number; readonly sectionName?: string } = {},
): TLSRoute {
  return {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "TLSRoute",
    metadata: { name, namespace: "default", generation: 1 },
    spec: { parentRefs: [{ name: "gateway", ...parentRef }], hostnames, rules: [{ backendRefs }] },
  }
}

/** A Service `name:443` whose endpoints are these local ports. */
export function service(
  name: string,
  ports: readonly number[],
): Required<Pick<GatewayResources, "services" | "endpointSlices">> {
  return {
    services: [
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name, namespace: "default" },
        spec: { clusterIP: "10.96.0.1", ports: [{ name: "tls", port: 443, targetPort: "tls" }] },
      },
    ],
    endpointSlices: ports.map((port, index) => ({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: `${name}-${index}`, namespace: "default", labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      ports: [{ name: "tls", port }],
      endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
    })),
  }
}

/** A Gateway with one listener, on port 8443, and one route, for one name, to an external backend on port 443. */
export function oneRoute(name: string, hostname: string, backend: string): GatewayResources {
  return {
    gateways: [gateway([listener("tls", 8443)])],
    tlsRoutes: [route(name, [hostname], [{ name: backend, port: 443 }])],
  }
}

/** Several snapshots' parts as one. */
export function resources(...parts: readonly GatewayResources[]): GatewayResources {
  return {
    gateways: parts.flatMap((part) => part.gateways ?? []),
    tlsRoutes: parts.flatMap((part) => part.tlsRoutes ?? []),
    services: parts.flatMap((part) => part.services ?? []),
    endpointSlices: parts.flatMap((part) => part.endpointSlices ?? []),
  }
}
