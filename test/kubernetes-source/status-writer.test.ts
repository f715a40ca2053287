import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { type StatusWriter, type StatusWriterEvent, startStatusWriter } from "../../src/kubernetes/status-writer.ts"
import type { Gateway, RouteParentStatus, TLSRoute } from "../../src/routing/resources.ts"
import type { ObjectStatus, Statuses } from "../../src/routing/route-table.ts"
import { FakeApiServer, type StoredObject } from "./fake-api-server.ts"

const OURS = "tlsroute.dev/gateway"
const NONE: Statuses = { gatewayClasses: [], gateways: [], listenerSets: [], tlsRoutes: [] }
const WARNING = { type: "Warning", reason: "EndpointUnhealthy", action: "CheckHealth", note: "no answer" } as const
const LEASE = { namespace: "system", name: "tlsroute", durationMs: 50_000, retryMs: 50 }

let api: FakeApiServer
let events: StatusWriterEvent[]
const writers: StatusWriter[] = []

beforeEach(async () => {
  api = await FakeApiServer.start()
  events = []
  api.put("tlsroutes", route("one"))
})
afterEach(async () => {
  await Promise.all(writers.splice(0).map((writer) => writer.close()))
  await api[Symbol.asyncDispose]()
})

const route = (name: string): StoredObject => ({
  metadata: { namespace: "shop", name },
  spec: { parentRefs: [{ name: "gateway" }], hostnames: [`${name}.example.com`], rules: [] },
})

async function start(options: Partial<Parameters<typeof startStatusWriter>[0]> = {}): Promise<StatusWriter> {
  const writer = await startStatusWriter({
    kubeConfig: api.kubeConfig,
    controllerName: OURS,
    onEvent: (event) => events.push(event),
    ...options,
  })
  writers.push(writer)
  return writer
}

const parent = (controllerName: string, status: "True" | "False" = "True"): RouteParentStatus => ({
  parentRef: { name: "gateway" },
  controllerName,
  conditions: [
    { type: "Accepted", status, reason: "Accepted", message: "", lastTransitionTime: "2026-01-01T00:00:00Z" },
  ],
})

/** The status that routing would compute for a route as the server has it now. */
function routeStatus(name: string, ...parents: readonly RouteParentStatus[]): ObjectStatus<TLSRoute> {
  const object = structuredClone(api.get("tlsroutes", name, "shop")) as unknown as TLSRoute
  const ref = { group: "gateway.networking.k8s.io", kind: "TLSRoute", namespace: "shop", name }
  return { ref, object, status: { parents }, changed: true }
}

const stored = (name: string): readonly RouteParentStatus[] | undefined =>
  api.get("tlsroutes", name, "shop")?.status?.["parents"] as readonly RouteParentStatus[] | undefined
const patches = (): number => api.writes.filter(({ request }) => request.startsWith("PATCH")).length

describe("writing", () => {
  test("goes through the status subresource of the object's own version", async () => {
    const writer = await start()
    const status = routeStatus("one", parent(OURS))
    api.served.set("gateway.networking.k8s.io/v1alpha3", new Set(["tlsroutes"]))
    const object = { ...status.object, apiVersion: "gateway.networking.k8s.io/v1alpha3" }
    writer.write({ ...NONE, tlsRoutes: [{ ...status, object }] })
    await writer.flushed()
    expect(stored("one")).toEqual([parent(OURS)])
    expect(api.writes[0]?.request).toBe(
      "PATCH /apis/gateway.networking.k8s.io/v1alpha3/namespaces/shop/tlsroutes/one/status",
    )
    expect(events).toContainEqual({ type: "status-written", kind: "TLSRoute", namespace: "shop", name: "one" })
  })

  test("leaves out what did not change", async () => {
    const writer = await start()
    writer.write({ ...NONE, tlsRoutes: [{ ...routeStatus("one", parent(OURS)), changed: false }] })
    await writer.flushed()
    expect(api.writes).toEqual([])
  })

  test("does not repeat a write that the watch has not told of yet", async () => {
    const writer = await start()
    const before = routeStatus("one", parent(OURS))
    writer.write({ ...NONE, tlsRoutes: [before] })
    await writer.flushed()
    const later = parent(OURS)
    const conditions = later.conditions.map((c) => ({ ...c, lastTransitionTime: "2026-05-05T00:00:00Z" }))
    writer.write({ ...NONE, tlsRoutes: [{ ...before, status: { parents: [{ ...later, conditions }] } }] })
    await writer.flushed()
    expect(patches()).toBe(1)
  })

  test("many at once is no leak to Node.js", async () => {
    const warnings: Error[] = []
    const warn = (warning: Error): number => warnings.push(warning)
    process.on("warning", warn)
    const names = Array.from({ length: 20 }, (_, at) => `many-${at}`)
    api.put("tlsroutes", ...names.map(route))
    let release = (): void => undefined
    api.hold = new Promise((resolve) => {
      release = resolve
    })
    const writer = await start({ concurrency: names.length })
    writer.write({ ...NONE, tlsRoutes: names.map((name) => routeStatus(name, parent(OURS))) })
    await expect.poll(patches).toBe(names.length)
    release()
    await writer.flushed()
    process.off("warning", warn)
    expect(warnings).toEqual([])
  })

  test("asks nothing more of the server for a status that is written while statuses are computed again", async () => {
    const writer = await start()
    let computed = 0
    const statuses = (): Statuses => {
      computed++
      return { ...NONE, tlsRoutes: [status] }
    }
    const status = routeStatus("one", parent(OURS))
    let release = (): void => undefined
    api.hold = new Promise((resolve) => {
      release = resolve
    })
    writer.write(statuses)
    await expect.poll(patches).toBe(1)
    writer.write(statuses)
    await expect.poll(() => computed).toBe(2)
    release()
    await writer.flushed()
    expect(api.requests).toEqual([expect.stringMatching(/^PATCH .*\/one\/status$/)])
  })

  test("writes the newest of several statuses that wait", async () => {
    const writer = await start({ writesPerSecond: 10, burst: 1 })
    for (let i = 0; i < 5; i++) api.put("tlsroutes", route(`r${i}`))
    const all = (status: "True" | "False") => [0, 1, 2, 3, 4].map((i) => routeStatus(`r${i}`, parent(OURS, status)))
    writer.write({ ...NONE, tlsRoutes: all("False") })
    writer.write({ ...NONE, tlsRoutes: all("True") })
    await writer.flushed()
    for (let i = 0; i < 5; i++) expect(stored(`r${i}`)).toEqual([parent(OURS, "True")])
    // All ten would be written, the last five after a conflict each.
    expect(patches()).toBeLessThan(15)
  })

  test("is limited to a rate", async () => {
    const writer = await start({ writesPerSecond: 50, burst: 5 })
    for (let i = 0; i < 20; i++) api.put("tlsroutes", route(`r${i}`))
    const started = performance.now()
    writer.write({ ...NONE, tlsRoutes: Array.from({ length: 20 }, (_, i) => routeStatus(`r${i}`, parent(OURS))) })
    await writer.flushed()
    expect(patches()).toBe(20)
    expect(performance.now() - started).toBeGreaterThan(250)
  })

  test("a Gateway comes before the routes", async () => {
    api.put("gateways", { metadata: { namespace: "shop", name: "gateway" }, spec: {} })
    const writer = await start({ concurrency: 1 })
    const object = structuredClone(api.get("gateways", "gateway", "shop")) as unknown as Gateway
    const ref = { group: "gateway.networking.k8s.io", kind: "Gateway", namespace: "shop", name: "gateway" }
    const status = { addresses: [{ value: "192.0.2.1" }] }
    writer.write({
      ...NONE,
      gateways: [{ ref, object, status, changed: true }],
      tlsRoutes: [routeStatus("one", parent(OURS))],
    })
    await writer.flushed()
    expect(api.writes.map(({ request }) => request.split("/").at(-3))).toEqual(["gateways", "tlsroutes"])
  })
})

describe("on conflict", () => {
  test("it reads again, and keeps what another controller wrote in between", async () => {
    const writer = await start()
    const theirs = parent("example.com/other")
    let interfered = false
    api.beforeWrite = () => {
      if (interfered) return
      interfered = true
      const { metadata, spec } = api.get("tlsroutes", "one", "shop") as StoredObject
      api.put("tlsroutes", { metadata, spec, status: { parents: [theirs] } })
    }
    writer.write({ ...NONE, tlsRoutes: [routeStatus("one", parent(OURS))] })
    await writer.flushed()
    expect(stored("one")).toEqual([theirs, parent(OURS)])
    expect(patches()).toBe(2)
  })

  test("with another spec, it leaves the status to the next snapshot", async () => {
    const writer = await start()
    const status = routeStatus("one", parent(OURS))
    api.put("tlsroutes", { ...route("one"), spec: { hostnames: ["new.example.com"] } })
    writer.write({ ...NONE, tlsRoutes: [status] })
    await writer.flushed()
    expect(stored("one")).toBeUndefined()
  })

  test("with another object of the same name, too", async () => {
    const writer = await start()
    const status = routeStatus("one", parent(OURS))
    api.remove("tlsroutes", "one", "shop")
    api.put("tlsroutes", route("one"))
    writer.write({ ...NONE, tlsRoutes: [status] })
    await writer.flushed()
    expect(stored("one")).toBeUndefined()
  })
})

describe("failures", () => {
  test("an object that was deleted is nobody's loss", async () => {
    const writer = await start()
    const status = routeStatus("one", parent(OURS))
    api.remove("tlsroutes", "one", "shop")
    writer.write({ ...NONE, tlsRoutes: [status] })
    await writer.flushed()
    expect(events).toEqual([])
  })

  test("a server that fails is tried again", async () => {
    const writer = await start()
    let failures = 0
    api.fault = (request) => (request.startsWith("PATCH") && failures++ < 2 ? 503 : undefined)
    writer.write({ ...NONE, tlsRoutes: [routeStatus("one", parent(OURS))] })
    await writer.flushed()
    expect(stored("one")).toEqual([parent(OURS)])
  })

  test("a status that the server refuses is not sent again, and holds up no other", async () => {
    api.put("tlsroutes", route("two"))
    const writer = await start()
    api.fault = (request) => (request.includes("/tlsroutes/one/status") ? 422 : undefined)
    const statuses = { ...NONE, tlsRoutes: [routeStatus("one", parent(OURS)), routeStatus("two", parent(OURS))] }
    writer.write(statuses)
    await writer.flushed()
    writer.write(statuses)
    await writer.flushed()
    expect(stored("two")).toEqual([parent(OURS)])
    expect(api.writes.filter(({ request }) => request.includes("/one/"))).toHaveLength(1)
    expect(events).toContainEqual(expect.objectContaining({ type: "status-failed", name: "one", retryMs: undefined }))
  })
})

describe("a kind that may not be written", () => {
  const gatewayStatus = () => {
    const object = structuredClone(api.get("gateways", "gateway", "shop")) as unknown as Gateway
    const ref = { group: "gateway.networking.k8s.io", kind: "Gateway", namespace: "shop", name: "gateway" }
    return { ref, object, status: { addresses: [{ value: "192.0.2.1" }] }, changed: true }
  }
  const routes = (count: number) => Array.from({ length: count }, (_, at) => routeStatus(`r${at}`, parent(OURS)))

  beforeEach(() => {
    api.put("gateways", { metadata: { namespace: "shop", name: "gateway" }, spec: {} })
    for (let at = 0; at < 30; at++) api.put("tlsroutes", route(`r${at}`))
  })

  test("holds up no other kind, and is tried by one write at a time", async () => {
    const writer = await start()
    api.fault = (request) => (request.includes("/tlsroutes/") && request.startsWith("PATCH") ? 403 : undefined)
    writer.write({ ...NONE, tlsRoutes: routes(30) })
    await expect.poll(() => events.some(({ type }) => type === "status-failed")).toBe(true)
    writer.write({ ...NONE, gateways: [gatewayStatus()], tlsRoutes: routes(30) })
    await expect
      .poll(() => api.get("gateways", "gateway", "shop")?.status)
      .toEqual({
        addresses: [{ value: "192.0.2.1" }],
      })
    const tries = patches()
    await expect.poll(patches).toBeGreaterThan(tries + 1)
    // Eight at first, then a probe after each pause; and one is told of for all of them.
    expect(patches()).toBeLessThan(20)
    expect(events.filter(({ type }) => type === "status-failed")).toHaveLength(1)
  })

  test("is written within about two seconds of getting the right, however long it was missing", async () => {
    const writer = await start()
    api.fault = (request) => (request.startsWith("PATCH") ? 403 : undefined)
    writer.write({ ...NONE, tlsRoutes: routes(30) })
    // By then pauses that double would be six seconds.
    await expect.poll(patches).toBeGreaterThan(12)
    api.fault = undefined
    const repaired = performance.now()
    await writer.flushed()
    expect(performance.now() - repaired).toBeLessThan(5_000)
    expect(stored("r29")).toEqual([parent(OURS)])
  })
})

describe("Events", () => {
  const noted = () => api.all("events").map(({ type, reason, note }) => ({ type, reason, note }))

  test("tell what changed in a status, about the object that it is of", async () => {
    const writer = await start({ events: true })
    writer.write({ ...NONE, tlsRoutes: [routeStatus("one", parent(OURS))] })
    await writer.flushed()
    const [event] = api.all("events")
    expect(event).toMatchObject({
      metadata: { namespace: "shop", name: expect.stringMatching(/^one\.[0-9a-f]+$/) },
      regarding: {
        kind: "TLSRoute",
        namespace: "shop",
        name: "one",
        uid: api.get("tlsroutes", "one", "shop")?.metadata.uid,
      },
      reportingController: OURS,
      reportingInstance: expect.stringMatching(/./),
      eventTime: expect.stringMatching(/^\d{4}-.*\.\d{6}Z$/),
      type: "Normal",
      reason: "Accepted",
      action: "Accepted",
    })
  })

  test("are not written without the option, nor by a replica that does not lead", async () => {
    api.put("leases", {
      metadata: { namespace: "system", name: "tlsroute" },
      spec: { holderIdentity: "other", leaseDurationSeconds: 50 },
    })
    const follower = await start({ events: true, lease: { ...LEASE, identity: "me" } })
    follower.record({ kind: "TLSRoute", namespace: "shop", name: "one" }, WARNING)
    const silent = await start()
    silent.write({ ...NONE, tlsRoutes: [routeStatus("one", parent(OURS))] })
    await silent.flushed()
    expect(api.all("events")).toEqual([])
  })

  test("about the same thing are one, with a count", async () => {
    const writer = await start({ events: true })
    writer.write({ ...NONE, tlsRoutes: [{ ...routeStatus("one", parent(OURS)), changed: false }] })
    await writer.flushed()
    for (let at = 0; at < 5; at++) writer.record({ kind: "TLSRoute", namespace: "shop", name: "one" }, WARNING)
    await writer.flushed()
    expect(noted()).toEqual([{ type: "Warning", reason: "EndpointUnhealthy", note: "no answer" }])
    writer.record({ kind: "TLSRoute", namespace: "shop", name: "one" }, WARNING)
    await writer.flushed()
    expect(api.all("events")).toHaveLength(1)
    expect(api.all("events")[0]?.["series"]).toMatchObject({ count: 5 })
  })

  test("about one object are a few, however much happens to it", async () => {
    const writer = await start({ events: true })
    writer.write({ ...NONE, tlsRoutes: [{ ...routeStatus("one", parent(OURS)), changed: false }] })
    await writer.flushed()
    for (let at = 0; at < 100; at++) {
      writer.record({ kind: "TLSRoute", namespace: "shop", name: "one" }, { ...WARNING, note: `failure ${at}` })
    }
    await writer.flushed()
    expect(api.all("events")).toHaveLength(10)
  })

  test("that may not be written are lost, told of once, and hold up no status", async () => {
    api.put("tlsroutes", route("two"))
    api.fault = (request) => (request.includes("/events") ? 403 : undefined)
    const writer = await start({ events: true })
    writer.write({ ...NONE, tlsRoutes: [routeStatus("one", parent(OURS)), routeStatus("two", parent(OURS))] })
    await writer.flushed()
    expect(stored("two")).toEqual([parent(OURS)])
    expect(events.filter(({ type }) => type === "events-failed")).toMatchObject([{ lost: 1 }])
  })

  test("that a server has forgotten are told anew", async () => {
    const writer = await start({ events: true })
    writer.write({ ...NONE, tlsRoutes: [{ ...routeStatus("one", parent(OURS)), changed: false }] })
    await writer.flushed()
    const about = { kind: "TLSRoute", namespace: "shop", name: "one" }
    writer.record(about, WARNING)
    await writer.flushed()
    for (const { metadata } of api.all("events")) api.remove("events", metadata.name, "shop")
    writer.record(about, WARNING)
    await writer.flushed()
    expect(api.all("events")).toMatchObject([{ note: "no answer", series: { count: 2 } }])
  })
})

describe("with a Lease", () => {
  const leader = (): string | undefined =>
    (api.get("leases", "tlsroute", "system")?.spec as { holderIdentity?: string } | undefined)?.holderIdentity

  test("one of two replicas writes", async () => {
    const a = await start({ lease: { ...LEASE, identity: "a" } })
    await expect.poll(() => a.leading).toBe(true)
    const b = await start({ lease: { ...LEASE, identity: "b" } })
    b.write({ ...NONE, tlsRoutes: [routeStatus("one", parent(OURS))] })
    await expect.poll(() => api.requests.filter((line) => line.includes("/leases/")).length).toBeGreaterThan(6)
    expect(b.leading).toBe(false)
    expect(patches()).toBe(0)
    a.write({ ...NONE, tlsRoutes: [routeStatus("one", parent(OURS))] })
    await a.flushed()
    expect(stored("one")).toEqual([parent(OURS)])
  })

  test("a holder that closes hands over at once, and the next writes what it knows", async () => {
    const a = await start({ lease: { ...LEASE, identity: "a" } })
    await expect.poll(() => a.leading).toBe(true)
    const b = await start({ lease: { ...LEASE, identity: "b" } })
    b.write({ ...NONE, tlsRoutes: [routeStatus("one", parent(OURS))] })
    await a.close()
    expect(leader()).toBe("")
    await expect.poll(() => stored("one")).toEqual([parent(OURS)])
    expect(leader()).toBe("b")
    expect(api.get("leases", "tlsroute", "system")?.spec).toMatchObject({ leaseTransitions: 1 })
  })

  test("a holder that is silent is followed after the lease's duration, not before", async () => {
    api.put("leases", {
      metadata: { namespace: "system", name: "tlsroute" },
      spec: { holderIdentity: "dead", leaseDurationSeconds: 1, renewTime: "2020-01-01T00:00:00.000000Z" },
    })
    const started = performance.now()
    const b = await start({ lease: { ...LEASE, identity: "b" } })
    await expect.poll(() => b.leading).toBe(true)
    // Its clock may be wrong: only what we saw counts.
    expect(performance.now() - started).toBeGreaterThan(1_000)
  })

  test("a holder that cannot renew stops writing before another may begin", async () => {
    const a = await start({ lease: { ...LEASE, durationMs: 6_000, identity: "a" } })
    await expect.poll(() => a.leading).toBe(true)
    api.fault = (request) => (request.includes("/leases") ? 500 : undefined)
    const started = performance.now()
    await expect.poll(() => a.leading, { interval: 5 }).toBe(false)
    expect(performance.now() - started).toBeLessThan(6_000)
    expect(events.some(({ type }) => type === "lease-failed")).toBe(true)
  })

  test("a holder that was stopped for longer than the lease lasts does not believe that it still holds it", async () => {
    const a = await start({ lease: { ...LEASE, durationMs: 1_000, identity: "a" } })
    await expect.poll(() => a.leading).toBe(true)
    const until = performance.now() + 1_000
    while (performance.now() < until);
    expect(a.leading).toBe(false)
    a.write({ ...NONE, tlsRoutes: [routeStatus("one", parent(OURS))] })
    await expect.poll(() => stored("one")).toEqual([parent(OURS)])
    const told = events.flatMap((event) => (event.type === "leader" ? [event.leading] : []))
    expect(told.slice(0, 3)).toEqual([true, false, true])
  })

  test("of two that reach for a free lease at once, one gets it", async () => {
    const [a, b] = await Promise.all(["a", "b"].map((identity) => start({ lease: { ...LEASE, identity } })))
    await expect.poll(() => a?.leading || b?.leading).toBe(true)
    expect(a?.leading).not.toBe(b?.leading)
  })
})
