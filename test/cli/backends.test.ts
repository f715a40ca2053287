import { once } from "node:events"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { connect } from "node:tls"
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest"
import { freePort } from "../support/free-port.ts"
import { gateway, listener, resources, route, service } from "../support/resources.ts"
import { Cli, linesOf } from "./cli.ts"

let cli: Cli
let directory: string

beforeAll(async () => {
  cli = await Cli.build()
  directory = cli.folder
})

afterAll(async () => {
  await cli[Symbol.asyncDispose]()
})

it("says in the log and in the metrics which endpoints are left out, and which names cannot be looked up", async () => {
  const [port, admin, dead] = await Promise.all([freePort(), freePort(), freePort()])
  const file = join(directory, "gateway.json")
  const { gateways, tlsRoutes, services, endpointSlices } = resources(
    { gateways: [gateway([listener("tls", port)])] },
    { tlsRoutes: [route("dead", ["dead.example"], [{ name: "dead", port: 443 }])] },
    { tlsRoutes: [route("gone", ["gone.example"], [{ name: "gone.invalid", port: 443 }])] },
    service("dead", [dead]),
  )
  const items = [gateways, tlsRoutes, services, endpointSlices].flat()
  await writeFile(file, JSON.stringify({ apiVersion: "v1", kind: "List", items }))
  const flags = ["--address", "127.0.0.1", "--admin", `127.0.0.1:${admin}`, "--external-backends", "gone.invalid"]
  const child = cli.start(["run", file, "--json", "--policy", "eject-after=1", ...flags])
  onTestFinished(async () => {
    child.kill("SIGKILL")
    await once(child, "close")
  })
  const line = linesOf(child.stdout)
  const event = async (name: string): Promise<unknown> => {
    for (;;) {
      const told = JSON.parse(await line())
      if (told.event === name) return told
    }
  }
  const visit = (servername: string) =>
    connect({ port, host: "127.0.0.1", servername, rejectUnauthorized: false }).on("error", () => undefined)
  await event("started")
  visit("dead.example")
  expect(await event("eject")).toMatchObject({
    level: 40,
    target: "Service/default/dead:443",
    endpoint: { address: "127.0.0.1", port: dead },
    transport: "tcp",
    times: 1,
    duration: 10_000,
  })
  visit("gone.example")
  expect(await event("lookup-failed")).toMatchObject({ level: 40, host: "gone.invalid", covered: false })
  const scraped = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text()
  expect(scraped).toContain('tlsroute_endpoint_ejections_total{target="Service/default/dead:443"} 1\n')
  expect(scraped).toMatch(/^tlsroute_lookup_failures_total\{host="gone\.invalid"\} [1-9]/m)
  // What an operator asks of the process itself.
  for (const name of ["build_info{", "worker_restarts_total 0", "dial_attempts_total{"]) {
    expect(scraped).toContain(`tlsroute_${name}`)
  }
  for (const name of [
    "process_start_time_seconds",
    "process_open_fds",
    "process_max_fds",
    "nodejs_eventloop_lag_p99",
  ]) {
    expect(scraped).toMatch(new RegExp(`^${name}\\w* \\d`, "m"))
  }
}, 60_000)
