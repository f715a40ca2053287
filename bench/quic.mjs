// CPU for QUIC datagrams, beside nginx's stream proxy, in one run: node bench/quic.mjs [MEGABYTES]
// Needs a build (npm run build), Go, and nginx with its stream module. One client of quic-go downloads that much and
// uploads it again, three times through each, from a server of quic-go that stands behind both.
import { execFile, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import { createPassthroughGateway, objectSource } from "../dist/index.js"

const run = promisify(execFile)
const megabytes = Number(process.argv[2] ?? 40)
const directory = mkdtempSync(join(tmpdir(), "tlsroute-bench-quic-"))
const peer = join(directory, "peer")
execFileSync("go", ["build", "-o", peer, "."], { cwd: resolve(import.meta.dirname, "../test/quic-peers/go") })

const backend = spawn(peer, ["server", "-name", "a.example"], { stdio: ["ignore", "pipe", "inherit"] })
const [line] = await once(backend.stdout, "data")
const { port: backendPort } = JSON.parse(String(line))

const transfer = (port) =>
  run(peer, ["client", "-gateway", `127.0.0.1:${port}`, "-names", "a.example", "-bytes", String(megabytes * 1_000_000)])

async function measure(name, port, cpuSeconds, datagrams) {
  for (let turn = 0; turn < 3; turn++) {
    const [cpu, passed] = [cpuSeconds(), datagrams?.() ?? 0]
    await transfer(port)
    const used = cpuSeconds() - cpu
    const rate =
      datagrams === undefined ? "" : `, ${Math.round((datagrams() - passed) / used)} datagrams per CPU-second`
    console.log(`${name}: ${used.toFixed(2)} s of CPU${rate}`)
  }
}

const meta = (name, rest) => ({ metadata: { name, namespace: "default", ...rest } })
const gateway = createPassthroughGateway({
  address: "127.0.0.1",
  mapPort: () => 0,
  policies: { quic: "on" },
  source: objectSource({
    gateways: [
      {
        ...meta("gateway"),
        spec: {
          gatewayClassName: "tlsroute",
          listeners: [{ name: "tls", port: 443, protocol: "TLS", tls: { mode: "Passthrough" } }],
        },
      },
    ],
    tlsRoutes: [
      {
        ...meta("route"),
        spec: {
          parentRefs: [{ name: "gateway" }],
          hostnames: ["a.example"],
          rules: [{ backendRefs: [{ name: "app", port: 443 }] }],
        },
      },
    ],
    services: [{ ...meta("app"), spec: { clusterIP: "10.0.0.1", ports: [{ name: "tls", port: 443 }] } }],
    endpointSlices: [
      {
        ...meta("app-1", { labels: { "kubernetes.io/service-name": "app" } }),
        addressType: "IPv4",
        ports: [{ name: "tls", port: backendPort }],
        endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
      },
    ],
  }),
})
await gateway.start()
const [{ port }] = gateway.addresses()
const ownCpu = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
const passed = () =>
  [...gateway.connections].reduce((sum, each) => sum + each.datagramsFromClient + each.datagramsFromBackend, 0)
await measure("tlsroute", port, ownCpu, passed)
await gateway.close({ drainTimeout: 0 })

const free = createServer().listen(0, "127.0.0.1")
await once(free, "listening")
const nginxPort = free.address().port
free.close()
const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so"
writeFileSync(
  join(directory, "nginx.conf"),
  `${existsSync(streamModule) ? `load_module ${streamModule};` : ""} daemon off; master_process off;
   pid ${directory}/pid; error_log /dev/null; events { worker_connections 1024; }
   stream { server { listen 127.0.0.1:${nginxPort} udp; proxy_pass 127.0.0.1:${backendPort}; } }`,
)
const nginx = spawn("nginx", ["-c", join(directory, "nginx.conf"), "-p", directory], { stdio: "inherit" })
while (!existsSync(join(directory, "pid"))) await new Promise((wait) => setTimeout(wait, 50))
// Fields 14 and 15 of proc(5) stat: user and system time, in hundredths of a second.
const nginxCpu = () => {
  const fields = readFileSync(`/proc/${nginx.pid}/stat`, "utf8").split(") ")[1].split(" ")
  return (Number(fields[11]) + Number(fields[12])) / 100
}
await measure("nginx stream", nginxPort, nginxCpu)
nginx.kill()
backend.kill()
rmSync(directory, { recursive: true })
