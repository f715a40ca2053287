import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import type { ClusterEvent } from "../../src/kubernetes/cluster-watcher.ts"
import { type KubernetesSourceOptions, kubernetesSource } from "../../src/kubernetes/source.ts"
import type { GatewayResources, KubernetesObject, TLSRoute } from "../../src/routing/resources.ts"
import { FakeApiServer, type StoredObject } from "./fake-api-server.ts"

const CONTROLLER = "tlsroute.dev/gateway"

const gatewayClass = (name = "tlsroute", controllerName = CONTROLLER): StoredObject => ({
  metadata: { name },
  spec: { controllerName },
})
const gateway = (namespace: string, name: string, gatewayClassName = "tlsroute"): StoredObject => ({
  metadata: { namespace, name },
  spec: { gatewayClassName, listeners: [{ name: "tls", port: 443, protocol: "TLS", tls: { mode: "Passthrough" } }] },
})
const route = (namespace: string, name: string, service = "web", backendNamespace?: string): StoredObject => ({
  metadata: { namespace, name },
  spec: {
    parentRefs: [{ name: "gateway" }],
    hostnames: [`${name}.example.com`],
    rules: [{ backendRefs: [{ name: service, port: 443, ...(backendNamespace && { namespace: backendNamespace }) }] }],
  },
})
const service = (namespace: string, name: string): StoredObject => ({ metadata: { namespace, name }, spec: {} })

let api: FakeApiServer
let abort: AbortController
let snapshots: Snapshots

/** Reads a source in the background, and waits for the snapshot that a test needs. */
class Snapshots {
  readonly events: ClusterEvent[] = []
  readonly all: GatewayResources[] = []
  readonly #waiting = new Set<() => void>()

  constructor(options: Partial<KubernetesSourceOptions> = {}) {
    const source = kubernetesSource({
      kubeConfig: api.kubeConfig,
      controllerName: CONTROLLER,
      discoveryMs: 50,
      onEvent: (event) => {
        this.events.push(event)
        this.#wake()
      },
      ...options,
    })
    void this.#read(source(abort.signal))
  }

  get last(): GatewayResources {
    return this.all.at(-1) ?? {}
  }

  async until(holds: (last: GatewayResources) => boolean): Promise<GatewayResources> {
    while (this.all.length === 0 || !holds(this.last)) await this.#next()
    return this.last
  }

  async event(type: ClusterEvent["type"], kind?: string): Promise<ClusterEvent> {
    const find = (): ClusterEvent | undefined =>
      this.events.find(
        (event) => event.type === type && (kind === undefined || ("kind" in event && event.kind === kind)),
      )
    for (;;) {
      const found = find()
      if (found !== undefined) return found
      await this.#next()
    }
  }

  async #read(source: AsyncIterable<GatewayResources>): Promise<void> {
    for await (const snapshot of source) {
      this.all.push(snapshot)
      this.#wake()
    }
  }

  async #next(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.add(resolve))
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

const names = (objects: readonly KubernetesObject[] | undefined): readonly string[] =>
  (objects ?? []).map(({ metadata }) => metadata.name).sort()
const problemCodes = ({ problems }: GatewayResources): readonly string[] => (problems ?? []).map(({ code }) => code)

beforeEach(async () => {
  api = await FakeApiServer.start()
  abort = new AbortController()
  api.put("gatewayclasses", gatewayClass())
  api.put("namespaces", { metadata: { name: "shop", labels: { team: "a" } } })
  api.put("gateways", gateway("shop", "gateway"))
  api.put("tlsroutes", route("shop", "one"))
  api.put("services", service("shop", "web"), service("elsewhere", "other"))
})

afterEach(async () => {
  abort.abort()
  await api[Symbol.asyncDispose]()
})

describe("the version of the CRDs", () => {
  const serveCrds = (): void => void api.served.set("apiextensions.k8s.io/v1", new Set(["customresourcedefinitions"]))
  const crd = (plural: string, annotations: Readonly<Record<string, string>> = {}): StoredObject => ({
    metadata: { name: `${plural}.gateway.networking.k8s.io`, annotations },
  })

  test("is read from their annotation, of each that there is", async () => {
    serveCrds()
    api.put("customresourcedefinitions", crd("gateways", { "gateway.networking.k8s.io/bundle-version": "v1.6.1" }))
    api.put("customresourcedefinitions", crd("tlsroutes"))
    snapshots = new Snapshots()
    const { bundleVersions } = await snapshots.until((last) => last.bundleVersions !== undefined)
    expect(bundleVersions).toEqual(["v1.6.1", ""])
    expect(api.requests.filter((request) => request.includes("customresourcedefinitions"))).toHaveLength(5)
  })

  test("is left out where reading it is not allowed, and everything else goes on", async () => {
    serveCrds()
    api.fault = (request) => (request.includes("customresourcedefinitions") ? 403 : undefined)
    snapshots = new Snapshots()
    await snapshots.until((last) => names(last.tlsRoutes).length > 0)
    api.put("tlsroutes", route("shop", "two"))
    const last = await snapshots.until(({ tlsRoutes }) => names(tlsRoutes).length === 2)
    expect(last.bundleVersions).toBeUndefined()
    expect(snapshots.events.filter(({ type }) => type === "discovery-failed")).toEqual([])
  })
})

describe("the first snapshot", () => {
  test("holds every kind, with apiVersion and kind and without managed fields", async () => {
    snapshots = new Snapshots()
    const first = await snapshots.until(() => true)
    expect(first.admitted).toBe(true)
    expect(names(first.gatewayClasses)).toEqual(["tlsroute"])
    expect(names(first.namespaces)).toEqual(["shop"])
    expect(first.tlsRoutes?.[0]).toMatchObject({
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "TLSRoute",
      metadata: { namespace: "shop", name: "one", generation: 1 },
    })
    expect(first.tlsRoutes?.[0]?.metadata).not.toHaveProperty("managedFields")
    expect(first.problems).toEqual([])
  })

  test("waits until every kind could be listed", async () => {
    api.fault = (request) =>
      request.startsWith("GET /apis/gateway.networking.k8s.io/v1/referencegrants") ? 403 : undefined
    snapshots = new Snapshots()
    await snapshots.event("failed", "ReferenceGrant")
    await snapshots.event("synced", "Namespace")
    expect(snapshots.all).toEqual([])
    api.fault = undefined
    await snapshots.until(() => true)
    expect(snapshots.all).toHaveLength(1)
  })

  test("is read in pages", async () => {
    for (let i = 0; i < 25; i++) api.put("tlsroutes", route("shop", `r${i}`))
    snapshots = new Snapshots({ pageSize: 10 })
    const first = await snapshots.until(() => true)
    expect(first.tlsRoutes).toHaveLength(26)
    expect(api.requests.filter((line) => line.includes("/tlsroutes?limit=10"))).toHaveLength(3)
  })

  test("starts over when the server forgets a list between two pages", async () => {
    for (let i = 0; i < 25; i++) api.put("tlsroutes", route("shop", `r${i}`))
    let forgotten = false
    api.fault = (request) => {
      if (!request.includes("/tlsroutes?") || !request.includes("continue=") || forgotten) return undefined
      forgotten = true
      return 410
    }
    snapshots = new Snapshots({ pageSize: 10 })
    const first = await snapshots.until(() => true)
    expect(first.tlsRoutes).toHaveLength(26)
    expect(forgotten).toBe(true)
  })
})

describe("what is read", () => {
  test("Services and EndpointSlices come from namespaces that routes refer to, and no others", async () => {
    api.put("endpointslices", { metadata: { namespace: "shop", name: "web-1" } })
    snapshots = new Snapshots()
    const first = await snapshots.until(() => true)
    expect(names(first.services)).toEqual(["web"])
    expect(names(first.endpointSlices)).toEqual(["web-1"])
    expect(api.requests.some((line) => line.startsWith("GET /api/v1/services"))).toBe(false)
  })

  test("a route and the Services of a namespace new to us come in the same snapshot", async () => {
    snapshots = new Snapshots()
    await snapshots.until(() => true)
    api.put("tlsroutes", route("shop", "two", "other", "elsewhere"))
    const next = await snapshots.until(({ tlsRoutes }) => tlsRoutes?.length === 2)
    expect(names(next.services)).toEqual(["other", "web"])
  })

  test("namespaces of routes on other controllers' Gateways are not watched", async () => {
    api.put("gatewayclasses", gatewayClass("foreign", "example.com/other"))
    api.put("gateways", gateway("elsewhere", "gateway", "foreign"))
    api.put("tlsroutes", route("elsewhere", "theirs", "other"))
    snapshots = new Snapshots()
    const first = await snapshots.until(() => true)
    expect(names(first.services)).toEqual(["web"])
  })

  test("without any GatewayClass, no Gateway is ours", async () => {
    api.remove("gatewayclasses", "tlsroute")
    snapshots = new Snapshots()
    const first = await snapshots.until(() => true)
    expect(first.gateways).toEqual([])
    api.put("gatewayclasses", gatewayClass())
    await snapshots.until(({ gateways }) => gateways?.length === 1)
  })

  test("one watch of the whole cluster replaces those of many namespaces", async () => {
    snapshots = new Snapshots({ maxNamespaceWatches: 1 })
    await snapshots.until(() => true)
    api.put("tlsroutes", route("shop", "two", "other", "elsewhere"))
    const next = await snapshots.until(({ tlsRoutes }) => tlsRoutes?.length === 2)
    expect(names(next.services)).toEqual(["other", "web"])
    await expect.poll(() => api.watchCount("services")).toBe(1)
    expect(api.requests.some((line) => line.startsWith("GET /api/v1/services?"))).toBe(true)
  })

  test("Services that may not be read hold nothing else up, and are reported", async () => {
    api.fault = (request) => (request.includes("/services") ? 403 : undefined)
    snapshots = new Snapshots()
    const first = await snapshots.until((last) => problemCodes(last).length > 0)
    expect(names(first.tlsRoutes)).toEqual(["one"])
    expect(first.problems?.[0]).toMatchObject({
      code: "WatchFailing",
      message: expect.stringContaining("Service objects"),
    })
  })

  test("with namespaces given, nothing is asked outside of them but the classes", async () => {
    api.put("namespaces", { metadata: { name: "elsewhere" } })
    api.put("gateways", gateway("elsewhere", "gateway"))
    snapshots = new Snapshots({ namespaces: ["shop"] })
    const first = await snapshots.until(() => true)
    expect(names(first.namespaces)).toEqual(["shop"])
    expect(first.gateways).toHaveLength(1)
    const wide = api.requests.filter((line) => /\/(gateways|tlsroutes|listenersets|referencegrants)\?/.test(line))
    expect(wide.filter((line) => !line.includes("/namespaces/shop/"))).toEqual([])
  })
})

describe("versions", () => {
  const serveTlsRoutesIn = (...versions: readonly string[]): void => {
    for (const [groupVersion, plurals] of api.served) {
      if (groupVersion.startsWith("gateway.networking.k8s.io/")) plurals.delete("tlsroutes")
    }
    for (const version of versions) {
      const key = `gateway.networking.k8s.io/${version}`
      api.served.set(key, (api.served.get(key) ?? new Set()).add("tlsroutes"))
    }
  }

  test.each([
    [["v1", "v1alpha3", "v1alpha2"], "v1"],
    [["v1alpha3", "v1alpha2"], "v1alpha3"],
    [["v1alpha2"], "v1alpha2"],
  ])("of TLSRoute in %j, %s is read", async (served, expected) => {
    serveTlsRoutesIn(...served)
    snapshots = new Snapshots()
    const first = await snapshots.until(() => true)
    expect(first.tlsRoutes?.[0]?.apiVersion).toBe(`gateway.networking.k8s.io/${expected}`)
  })

  test("a better version installed later is taken over without a gap", async () => {
    serveTlsRoutesIn("v1alpha2")
    snapshots = new Snapshots()
    await snapshots.until(() => true)
    serveTlsRoutesIn("v1", "v1alpha2")
    await snapshots.until(({ tlsRoutes }) => tlsRoutes?.[0]?.apiVersion?.endsWith("/v1") ?? false)
    expect(snapshots.all.every(({ tlsRoutes }) => tlsRoutes?.length === 1)).toBe(true)
    await expect.poll(() => api.watchCount("tlsroutes")).toBe(1)
  })

  test("a server that has everything in its best version is seldom asked again", async () => {
    const discoveryMs = 10
    const started = performance.now()
    snapshots = new Snapshots({ discoveryMs })
    await snapshots.until(() => true)
    await sleep(300)
    const asked = api.requests.filter((line) => line === "GET /apis/gateway.networking.k8s.io").length
    const atMost = 1 + (performance.now() - started) / (discoveryMs * 10)
    expect(asked).toBeLessThanOrEqual(Math.ceil(atMost))
  })

  test("kinds that are missing are reported, and picked up when they appear", async () => {
    serveTlsRoutesIn()
    snapshots = new Snapshots()
    const first = await snapshots.until(() => true)
    expect(first.tlsRoutes).toEqual([])
    expect(first.problems).toMatchObject([{ code: "KindNotServed", message: expect.stringContaining("TLSRoute") }])
    serveTlsRoutesIn("v1")
    const next = await snapshots.until(({ tlsRoutes }) => tlsRoutes?.length === 1)
    expect(next.problems).toEqual([])
  })

  test("objects of a kind that vanishes stay in force for a while", async () => {
    snapshots = new Snapshots({ vanishMs: 300 })
    await snapshots.until(() => true)
    serveTlsRoutesIn()
    api.cutWatches()
    const reported = await snapshots.until((last) => problemCodes(last).includes("KindNotServed"))
    expect(names(reported.tlsRoutes)).toEqual(["one"])
    const dropped = await snapshots.until(({ tlsRoutes }) => tlsRoutes?.length === 0)
    expect(names(dropped.gateways)).toEqual(["gateway"])
  })
})

describe("changes", () => {
  test("a status alone makes no snapshot, and the one in force knows it", async () => {
    let told = 0
    snapshots = new Snapshots({ onStatusChange: () => told++ })
    const before = await snapshots.until(() => true)
    const written = { parents: [{ parentRef: { name: "gateway" }, controllerName: CONTROLLER, conditions: [] }] }
    api.put("tlsroutes", { ...(api.get("tlsroutes", "one", "shop") as StoredObject), status: written })
    await expect.poll(() => told).toBe(1)
    api.put("tlsroutes", route("shop", "two"))
    const after = await snapshots.until(({ tlsRoutes }) => tlsRoutes?.length === 2)
    expect(snapshots.all).toHaveLength(2)
    const [one] = after.tlsRoutes ?? []
    expect(one).toBe(before.tlsRoutes?.[0])
    expect(one?.status).toBeUndefined()
    const stored = api.get("tlsroutes", "one", "shop")
    expect(after.latest?.(one as TLSRoute)).toMatchObject({
      metadata: { resourceVersion: stored?.metadata.resourceVersion },
      status: written,
    })
  })

  test.each([
    ["a label", { labels: { team: "b" } }],
    ["an annotation", { annotations: { "tlsroute.dev/idle-timeout": "5m" } }],
    ["a deletion that waits", { deletionTimestamp: "2026-01-01T00:00:00Z" }],
  ])("%s makes a snapshot with a new object", async (_, metadata) => {
    snapshots = new Snapshots()
    const before = await snapshots.until(() => true)
    const object = api.get("tlsroutes", "one", "shop") as StoredObject
    api.put("tlsroutes", { ...object, metadata: { ...object.metadata, ...metadata } })
    const after = await snapshots.until(({ tlsRoutes }) => tlsRoutes?.[0] !== before.tlsRoutes?.[0])
    expect(after.tlsRoutes?.[0]?.metadata).toMatchObject(metadata)
  })

  test("objects and lists that did not change are the same in the next snapshot", async () => {
    snapshots = new Snapshots()
    const before = await snapshots.until(() => true)
    api.put("tlsroutes", route("shop", "two"))
    const after = await snapshots.until(({ tlsRoutes }) => tlsRoutes?.length === 2)
    expect(after.gateways).toBe(before.gateways)
    expect(after.tlsRoutes).toContain(before.tlsRoutes?.[0])
  })

  test("a deleted object is gone", async () => {
    snapshots = new Snapshots()
    await snapshots.until(() => true)
    api.remove("tlsroutes", "one", "shop")
    await snapshots.until(({ tlsRoutes }) => tlsRoutes?.length === 0)
  })

  test("a burst of 2000 objects is given as few snapshots", async () => {
    snapshots = new Snapshots()
    await snapshots.until(() => true)
    for (let i = 0; i < 2000; i++) api.put("tlsroutes", route("shop", `r${i}`))
    await snapshots.until(({ tlsRoutes }) => tlsRoutes?.length === 2001)
    expect(snapshots.all.length).toBeLessThan(40)
  })

  test("a bookmark changes nothing", async () => {
    snapshots = new Snapshots()
    await snapshots.until(() => true)
    api.bookmark()
    api.put("tlsroutes", route("shop", "two"))
    await snapshots.until(({ tlsRoutes }) => tlsRoutes?.length === 2)
    expect(snapshots.all).toHaveLength(2)
  })
})

describe("when the watch breaks", () => {
  test.each(["end", "reset"] as const)("by %s, it resumes from the last version without a new list", async (how) => {
    snapshots = new Snapshots()
    await snapshots.until(() => true)
    await expect.poll(() => api.watchCount()).toBe(8)
    const lists = api.requests.filter((line) => line.includes("limit=")).length
    api.cutWatches(how)
    api.put("tlsroutes", route("shop", "two"))
    await snapshots.until(({ tlsRoutes }) => tlsRoutes?.length === 2)
    expect(api.requests.filter((line) => line.includes("limit=")).length).toBe(lists)
  })

  test("with 410, it lists again and keeps the identity of what stayed", async () => {
    snapshots = new Snapshots()
    const before = await snapshots.until(() => true)
    await expect.poll(() => api.watchCount()).toBe(8)
    api.cutWatches()
    api.put("tlsroutes", route("shop", "two"))
    api.remove("services", "web", "shop")
    api.compact()
    const after = await snapshots.until(({ tlsRoutes, services }) => tlsRoutes?.length === 2 && services?.length === 0)
    await snapshots.event("relisted", "TLSRoute")
    expect(after.tlsRoutes).toContain(before.tlsRoutes?.[0])
    expect(after.gateways).toBe(before.gateways)
  })

  test("silently, the stall is noticed", async () => {
    snapshots = new Snapshots({ stallMs: 300 })
    await snapshots.until(() => true)
    await expect.poll(() => api.watchCount()).toBe(8)
    api.stallWatches()
    api.put("tlsroutes", route("shop", "two"))
    await snapshots.until(({ tlsRoutes }) => tlsRoutes?.length === 2)
    expect(snapshots.events.some((event) => event.type === "failed" && String(event.error).includes("silent"))).toBe(
      true,
    )
  })

  test("with text that is no event, it is opened again", async () => {
    snapshots = new Snapshots()
    await snapshots.until(() => true)
    await expect.poll(() => api.watchCount()).toBe(8)
    api.sendRaw("<html>\n")
    api.put("tlsroutes", route("shop", "two"))
    await snapshots.until(({ tlsRoutes }) => tlsRoutes?.length === 2)
  })

  test.each([
    ["an event of an object without metadata", { type: "ADDED", object: {} }],
    ["an error", { type: "ERROR", object: { code: 500, reason: "InternalError", message: "etcd is away" } }],
  ])("with %s, what came in one piece with it and before it is not lost", async (_, end) => {
    let told = 0
    snapshots = new Snapshots({ onStatusChange: () => told++ })
    const { tlsRoutes } = await snapshots.until(() => true)
    await expect.poll(() => api.watchCount()).toBe(8)
    const [known] = tlsRoutes ?? []
    const lines = (...events: readonly unknown[]) => events.map((event) => `${JSON.stringify(event)}\n`).join("")
    const metadata = { ...known?.metadata, resourceVersion: "5000" }
    api.sendRaw(lines({ type: "MODIFIED", object: { ...known, metadata, status: { parents: [] } } }, end), "tlsroutes")
    await snapshots.event("failed", "TLSRoute")
    expect(told).toBe(1)
    const come = { metadata: { namespace: "shop", name: "two", resourceVersion: "5000" }, spec: {} }
    api.sendRaw(lines({ type: "ADDED", object: come }, end), "services")
    await snapshots.until(({ services }) => names(services).includes("two"))
  })

  test("an event cut in two by the network is put together", async () => {
    snapshots = new Snapshots()
    await snapshots.until(() => true)
    await expect.poll(() => api.watchCount()).toBe(8)
    const object = { ...route("shop", "two"), metadata: { namespace: "shop", name: "zwölf", resourceVersion: "5000" } }
    const line = Buffer.from(`${JSON.stringify({ type: "ADDED", object })}\n`)
    const middle = line.indexOf(0xc3) + 1
    api.sendRaw(line.subarray(0, middle))
    await new Promise((resolve) => setTimeout(resolve, 20))
    api.sendRaw(line.subarray(middle))
    await snapshots.until(({ tlsRoutes }) => names(tlsRoutes).includes("zwölf"))
  })
})

describe("when the API server is away", () => {
  test("the last snapshot stays in force and says so, until it is back", async () => {
    snapshots = new Snapshots()
    const before = await snapshots.until(() => true)
    await api.crash()
    const during = await snapshots.until((last) => problemCodes(last).includes("WatchFailing"))
    expect(during.tlsRoutes).toBe(before.tlsRoutes)
    api.put("tlsroutes", route("shop", "two"))
    await api.listen()
    const after = await snapshots.until(({ tlsRoutes, problems }) => tlsRoutes?.length === 2 && problems?.length === 0)
    expect(after.gateways).toBe(before.gateways)
    await snapshots.event("recovered")
  })

  test("at the start, it is waited for", async () => {
    await api.crash()
    snapshots = new Snapshots()
    await snapshots.event("discovery-failed")
    expect(snapshots.all).toEqual([])
    await api.listen()
    expect(names((await snapshots.until(() => true)).tlsRoutes)).toEqual(["one"])
  })
})

test("aborting ends the source and every watch", async () => {
  const source = kubernetesSource({ kubeConfig: api.kubeConfig, controllerName: CONTROLLER })
  let given = 0
  for await (const _ of source(abort.signal)) {
    given++
    await expect.poll(() => api.watchCount()).toBe(8)
    abort.abort()
  }
  expect(given).toBe(1)
  await expect.poll(() => api.watchCount()).toBe(0)
})

test("a kubeconfig without a cluster is an error with its code", async () => {
  const kubeConfig = { getCurrentCluster: () => null, applyToHTTPSOptions: async () => undefined }
  const source = kubernetesSource({ kubeConfig, controllerName: CONTROLLER })
  await expect(source(abort.signal)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    code: "ERR_TLSROUTE_KUBERNETES_CONFIG",
  })
})
