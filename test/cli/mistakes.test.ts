import { mkdir, mkdtemp, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { Cli } from "./cli.ts"

// What people get wrong, and what `tlsroute check` says of it: one message for one mistake, with the way out.

let cli: Cli
let directory: string

beforeAll(async () => {
  cli = await Cli.build()
  directory = cli.folder
})

afterAll(async () => {
  await cli[Symbol.asyncDispose]()
})

const GROUP = "gateway.networking.k8s.io"

interface Parts {
  readonly gateway?: string
  readonly listener?: string
  readonly route?: string
  readonly hostname?: string
}

/** A sound configuration, or with a part of it replaced. */
function configuration({
  gateway = "gatewayClassName: any",
  listener = "{ name: tls, port: 443, protocol: TLS, tls: { mode: Passthrough } }",
  hostname = "a.example.com",
  route = `hostnames: ["${hostname}"]`,
}: Parts = {}): string {
  return `apiVersion: ${GROUP}/v1
kind: Gateway
metadata: { name: edge }
spec:
  ${gateway}
  listeners:
    - ${listener}
---
apiVersion: ${GROUP}/v1
kind: TLSRoute
metadata: { name: web }
spec:
  parentRefs: [{ name: edge }]
  ${route}
  rules: [{ backendRefs: [{ name: app.example.net, port: 443 }] }]
`
}

const object = (apiVersion: string, kind: string, rest = "") =>
  `---\napiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: { name: x }\n${rest}`

/** What is reported of each file, without the place of the directory. */
async function check(files: Readonly<Record<string, string>>, ...flags: readonly string[]) {
  const folder = await mkdtemp(join(directory, "case-"))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  const [only] = Object.keys(files)
  const named = Object.keys(files).length === 1 ? join(folder, only ?? "") : folder
  const { code, stdout } = await cli.run(["check", named, ...flags])
  return { code, text: stdout.replaceAll(`${folder}/`, "") }
}

describe("tlsroute check, of a mistake", () => {
  test("says nothing of what is right", async () => {
    expect(await check({ "ok.yaml": configuration() })).toEqual({
      code: 0,
      text: "0 errors, 0 warnings; 1 listener and 1 route served\n",
    })
  })

  test.each<[string, Readonly<Record<string, string>>, readonly string[]]>([
    ...(
      [
        [
          "no mode",
          "protocol: TLS, tls: {}",
          "7:46: error: Gateway default/edge spec.listeners[0].tls.mode: a TLS listener must set tls.mode; Passthrough is the mode served [Required]",
        ],
        [
          "mode Terminate",
          "protocol: TLS, tls: { mode: Terminate }",
          "7:7: error: Gateway default/edge spec.listeners[0]: tls.mode Terminate is not supported; Passthrough is [UnsupportedValue]",
        ],
        [
          "mode Passthrough for HTTPS",
          "protocol: HTTPS, tls: { mode: Passthrough }",
          "7:7: error: Gateway default/edge spec.listeners[0]: protocol HTTPS has no mode Passthrough; did you mean protocol TLS? [UnsupportedProtocol]",
        ],
        [
          "the port and hostname of another",
          "protocol: TLS, tls: { mode: Passthrough } }\n    - { name: two, port: 443, protocol: TLS, tls: { mode: Passthrough }",
          "8:7: error: Gateway default/edge spec.listeners[1]: combination of port, protocol and hostname must be unique for each listener, and is that of listeners[0] [Duplicate]",
        ],
      ] as const
    ).map(([what, listener, told]): [string, Readonly<Record<string, string>>, readonly string[]] => [
      `a listener with ${what}`,
      { "a.yaml": configuration({ listener: `{ name: tls, port: 443, ${listener} }` }) },
      [`a.yaml:${told}`],
    ]),
    [
      "a number in an annotation",
      {
        "a.yaml": configuration().replace(
          "{ name: web }",
          "{ name: web, annotations: { tlsroute.dev/max-connections: 5 } }",
        ),
      },
      [
        'a.yaml:11:69: error: TLSRoute default/web metadata.annotations["tlsroute.dev/max-connections"]: annotation values are strings: put it in quotes; it has no effect [InvalidPolicyValue]',
      ],
    ],
    [
      "metadata misspelt",
      { "a.yaml": configuration().replace("metadata: { name: web }", "metdata: { name: web }") },
      [
        "a.yaml:9:1: error: metadata is missing or not a mapping; metdata is not a field here: did you mean metadata? [InvalidObject]",
      ],
    ],
    [
      "a name misspelt",
      { "a.yaml": configuration().replace("{ name: web }", "{ nmae: web }") },
      [
        "a.yaml:9:1: error: metadata.name is missing or not a string; nmae is not a field here: did you mean name? [InvalidObject]",
      ],
    ],
    [
      "parentRefs misspelt",
      { "a.yaml": configuration().replace("parentRefs", "parentRef") },
      [
        "a.yaml:13:3: warning: TLSRoute default/web spec.parentRef: is not a field here, and has no effect; did you mean parentRefs? [UnknownField]",
      ],
    ],
    [
      "spec misspelt",
      { "a.yaml": configuration().replace(/spec(?=:\n {2}parentRefs)/, "spc") },
      [
        "a.yaml:12:1: error: TLSRoute default/web spc: is not a field here; did you mean spec, which is required? [UnknownField]",
      ],
    ],
    [
      "a Service misspelt",
      {
        "a.yaml": `${configuration().replace("app.example.net", "web-ap")}${object("v1", "Service", "spec: { clusterIP: 10.0.0.1, ports: [{ port: 443 }] }\n").replace("name: x", "name: web-app")}`,
      },
      [
        "a.yaml:15:27: error: TLSRoute default/web spec.rules[0].backendRefs[0]: there is no Service default/web-ap; did you mean web-app? [BackendNotFound]",
      ],
    ],
    [
      "a Service misspelt in another namespace, whose names are its own",
      {
        "a.yaml": `${configuration().replace("app.example.net", "web-ap, namespace: apps")}${object("v1", "Service", "spec: { clusterIP: 10.0.0.1, ports: [{ port: 443 }] }\n").replace("name: x", "name: web-app, namespace: apps")}${object(`${GROUP}/v1beta1`, "ReferenceGrant", `spec: { from: [{ group: ${GROUP}, kind: TLSRoute, namespace: default }], to: [{ group: "", kind: Service }] }\n`).replace("name: x", "name: x, namespace: apps")}`,
      },
      [
        "a.yaml:15:27: error: TLSRoute default/web spec.rules[0].backendRefs[0]: there is no Service apps/web-ap [BackendNotFound]",
      ],
    ],
    [
      "a namespace misspelt in a grant",
      {
        "a.yaml": `${configuration().replace("app.example.net", "web-app, namespace: apps")}${object(`${GROUP}/v1beta1`, "ReferenceGrant", `spec: { from: [{ group: ${GROUP}, kind: TLSRoute, namespace: defalt }], to: [{ group: "", kind: Service }] }\n`).replace("name: x", "name: x, namespace: apps")}`,
      },
      [
        "a.yaml:15:27: error: TLSRoute default/web spec.rules[0].backendRefs[0]: no ReferenceGrant in namespace apps lets TLSRoutes of default refer to Service web-app; ReferenceGrant apps/x is for namespace defalt: did you mean default? [RefNotPermitted]",
      ],
    ],
    [
      "a wildcard without quotes, in a route",
      { "a.yaml": configuration({ route: "hostnames: [*.example.com]" }) },
      [
        `a.yaml:14:15: error: quote it, as "*.example.com": a * that is not quoted starts an alias in YAML [UnquotedWildcard]`,
      ],
    ],
    [
      "a wildcard without quotes, in a listener",
      { "a.yaml": configuration({ listener: "{ name: tls, hostname: *.example.com, port: 443 }" }) },
      [
        `a.yaml:7:30: error: quote it, as "*.example.com": a * that is not quoted starts an alias in YAML [UnquotedWildcard]`,
      ],
    ],
    [
      "a Helm template",
      { "a.yaml": configuration({ gateway: "{{- with .Values.class }}" }) },
      [
        "a.yaml:5:3: error: a template, which is YAML only once it is rendered: helm template RELEASE CHART | tlsroute check - [Template]",
      ],
    ],
    [
      "a kustomize directory",
      {
        "kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n",
        "a.yaml": configuration(),
      },
      [
        "kustomization.yaml:1:1: warning: a kustomization, which kubectl makes manifests of: kubectl kustomize DIRECTORY | tlsroute check - [Kustomization]",
      ],
    ],
    [
      "a kustomization without a type",
      { "kustomization.yaml": "resources: [a.yaml]\n" },
      [
        "kustomization.yaml:1:1: warning: a kustomization, which kubectl makes manifests of: kubectl kustomize DIRECTORY | tlsroute check - [Kustomization]",
      ],
    ],
    [
      "two objects without a line of --- between them",
      { "a.yaml": configuration().replace("---\n", "") },
      ["a.yaml:8:1: error: a second object starts here: write a line of --- before it [MissingSeparator]"],
    ],
    [
      "JSON without a comma",
      { "a.json": '{\n  "apiVersion": "v1"\n  "kind": "Service"\n}\n' },
      ["a.json:3:3: error: not valid JSON: a comma is missing before this [InvalidJson]"],
    ],
    [
      "JSON that breaks off",
      { "a.json": '{\n  "apiVersion": "v1",\n  "kind": [' },
      ["a.json:3:12: error: not valid JSON: a [ is not closed [InvalidJson]"],
    ],
    ["an empty file", { "a.yaml": "" }, ["a.yaml: warning: there is no object in it [EmptyFile]"]],
    ["a file of comments", { "a.yaml": "# todo\n---\n" }, ["a.yaml: warning: there is no object in it [EmptyFile]"]],
    ...(
      [
        ["capitals", "App.Example.com", "; did you mean app.example.com?"],
        ["a URL", "https://a.example.com/login?x=1", "; did you mean a.example.com?"],
        ["host:port", "a.example.com:443", "; did you mean a.example.com?"],
        ["a dot at its end", "a.example.com.", "; did you mean a.example.com?"],
        ["an underscore", "a_b.example.com", ""],
        ["typographic quotes", "“a.example.com”", "; did you mean a.example.com?"],
        ["a wildcard without its dot", "*example.com", "; did you mean *.example.com?"],
        ["a wildcard for a part of a label", "app-*.example.com", "; did you mean *.example.com?"],
        ["letters beyond ASCII", "bücher.example.com", "; did you mean xn--bcher-kva.example.com?"],
        ["another one beside it", "a.example.com, b.example.com", "; write one hostname in each entry"],
        ["a placeholder", "{{ .Values.host }}", "; fill the placeholder in first, as with: helm template …, envsubst"],
        [
          "nothing but a wildcard",
          "*",
          "; there is no wildcard for every name: leave a listener's hostname out for that, or name a domain, as *.example.com",
        ],
      ] as const
    ).map(([what, hostname, hint]): [string, Readonly<Record<string, string>>, readonly string[]] => [
      `a hostname with ${what}`,
      { "a.yaml": configuration({ hostname }) },
      [
        `a.yaml:14:15: error: TLSRoute default/web spec.hostnames[0]: must be valid based on RFC-1123: lower case letters, digits, '-' and '.', no dot at the end, no port, and a wildcard only as the whole first label, not "${hostname}"${hint} [InvalidValue]`,
      ],
    ]),
    [
      "a template of another kind",
      { "a.yaml": configuration({ gateway: "gatewayClassName: {% if x %}a{% endif %}" }) },
      ["a.yaml:5:21: error: a template, which is YAML only once it is rendered [Template]"],
    ],
    [
      "a variable that nothing has filled in",
      { "a.yaml": configuration({ listener: `{ name: tls, port: \${PORT}, protocol: TLS }` }) },
      [
        "a.yaml:7:26: error: a variable, which has to be filled in first: envsubst < FILE | tlsroute check - [Template]",
      ],
    ],
    [
      "a merge conflict",
      { "a.yaml": configuration().replace("  listeners:", "<<<<<<< HEAD\n  listeners:\n=======\n>>>>>>> main") },
      ["a.yaml:6:1: error: a merge conflict starts here: choose between its two sides [InvalidYaml]"],
    ],
    [
      "a missing colon",
      { "a.yaml": configuration().replace("kind: TLSRoute", "kind TLSRoute") },
      ["a.yaml:10:1: error: a colon is missing behind the key kind [InvalidYaml]"],
    ],
    [
      "a port in quotes",
      {
        "a.yaml": configuration({ listener: '{ name: tls, port: "443", protocol: TLS, tls: { mode: Passthrough } }' }),
      },
      [
        "a.yaml:7:26: error: Gateway default/edge spec.listeners[0].port: must be an integer, not a string; write 443 without quotes [InvalidType]",
      ],
    ],
    [
      "the backend of an Ingress",
      {
        "a.yaml": configuration().replace(
          "{ name: app.example.net, port: 443 }",
          "{ serviceName: app, servicePort: 443 }",
        ),
      },
      [
        "a.yaml:15:42: error: TLSRoute default/web spec.rules[0].backendRefs[0].serviceName: is not a field here; did you mean name, which is required? [UnknownField]",
        "a.yaml:15:60: warning: TLSRoute default/web spec.rules[0].backendRefs[0].servicePort: is not a field here, and has no effect; did you mean port? [UnknownField]",
      ],
    ],
    [
      "host:port as a backend",
      { "a.yaml": configuration().replace("{ name: app.example.net, port: 443 }", '{ name: "app.example.net:443" }') },
      [
        "a.yaml:15:27: error: TLSRoute default/web spec.rules[0].backendRefs[0].port: must have port for Service reference; did you mean name: app.example.net, port: 443? [Required]",
      ],
    ],
    [
      "the mode beside tls, not in it",
      { "a.yaml": configuration({ listener: "{ name: tls, port: 443, protocol: TLS, mode: Passthrough }" }) },
      [
        "a.yaml:7:7: error: Gateway default/edge spec.listeners[0].tls.mode: tls mode must be set for protocol TLS: set it to Passthrough [Required]",
        "a.yaml:7:52: warning: Gateway default/edge spec.listeners[0].mode: is not a field here, and has no effect; did you mean tls.mode? [UnknownField]",
      ],
    ],
    [
      "protocol HTTPS for passthrough",
      {
        "a.yaml": configuration({ listener: "{ name: tls, port: 443, protocol: HTTPS, tls: { mode: Passthrough } }" }),
      },
      [
        "a.yaml:7:7: error: Gateway default/edge spec.listeners[0]: protocol HTTPS has no mode Passthrough; did you mean protocol TLS? [UnsupportedProtocol]",
      ],
    ],
    [
      "a certificate for passthrough",
      {
        "a.yaml": configuration({
          listener:
            "{ name: tls, port: 443, protocol: TLS, tls: { mode: Passthrough, certificateRefs: [{ name: a }] } }",
        }),
      },
      [
        "a.yaml:7:72: warning: Gateway default/edge spec.listeners[0].tls.certificateRefs: has no effect with mode Passthrough: clients see the certificate of the backend [NoEffect]",
      ],
    ],
    [
      "a selector without from: Selector",
      {
        "a.yaml": configuration({
          listener:
            "{ name: tls, port: 443, protocol: TLS, tls: { mode: Passthrough }, allowedRoutes: { namespaces: { selector: { matchLabels: { a: b } } } } }",
        }),
      },
      [
        "a.yaml:7:105: warning: Gateway default/edge spec.listeners[0].allowedRoutes.namespaces.selector: has no effect without from: Selector beside it [NoEffect]",
      ],
    ],
    [
      "a Gateway whose kind is misspelt, without the routes that follow",
      { "a.yaml": configuration().replace("kind: Gateway", "kind: Gatway") },
      [
        "a.yaml:2:7: error: Gatway edge kind: there is no kind Gatway in gateway.networking.k8s.io; did you mean Gateway? [UnknownKind]",
      ],
    ],
    [
      "two listeners of one name",
      {
        "a.yaml": configuration({
          listener: `{ name: tls, port: 443, protocol: TLS, tls: { mode: Passthrough } }
    - { name: tls, port: 8443, protocol: TLS, tls: { mode: Passthrough } }`,
        }).replace("{ name: edge }]", "{ name: edge, port: 8443 }]"),
      },
      [
        "a.yaml:8:15: error: Gateway default/edge spec.listeners[1].name: listener name must be unique; tls is the name of listeners[0] too [Duplicate]",
      ],
    ],
    [
      "a class that is misspelt",
      {
        "a.yaml":
          configuration({ gateway: "gatewayClassName: tlsrute" }) +
          `---\napiVersion: ${GROUP}/v1\nkind: GatewayClass\nmetadata: { name: tlsroute }\nspec: { controllerName: tlsroute.dev/gateway-controller }\n`,
      },
      [
        "a.yaml:5:21: error: Gateway default/edge spec.gatewayClassName: no class tlsrute is served here; did you mean tlsroute? [NotServed]",
      ],
    ],
    [
      "an IP address as hostname",
      { "a.yaml": configuration({ hostname: "192.0.2.1" }) },
      [
        "a.yaml:14:15: error: TLSRoute default/web spec.hostnames[0]: hostnames cannot contain an IP, and 192.0.2.1 is one [InvalidValue]",
      ],
    ],
    [
      "a protocol in small letters",
      { "a.yaml": configuration({ listener: "{ name: tls, port: 443, protocol: tls, tls: { mode: Passthrough } }" }) },
      [
        "a.yaml:7:7: error: Gateway default/edge spec.listeners[0]: protocol tls is not known; did you mean TLS? [UnsupportedProtocol]",
      ],
    ],
    [
      "a mode in small letters",
      { "a.yaml": configuration({ listener: "{ name: tls, port: 443, protocol: TLS, tls: { mode: passthrough } }" }) },
      [
        'a.yaml:7:59: error: Gateway default/edge spec.listeners[0].tls.mode: must be one of Terminate, Passthrough, not "passthrough"; did you mean Passthrough? [NotSupported]',
      ],
    ],
    [
      "a field that is needed and misspelt, once",
      { "a.yaml": configuration({ gateway: "gatewayClasName: any" }) },
      [
        "a.yaml:5:20: error: Gateway default/edge spec.gatewayClasName: is not a field here; did you mean gatewayClassName, which is required? [UnknownField]",
      ],
    ],
    [
      "hostname for hostnames, once",
      { "a.yaml": configuration({ route: "hostname: [a.example.com]" }) },
      [
        "a.yaml:14:3: error: TLSRoute default/web spec.hostname: is not a field here; did you mean hostnames, which is required? [UnknownField]",
      ],
    ],
    [
      "a field that is not needed and misspelt",
      { "a.yaml": configuration({ gateway: "gatewayClassName: any\n  adresses: []" }) },
      [
        "a.yaml:6:3: warning: Gateway default/edge spec.adresses: is not a field here, and has no effect; did you mean addresses? [UnknownField]",
      ],
    ],
    [
      "one of our kinds, misspelt",
      { "a.yaml": object(`${GROUP}/v1`, "TlsRoute") },
      [
        `a.yaml:3:7: error: TlsRoute x kind: there is no kind TlsRoute in ${GROUP}; did you mean TLSRoute? [UnknownKind]`,
      ],
    ],
    [
      "one of our kinds in another group",
      { "a.yaml": object("networking.x-k8s.io/v1alpha1", "TLSRoute") },
      [
        `a.yaml:2:13: error: TLSRoute x apiVersion: TLSRoute of group networking.x-k8s.io is not read; did you mean apiVersion ${GROUP}/v1, kind TLSRoute? [UnknownKind]`,
      ],
    ],
    [
      "one of our kinds in no group",
      { "a.yaml": object("v1", "Gateway") },
      [
        `a.yaml:2:13: error: Gateway x apiVersion: Gateway of the core group is not read; did you mean apiVersion ${GROUP}/v1, kind Gateway? [UnknownKind]`,
      ],
    ],
    [
      "the kind that ListenerSet once was",
      { "a.yaml": object("gateway.networking.x-k8s.io/v1alpha1", "XListenerSet") },
      [
        `a.yaml:2:13: error: XListenerSet x apiVersion: XListenerSet of group gateway.networking.x-k8s.io is not read; did you mean apiVersion ${GROUP}/v1, kind ListenerSet? [UnknownKind]`,
      ],
    ],
    [
      "one of our kinds in a version that there is not",
      { "a.yaml": object(`${GROUP}/v2`, "TLSRoute") },
      [
        `a.yaml:2:13: error: TLSRoute default/x apiVersion: "${GROUP}/v2" is not served for TLSRoute; served versions are ${GROUP}/v1, ${GROUP}/v1alpha3, ${GROUP}/v1alpha2 [NotSupported]`,
      ],
    ],
    ["another project's Gateway: nothing", { "a.yaml": object("networking.istio.io/v1", "Gateway") }, []],
    [
      "an HTTPRoute on a Gateway that is served",
      { "a.yaml": configuration() + object(`${GROUP}/v1`, "HTTPRoute", "spec: { parentRefs: [{ name: edge }] }\n") },
      [
        "a.yaml:20:22: warning: HTTPRoute x spec.parentRefs[0]: HTTPRoutes take nothing from Gateway edge here: TLSRoutes alone are served, and TLS is passed through unread [NotServed]",
      ],
    ],
    [
      "an HTTPRoute on another Gateway: nothing",
      { "a.yaml": configuration() + object(`${GROUP}/v1`, "HTTPRoute", "spec: { parentRefs: [{ name: other }] }\n") },
      [],
    ],
  ])("says of %s what to do, and nothing else", async (_what, files, lines) => {
    const { text } = await check(files)
    expect(text.split("\n").slice(0, -2)).toEqual(lines)
  })
})

describe("tlsroute check in CI", () => {
  const warned = configuration({ gateway: "gatewayClassName: any\n  adresses: []" })

  test("lets warnings pass, and fail with --strict", async () => {
    expect((await check({ "a.yaml": warned })).code).toBe(0)
    expect((await check({ "a.yaml": warned }, "--strict")).code).toBe(1)
    expect((await check({ "a.yaml": configuration() }, "--strict")).code).toBe(0)
    const { text } = await check({ "a.yaml": warned }, "--strict", "--json")
    expect(JSON.parse(text)).toMatchObject({ ok: false, errors: 0, warnings: 1 })
  })

  test("annotates lines in GitHub Actions", async () => {
    const { code, text } = await check(
      { "odd,name:1.yaml": configuration({ hostname: "100%.example.com" }) },
      "--format",
      "github",
    )
    expect(code).toBe(1)
    const [command, last] = text.split("\n")
    expect(command).toMatch(
      /^::error file=odd%2Cname%3A1\.yaml,line=14,col=15,title=InvalidValue::TLSRoute default\/web spec\.hostnames\[0\]: must be .*"100%25\.example\.com"/,
    )
    expect(last).toBe("1 error, 0 warnings; 1 listener and 0 routes served")
  })

  test("writes SARIF for code scanning", async () => {
    const { text } = await check({ "a b.yaml": configuration({ hostname: "A.example.com" }) }, "--format", "sarif")
    expect(JSON.parse(text)).toMatchObject({
      version: "2.1.0",
      runs: [
        {
          tool: { driver: { name: "tlsroute", rules: [{ id: "InvalidValue" }] } },
          results: [
            {
              ruleId: "InvalidValue",
              ruleIndex: 0,
              level: "error",
              message: { text: expect.stringContaining("did you mean a.example.com?") },
              locations: [
                {
                  physicalLocation: {
                    artifactLocation: { uri: expect.stringMatching(/a%20b\.yaml$/) },
                    region: { startLine: 14, startColumn: 15 },
                  },
                },
              ],
            },
          ],
        },
      ],
    })
  })

  test("tells of a format that there is not", async () => {
    const { code, stderr } = await cli.run(["check", "x.yaml", "--format", "junit"])
    expect(code).toBe(2)
    expect(stderr).toContain("Allowed choices are text, json, github, sarif.")
  })
})
