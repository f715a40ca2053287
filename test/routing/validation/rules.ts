/** One cross-field rule of the Gateway API, and where it holds. */
export interface RuleRef {
  /** What the rule demands. */
  readonly name: string
  /** Start of the SHA-256 of the rule's text in the CRD: a rule that changes there no longer matches its case here. */
  readonly digest: string
  /** Kinds and the field that carries the rule. */
  readonly kinds: readonly string[]
  readonly field: string
  /** Versions and channels that have the rule; all when left out. */
  readonly versions?: readonly string[]
  readonly channel?: "experimental" | "standard"
  /** First release that has the rule; every one since v1.6 when left out. */
  readonly since?: string
}

/** A rule, with values that keep it and values that break it. */
export interface RuleCase extends RuleRef {
  /** Field to change in a valid object, its values that keep the rule, and those that break it. */
  readonly change: string
  readonly good: readonly unknown[]
  readonly bad: readonly unknown[]
  /** Problem that each bad value gives. */
  readonly problem: { readonly code: string; readonly path: string; readonly message: RegExp }
}

const LISTENERS = { kinds: ["Gateway", "ListenerSet"], field: "spec.listeners", change: "spec.listeners" }
const PARENTS = { kinds: ["TLSRoute"], field: "spec.parentRefs", change: "spec.parentRefs" }
const HOSTNAMES = {
  kinds: ["TLSRoute"],
  field: "spec.hostnames",
  change: "spec.hostnames",
  versions: ["v1", "v1alpha3"],
}
const ADDRESSES = { kinds: ["Gateway"], change: "spec.addresses" }

const tls = { name: "tls", port: 443, protocol: "TLS", tls: { mode: "Passthrough" } }
const http = { name: "http", port: 80, protocol: "HTTP" }
const https = { name: "https", port: 443, protocol: "HTTPS", tls: { certificateRefs: [{ name: "cert" }] } }
const gateway = { name: "gateway" }
const longPrefix = (length: number): string => `${"a".repeat(length)}/name`

export const RULES: readonly RuleCase[] = [
  {
    name: "HTTP, TCP and UDP listeners have no tls",
    digest: "78a772397706",
    ...LISTENERS,
    good: [[http], [{ ...http, protocol: "example.com/h3", tls: { mode: "Passthrough" } }]],
    bad: ["HTTP", "TCP", "UDP"].map((protocol) => [tls, { ...http, protocol, tls: { mode: "Passthrough" } }]),
    problem: { code: "Forbidden", path: "spec.listeners[1].tls", message: /tls must not be specified for protocol/ },
  },
  {
    name: "HTTPS listeners terminate TLS",
    digest: "aec2bd596a6d",
    ...LISTENERS,
    good: [[https], [{ name: "https", port: 443, protocol: "HTTPS" }]],
    bad: [[{ ...https, tls: { mode: "Passthrough" } }]],
    problem: {
      code: "InvalidValue",
      path: "spec.listeners[0].tls.mode",
      message: /tls mode must be Terminate for protocol HTTPS/,
    },
  },
  {
    name: "TLS listeners set tls.mode",
    digest: "79a484463556",
    ...LISTENERS,
    good: [[tls], [{ ...tls, tls: { certificateRefs: [{ name: "cert" }] } }]],
    bad: [[{ name: "tls", port: 443, protocol: "TLS" }], [{ ...tls, tls: null }]],
    problem: { code: "Required", path: "spec.listeners[0].tls.mode", message: /tls mode must be set for protocol TLS/ },
  },
  {
    name: "TCP and UDP listeners have no hostname",
    digest: "08d23c40ec8f",
    ...LISTENERS,
    good: [[{ ...http, hostname: "a.example" }], [{ ...http, protocol: "TCP" }]],
    bad: ["TCP", "UDP"].map((protocol) => [{ ...http, protocol, hostname: "a.example" }]),
    problem: {
      code: "Forbidden",
      path: "spec.listeners[0].hostname",
      message: /hostname must not be specified for protocol/,
    },
  },
  {
    name: "listener names are unique",
    digest: "b3c66e248da8",
    ...LISTENERS,
    good: [[tls, http]],
    bad: [[tls, { ...http, name: "tls" }]],
    problem: { code: "Duplicate", path: "spec.listeners[1].name", message: /listener name must be unique/ },
  },
  {
    name: "port, protocol and hostname are unique among a Gateway's listeners",
    digest: "d31959b5efcf",
    ...LISTENERS,
    kinds: ["Gateway"],
    good: [
      [
        { ...tls, hostname: "a.example" },
        { ...tls, name: "other" },
      ],
    ],
    bad: [
      [tls, { ...tls, name: "other" }],
      [
        { ...tls, hostname: "a.example" },
        { ...tls, name: "other", hostname: "a.example" },
      ],
    ],
    problem: { code: "Duplicate", path: "spec.listeners[1]", message: /port, protocol and hostname must be unique/ },
  },
  {
    name: "port, protocol and hostname are unique among a ListenerSet's listeners",
    digest: "e3e62c2ad493",
    ...LISTENERS,
    kinds: ["ListenerSet"],
    good: [
      [
        { ...tls, hostname: "a.example" },
        { ...tls, name: "other" },
      ],
    ],
    bad: [
      [tls, { ...tls, name: "other" }],
      [
        { ...tls, hostname: "a.example" },
        { ...tls, name: "other", hostname: "a.example" },
      ],
    ],
    problem: { code: "Duplicate", path: "spec.listeners[1]", message: /port, protocol and hostname must be unique/ },
  },
  {
    name: "tls.mode Terminate has certificates or options",
    digest: "f161b726ab7c",
    ...LISTENERS,
    field: "spec.listeners[].tls",
    good: [[tls], [https], [{ ...https, tls: { options: { "example.com/cert": "acme" } } }]],
    bad: [
      [{ ...https, tls: {} }],
      [{ ...tls, tls: { certificateRefs: [], options: {} } }],
      [{ ...tls, tls: { mode: "Terminate", options: { a: null } } }],
    ],
    problem: {
      code: "Required",
      path: "spec.listeners[0].tls.certificateRefs",
      message: /certificateRefs or options must be specified when mode is Terminate/,
    },
  },
  {
    name: "IP addresses are unique",
    digest: "1ff4561772c9",
    ...ADDRESSES,
    field: "spec.addresses",
    good: [[{ value: "10.0.0.1" }, { value: "10.0.0.2" }, {}, {}]],
    bad: [[{ value: "10.0.0.1" }, { type: "IPAddress", value: "10.0.0.1" }]],
    problem: { code: "Duplicate", path: "spec.addresses[1].value", message: /IPAddress values must be unique/ },
  },
  {
    name: "hostname addresses are unique",
    digest: "f109da0cdc8d",
    ...ADDRESSES,
    field: "spec.addresses",
    good: [
      [{ type: "Hostname", value: "a.example" }, { type: "Hostname", value: "b.example" }, { type: "Hostname" }],
      [
        { type: "NamedAddress", value: "a" },
        { type: "NamedAddress", value: "a" },
      ],
    ],
    bad: [
      [
        { type: "Hostname", value: "a.example" },
        { type: "Hostname", value: "a.example" },
      ],
    ],
    problem: { code: "Duplicate", path: "spec.addresses[1].value", message: /Hostname values must be unique/ },
  },
  {
    name: "hostname addresses are hostnames",
    digest: "dac2850f16ae",
    ...ADDRESSES,
    field: "spec.addresses[]",
    good: [
      [
        { type: "Hostname", value: "*.example" },
        { type: "NamedAddress", value: "No host" },
      ],
    ],
    bad: [[{ type: "Hostname", value: "" }], [{ type: "Hostname", value: "A.example" }]],
    problem: { code: "InvalidValue", path: "spec.addresses[0].value", message: /must be a hostname/ },
  },
  {
    name: "hostname addresses in the status are hostnames",
    digest: "b3d66a64701e",
    kinds: ["Gateway"],
    field: "status.addresses[]",
    change: "status.addresses",
    good: [[{ type: "Hostname", value: "a.example" }]],
    bad: [[{ type: "Hostname", value: "A.example" }]],
    problem: { code: "InvalidValue", path: "status.addresses[0].value", message: /must be a hostname/ },
  },
  ...["spec", "status"].map(
    (part): RuleCase => ({
      name: `routability in the ${part} is Cluster, or of a domain of its own`,
      digest: "591bc5c26ce2",
      kinds: ["Gateway"],
      channel: "experimental",
      since: "v1.7.0",
      field: `${part}.addresses[].routability`,
      change: `${part}.addresses`,
      good: ["", "Cluster", "example.com/a", "a/b/c", "notk8s.io/a", `${"a".repeat(250)}/b`].map((routability) => [
        { value: "10.0.0.1", routability },
      ]),
      bad: ["cluster", "Private", "k8s.io/a", "x.k8s.io/a", "A/b", "a/", "/a", "-a/b"].map((routability) => [
        { value: "10.0.0.1", routability },
      ]),
      problem: {
        code: "InvalidValue",
        path: `${part}.addresses[0].routability`,
        message: /must be empty, Cluster, or/,
      },
    }),
  ),
  {
    name: "filters are of HTTP and HTTPS listeners",
    digest: "2c84d2895e8d",
    ...LISTENERS,
    kinds: ["Gateway"],
    channel: "experimental",
    since: "v1.7.0",
    field: "spec.listeners[]",
    good: [[{ ...http, filters: {} }], [{ ...https, filters: {} }], [{ ...tls, filters: null }]],
    bad: [[{ ...tls, filters: {} }]],
    problem: {
      code: "Forbidden",
      path: "spec.listeners[0].filters",
      message: /must not be specified for protocol TLS/,
    },
  },
  ...["default", "perPort"].map((place): RuleCase => {
    const settings = (ref: object) => {
      const tls = { validation: { caCertificateRefs: [{ group: "certificates.k8s.io", name: "roots", ...ref }] } }
      return place === "default" ? { default: tls } : { default: {}, perPort: [{ port: 443, tls }] }
    }
    const path = place === "default" ? "default" : "perPort[].tls"
    return {
      name: `a ClusterTrustBundle has no namespace (${place})`,
      digest: "3c32699255c6",
      kinds: ["Gateway"],
      channel: "experimental",
      since: "v1.7.0",
      field: `spec.tls.frontend.${path}.validation.caCertificateRefs`,
      change: "spec.tls.frontend",
      good: [settings({ kind: "ClusterTrustBundle" }), settings({ kind: "Other", namespace: "apps" })],
      bad: [settings({ kind: "ClusterTrustBundle", namespace: "apps" })],
      problem: {
        code: "Forbidden",
        path: `spec.tls.frontend.${path.replace("[]", "[0]")}.validation.caCertificateRefs[0].namespace`,
        message: /a ClusterTrustBundle has no namespace/,
      },
    }
  }),
  ...["labels", "annotations"].flatMap((map): RuleCase[] => [
    {
      name: `infrastructure ${map} have qualified names`,
      digest: "9d8358ece358",
      kinds: ["Gateway"],
      field: `spec.infrastructure.${map}`,
      change: `spec.infrastructure.${map}`,
      good: [{ a: "", "example.com/a_B.c": "x", [`a/${"b".repeat(63)}`]: "x" }],
      bad: [{ "-a": "x" }],
      problem: {
        code: "InvalidValue",
        path: `spec.infrastructure.${map}["-a"]`,
        message: /after an optional domain name and a slash/,
      },
    },
    {
      name: `infrastructure ${map} have prefixes of at most 252 characters`,
      digest: "4b9766f719f7",
      kinds: ["Gateway"],
      field: `spec.infrastructure.${map}`,
      change: `spec.infrastructure.${map}`,
      good: [{ [longPrefix(252)]: "x" }],
      bad: [{ [longPrefix(253)]: "x" }],
      problem: {
        code: "TooLong",
        path: `spec.infrastructure.${map}["${longPrefix(253)}"]`,
        message: /at most 252 characters before the slash/,
      },
    },
  ]),
  {
    name: "ports of client certificate settings are unique",
    digest: "419307373c26",
    kinds: ["Gateway"],
    field: "spec.tls.frontend.perPort",
    change: "spec.tls.frontend",
    good: [
      {
        default: {},
        perPort: [
          { port: 443, tls: {} },
          { port: 8443, tls: {} },
        ],
      },
    ],
    bad: [
      {
        default: {},
        perPort: [
          { port: 443, tls: {} },
          { port: 443, tls: {} },
        ],
      },
    ],
    problem: { code: "Duplicate", path: "spec.tls.frontend.perPort[1].port", message: /port .* must be unique/ },
  },
  {
    name: "hostnames are no IP addresses",
    digest: "0843be6f6939",
    ...HOSTNAMES,
    // Leading zeros make it no address, and a wildcard makes it no address either.
    good: [["1.2.3.4.example"], ["01.2.3.4"], ["*.2.3.4"], ["256.1.1.1"]],
    bad: [["app.example.com", "192.0.2.1"]],
    problem: { code: "InvalidValue", path: "spec.hostnames[1]", message: /cannot contain an IP/ },
  },
  {
    name: "hostnames are names of RFC 1123",
    digest: "20123a065b59",
    ...HOSTNAMES,
    good: [["a"], ["a-b.example"], [`${"a".repeat(64)}.example`]],
    bad: [["A.example"], ["a.example."], ["a_b.example"], ["-a.example"], ["a..example"]],
    problem: { code: "InvalidValue", path: "spec.hostnames[0]", message: /valid based on RFC-1123/ },
  },
  {
    name: "wildcards are the whole first label",
    digest: "b31a373d8a00",
    ...HOSTNAMES,
    good: [["*.example"]],
    bad: [["*"], ["a.*.example"], ["*a.example"], ["*.*.example"], ["*.-a"]],
    problem: { code: "InvalidValue", path: "spec.hostnames[0]", message: /wildcard only as the whole first label/ },
  },
  {
    name: "references to one parent all give a section or port, or none does",
    digest: "30e99257d51d",
    ...PARENTS,
    channel: "experimental",
    good: [
      [{ ...gateway, sectionName: "a" }, { ...gateway, sectionName: "b" }, { name: "other" }],
      [
        { ...gateway, port: 443 },
        { ...gateway, port: 8443 },
      ],
      [gateway, { ...gateway, namespace: "apps", sectionName: "a" }],
      [gateway, { ...gateway, kind: "ListenerSet", port: 443 }],
    ],
    bad: [
      [gateway, { ...gateway, sectionName: "a" }],
      [gateway, { ...gateway, kind: "Gateway", group: "gateway.networking.k8s.io", port: 443 }],
      [
        { ...gateway, sectionName: "a" },
        { ...gateway, port: 443 },
      ],
    ],
    problem: { code: "Required", path: "spec.parentRefs[1]", message: /sectionName or port must be specified/ },
  },
  {
    name: "references to one parent differ in section or port",
    digest: "8392cce9fda2",
    ...PARENTS,
    channel: "experimental",
    good: [
      [
        { ...gateway, sectionName: "a", port: 443 },
        { ...gateway, sectionName: "a", port: 8443 },
      ],
    ],
    bad: [
      [gateway, gateway],
      [
        { ...gateway, sectionName: "a", port: 443 },
        { ...gateway, sectionName: "a", port: 443 },
      ],
    ],
    problem: { code: "Duplicate", path: "spec.parentRefs[1]", message: /sectionName or port must be unique/ },
  },
  {
    name: "references to one parent all give a section, or none does",
    digest: "c931cd547ca6",
    ...PARENTS,
    channel: "standard",
    good: [
      [
        { ...gateway, sectionName: "a" },
        { ...gateway, sectionName: "b", port: 443 },
      ],
    ],
    bad: [[gateway, { ...gateway, sectionName: "a" }]],
    problem: { code: "Required", path: "spec.parentRefs[1]", message: /^sectionName must be specified/ },
  },
  {
    name: "references to one parent differ in section",
    digest: "e906342c6f92",
    ...PARENTS,
    channel: "standard",
    good: [
      [
        { ...gateway, sectionName: "a" },
        { ...gateway, namespace: "apps", sectionName: "a" },
      ],
    ],
    bad: [
      [
        { ...gateway, port: 443 },
        { ...gateway, port: 8443 },
      ],
      [
        { ...gateway, sectionName: "a", port: 443 },
        { ...gateway, sectionName: "a", port: 8443 },
      ],
    ],
    problem: { code: "Duplicate", path: "spec.parentRefs[1]", message: /^sectionName must be unique/ },
  },
  {
    name: "a Service is referred to by its port",
    digest: "089ed26a9f0f",
    kinds: ["TLSRoute"],
    field: "spec.rules[].backendRefs[]",
    change: "spec.rules",
    good: [
      [{ backendRefs: [{ name: "app", kind: "Service", group: "example.com" }] }],
      [{ backendRefs: [{ name: "app", kind: "Backend" }] }],
    ],
    bad: [
      [{ backendRefs: [{ name: "app" }] }],
      [{ backendRefs: [{ name: "app", group: "", kind: "Service", port: null }] }],
    ],
    problem: {
      code: "Required",
      path: "spec.rules[0].backendRefs[0].port",
      message: /must have port for Service reference/,
    },
  },
  {
    name: "an XBackend is referred to without a port",
    digest: "91f0c17f10a5",
    kinds: ["TLSRoute"],
    channel: "experimental",
    since: "v1.7.0",
    field: "spec.rules[].backendRefs[]",
    change: "spec.rules",
    good: [
      [{ backendRefs: [{ group: "gateway.networking.x-k8s.io", kind: "XBackend", name: "app" }] }],
      [{ backendRefs: [{ group: "example.com", kind: "XBackend", name: "app", port: 443 }] }],
    ],
    bad: [[{ backendRefs: [{ group: "gateway.networking.x-k8s.io", kind: "XBackend", name: "app", port: 443 }] }]],
    problem: {
      code: "Forbidden",
      path: "spec.rules[0].backendRefs[0].port",
      message: /must not have port for XBackend reference/,
    },
  },
  {
    name: "rule names are unique in a route",
    digest: "5d343ad9ee1d",
    kinds: ["TLSRoute"],
    versions: ["v1alpha2"],
    channel: "experimental",
    field: "spec.rules",
    change: "spec.rules",
    good: [
      ["a", "b", undefined, undefined].map((name) => ({
        ...(name && { name }),
        backendRefs: [{ name: "app", port: 443 }],
      })),
    ],
    bad: [["a", "a"].map((name) => ({ name, backendRefs: [{ name: "app", port: 443 }] }))],
    problem: { code: "Duplicate", path: "spec.rules[1].name", message: /rule name must be unique within the route/ },
  },
]

/** Rules on the change of an object: one object alone cannot break them, so they are left to the API server. */
export const TRANSITION_RULES: readonly RuleRef[] = [
  {
    name: "controllerName never changes",
    digest: "f4f4adcfb233",
    kinds: ["GatewayClass"],
    field: "spec.controllerName",
  },
]
