import { describe, expect, test } from "vitest"
import type { ResourceProblem } from "../../../src/routing/resources.ts"
import { validateObject } from "../../../src/routing/validation/validate.ts"
import { valid } from "./objects.ts"

/** Kind (and version), field changed, value, and the code of the problem at that field; `undefined` for none. */
type Row = readonly [kind: string, change: string, value: unknown, code?: string, path?: string]

const long = (length: number, letter = "a"): string => letter.repeat(length)
const many = <T>(length: number, item: (index: number) => T): T[] => Array.from({ length }, (_, index) => item(index))
const entries = (length: number): object => Object.fromEntries(many(length, (index) => [`k${index}`, "v"]))

const backend = { name: "app", port: 443 }
const listener = { name: "tls", port: 443, protocol: "TLS", tls: { mode: "Passthrough" } }
const listeners = (change: object): object[] => [{ ...listener, ...change }]
const caRef = { group: "", kind: "ConfigMap", name: "ca" }

describe.each<readonly [string, readonly Row[]]>([
  [
    "TLSRoute.spec",
    [
      ["TLSRoute", "spec", undefined, "Required"],
      ["TLSRoute", "spec", "x", "InvalidType"],
      ["TLSRoute", "spec", [], "InvalidType"],
      ["TLSRoute", "spec.hostnames", undefined, "Required"],
      ["TLSRoute", "spec.hostnames", null, "Required"],
      ["TLSRoute", "spec.hostnames", [], "InvalidValue"],
      ["TLSRoute", "spec.hostnames", "a.example", "InvalidType"],
      ["TLSRoute", "spec.hostnames", many(1024, (index) => `a${index}.example`)],
      ["TLSRoute", "spec.hostnames", many(1025, (index) => `a${index}.example`), "TooMany"],
      ["TLSRoute", "spec.hostnames", [long(253)]],
      ["TLSRoute", "spec.hostnames", [long(254)], "TooLong", "spec.hostnames[0]"],
      ["TLSRoute", "spec.hostnames", ["a", null], "InvalidType", "spec.hostnames[1]"],
      ["TLSRoute", "spec.hostnames", [""], "InvalidValue", "spec.hostnames[0]"],
      ["TLSRoute", "spec.rules", undefined, "Required"],
      ["TLSRoute", "spec.rules", [], "InvalidValue"],
      ["TLSRoute", "spec.rules", many(2, () => ({ backendRefs: [backend] })), "TooMany"],
      ["TLSRoute", "spec.rules", [{}], "Required", "spec.rules[0].backendRefs"],
      ["TLSRoute", "spec.rules", [{ backendRefs: [] }], "InvalidValue", "spec.rules[0].backendRefs"],
      ["TLSRoute", "spec.rules", [{ backendRefs: many(16, () => backend) }]],
      ["TLSRoute", "spec.rules", [{ backendRefs: many(17, () => backend) }], "TooMany", "spec.rules[0].backendRefs"],
      ["TLSRoute", "spec.rules", [{ name: "A", backendRefs: [backend] }], "InvalidValue", "spec.rules[0].name"],
      ["TLSRoute", "spec.parentRefs", undefined],
      ["TLSRoute", "spec.parentRefs", []],
      ["TLSRoute", "spec.parentRefs", many(32, (index) => ({ name: `g${index}` }))],
      ["TLSRoute", "spec.parentRefs", many(33, (index) => ({ name: `g${index}` })), "TooMany"],
      ["TLSRoute", "spec.parentRefs", [{}], "Required", "spec.parentRefs[0].name"],
      ["TLSRoute", "spec.parentRefs", [{ name: "g", port: 0 }], "InvalidValue", "spec.parentRefs[0].port"],
      ["TLSRoute", "spec.parentRefs", [{ name: "g", port: 65536 }], "InvalidValue", "spec.parentRefs[0].port"],
      ["TLSRoute", "spec.parentRefs", [{ name: "g", port: "443" }], "InvalidType", "spec.parentRefs[0].port"],
      [
        "TLSRoute",
        "spec.parentRefs",
        [{ name: "g", namespace: "a.b" }],
        "InvalidValue",
        "spec.parentRefs[0].namespace",
      ],
      ["TLSRoute", "spec.parentRefs", [{ name: "g", namespace: long(64) }], "TooLong", "spec.parentRefs[0].namespace"],
      [
        "TLSRoute",
        "spec.parentRefs",
        [{ name: "g", sectionName: "" }],
        "InvalidValue",
        "spec.parentRefs[0].sectionName",
      ],
      ["TLSRoute", "spec.parentRefs", [{ name: "g", group: "" }]],
      ["TLSRoute", "spec.parentRefs", [{ name: "g", group: "A" }], "InvalidValue", "spec.parentRefs[0].group"],
      ["TLSRoute", "spec.parentRefs", [{ name: "g", kind: "0" }], "InvalidValue", "spec.parentRefs[0].kind"],
      ["TLSRoute", "spec.useDefaultGateways", "All"],
      ["TLSRoute", "spec.useDefaultGateways", "Some", "NotSupported"],
    ],
  ],
  [
    "TLSRoute.spec of v1alpha2",
    [
      ["TLSRoute/v1alpha2", "spec.hostnames", undefined],
      ["TLSRoute/v1alpha2", "spec.hostnames", []],
      ["TLSRoute/v1alpha2", "spec.hostnames", ["192.0.2.1"]],
      ["TLSRoute/v1alpha2", "spec.hostnames", ["a..b"], "InvalidValue", "spec.hostnames[0]"],
      ["TLSRoute/v1alpha2", "spec.hostnames", many(1025, () => "a"), "TooMany"],
      ["TLSRoute/v1alpha2", "spec.rules", many(16, () => ({ backendRefs: [backend] }))],
      ["TLSRoute/v1alpha2", "spec.rules", many(17, () => ({ backendRefs: [backend] })), "TooMany"],
    ],
  ],
  [
    "backendRefs",
    [
      ["TLSRoute", "spec.rules[0].backendRefs[0].weight", 0],
      ["TLSRoute", "spec.rules[0].backendRefs[0].weight", 1_000_000],
      ["TLSRoute", "spec.rules[0].backendRefs[0].weight", 1_000_001, "InvalidValue"],
      ["TLSRoute", "spec.rules[0].backendRefs[0].weight", -1, "InvalidValue"],
      ["TLSRoute", "spec.rules[0].backendRefs[0].weight", 0.5, "InvalidType"],
      ["TLSRoute", "spec.rules[0].backendRefs[0].weight", Number.NaN, "InvalidType"],
      ["TLSRoute", "spec.rules[0].backendRefs[0].name", "Any name at all"],
      ["TLSRoute", "spec.rules[0].backendRefs[0].name", "💥".repeat(253)],
      ["TLSRoute", "spec.rules[0].backendRefs[0].name", "💥".repeat(254), "TooLong"],
      ["TLSRoute", "spec.rules[0].backendRefs[0].name", "", "InvalidValue"],
      ["TLSRoute", "spec.rules[0].backendRefs[0].name", 7, "InvalidType"],
      ["TLSRoute", "spec.rules[0].backendRefs[0].kind", long(64), "TooLong"],
    ],
  ],
  [
    "listeners",
    (["Gateway", "ListenerSet"] as const).flatMap((kind): Row[] => [
      [kind, "spec.listeners", undefined, "Required"],
      [kind, "spec.listeners", [], "InvalidValue"],
      [kind, "spec.listeners", many(64, (index) => ({ ...listener, name: `l${index}`, port: index + 1 }))],
      [kind, "spec.listeners", many(65, (index) => ({ ...listener, name: `l${index}`, port: index + 1 })), "TooMany"],
      [kind, "spec.listeners", listeners({ name: undefined }), "Required", "spec.listeners[0].name"],
      [kind, "spec.listeners", listeners({ name: "a_b" }), "InvalidValue", "spec.listeners[0].name"],
      [kind, "spec.listeners", listeners({ port: undefined }), "Required", "spec.listeners[0].port"],
      [kind, "spec.listeners", listeners({ protocol: null }), "Required", "spec.listeners[0].protocol"],
      [kind, "spec.listeners", listeners({ protocol: "example.com/bar" })],
      [kind, "spec.listeners", listeners({ protocol: "a b" }), "InvalidValue", "spec.listeners[0].protocol"],
      [kind, "spec.listeners", listeners({ protocol: long(256) }), "TooLong", "spec.listeners[0].protocol"],
      [kind, "spec.listeners", listeners({ hostname: "192.0.2.1" })],
      [kind, "spec.listeners", listeners({ hostname: "*" }), "InvalidValue", "spec.listeners[0].hostname"],
      [kind, "spec.listeners[0].tls.mode", "passthrough", "NotSupported"],
      [kind, "spec.listeners[0].tls.options", entries(16)],
      [kind, "spec.listeners[0].tls.options", entries(17), "TooMany"],
      [kind, "spec.listeners[0].tls.options", { a: long(4097) }, "TooLong", "spec.listeners[0].tls.options.a"],
      [kind, "spec.listeners[0].tls.certificateRefs", many(65, () => ({ name: "a" })), "TooMany"],
      [
        kind,
        "spec.listeners[0].tls.certificateRefs",
        [{}],
        "Required",
        "spec.listeners[0].tls.certificateRefs[0].name",
      ],
      [kind, "spec.listeners[0].allowedRoutes.namespaces.from", "None", "NotSupported"],
      [kind, "spec.listeners[0].allowedRoutes.kinds", many(9, () => ({ kind: "TLSRoute" })), "TooMany"],
    ]),
  ],
  [
    "Gateway.spec",
    [
      ["Gateway", "spec.gatewayClassName", undefined, "Required"],
      ["Gateway", "spec.gatewayClassName", long(254), "TooLong"],
      ["Gateway", "spec.addresses", many(17, (index) => ({ value: `10.0.0.${index}` })), "TooMany"],
      ["Gateway", "spec.addresses", [{ value: "2001:db8::1" }]],
      ["Gateway", "spec.addresses", [{ value: "010.0.0.1" }], "InvalidValue", "spec.addresses[0].value"],
      ["Gateway", "spec.addresses", [{ value: "fe80::1%eth0" }], "InvalidValue", "spec.addresses[0].value"],
      ["Gateway", "spec.addresses", [{ type: "Other", value: "x" }], "InvalidValue", "spec.addresses[0].type"],
      ["Gateway", "spec.addresses", [{ type: "example.com/pool", value: "x" }]],
      ["Gateway", "spec.allowedListeners.namespaces.from", "None"],
      ["Gateway", "spec.allowedListeners.namespaces.from", "Any", "NotSupported"],
      ["Gateway", "spec.infrastructure.labels", entries(9), "TooMany"],
      ["Gateway", "spec.infrastructure.labels", { a: "-" }, "InvalidValue", "spec.infrastructure.labels.a"],
      ["Gateway", "spec.infrastructure.annotations", entries(17), "TooMany"],
      [
        "Gateway",
        "spec.infrastructure.parametersRef",
        { kind: "A", name: "a" },
        "Required",
        "spec.infrastructure.parametersRef.group",
      ],
      ["Gateway", "spec.defaultScope", "Any", "NotSupported"],
      ["Gateway", "spec.tls.frontend", {}, "Required", "spec.tls.frontend.default"],
      [
        "Gateway",
        "spec.tls.frontend.default.validation",
        {},
        "Required",
        "spec.tls.frontend.default.validation.caCertificateRefs",
      ],
      ["Gateway", "spec.tls.frontend.default.validation.caCertificateRefs", many(17, () => caRef), "TooMany"],
      [
        "Gateway",
        "spec.tls.frontend.default.validation",
        { caCertificateRefs: [caRef], mode: "x" },
        "NotSupported",
        "spec.tls.frontend.default.validation.mode",
      ],
      [
        "Gateway",
        "spec.tls.backend.clientCertificateRef",
        {},
        "Required",
        "spec.tls.backend.clientCertificateRef.name",
      ],
    ],
  ],
  [
    "GatewayClass.spec",
    [
      ["GatewayClass", "spec.controllerName", undefined, "Required"],
      ["GatewayClass", "spec.controllerName", "controller", "InvalidValue"],
      ["GatewayClass", "spec.controllerName", "Example.com/controller", "InvalidValue"],
      ["GatewayClass", "spec.description", long(64, "ä")],
      ["GatewayClass", "spec.description", long(65), "TooLong"],
      ["GatewayClass", "spec.parametersRef", { group: "", kind: "A" }, "Required", "spec.parametersRef.name"],
    ],
  ],
  ["ListenerSet.spec", [["ListenerSet", "spec.parentRef", {}, "Required", "spec.parentRef.name"]]],
  [
    "ReferenceGrant.spec",
    [
      ["ReferenceGrant", "spec.from", [], "InvalidValue"],
      ["ReferenceGrant", "spec.from", many(17, () => ({ group: "", kind: "A", namespace: "a" })), "TooMany"],
      ["ReferenceGrant", "spec.from", [{ group: "", kind: "A" }], "Required", "spec.from[0].namespace"],
      ["ReferenceGrant", "spec.to", undefined, "Required"],
      ["ReferenceGrant", "spec.to", [{ kind: "Service" }], "Required", "spec.to[0].group"],
      ["ReferenceGrant", "spec.to", [{ group: "", kind: "Service", name: "" }], "InvalidValue", "spec.to[0].name"],
      ["ReferenceGrant/v1beta1", "spec.to", [{ group: "", kind: "Service", name: "app" }]],
    ],
  ],
  [
    "metadata",
    [
      ["TLSRoute", "metadata", undefined, "Required"],
      ["TLSRoute", "metadata.name", undefined, "Required"],
      ["TLSRoute", "metadata.name", "A", "InvalidValue"],
      ["TLSRoute", "metadata.namespace", undefined],
      ["TLSRoute", "metadata.namespace", "a.b", "InvalidValue"],
      ["TLSRoute", "metadata.labels", { "example.com/a": "b" }],
      ["TLSRoute", "metadata.labels", { "example.com/a": "b c" }, "InvalidValue", 'metadata.labels["example.com/a"]'],
      ["TLSRoute", "metadata.labels", { a: 1 }, "InvalidType", "metadata.labels.a"],
      ["TLSRoute", "metadata.annotations", { "a/b/c": "" }, "InvalidValue", 'metadata.annotations["a/b/c"]'],
      ["TLSRoute", "metadata.generation", -1, "InvalidValue"],
      ["TLSRoute", "metadata.creationTimestamp", null],
      ["TLSRoute", "metadata.creationTimestamp", "2024-02-29T23:59:59.123456Z"],
      ["TLSRoute", "metadata.creationTimestamp", "2025-02-29T00:00:00Z", "InvalidValue"],
      ["TLSRoute", "metadata.creationTimestamp", "yesterday", "InvalidValue"],
      ["Namespace", "metadata.name", "a.b", "InvalidValue"],
    ],
  ],
  [
    "Service",
    [
      ["Service", "spec.type", "Internal", "NotSupported"],
      ["Service", "spec.unread", { anything: 1 }],
      ["Service", "spec.ports", [{ port: 0 }], "InvalidValue", "spec.ports[0].port"],
      ["Service", "spec.ports", [{ port: 443, targetPort: 70000 }], "InvalidValue", "spec.ports[0].targetPort"],
      ["Service", "spec.ports", [{ port: 443, targetPort: "" }], "InvalidValue", "spec.ports[0].targetPort"],
      ["Service", "spec.ports", [{ port: 443, protocol: "tcp" }], "NotSupported", "spec.ports[0].protocol"],
      ["Service", "spec.ports", [{ port: 443, name: "a" }, { port: 80 }], "Required", "spec.ports[1].name"],
      [
        "Service",
        "spec.ports",
        [
          { port: 443, name: "a" },
          { port: 80, name: "a" },
        ],
        "Duplicate",
        "spec.ports[1].name",
      ],
    ],
  ],
  [
    "EndpointSlice",
    [
      ["EndpointSlice", "addressType", undefined, "Required"],
      ["EndpointSlice", "endpoints", null],
      ["EndpointSlice", "endpoints", [{ addresses: [] }], "InvalidValue", "endpoints[0].addresses"],
      ["EndpointSlice", "endpoints", [{ addresses: ["::1"] }], "InvalidValue", "endpoints[0].addresses[0]"],
      ["EndpointSlice", "endpoints[0].conditions.ready", "yes", "InvalidType"],
      ["EndpointSlice", "endpoints[0].conditions.ready", null],
      ["EndpointSlice", "ports", [{ port: 1.5 }], "InvalidType", "ports[0].port"],
      ["EndpointSlice", "endpoints[0].hints.forZones", [{}], "Required", "endpoints[0].hints.forZones[0].name"],
    ],
  ],
])("%s", (_, rows) => {
  test.each(rows.map(([kind, change, value, code, path = change]) => ({ kind, change, value, code, path })))(
    "$kind with $change $value: $code",
    ({ kind, change, value, code, path }) => {
      const [name = "", version = "v1"] = kind.split("/")
      const errors = validateObject(valid(name, { [change]: value }, version)).filter(isError)
      expect(errors.map((error) => [error.code, error.path])).toEqual(code === undefined ? [] : [[code, path]])
    },
  )
})

const isError = ({ severity }: ResourceProblem): boolean => severity === "error"
