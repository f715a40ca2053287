/** Valid objects to change one field of, by kind and version. Whole only where a rule needs it. */

const group = "gateway.networking.k8s.io"

const specs: Readonly<Record<string, unknown>> = {
  GatewayClass: { controllerName: "example.com/controller" },
  Gateway: {
    gatewayClassName: "example",
    listeners: [{ name: "tls", port: 443, protocol: "TLS", tls: { mode: "Passthrough" } }],
  },
  ListenerSet: {
    parentRef: { name: "gateway" },
    listeners: [{ name: "tls", port: 443, protocol: "TLS", tls: { mode: "Passthrough" } }],
  },
  TLSRoute: {
    parentRefs: [{ name: "gateway" }],
    hostnames: ["app.example.com"],
    rules: [{ backendRefs: [{ name: "app", port: 443 }] }],
  },
  ReferenceGrant: {
    from: [{ group, kind: "TLSRoute", namespace: "apps" }],
    to: [{ group: "", kind: "Service" }],
  },
}

const core: Readonly<Record<string, object>> = {
  Service: {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "app", namespace: "apps" },
    spec: { clusterIP: "10.0.0.1", ports: [{ port: 443, targetPort: "https" }] },
  },
  EndpointSlice: {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "app-1", namespace: "apps", labels: { "kubernetes.io/service-name": "app" } },
    addressType: "IPv4",
    ports: [{ name: "", port: 8443 }],
    endpoints: [{ addresses: ["10.1.0.1"], conditions: { ready: true } }],
  },
  Namespace: { apiVersion: "v1", kind: "Namespace", metadata: { name: "apps", labels: { team: "a" } } },
}

/** A valid object of a kind; each change sets the field at a dotted path, and `undefined` takes it out. */
export function valid(kind: string, changes: Readonly<Record<string, unknown>> = {}, version = "v1"): object {
  const object: Record<string, unknown> = structuredClone(
    core[kind] ?? {
      apiVersion: `${group}/${version}`,
      kind,
      metadata: kind === "GatewayClass" ? { name: "example" } : { name: "example", namespace: "apps" },
      spec: specs[kind],
    },
  ) as Record<string, unknown>
  for (const [path, value] of Object.entries(changes)) set(object, path, value)
  return object
}

function set(object: Record<string, unknown>, path: string, value: unknown): void {
  const fields = path.match(/[^.[\]]+/g) ?? []
  const last = fields.pop()
  let node = object
  for (const field of fields) {
    node[field] ??= {}
    node = node[field] as Record<string, unknown>
  }
  if (last === undefined) return
  if (value === undefined) delete node[last]
  else node[last] = value
}
