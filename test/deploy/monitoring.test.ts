import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer as createHttpServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { connect, createServer, type TLSSocket } from "node:tls"
import { collectDefaultMetrics } from "prom-client"
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { parse } from "yaml"
import { createPassthroughGateway } from "../../src/gateway/gateway.ts"
import { createMetrics } from "../../src/metrics/metrics.ts"
import { objectSource } from "../../src/sources/object-source.ts"
import { selfSigned } from "../support/certificate.ts"
import { freePort } from "../support/free-port.ts"
import { oneRoute } from "../support/resources.ts"

const root = resolve(import.meta.dirname, "../..")
const ALERTS = join(root, "deploy/prometheus/alerts.yaml")

interface Panel {
  readonly title: string
  readonly targets?: readonly { readonly expr: string }[]
}

const dashboard: {
  readonly panels: readonly Panel[]
  readonly annotations: { readonly list: readonly { readonly name: string; readonly expr: string }[] }
} = JSON.parse(readFileSync(join(root, "deploy/grafana/tlsroute.json"), "utf8"))
const alerts: {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
} = parse(readFileSync(ALERTS, "utf8"))

/** As Grafana puts in what a person chose. */
const queries = [
  ...dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr }))),
  ...dashboard.annotations.list.map(({ name, expr }) => ({ title: `annotation ${name}`, expr })),
  ...alerts.groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => ({ title: alert, expr }))),
].map(({ title, expr }) => ({
  title,
  expr: expr.replaceAll("$job", ".*").replaceAll("$instance", ".*").replaceAll("$__rate_interval", "10s"),
}))

/** Panels that have nothing to show where nothing goes wrong, or nobody speaks QUIC. */
const QUIET = /QUIC|Unhealthy|Retries|left out|looked up|not reached|no client caused|^annotation|^Tlsroute/

function missingPrometheus(): string | undefined {
  if (spawnSync("promtool", ["--version"], { stdio: "ignore" }).status === 0) return undefined
  if (process.env["TLSROUTE_REQUIRE_CLIENTS"] === "1") throw new Error("prometheus must be installed")
  return "prometheus is not installed"
}

describe.skipIf(missingPrometheus() !== undefined)("the dashboard and the alerts (in Debian's Prometheus)", () => {
  let prometheus: string
  let stop: () => Promise<void>

  beforeAll(async () => {
    const directory = mkdtempSync(join(tmpdir(), "tlsroute-prometheus-"))
    const backend = createServer(selfSigned(["shop.example"]), (socket) => {
      socket.on("error", () => {})
      socket.write("hello")
    })
    backend.listen(0, "127.0.0.1")
    await once(backend, "listening")
    const gateway = createPassthroughGateway({
      source: objectSource(oneRoute("shop", "shop.example", "origin.example")),
      address: "127.0.0.1",
      mapPort: () => 0,
      externalBackends: ["origin.example"],
      resolve: { "origin.example": `127.0.0.1:${(backend.address() as AddressInfo).port}` },
    })
    const { registry } = createMetrics({ gateway })
    collectDefaultMetrics({ register: registry })
    await gateway.start()
    const scraped = createHttpServer(async (_, response) => {
      response.setHeader("content-type", registry.contentType).end(await registry.metrics())
    }).listen(0, "127.0.0.1")
    await once(scraped, "listening")

    const port = await freePort()
    const target = `127.0.0.1:${(scraped.address() as AddressInfo).port}`
    const config = {
      scrape_configs: [{ job_name: "edge", scrape_interval: "1s", static_configs: [{ targets: [target] }] }],
    }
    const file = join(directory, "prometheus.yml")
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(config))
    const server = spawn(
      "prometheus",
      [`--config.file=${file}`, `--storage.tsdb.path=${directory}/data`, `--web.listen-address=127.0.0.1:${port}`],
      { stdio: "ignore" },
    )
    prometheus = `http://127.0.0.1:${port}`
    const [bound] = gateway.addresses()
    const open = (servername: string): TLSSocket => {
      const port = bound?.bound ? bound.port : 0
      return connect({ host: "127.0.0.1", port, servername, rejectUnauthorized: false }).on("error", () => {})
    }
    const visit = (servername: string): void => {
      const socket = open(servername)
      socket.once("data", () => socket.end())
    }
    const guest = open("shop.example")
    const traffic = setInterval(() => ["shop.example", "nobody.example"].forEach(visit), 200)
    stop = async () => {
      clearInterval(traffic)
      guest.destroy()
      server.kill()
      await once(server, "exit")
      scraped.close()
      await gateway.close({ drainTimeout: 0 })
      backend.close()
      rmSync(directory, { recursive: true, force: true })
    }
  }, 60_000)

  afterAll(() => stop?.())

  async function ask(
    expr: string,
  ): Promise<{ readonly status: string; readonly count: number; readonly error?: string }> {
    const response = await fetch(`${prometheus}/api/v1/query?${new URLSearchParams({ query: expr })}`)
    const answer = (await response.json()) as { status: string; error?: string; data?: { result: readonly unknown[] } }
    return {
      status: answer.status,
      count: answer.data?.result.length ?? 0,
      ...(answer.error && { error: answer.error }),
    }
  }

  it("ask for nothing that a gateway with traffic does not tell", async () => {
    const told = async () =>
      (await ask("rate(tlsroute_dial_duration_seconds_count[10s]) > 0").catch(() => undefined))?.count
    await expect.poll(told, { timeout: 40_000, interval: 500 }).toBe(1)
    for (const { title, expr } of queries) {
      const { status, error } = await ask(expr)
      expect([title, status, error]).toEqual([title, "success", undefined])
      // A rate is there with the second time that its own series is scraped, which may come late.
      if (!QUIET.test(title))
        await expect.poll(async () => (await ask(expr)).count, { message: title }).toBeGreaterThan(0)
    }
  }, 60_000)

  it("ask for metrics that there are", async () => {
    const response = await fetch(`${prometheus}/api/v1/targets/metadata?metric=`)
    const { data } = (await response.json()) as { data: readonly { readonly metric: string }[] }
    const known = new Set(data.map(({ metric }) => metric))
    for (const { title, expr } of queries) {
      for (const [name] of expr.matchAll(/\b(?:tlsroute|process|nodejs)_\w+/g)) {
        const family = name.replace(/_(?:total|bucket|count|sum)$/, "")
        expect([title, known.has(family) || known.has(name)]).toEqual([title, true])
      }
    }
  })

  it("are rules that promtool accepts", () => {
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "rules", ALERTS], { encoding: "utf8" })
    expect([status, stderr]).toEqual([0, ""])
    expect(stdout).toContain(`${alerts.groups[0]?.rules.length} rules found`)
  })

  // Each with what a gateway tells once a minute, in promtool's own words, when somebody is to be called.
  it.each<[alert: string, labels: string, series: Readonly<Record<string, string>>]>([
    ["TlsroutePortNotBound", "", { 'tlsroute_bindings{state="unbound"}': "1x30" }],
    ["TlsrouteConfigurationErrors", "", { 'tlsroute_config_problems{severity="error"}': "2x30" }],
    [
      "TlsrouteRefusals",
      "listener",
      {
        'tlsroute_connections_closed_total{listener="*:443",outcome="refused"}': "0+10x30",
        'tlsroute_connections_closed_total{listener="*:443",outcome="completed"}': "0+90x30",
      },
    ],
    [
      "TlsrouteBackendUnreachable",
      "route",
      { 'tlsroute_connections_closed_total{route="shop/shop",outcome="dial-failed"}': "0+60x30" },
    ],
    ["TlsrouteEndpointsUnhealthy", "target", { 'tlsroute_endpoints_unhealthy{target="shop/shop:443"}': "1x30" }],
    ["TlsrouteEndpointsEjected", "target", { 'tlsroute_endpoint_ejections_total{target="shop/shop:443"}': "1+1x30" }],
    ["TlsrouteLookupsFail", "host", { 'tlsroute_lookup_failures_total{host="origin.example"}': "1+1x30" }],
    ["TlsrouteWorkersDie", "", { tlsroute_worker_restarts_total: "0+1x30" }],
    ["TlsrouteEventLoopLate", "", { nodejs_eventloop_lag_p99_seconds: "0.3x30" }],
    ["TlsrouteDescriptorsScarce", "", { process_open_fds: "900x30", process_max_fds: "1000x30" }],
  ])("call for %s when that happens, and not otherwise", (alert, label, series) => {
    const directory = mkdtempSync(join(tmpdir(), "tlsroute-alerts-"))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const test = (values: (text: string) => string) => ({
      interval: "1m",
      input_series: Object.entries(series).map(([name, text]) => ({ series: name, values: values(text) })),
      promql_expr_test: [],
    })
    const firing = `count(ALERTS{alertname="${alert}",alertstate="firing"${label === "" ? "" : `,${label}!=""`}})`
    const ask = (samples: readonly object[]) => [{ expr: firing, eval_time: "25m", exp_samples: samples }]
    const quiet = (text: string) => text.replace(/^[\d.]+(?:\+\d+)?/, "0")
    const tests = [
      { ...test((text) => text), promql_expr_test: ask([{ labels: "{}", value: 1 }]) },
      { ...test(quiet), promql_expr_test: ask([]) },
    ]
    const file = join(directory, "test.yml")
    // JSON is YAML.
    writeFileSync(file, JSON.stringify({ rule_files: [ALERTS], evaluation_interval: "1m", tests }))
    const { status, stdout, stderr } = spawnSync("promtool", ["test", "rules", file], { encoding: "utf8" })
    expect([status, stdout + stderr]).toEqual([0, expect.stringContaining("SUCCESS")])
  })

  it("have a case above for each alert", () => {
    const text = readFileSync(import.meta.filename, "utf8")
    for (const { alert } of alerts.groups.flatMap(({ rules }) => rules)) expect(text).toContain(`"${alert}"`)
  })
})
