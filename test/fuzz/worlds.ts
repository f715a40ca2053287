import type { Choices } from "./choices.ts"

/** Objects by the lists of a snapshot. */
export type World = Readonly<Record<string, readonly unknown[]>>

/** Grows a value from choices. */
type Grow = (choices: Choices) => unknown

const JUNK = [
  null,
  "",
  0,
  -1,
  1.5,
  1e308,
  true,
  "__proto__",
  "x".repeat(300),
  "a/b",
  [],
  [null],
  {},
  JSON.parse('{"__proto__": {"a": 1}, "toString": "x"}'),
] as const

/** One of some values; now and then something else altogether, or nothing. */
function oneOf(...values: readonly [unknown, ...unknown[]]): Grow {
  return (choices) => {
    const byte = choices.byte()
    if (byte >= 250) return JUNK[choices.below(JUNK.length)]
    return byte >= 244 ? undefined : values[byte % values.length]
  }
}

/** An object with such fields; a field that grows to `undefined` is left out. */
function record(fields: Readonly<Record<string, Grow>>): Grow {
  return (choices) => {
    if (choices.byte() >= 253) return JUNK[choices.below(JUNK.length)]
    const object: Record<string, unknown> = {}
    for (const [name, grow] of Object.entries(fields)) {
      const value = grow(choices)
      if (value !== undefined) object[name] = value
    }
    return object
  }
}

/** One item, or more, or none. */
function list(item: Grow, most: number): Grow {
  return (choices) => Array.from({ length: (choices.below(most + 1) + 1) % (most + 1) }, () => item(choices))
}

function sometimes(grow: Grow): Grow {
  return (choices) => (choices.byte() % 2 === 0 ? undefined : grow(choices))
}

const API = "gateway.networking.k8s.io"
const name = oneOf("a", "b", "c")
const namespace = oneOf(undefined, "default", "other")
const hostname = oneOf(
  "a.example.com",
  "*.example.com",
  "*.com",
  "b.example.com",
  "x.a.example.com",
  "a.example.org",
  "UPPER",
)
const port = oneOf(443, 8443, 53)
const generation = oneOf(1, undefined, 2)
const created = oneOf(undefined, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "yesterday")
const labels = oneOf(undefined, { team: "red" }, { team: "blue" }, { "kubernetes.io/service-name": "a" })
const metadata = record({ name, namespace, generation, creationTimestamp: created, labels })
const time = oneOf("2025-01-01T00:00:00Z")

const condition = record({
  type: oneOf("Accepted", "Programmed", "ResolvedRefs", "Conflicted", "OverlappingTLSConfig", "example.com/Theirs"),
  status: oneOf("True", "False", "Unknown"),
  reason: oneOf("Accepted"),
  message: oneOf("the route is attached"),
  observedGeneration: oneOf(1, 2, 9),
  lastTransitionTime: time,
})
const conditions = list(condition, 9)
const listenerStatuses = list(record({ name, attachedRoutes: oneOf(0, 1), supportedKinds: oneOf([]), conditions }), 3)
const parentRef = record({
  group: oneOf(undefined, API, ""),
  kind: oneOf(undefined, "Gateway", "ListenerSet", "Service"),
  namespace,
  name,
  sectionName: sometimes(name),
  port: sometimes(port),
})

const selector = oneOf(
  { matchLabels: { team: "red" } },
  {},
  { matchExpressions: [{ key: "team", operator: "NotIn", values: ["red"] }] },
  { matchExpressions: [{ key: "team", operator: "Exists" }] },
  { matchExpressions: [{ key: "kubernetes.io/metadata.name", operator: "In", values: ["other"] }] },
  { matchExpressions: [{ key: "team", operator: "Near" }] },
)
const namespaces = record({ from: oneOf("All", "Same", "Selector", undefined, "None"), selector })
const listener = record({
  name,
  port,
  protocol: oneOf("TLS", "TLS", "TLS", "TLS", "HTTP", "HTTPS", "TCP", "UDP", "INVALID"),
  hostname: sometimes(hostname),
  tls: oneOf(
    { mode: "Passthrough" },
    { mode: "Passthrough" },
    { mode: "Passthrough" },
    { mode: "Terminate", certificateRefs: [{ name: "cert" }] },
    {},
  ),
  allowedRoutes: sometimes(
    record({
      namespaces,
      kinds: sometimes(list(record({ group: oneOf(undefined, API), kind: oneOf("TLSRoute", "HTTPRoute") }), 2)),
    }),
  ),
})

const KINDS: Readonly<Record<string, Grow>> = {
  gatewayClasses: record({
    apiVersion: oneOf(`${API}/v1`, `${API}/v1beta1`),
    kind: oneOf("GatewayClass"),
    metadata,
    spec: record({
      controllerName: oneOf("tlsroute.dev/gateway-controller", "example.com/other"),
      parametersRef: sometimes(oneOf({ group: "", kind: "ConfigMap", name: "a" })),
    }),
    status: sometimes(record({ conditions, supportedFeatures: oneOf([{ name: "TLSRoute" }]) })),
  }),
  gateways: record({
    apiVersion: oneOf(`${API}/v1`, `${API}/v1beta1`),
    kind: oneOf("Gateway"),
    metadata,
    spec: record({
      gatewayClassName: name,
      listeners: list(listener, 4),
      addresses: sometimes(
        list(
          record({
            type: oneOf(undefined, "IPAddress", "Hostname"),
            value: oneOf("10.0.0.1", "10.0.0.2", "fd00::1", undefined, "1.2.3"),
          }),
          3,
        ),
      ),
      allowedListeners: record({ namespaces }),
      infrastructure: sometimes(
        record({ parametersRef: sometimes(oneOf({ group: "", kind: "ConfigMap", name: "a" })) }),
      ),
    }),
    status: sometimes(
      record({ conditions, listeners: listenerStatuses, addresses: oneOf([]), attachedListenerSets: oneOf(1) }),
    ),
  }),
  listenerSets: record({
    apiVersion: oneOf(`${API}/v1`),
    kind: oneOf("ListenerSet"),
    metadata,
    spec: record({ parentRef, listeners: list(listener, 4) }),
    status: sometimes(record({ conditions, listeners: listenerStatuses })),
  }),
  tlsRoutes: record({
    apiVersion: oneOf(`${API}/v1`, `${API}/v1alpha3`, `${API}/v1alpha2`),
    kind: oneOf("TLSRoute"),
    metadata,
    spec: record({
      parentRefs: list(parentRef, 4),
      hostnames: list(hostname, 4),
      rules: list(
        record({
          backendRefs: list(
            record({
              group: oneOf(undefined, "", "example.com"),
              kind: oneOf(undefined, "Service", "Backend"),
              name: oneOf("a", "b", "c", "a.example.org", "db.example.net", "127.0.0.1", "localhost", "a:443"),
              namespace,
              port,
              weight: oneOf(undefined, 1, 0, 1_000_000),
            }),
            4,
          ),
        }),
        2,
      ),
    }),
    status: sometimes(
      record({
        parents: list(
          record({
            parentRef,
            controllerName: oneOf("tlsroute.dev/gateway-controller", "example.com/other"),
            conditions,
          }),
          4,
        ),
      }),
    ),
  }),
  referenceGrants: record({
    apiVersion: oneOf(`${API}/v1`, `${API}/v1beta1`),
    kind: oneOf("ReferenceGrant"),
    metadata,
    spec: record({
      from: list(record({ group: oneOf(API, ""), kind: oneOf("TLSRoute", "Gateway"), namespace }), 2),
      to: list(
        record({ group: oneOf("", "example.com"), kind: oneOf("Service", "Backend"), name: sometimes(name) }),
        2,
      ),
    }),
  }),
  namespaces: record({
    apiVersion: oneOf("v1"),
    kind: oneOf("Namespace"),
    metadata: record({ name: oneOf("default", "other"), labels }),
  }),
  services: record({
    apiVersion: oneOf("v1"),
    kind: oneOf("Service"),
    metadata,
    spec: record({
      type: oneOf(undefined, "ClusterIP", "ExternalName"),
      clusterIP: oneOf("10.96.0.1", "None", undefined),
      clusterIPs: oneOf(undefined, ["10.96.0.1", "fd00::1"]),
      externalName: oneOf("a.example.org", "localhost", undefined),
      ports: list(
        record({
          name: sometimes(name),
          port,
          protocol: oneOf(undefined, "TCP", "UDP"),
          targetPort: oneOf(undefined, 8443, "https"),
        }),
        3,
      ),
    }),
  }),
  endpointSlices: record({
    apiVersion: oneOf("discovery.k8s.io/v1"),
    kind: oneOf("EndpointSlice"),
    metadata: record({ name, namespace, labels: oneOf({ "kubernetes.io/service-name": "a" }, undefined) }),
    addressType: oneOf("IPv4", "IPv6", "FQDN"),
    ports: list(record({ name: sometimes(name), port, protocol: oneOf(undefined, "TCP", "UDP") }), 3),
    endpoints: list(
      record({
        addresses: oneOf(["10.1.0.1"], ["10.1.0.2"], ["FD00::2"], ["a.example.org"]),
        conditions: sometimes(
          record({
            ready: oneOf(undefined, true, false),
            serving: oneOf(undefined, true, false),
            terminating: oneOf(undefined, true, false),
          }),
        ),
        zone: sometimes(oneOf("z1", "z2")),
        hints: sometimes(oneOf({ forZones: [{ name: "z1" }] })),
      }),
      3,
    ),
  }),
  others: record({
    apiVersion: oneOf("example.com/v1"),
    kind: oneOf("Backend"),
    metadata,
    spec: record({
      answer: oneOf(
        { endpoints: [{ address: "10.2.0.1", port: 443 }] },
        { host: "db.internal", port: 5432 },
        { refused: "NoEndpoints", message: "none" },
        { refused: "Nonsense" },
        { endpoints: [{ address: "nowhere", port: 443 }] },
      ),
    }),
  }),
}
const LISTS = Object.keys(KINDS) as [string, ...string[]]

/** The next snapshot: some objects go, the order of others changes, new ones come. */
export function growWorld(world: World, choices: Choices): World {
  const next: Record<string, readonly unknown[]> = { ...world }
  for (let steps = 1 + choices.below(16); steps > 0 && !choices.isOver; steps--) {
    const key = choices.pick(LISTS)
    const objects = next[key] ?? []
    const change = choices.below(8)
    if (change === 6) next[key] = objects.slice(1)
    else if (change === 7) next[key] = objects.toReversed()
    else next[key] = [...objects, KINDS[key]?.(choices)]
  }
  return next
}
