import type {
  EndpointSlice,
  Gateway,
  GatewayResources,
  ReferenceGrant,
  Service,
  TLSRoute,
} from "../../src/routing/index.ts"

const API = "gateway.networking.k8s.io/v1"

/** A Passthrough listener; `extra` adds to or replaces its fields. */
export function listener(name: string, port: number, hostname?: string, extra: object = {}) {
  return {
    name,
    port,
    protocol: "TLS",
    ...(hostname === undefined ? {} : { hostname }),
    tls: { mode: "Passthrough" as const },
    ...extra,
  }
}

export function gateway(name: string, spec: Partial<Gateway["spec"]> = {}, metadata: object = {}): Gateway {
  return {
    apiVersion: API,
    kind: "Gateway",
    metadata: { name, namespace: "default", generation: 1, ...metadata },
    spec: { gatewayClassName: "any", listeners: [listener("tls", 443)], ...spec },
  }
}

export function route(name: string, spec: Partial<TLSRoute["spec"]> = {}, metadata: object = {}): TLSRoute {
  return {
    apiVersion: API,
    kind: "TLSRoute",
    metadata: { name, namespace: "default", generation: 1, ...metadata },
    spec: {
      parentRefs: [{ name: "gateway" }],
      hostnames: [`${name}.example.com`],
      rules: [{ backendRefs: [{ name: "backend", port: 443 }] }],
      ...spec,
    },
  }
}

export function service(name: string, spec: Service["spec"] = {}, metadata: object = {}): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default", ...metadata },
    spec: { clusterIP: "10.96.0.1", ports: [{ port: 443 }], ...spec },
  }
}

export function slice(
  serviceName: string,
  name: string,
  endpoints: NonNullable<EndpointSlice["endpoints"]>,
  extra: Partial<EndpointSlice> = {},
): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, namespace: "default", labels: { "kubernetes.io/service-name": serviceName } },
    addressType: "IPv4",
    ports: [{ port: 8443 }],
    endpoints,
    ...extra,
  }
}

export function grant(namespace: string, fromNamespace: string): ReferenceGrant {
  return {
    apiVersion: API,
    kind: "ReferenceGrant",
    metadata: { name: `from-${fromNamespace}`, namespace },
    spec: {
      from: [{ group: "gateway.networking.k8s.io", kind: "TLSRoute", namespace: fromNamespace }],
      to: [{ group: "", kind: "Service" }],
    },
  }
}

/** `count` routes with a Service and an EndpointSlice each, over some Gateways and namespaces. */
export function largeWorld(gateways: number, routesPerGateway: number): GatewayResources {
  const tlsRoutes: TLSRoute[] = []
  const services: Service[] = []
  const endpointSlices: EndpointSlice[] = []
  for (let index = 0; index < gateways * routesPerGateway; index++) {
    const parent = index % gateways
    const name = `r${index}`
    tlsRoutes.push(
      route(
        name,
        {
          parentRefs: [{ name: `gateway-${parent}` }],
          // Every third route contends for a name, every seventh takes a wildcard.
          hostnames: [
            `${index % 3 === 0 ? `shared-${index % 50}` : name}.g${parent}.example.com`,
            ...(index % 7 === 0 ? [`*.w${index % 70}.example.com`] : []),
          ],
          rules: [
            {
              backendRefs: [
                { name: `s${index}`, port: 443 },
                { name: `s${(index * 7) % 500}`, port: 443, weight: 3 },
              ],
            },
          ],
        },
        { creationTimestamp: new Date(Date.UTC(2026, 0, 1, 0, 0, (index * 31) % 97)).toISOString() },
      ),
    )
    services.push(service(`s${index}`, { clusterIP: `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}` }))
    endpointSlices.push(
      slice(`s${index}`, `s${index}-x`, [{ addresses: [`10.1.${(index >> 8) & 255}.${index & 255}`] }]),
    )
  }
  return {
    gateways: Array.from({ length: gateways }, (_, index) =>
      gateway(`gateway-${index}`, {
        listeners: [
          listener("own", 443, `*.g${index}.example.com`),
          listener("rest", 8443, undefined, { allowedRoutes: { namespaces: { from: "All" } } }),
        ],
      }),
    ),
    tlsRoutes,
    services,
    endpointSlices,
  }
}
