import { once } from "node:events"
import { type AddressInfo, createServer, type Server } from "node:net"
import { afterAll, beforeAll, expect, test } from "vitest"
import { TestCluster } from "./support/cluster.ts"
import { Controller } from "./support/controller.ts"
import { installTlsroute } from "./support/install.ts"
import { gatewayObject, routeObject, startService } from "./support/traffic.ts"

let cluster: TestCluster
let kubeconfig: string
let controller: Controller
let backend: Server

beforeAll(async () => {
  cluster = await TestCluster.start()
  kubeconfig = await installTlsroute(cluster)
  await cluster.kubectl(["create", "namespace", "shop"])
  backend = await startService(cluster, "shop", "web", ["*.example.com"])
  await cluster.apply([
    gatewayObject("shop", "gateway"),
    routeObject("shop", "sound", ["sound.example.com"], { name: "web" }),
  ])
  controller = await Controller.start(kubeconfig)
})
afterAll(async () => {
  await controller?.[Symbol.asyncDispose]()
  backend?.close()
  await cluster?.[Symbol.asyncDispose]()
})

const describeObject = (kind: string, name: string): Promise<string> =>
  cluster.kubectl(["describe", kind, name, "--namespace", "shop"])

/** Waits until `kubectl describe` shows such an Event. */
async function shows(kind: string, name: string, event: RegExp): Promise<void> {
  await expect.poll(() => describeObject(kind, name), { timeout: 30_000, interval: 200 }).toMatch(event)
}

test("a Gateway that takes connections and a route that is attached say so", async () => {
  await shows("gateway", "gateway", /Normal +Programmed +\S+ +tlsroute\.dev\/gateway-controller +the Gateway takes/)
  await shows("tlsroute", "sound", /Normal +Accepted .*Gateway gateway: the route is attached/)
})

test("a route that cannot be served says why, and what it says again after it was repaired", async () => {
  await cluster.apply([routeObject("shop", "lost", ["lost.example.com"], { name: "missing" })])
  await shows("tlsroute", "lost", /Warning +BackendNotFound .*missing/)
  await cluster.apply([routeObject("shop", "lost", ["lost.example.com"], { name: "web" })])
  await shows("tlsroute", "lost", /Normal +ResolvedRefs .*every backendRef is resolved/)
})

test("a policy that cannot be read is told in the status and by an Event, until it can", async () => {
  const annotate = (value: string): Promise<string> =>
    cluster.kubectl([
      "annotate",
      "tlsroute",
      "sound",
      "--namespace",
      "shop",
      "--overwrite",
      `tlsroute.dev/idle-timeout=${value}`,
    ])
  const condition = '{.status.parents[0].conditions[?(@.type=="tlsroute.dev/PoliciesAccepted")].status}'
  const status = (): Promise<string> =>
    cluster.kubectl(["get", "tlsroute", "sound", "--namespace", "shop", "-o", `jsonpath=${condition}`])
  await annotate("soon")
  await shows("tlsroute", "sound", /Warning +InvalidPolicies .*idle-timeout/)
  expect(await status()).toBe("False")
  await annotate("5m")
  await expect.poll(status, { timeout: 30_000 }).toBe("")
})

test("an endpoint that does not answer its health check is told of on the routes that lead to it", async () => {
  // A port that was open a moment ago.
  const closed = createServer().listen(0, "127.0.0.1")
  await once(closed, "listening")
  const { port } = closed.address() as AddressInfo
  closed.close()
  const metadata = { namespace: "shop", name: "dead" }
  await cluster.apply([
    { apiVersion: "v1", kind: "Service", metadata, spec: { ports: [{ name: "tls", port: 8443 }] } },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { ...metadata, labels: { "kubernetes.io/service-name": "dead" } },
      addressType: "IPv4",
      ports: [{ name: "tls", port }],
      endpoints: [{ addresses: ["10.255.255.1"], conditions: { ready: true } }],
    },
  ])
  const { metadata: meta, ...rest } = routeObject("shop", "checked", ["checked.example.com"], { name: "dead" })
  const annotations = { "tlsroute.dev/health-check": "tcp", "tlsroute.dev/health-check-interval": "1s" }
  await cluster.apply([{ ...rest, metadata: { ...meta, annotations } }])
  await shows("tlsroute", "checked", /Warning +EndpointUnhealthy .*10\.255\.255\.1/)
})

test("a port that cannot be bound is told of on the Gateway", async () => {
  const taken = createServer().listen(0, "127.0.0.1")
  await once(taken, "listening")
  const { port } = taken.address() as AddressInfo
  await using other = await Controller.start(
    kubeconfig,
    ...["--controller-name", "example.com/other", "--gateway-class", "other", "--create-gateway-class"],
    ...["--lease", "tlsroute-system/tlsroute", "--no-lease", "--map-port", `443:${port}`],
  )
  await cluster.apply([
    {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "GatewayClass",
      metadata: { name: "other" },
      spec: { controllerName: "example.com/other" },
    },
    gatewayObject("shop", "unbound", "other"),
  ])
  await shows("gateway", "unbound", /Warning +NotProgrammed .*EADDRINUSE/)
  await other.stop()
  taken.close()
})

test("statuses are written within seconds of getting a right back that was taken away", async () => {
  interface Role {
    readonly rules: readonly { readonly resources: readonly string[] }[]
  }
  const role = await cluster.get<Role>("clusterrole", "tlsroute-system-tlsroute")
  const write = (rules: Role["rules"]): Promise<string> =>
    cluster.kubectl([
      ...["patch", "clusterrole", "tlsroute-system-tlsroute", "--type", "merge"],
      ...["--patch", JSON.stringify({ rules })],
    ])
  await write(role.rules.filter(({ resources }) => !resources.includes("tlsroutes/status")))
  const mark = controller.events.length
  await cluster.apply([routeObject("shop", "patient", ["patient.example.com"], { name: "web" })])
  await controller.after(mark, "kubernetes-status-failed", ({ name }) => name === "patient")
  // Long enough for a pause that doubles without end to be longer than what is allowed below.
  await new Promise((resolve) => setTimeout(resolve, 8_000))
  await write(role.rules)
  const repaired = performance.now()
  await controller.after(mark, "kubernetes-status-written", ({ name }) => name === "patient")
  const seconds = (performance.now() - repaired) / 1000
  console.info(`the status was written ${seconds.toFixed(1)} s after the right was back`)
  expect(seconds).toBeLessThan(5)
})

test("all of it with the rights of the manifests", () => {
  const refused = controller.events.filter(({ event }) => event === "kubernetes-events-failed")
  expect(refused).toEqual([])
})
