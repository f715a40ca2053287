import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer as createHttpServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { connect, createServer, type TLSSocket } from "node:tls"
import { collectDefaultMetrics } from "prom-client"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { parse } from "yaml"
import { createPassthroughGateway } from "../../src/gateway/gateway.ts"
import { createMetrics } from "../../src/metrics/metrics.ts"
import { objectSource } from "../../src/sources/object-source.ts"
import { selfSigned } from "../support/certificate.ts"
import { freePort } from "../support/free-port.ts"

const root = resolve(import.meta.dirname, "../..")
const ALERTS = join(root, "deploy/prometheus/alerts.yaml")

interface Panel {
  readonly title: string
  readonly targets?: readonly { readonly expr: string }[]
}

const dashboard: { readonly panels: readonly Panel[] } = JSON.parse(
  readFileSync(join(root, "deploy/grafana/tlsroute.json"), "utf8"),
)
const alerts: {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
} = parse(readFileSync(ALERTS, "utf8"))

/** As Grafana puts in what a person chose. */
const queries = [
  ...dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr }))),
  ...alerts.groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => ({ title: alert, expr }))),
].map(({ title, expr }) => ({
  title,
  expr: expr.replaceAll("$job", ".*").replaceAll("$instance", ".*").replaceAll("$__rate_interval", "10s"),
}))

/** Panels that have nothing to show where nothing goes wrong, or nobody speaks QUIC. */
const QUIET = /QUIC|Unhealthy|Retries|not reached|no client caused|^Tlsroute/

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
      source: objectSource({
        gateways: [
          {
            apiVersion: "gateway.networking.k8s.io/v1",
            kind: "Gateway",
            metadata: { namespace: "shop", name: "edge" },
            spec: {
              gatewayClassName: "tlsroute",
              listeners: [{ name: "tls", port: 8443, protocol: "TLS", tls: { mode: "Passthrough" } }],
            },
          },
        ],
        tlsRoutes: [
          {
            apiVersion: "gateway.networking.k8s.io/v1",
            kind: "TLSRoute",
            metadata: { namespace: "shop", name: "shop" },
            spec: {
              parentRefs: [{ name: "edge" }],
              hostnames: ["shop.example"],
              rules: [{ backendRefs: [{ name: "origin.example", port: 443 }] }],
            },
          },
        ],
      }),
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
      const { status, count, error } = await ask(expr)
      expect([title, status, error]).toEqual([title, "success", undefined])
      if (!QUIET.test(title)) expect(count, title).toBeGreaterThan(0)
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
})
