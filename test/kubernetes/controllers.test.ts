import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { TestCluster } from "./support/cluster.ts"
import { Controller } from "./support/controller.ts"
import { CHART, installTlsroute, SYSTEM } from "./support/install.ts"
import { gatewayObject, open, reach, reached, refused, routeObject, startService, Traffic } from "./support/traffic.ts"

interface Parent {
  readonly controllerName: string
  readonly parentRef: { readonly name: string }
  readonly conditions: readonly {
    readonly type: string
    readonly status: string
    readonly reason: string
    readonly observedGeneration?: number
  }[]
}

interface Route {
  readonly metadata: { readonly generation: number }
  readonly spec: object
  readonly status?: { readonly parents: readonly Parent[] }
}

const OURS = "tlsroute.dev/gateway-controller"
const OTHER = "example.com/other"

let cluster: TestCluster
let kubeconfig: string
let running: Controller[] = []
let namespace: string
let count = 0

beforeAll(async () => {
  cluster = await TestCluster.start()
  kubeconfig = await installTlsroute(cluster)
})
afterAll(async () => cluster?.[Symbol.asyncDispose]())

// Every test has a namespace of its own, with a Gateway and a Service.
beforeEach(async () => {
  namespace = `test-${++count}`
  await cluster.kubectl(["create", "namespace", namespace])
  const backend = await startService(cluster, namespace, "web", ["*.example.com"])
  await cluster.apply([gatewayObject(namespace, "gateway")])
  return () => backend.close()
})
afterEach(async () => {
  await Promise.all(running.map((controller) => controller[Symbol.asyncDispose]()))
  running = []
  // Gateways that share a data plane may not claim one port for the same names.
  await cluster.kubectl(["delete", "gateways,tlsroutes", "--all", "--namespace", namespace])
})

async function start(config: string, ...flags: readonly string[]): Promise<Controller> {
  const controller = await Controller.start(config, ...flags)
  running.push(controller)
  return controller
}

const listener = (gateway: string): string => `Gateway/${namespace}/${gateway}/tls`

/** The route once its status satisfies `check`. */
async function route(name: string, check: (route: Route) => boolean): Promise<Route> {
  for (;;) {
    const found = await cluster.get<Route>("tlsroute", name, "--namespace", namespace)
    if (check(found)) return found
  }
}

const parentOf = ({ status }: Route, controllerName: string): Parent | undefined =>
  status?.parents.find((parent) => parent.controllerName === controllerName)

const condition = (route: Route, type: string, controllerName = OURS) =>
  parentOf(route, controllerName)?.conditions.find((one) => one.type === type)

const isCurrent = (route: Route, controllerName = OURS): boolean =>
  condition(route, "Accepted", controllerName)?.observedGeneration === route.metadata.generation

describe("two controllers of different names on one route", () => {
  test("write an entry each, and neither touches another's", async () => {
    // A second release of the chart is a second controller.
    await cluster.helm(
      "install",
      "other",
      CHART,
      "--namespace",
      SYSTEM,
      "--set",
      [`controllerName=${OTHER}`, "gatewayClass.name=other"].join(","),
    )
    await start(kubeconfig)
    await start(
      await cluster.kubeconfigOf(SYSTEM, "other-tlsroute"),
      ...["--controller-name", OTHER, "--lease", `${SYSTEM}/other-tlsroute`],
    )
    await cluster.apply([
      gatewayObject(namespace, "second", "other"),
      routeObject(namespace, "shared", ["shared.example.com"], { name: "web" }, ["gateway", "second"]),
    ])
    const both = await route("shared", (found) => isCurrent(found) && isCurrent(found, OTHER))
    expect(parentOf(both, OURS)?.parentRef.name).toBe("gateway")
    expect(parentOf(both, OTHER)?.parentRef.name).toBe("second")

    // A third one, which does not run here.
    const foreign: Parent = {
      controllerName: "example.com/third",
      parentRef: { name: "third" },
      conditions: [{ type: "Accepted", status: "True", reason: "Accepted" }],
    }
    const withTimes = {
      ...foreign,
      conditions: [{ ...foreign.conditions[0], message: "", lastTransitionTime: "2026-01-01T00:00:00Z" }],
    }
    await cluster.kubectl([
      ...["patch", "tlsroute", "shared", "--namespace", namespace, "--subresource", "status", "--type", "json"],
      ...["--patch", JSON.stringify([{ op: "add", path: "/status/parents/-", value: withTimes }])],
    ])
    await cluster.apply([routeObject(namespace, "shared", ["shared.example.com"], { name: "web" }, ["gateway"])])
    const left = await route("shared", (found) => isCurrent(found) && parentOf(found, OTHER) === undefined)
    expect(left.status?.parents.map(({ controllerName }) => controllerName).sort()).toEqual(["example.com/third", OURS])
  })
})

describe("two replicas", () => {
  test("serve both; when the one that writes is killed, the other one writes", async () => {
    const leader = await start(kubeconfig)
    await leader.until("kubernetes-leader", ({ leading }) => leading === true)
    const second = await start(kubeconfig)
    await cluster.apply([routeObject(namespace, "one", ["one.example.com"], { name: "web" })])
    const ports = await Promise.all([leader, second].map((replica) => replica.port(listener("gateway"))))
    expect(await Promise.all(ports.map((port) => reached(port, "one.example.com")))).toEqual(["web", "web"])
    await route("one", isCurrent)
    expect(second.events.filter(({ event }) => event === "kubernetes-status-written")).toEqual([])

    const traffic = await Traffic.start(ports[1] ?? 0, "one.example.com")
    await leader.kill()
    await cluster.apply([routeObject(namespace, "two", ["two.example.com"], { name: "web" })])
    await second.until("kubernetes-leader", ({ leading }) => leading === true)
    await route("two", isCurrent)
    await traffic.stop()
    expect(traffic.failures).toEqual([])
  })

  test("a replica that ends gives the Lease back, and the next one takes it", async () => {
    const first = await start(kubeconfig)
    await first.until("kubernetes-leader", ({ leading }) => leading === true)
    await first.stop()
    interface Lease {
      readonly spec: { readonly holderIdentity: string }
    }
    const { spec } = await cluster.get<Lease>("lease", "tlsroute", "--namespace", SYSTEM)
    expect(spec.holderIdentity).toBe("")
    const second = await start(kubeconfig)
    await second.until("kubernetes-leader", ({ leading }) => leading === true)
  })
})

test("a ReferenceGrant that is taken away takes the backend away, and leaves live connections alone", async () => {
  const away = `${namespace}-away`
  await cluster.kubectl(["create", "namespace", away])
  const backend = await startService(cluster, away, "far", ["far.example.com"])
  const grant = {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "ReferenceGrant",
    metadata: { namespace: away, name: "from-here" },
    spec: {
      from: [{ group: "gateway.networking.k8s.io", kind: "TLSRoute", namespace }],
      to: [{ group: "", kind: "Service" }],
    },
  }
  const controller = await start(kubeconfig)
  await cluster.apply([grant, routeObject(namespace, "far", ["far.example.com"], { name: "far", namespace: away })])
  const port = await controller.port(listener("gateway"))
  expect(await reached(port, "far.example.com")).toBe("far")
  await route("far", (found) => condition(found, "ResolvedRefs")?.status === "True")

  const live = await open(port, "far.example.com")
  await cluster.kubectl(["delete", "referencegrant", "from-here", "--namespace", away])
  await refused(port, "far.example.com")
  const revoked = await route("far", (found) => condition(found, "ResolvedRefs")?.status === "False")
  expect(condition(revoked, "ResolvedRefs")?.reason).toBe("RefNotPermitted")
  expect(condition(revoked, "Accepted")?.status).toBe("True")
  const echo = new Promise((resolve) => live.socket.once("data", resolve))
  live.socket.write("still there?")
  expect(String(await echo)).toBe("still there?")
  live.socket.destroy()

  await cluster.apply([grant])
  expect(await reached(port, "far.example.com")).toBe("far")
  backend.close()
})

test("with namespaces to watch, rights in these alone are enough", async () => {
  const values = [
    ...["controllerName=example.com/narrow", "gatewayClass.name=narrow", `watchNamespaces={${namespace}}`],
  ].join(",")
  await cluster.helm("install", "narrow", CHART, "--namespace", SYSTEM, "--set", values)
  await cluster.apply([
    gatewayObject(namespace, "narrow", "narrow"),
    routeObject(namespace, "narrow", ["narrow.example.com"], { name: "web" }, ["narrow"]),
  ])
  const controller = await start(
    await cluster.kubeconfigOf(SYSTEM, "narrow-tlsroute"),
    ...["--controller-name", "example.com/narrow", "--watch-namespaces", namespace],
    ...["--lease", `${SYSTEM}/narrow-tlsroute`, "--publish-service", `${SYSTEM}/narrow-tlsroute`],
  )
  const port = await controller.port(listener("narrow"))
  expect(await reach(port, "narrow.example.com")).toBe("web")
  await route("narrow", (found) => isCurrent(found, "example.com/narrow"))
  expect(controller.events.filter(({ error }) => String(error).includes("forbidden"))).toEqual([])
})

test("a ListenerSet adds listeners to a Gateway, and is told so", async () => {
  const controller = await start(kubeconfig, "--map-port", "8443:0")
  const { spec, ...rest } = gatewayObject(namespace, "gateway")
  const [entry] = spec.listeners
  const set = {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "ListenerSet",
    metadata: { namespace, name: "more" },
    spec: { parentRef: { name: "gateway" }, listeners: [{ ...entry, name: "extra", port: 8443 }] },
  }
  const attached = routeObject(namespace, "extra", ["extra.example.com"], { name: "web" })
  await cluster.apply([
    { ...rest, spec: { ...spec, allowedListeners: { namespaces: { from: "Same" } } } },
    set,
    { ...attached, spec: { ...attached.spec, parentRefs: [{ kind: "ListenerSet", name: "more" }] } },
  ])
  expect(await reached(await controller.port(`ListenerSet/${namespace}/more/extra`), "extra.example.com")).toBe("web")
  await cluster.kubectl([
    ...["wait", "listenerset/more", "--namespace", namespace, "--for=condition=Programmed", "--timeout=60s"],
  ])
  const mark = controller.events.length
  await cluster.kubectl(["delete", "listenerset", "more", "--namespace", namespace])
  await controller.after(mark, "config", ({ closed }) => closed !== undefined)
})

test("a passthrough listener lives beside HTTPS for the same names and port, whichever was declared first, and in a ListenerSet", async () => {
  const https = {
    name: "https",
    port: 443,
    protocol: "HTTPS",
    hostname: "*.example.com",
    tls: { mode: "Terminate", certificateRefs: [{ name: "certificate" }] },
  }
  const { spec, ...rest } = gatewayObject(namespace, "gateway")
  const [passthrough] = spec.listeners
  const allowedListeners = { namespaces: { from: "Same" } }
  const set = {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "ListenerSet",
    metadata: { namespace, name: "more" },
    spec: {
      parentRef: { name: "gateway" },
      listeners: [
        { ...https, port: 8443 },
        { ...passthrough, port: 8443 },
      ],
    },
  }
  await cluster.apply([
    { ...rest, spec: { ...spec, allowedListeners, listeners: [https, passthrough] } },
    set,
    routeObject(namespace, "web", ["web.example.com"], { name: "web" }),
  ])
  const controller = await start(kubeconfig)
  expect(await reached(await controller.port(listener("gateway")), "web.example.com")).toBe("web")
  await controller.port(`ListenerSet/${namespace}/more/tls`)
  const reasonOf = (kind: string, name: string, of: string): Promise<string> =>
    cluster.kubectl([
      ...["get", kind, name, "--namespace", namespace, "-o"],
      `jsonpath={.status.listeners[?(@.name=="${of}")].conditions[?(@.type=="Accepted")].reason}`,
    ])
  for (const [kind, name] of [
    ["gateway", "gateway"],
    ["listenerset", "more"],
  ] as const) {
    await expect.poll(() => reasonOf(kind, name, "https"), { timeout: 30_000 }).toBe("UnsupportedProtocol")
    expect(await reasonOf(kind, name, "tls")).toBe("Accepted")
  }
})

test("replicas that would publish their own addresses by turns say so at the start, others do not", async () => {
  const notes = ({ events }: Controller) =>
    events.filter(({ event, msg }) => event === "note" && String(msg).includes("--publish-service"))
  expect(notes(await start(kubeconfig))).toHaveLength(1)
  expect(notes(await start(kubeconfig, "--publish-address", "192.0.2.1"))).toEqual([])
  expect(notes(await start(kubeconfig, "--no-lease"))).toEqual([])
})

test("behind node ports, the addresses of the nodes are published", async () => {
  const values = "controllerName=example.com/ports,gatewayClass.name=ports,service.type=NodePort"
  await cluster.helm("install", "ports", CHART, "--namespace", SYSTEM, "--set", values)
  const node = { apiVersion: "v1", kind: "Node", metadata: { name: "one" } }
  await cluster.apply([node, gatewayObject(namespace, "ports", "ports")])
  const status = {
    addresses: [{ type: "ExternalIP", address: "192.0.2.7" }],
    conditions: [{ type: "Ready", status: "True" }],
  }
  await cluster.kubectl([
    ...["patch", "node", "one", "--subresource", "status", "--type", "merge", "--patch", JSON.stringify({ status })],
  ])
  const controller = await start(
    await cluster.kubeconfigOf(SYSTEM, "ports-tlsroute"),
    ...["--controller-name", "example.com/ports", "--lease", `${SYSTEM}/ports-tlsroute`],
    ...["--publish-service", `${SYSTEM}/ports-tlsroute`],
  )
  await cluster.kubectl([
    ...["wait", "gateway/ports", "--namespace", namespace, "--timeout=60s"],
    "--for=jsonpath={.status.addresses[0].value}=192.0.2.7",
  ])
  expect(controller.events.filter(({ error }) => String(error).includes("forbidden"))).toEqual([])
})

describe("in a zone, a Service with trafficDistribution", () => {
  const zonedService = () => [
    {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "zoned", labels: { "topology.kubernetes.io/zone": "a" } },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace, name: "near" },
      spec: { trafficDistribution: "PreferSameZone", ports: [{ port: 8443 }] },
    },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { namespace, name: "near", labels: { "kubernetes.io/service-name": "near" } },
      addressType: "IPv4",
      ports: [{ port: 8443 }],
      endpoints: ["a", "b"].map((zone, at) => ({
        addresses: [`192.0.2.${at + 1}`],
        conditions: { ready: true },
        zone,
        hints: { forZones: [{ name: zone }] },
      })),
    },
    routeObject(namespace, "near", ["near.example.com"], { name: "near" }),
  ]
  const addressesOf = async (controller: Controller): Promise<readonly string[]> => {
    interface Routes {
      readonly routes: readonly {
        readonly backends: readonly {
          readonly target: { readonly endpoints: readonly { readonly address: string }[] }
        }[]
      }[]
    }
    const { routes } = await controller.admin<Routes>("/routes")
    const targets = routes.flatMap(({ backends }) => backends.map(({ target }) => target))
    return targets.flatMap(({ endpoints }) => endpoints.map(({ address }) => address))
  }
  const notes = ({ events }: Controller) => events.flatMap(({ event, msg }) => (event === "note" ? [String(msg)] : []))

  test("uses the endpoints of the zone that the Node's label tells, with the chart's right to read it", async () => {
    const values = "controllerName=example.com/zoned,gatewayClass.create=false,zoneFromNode=true"
    await cluster.helm("install", "zoned", CHART, "--namespace", SYSTEM, "--set", values)
    await cluster.apply(zonedService())
    const config = await cluster.kubeconfigOf(SYSTEM, "zoned-tlsroute")
    const controller = await start(config, "--node-name", "zoned", "--zone-from-node")
    expect(await addressesOf(controller)).toEqual(["192.0.2.1"])
    expect(notes(controller).filter((note) => note.includes("zone"))).toEqual([])
  })

  test("uses all of them, and says why, without that right and where there is no such Node", async () => {
    await cluster.apply(zonedService())
    const unable = await start(kubeconfig, "--node-name", "zoned", "--zone-from-node")
    expect(await addressesOf(unable)).toEqual(["192.0.2.1", "192.0.2.2"])
    expect(notes(unable)).toContainEqual(
      expect.stringMatching(
        /^the zone of the Node zoned cannot be read, so that .* answered 403: .*nodes "zoned" is forb/,
      ),
    )
    const lost = await start(cluster.kubeconfig, "--node-name", "nowhere", "--zone-from-node", "--no-lease")
    expect(notes(lost)).toContainEqual(
      expect.stringMatching(/^the zone of the Node nowhere cannot be read, so that .* 404/),
    )
  })
})
