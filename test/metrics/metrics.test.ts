import { EventEmitter } from "node:events"
import { readFileSync } from "node:fs"
import { Counter, Histogram, Registry } from "prom-client"
import { describe, expect, it } from "vitest"
import { BoundedLabels } from "../../src/metrics/bounded-labels.ts"
import { createMetrics, type MetricsOptions } from "../../src/metrics/metrics.ts"
import type { ConnectionInfo, ConnectionRecord } from "../../src/proxy/connection/record.ts"

interface Listed {
  readonly name: string
  readonly help: string
  readonly labelNames: readonly string[]
}

const NOTHING = {
  bytesFromClient: 0,
  bytesFromBackend: 0,
  datagramsFromClient: 0,
  datagramsFromBackend: 0,
  dialAttempts: 0,
  durations: { hello: undefined, dial: undefined },
}

class Source extends EventEmitter {
  readonly connections = new Set<ConnectionInfo>()

  closes(record: Partial<ConnectionRecord>): void {
    const durations = { hello: 2, dial: 3, total: 1500 }
    const whole = {
      listener: "*:443",
      transport: "tcp",
      route: "a/b",
      outcome: "completed",
      endedBy: "client",
      kind: "spliced",
      ...NOTHING,
      dialAttempts: 1,
      durations,
    }
    this.emit("close", { ...whole, bytesFromClient: 10, bytesFromBackend: 20, ...record })
  }

  applies(...names: string[]): void {
    const routes = names.map((name) => ({ ref: { namespace: "a", name } }))
    const problems = [{ severity: "error" }, { severity: "warning" }, { severity: "warning" }]
    this.emit("config", { table: { routes }, problems, bindings: [{ bound: true }, { bound: false }] })
  }
}

function setup(options: { maxRoutes?: number; registry?: Registry } = {}) {
  const source = new Source()
  const metrics = createMetrics({ gateway: source, ...options })
  const lines = async () => (await metrics.registry.metrics()).split("\n").filter((line) => !line.startsWith("#"))
  return { source, metrics, lines }
}

describe("metrics", () => {
  it("are OpenMetrics, with units in the names and every counter a total", async () => {
    const { source, metrics } = setup()
    source.closes({})
    expect(metrics.registry.contentType).toContain("openmetrics")
    const text = await metrics.registry.metrics()
    expect(text).toMatch(/# EOF\n$/)
    expect(text).toContain("# TYPE tlsroute_connections_closed counter")
    expect(text).toContain("tlsroute_connections_closed_total{")
  })

  it("count a connection by how it ended, its bytes and its phases in seconds", async () => {
    const { source, lines } = setup()
    source.emit("connection", { listener: "*:443", transport: "tcp" })
    source.closes({})
    const text = await lines()
    expect(text).toEqual(
      expect.arrayContaining([
        'tlsroute_connections_accepted_total{listener="*:443",transport="tcp"} 1',
        'tlsroute_connections_closed_total{listener="*:443",route="a/b",transport="tcp",outcome="completed",ended_by="client"} 1',
        'tlsroute_transferred_bytes_total{listener="*:443",route="a/b",transport="tcp",direction="from_client"} 10',
        'tlsroute_transferred_bytes_total{listener="*:443",route="a/b",transport="tcp",direction="from_backend"} 20',
        'tlsroute_dial_attempts_total{route="a/b"} 1',
        'tlsroute_hello_duration_seconds_sum{listener="*:443"} 0.002',
        'tlsroute_dial_duration_seconds_sum{route="a/b"} 0.003',
        'tlsroute_connection_duration_seconds_sum{listener="*:443"} 1.5',
      ]),
    )
  })

  it("count live connections by state when they are read", async () => {
    const { source, lines } = setup()
    const connection = (state: string) =>
      ({ ...NOTHING, listener: "*:443", transport: "tcp", state }) as unknown as ConnectionInfo
    source.connections.add(connection("splicing")).add(connection("splicing")).add(connection("hello"))
    expect(await lines()).toContain('tlsroute_connections_active{listener="*:443",transport="tcp",state="splicing"} 2')
    source.connections.clear()
    expect((await lines()).filter((line) => line.startsWith("tlsroute_connections_active"))).toEqual([])
  })

  it("count QUIC apart: its connections, its datagrams, and those that went nowhere", async () => {
    const { source, lines } = setup()
    source.closes({ transport: "quic", outcome: "idle-timeout", datagramsFromClient: 3, datagramsFromBackend: 4 })
    source.emit("drops", { "unknown-flow": 5, amplification: 1 })
    source.emit("drops", { "unknown-flow": 2 })
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'tlsroute_transferred_bytes_total{listener="*:443",route="a/b",transport="quic",direction="from_client"} 10',
        'tlsroute_transferred_datagrams_total{listener="*:443",route="a/b",direction="from_client"} 3',
        'tlsroute_transferred_datagrams_total{listener="*:443",route="a/b",direction="from_backend"} 4',
        'tlsroute_dropped_datagrams_total{reason="unknown-flow"} 7',
        'tlsroute_dropped_datagrams_total{reason="amplification"} 1',
      ]),
    )
  })

  it("tell of the configuration and of errors", async () => {
    const { source, lines } = setup()
    source.applies("b", "c")
    source.once("error", () => {})
    source.emit("error", Object.assign(new Error("x"), { code: "ERR_TLSROUTE_SOURCE" }))
    expect(await lines()).toEqual(
      expect.arrayContaining([
        "tlsroute_config_applied_total 1",
        "tlsroute_routes 2",
        'tlsroute_config_problems{severity="warning"} 2',
        'tlsroute_bindings{state="unbound"} 1',
        'tlsroute_errors_total{code="ERR_TLSROUTE_SOURCE"} 1',
      ]),
    )
  })

  it("tell of endpoints that active checks find unhealthy, and forget targets that have none", async () => {
    const { source, lines } = setup()
    for (const healthy of [false, false, true]) source.emit("health", { target: "shop/checkout:443", healthy })
    expect(await lines()).toContain('tlsroute_endpoints_unhealthy{target="shop/checkout:443"} 1')
    source.emit("health", { target: "shop/checkout:443", healthy: true })
    expect((await lines()).filter((line) => line.startsWith("tlsroute_endpoints_unhealthy"))).toEqual([])
  })

  it("never have a name that a client sent as a label", async () => {
    const { source, metrics } = setup()
    for (let turn = 0; turn < 100; turn++) {
      source.closes({ route: undefined, serverName: `evil-${turn}.example`, outcome: "refused" })
    }
    const text = await metrics.registry.metrics()
    expect(text).not.toContain("evil")
    expect(text).toContain('route="",transport="tcp",outcome="refused",ended_by="client"} 100')
  })

  it("count routes beyond the bound together", async () => {
    const { source, lines } = setup({ maxRoutes: 2 })
    for (const route of ["a/1", "a/2", "a/3", "a/4", "a/1"]) source.closes({ route })
    const dials = (await lines()).filter((line) => line.startsWith("tlsroute_dial_attempts"))
    expect(dials).toEqual([
      'tlsroute_dial_attempts_total{route="a/1"} 2',
      'tlsroute_dial_attempts_total{route="a/2"} 1',
      'tlsroute_dial_attempts_total{route="other"} 2',
    ])
  })

  it("count bytes of live connections as they flow, and none of them twice", async () => {
    const { source, lines } = setup()
    const live = { ...NOTHING, listener: "*:443", transport: "tcp", state: "splicing", route: "a/b" }
    const connection = { ...live, bytesFromClient: 5, bytesFromBackend: 7 } as unknown as ConnectionInfo
    source.connections.add(connection)
    source.closes({})
    const sent = async () => (await lines()).filter((line) => /^tlsroute_transferred_bytes.*route="a\/b".*/.test(line))
    expect((await sent()).map((line) => line.split("} ")[1])).toEqual(["15", "27"])
    source.connections.delete(connection)
    source.closes({ bytesFromClient: 6, bytesFromBackend: 8 })
    expect((await sent()).map((line) => line.split("} ")[1])).toEqual(["16", "28"])
  })

  it("keep what they counted of a route that is gone, and go on from there when it comes back", async () => {
    const { source, lines } = setup()
    source.closes({ route: "a/1" })
    source.applies()
    source.applies("1")
    source.closes({ route: "a/1" })
    expect(await lines()).toContain('tlsroute_dial_attempts_total{route="a/1"} 2')
  })

  it("count retries by route", async () => {
    const { source, lines } = setup()
    source.closes({ dialAttempts: 3 })
    source.closes({ dialAttempts: 0 })
    expect(await lines()).toContain('tlsroute_dial_retries_total{route="a/b"} 2')
  })

  it("count what came to nothing before TLS by protocol, side and code", async () => {
    const { source, lines } = setup()
    const failed = { starttls: "postgres", outcome: "starttls-failed", detail: "STARTTLS_REQUIRED" } as const
    for (const record of [failed, failed]) source.closes(record)
    source.closes({ starttls: "smtp", outcome: "dial-failed", detail: "STARTTLS_REFUSED" })
    source.closes({ starttls: "smtp", outcome: "client-gone", detail: "STARTTLS_QUIT" })
    source.closes({ starttls: "smtp", outcome: "dial-failed", detail: "ECONNREFUSED" })
    source.closes({ starttls: "smtp" })
    expect((await lines()).filter((line) => line.startsWith("tlsroute_starttls"))).toEqual([
      'tlsroute_starttls_failures_total{listener="*:443",starttls="postgres",side="client",code="STARTTLS_REQUIRED"} 2',
      'tlsroute_starttls_failures_total{listener="*:443",starttls="smtp",side="backend",code="STARTTLS_REFUSED"} 1',
    ])
  })

  it("where there is no room left, forget routes that are gone, once no connection of theirs is left", async () => {
    const { source, lines } = setup({ maxRoutes: 1 })
    const of = { listener: "*:443", transport: "tcp", state: "splicing", route: "a/1" }
    const live = { ...NOTHING, ...of } as unknown as ConnectionInfo
    source.connections.add(live)
    source.closes({ route: "a/1" })
    const routes = async () => new Set((await lines()).flatMap((line) => /route="([^"]+)"/.exec(line)?.[1] ?? []))
    source.applies("3")
    expect(await routes()).toEqual(new Set(["a/1"]))
    source.connections.delete(live)
    source.applies("3")
    source.closes({ route: "a/3" })
    expect(await routes()).toEqual(new Set(["a/3"]))
  })

  it("count what befalls backends and workers", async () => {
    const { source, lines } = setup()
    expect(await lines()).toContain("tlsroute_worker_restarts_total 0")
    source.emit("eject", { target: "shop/checkout:443" })
    source.emit("eject", { target: "shop/checkout:443" })
    source.emit("lookupFailed", { host: "origin.example" })
    source.emit("worker", { worker: 1, reason: "it exited", lost: 3 })
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'tlsroute_endpoint_ejections_total{target="shop/checkout:443"} 2',
        'tlsroute_lookup_failures_total{host="origin.example"} 1',
        "tlsroute_worker_restarts_total 1",
      ]),
    )
  })

  it("tell connections that begin with STARTTLS from those that begin with TLS", async () => {
    const { source, lines } = setup()
    source.emit("connection", { listener: "*:5432", transport: "tcp", starttls: "postgres" })
    source.emit("connection", { listener: "*:5432", transport: "tcp", starttls: undefined })
    source.closes({ listener: "*:5432", starttls: "postgres" })
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'tlsroute_connections_accepted_total{listener="*:5432",transport="tcp",starttls="postgres"} 1',
        'tlsroute_connections_accepted_total{listener="*:5432",transport="tcp"} 1',
        'tlsroute_connections_closed_total{listener="*:5432",route="a/b",transport="tcp",starttls="postgres",outcome="completed",ended_by="client"} 1',
      ]),
    )
  })

  it("count dials, times and datagrams of live connections, which may live for days, and none of them twice", async () => {
    const { source, lines } = setup()
    const of = { listener: "*:443", transport: "quic", state: "splicing", route: "a/b" }
    const done = { dialAttempts: 3, durations: { hello: 2, dial: 3 }, datagramsFromClient: 7 }
    const live = { ...NOTHING, ...of, ...done } as unknown as ConnectionInfo
    source.connections.add(live)
    const told = [
      'tlsroute_dial_attempts_total{route="a/b"} 3',
      'tlsroute_dial_retries_total{route="a/b"} 2',
      'tlsroute_transferred_datagrams_total{listener="*:443",route="a/b",direction="from_client"} 7',
      'tlsroute_hello_duration_seconds_count{listener="*:443"} 1',
      'tlsroute_dial_duration_seconds_sum{route="a/b"} 0.003',
    ]
    expect(await lines()).toEqual(expect.arrayContaining(told))
    expect((await lines()).filter((line) => line.startsWith("tlsroute_connection_duration"))).toEqual([])
    source.connections.delete(live)
    source.closes({ ...of, ...done, durations: { hello: 2, dial: 3, total: 9 } } as Partial<ConnectionRecord>)
    expect(await lines()).toEqual(expect.arrayContaining(told))
  })

  it("are written as prom-client writes its own, in text and in JSON", async () => {
    const { source, metrics } = setup({ registry: new Registry() })
    const theirs = new Registry()
    const registers = [theirs]
    const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
    const about = (name: string) =>
      metrics.registry.getMetricsAsArray().find((metric) => metric.name === name)?.help ?? ""
    const name = "tlsroute_dial_duration_seconds"
    const histogram = new Histogram({ name, help: about(name), labelNames: ["route"], buckets, registers })
    const total = "tlsroute_dial_attempts_total"
    const counter = new Counter({ name: total, help: about(total), labelNames: ["route"], registers })
    for (const route of ["a/b", 'with "quotes"']) {
      for (const dial of [0, 1, 1.0001, 50, 100, 900, 1_000, 1_500, 86_400_000]) {
        source.closes({ route, durations: { hello: 0, dial, total: dial } })
        histogram.observe({ route }, dial / 1_000)
        counter.inc({ route })
      }
    }
    for (const each of [name, total]) {
      expect(await metrics.registry.getSingleMetricAsString(each)).toBe(await theirs.getSingleMetricAsString(each))
    }
    const values = async (registry: Registry) =>
      (await registry.getMetricsAsJSON())
        .find((metric) => metric.name === name)
        ?.values.map((value) => ({
          ...value,
          exemplar: undefined,
        }))
    expect(await values(metrics.registry)).toEqual(await values(theirs))
  })

  it.each<[options: unknown, words: string]>([
    [undefined, "options are missing, for example { gateway: gateway }"],
    [{}, 'the option "gateway" is missing, for example gateway: gateway'],
    [{ gatway: new Source() }, 'did you mean it by "gatway"?'],
    [{ gateway: new Source(), maxRoute: 3 }, 'there is no option "maxRoute"; did you mean "maxRoutes"?'],
    [{ gateway: {} }, 'the option "gateway" must be an object with on() and off(), not an object'],
    [{ proxy: 7 }, 'the option "proxy" must be an object with on() and off(), not 7'],
    [
      { gateway: new Source(), maxRoutes: "many" },
      'the option "maxRoutes" must be a whole number, 1 or more, not "many"',
    ],
    [{ gateway: new Source(), registry: {} }, 'the option "registry" must be an object with registerMetric()'],
  ])("refuse options that cannot be what was meant: %j", (options, words) => {
    expect(() => createMetrics(options as MetricsOptions)).toThrow(
      expect.objectContaining({ code: "ERR_TLSROUTE_OPTION", message: expect.stringContaining(words) }),
    )
  })

  it("go into a registry of the program's own, and leave it as it was", async () => {
    const registry = new Registry()
    const { source, metrics } = setup({ registry })
    expect(metrics.registry).toBe(registry)
    expect(await registry.metrics()).toContain("tlsroute_")
    metrics.close()
    source.closes({})
    expect(await registry.metrics()).not.toContain("tlsroute_")
    expect(source.eventNames()).toEqual([])
  })
})

describe("docs/observability.md", () => {
  it("lists every metric with its labels and its help", async () => {
    const text = readFileSync(new URL("../../docs/observability.md", import.meta.url), "utf8")
    const { metrics } = setup()
    for (const { name, help, labelNames } of metrics.registry.getMetricsAsArray() as unknown as Listed[]) {
      const labels = labelNames.map((label) => `\`${label}\``).join(", ")
      const row = text.split("\n").find((line) => line.startsWith(`| \`${name}\``))
      expect(row?.split("|").map((cell) => cell.trim())).toEqual(["", `\`${name}\``, labels, help, ""])
    }
  })
})

describe("BoundedLabels", () => {
  it("tell a value by the same label for as long as it is there, whatever room there is since", () => {
    const labels = new BoundedLabels(1)
    labels.admit("a")
    expect(labels.admit("b")).toBe("other")
    labels.retain(new Set(["b"]))
    expect(labels.admit("b")).toBe("other")
    labels.retain(new Set())
    expect(labels.admit("b")).toBe("b")
  })

  it("has room again when values go", () => {
    const labels = new BoundedLabels(1)
    expect([labels.admit("a"), labels.admit("b")]).toEqual(["a", "other"])
    expect(labels.retain(new Set(["b"]))).toEqual(["a"])
    expect(labels.admit("c")).toBe("c")
  })
})
