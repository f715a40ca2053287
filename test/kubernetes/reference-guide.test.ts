import { once } from "node:events"
import { connect } from "node:tls"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { TestCluster } from "./support/cluster.ts"
import { Controller } from "./support/controller.ts"
import { installCrds, serveTlsRoutesIn } from "./support/crds.ts"
import { installTlsroute } from "./support/install.ts"
import { reached, refused, startBackend, Traffic } from "./support/traffic.ts"

// As the guides of gateways have it since v1alpha2: no hostnames, a port in the parentRef, a backend outside.
const GATEWAY = `
apiVersion: gateway.networking.k8s.io/v1beta1
kind: Gateway
metadata:
  name: tls-gateway
spec:
  gatewayClassName: tlsroute
  listeners:
    - protocol: TLS
      port: 8000
      name: foo
      tls:
        mode: Passthrough
`
const ROUTE = `
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TLSRoute
metadata:
  name: tls-route
spec:
  parentRefs:
    - name: tls-gateway
      port: 8000
  rules:
    - backendRefs:
        - name: httpbin.org
          port: 443
`
const ALL = ["v1", "v1alpha3", "v1alpha2"]

let cluster: TestCluster
let kubeconfig: string
let controller: Controller
let backend: Awaited<ReturnType<typeof startBackend>>
let port: number
let traffic: Traffic | undefined

const serve = (...versions: readonly string[]): Promise<void> => serveTlsRoutesIn(cluster, ...versions)
/** `kubectl apply`, of a version that the server may have begun to serve a moment ago. */
const apply = (manifest: string) =>
  expect
    .poll(() => cluster.apply(manifest, "--namespace", "httpbin").then(() => "applied", String), { timeout: 60_000 })
    .toBe("applied")
const readIn = (version: string, mark = 0) =>
  controller.after(
    mark,
    "kubernetes-discovered",
    (event) => event["kind"] === "TLSRoute" && event["version"] === version,
  )

/** What the route's parents say of it, in a version that is served. */
const accepted = (version: string): Promise<string> =>
  cluster.kubectl([
    ...["get", `tlsroutes.${version}.gateway.networking.k8s.io`, "tls-route", "--namespace", "httpbin", "-o"],
    `jsonpath={.status.parents[0].conditions[?(@.type=="Accepted")].status}: {.status.parents[0].conditions[?(@.type=="Accepted")].message}`,
  ])

beforeAll(async () => {
  backend = await startBackend("httpbin.org", ["httpbin.org", "any.example.com"], "127.0.0.1")
  cluster = await TestCluster.start()
  kubeconfig = await installTlsroute(cluster)
  await installCrds(cluster, "experimental")
  await serve("v1alpha2")
  await cluster.kubectl(["create", "namespace", "httpbin"])
  controller = await Controller.start(
    kubeconfig,
    ...["--map-port", "8000:0", "--external-backends", "httpbin.org"],
    ...["--resolve", `httpbin.org:443:127.0.0.1:${backend.port}`],
  )
})
afterAll(async () => {
  await controller?.[Symbol.asyncDispose]()
  backend?.server.close()
  await cluster?.[Symbol.asyncDispose]()
})

describe("the guide of v1alpha2, as it is written", () => {
  test("serves every name, and clients without one, where the server knows v1alpha2 alone", async () => {
    await apply(GATEWAY)
    await apply(ROUTE)
    port = await controller.port("Gateway/httpbin/tls-gateway/foo")
    expect(await reached(port, "httpbin.org")).toBe("httpbin.org")
    expect(await reached(port, "any.example.com")).toBe("httpbin.org")
    const nameless = connect({ port, host: "127.0.0.1", rejectUnauthorized: false })
    expect(String((await once(nameless, "data"))[0])).toBe("httpbin.org\n")
    nameless.destroy()
  })

  test("goes on when the server comes to serve all three versions, and the route is read as v1", async () => {
    traffic = await Traffic.start(port, "httpbin.org")
    await serve(...ALL)
    await readIn("v1")
    expect(await reached(port, "any.example.com")).toBe("httpbin.org")
    await expect.poll(() => accepted("v1"), { timeout: 60_000 }).toMatch(/^True: .*without hostnames it takes/)
  })

  test("and when v1 is all that is left", async () => {
    const mark = controller.events.length
    await serve("v1")
    // Any change from here on comes from a server that has no other version.
    await expect
      .poll(() => cluster.kubectl(["get", "--raw", "/apis/gateway.networking.k8s.io/v1alpha2"]).catch(String))
      .not.toContain('"tlsroutes"')
    await cluster.kubectl([
      "label",
      "tlsroutes.v1.gateway.networking.k8s.io",
      "tls-route",
      "--namespace",
      "httpbin",
      "a=b",
    ])
    await controller.after(mark, "config")
    expect(await reached(port, "any.example.com")).toBe("httpbin.org")
  })

  test("with no connection lost on the way", async () => {
    await traffic?.stop()
    expect(traffic?.failures).toEqual([])
    expect(traffic?.connections).toBeGreaterThan(50)
  })

  test("serves where all three are there from the start", async () => {
    await serve(...ALL)
    await expect
      .poll(() => cluster.kubectl(["get", "--raw", "/apis/gateway.networking.k8s.io/v1alpha2"]))
      .toContain('"tlsroutes"')
    await cluster.kubectl(["delete", "gateways,tlsroutes", "--all", "--namespace", "httpbin"])
    await refused(port, "httpbin.org")
    const mark = controller.events.length
    await apply(GATEWAY)
    await apply(ROUTE)
    const told = await controller.after(mark, "config", ({ bindings }) => (bindings as readonly unknown[]).length > 0)
    const [binding] = told["bindings"] as readonly { readonly port: number }[]
    expect(await reached(binding?.port ?? 0, "any.example.com")).toBe("httpbin.org")
    await expect.poll(() => accepted("v1alpha2"), { timeout: 60_000 }).toMatch(/^True: /)
  })

  test("is a warning that names what the route takes, and what to do before v1alpha2 goes", async () => {
    const told = controller.events.flatMap(
      ({ problems }) => (problems ?? []) as readonly { code: string; message: string }[],
    )
    expect(told.map(({ code }) => code)).toContain("NoHostnames")
    expect(told.filter(({ code }) => code === "NoMatchingListenerHostname")).toEqual([])
  })
})
