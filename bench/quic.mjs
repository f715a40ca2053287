// CPU for QUIC datagrams, beside nginx's stream proxy and Envoy's udp_proxy, in one run: node bench/quic.mjs [MEGABYTES]
// Needs a build (npm run build) and Go; nginx with its stream module and Envoy where they are to be measured (see
// install-peers.sh). One client of quic-go downloads that much and uploads it again, five times through each in turn,
// from a server of quic-go that stands behind all. The gateway counts the datagrams; the others pass on as many.
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { ownCpu, startGateway, startServer } from "./quic-gateway.mjs"

const TURNS = 5
const megabytes = Number(process.argv[2] ?? 40)
const server = await startServer()
const children = []

async function freePort() {
  const free = createServer().listen(0, "127.0.0.1")
  await once(free, "listening")
  const { port } = free.address()
  free.close()
  return port
}

function start(program, ...args) {
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] })
  children.push(child)
  // Fields 14 and 15 of proc(5) stat: user and system time, in hundredths of a second.
  return () => {
    const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1].split(" ")
    return (Number(fields[11]) + Number(fields[12])) / 100
  }
}

async function startNginx() {
  const port = await freePort()
  const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so"
  const config = join(server.directory, "nginx.conf")
  writeFileSync(
    config,
    `${existsSync(streamModule) ? `load_module ${streamModule};` : ""} daemon off; master_process off;
     pid ${server.directory}/pid; error_log /dev/null; events { worker_connections 1024; }
     stream { server { listen 127.0.0.1:${port} udp; proxy_pass 127.0.0.1:${server.port}; } }`,
  )
  return { name: "nginx", port, cpu: start("nginx", "-c", config, "-p", server.directory) }
}

async function startEnvoy(program) {
  const port = await freePort()
  const at = (portValue) => ({ socket_address: { address: "127.0.0.1", port_value: portValue, protocol: "UDP" } })
  const udpProxy = {
    "@type": "type.googleapis.com/envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig",
    stat_prefix: "quic",
    matcher: {
      on_no_match: {
        action: {
          name: "route",
          typed_config: {
            "@type": "type.googleapis.com/envoy.extensions.filters.udp.udp_proxy.v3.Route",
            cluster: "app",
          },
        },
      },
    },
  }
  const lbEndpoints = [{ endpoint: { address: at(server.port) } }]
  const config = {
    static_resources: {
      listeners: [
        {
          name: "quic",
          address: at(port),
          udp_listener_config: {},
          listener_filters: [{ name: "envoy.filters.udp_listener.udp_proxy", typed_config: udpProxy }],
        },
      ],
      clusters: [
        {
          name: "app",
          type: "STATIC",
          load_assignment: { cluster_name: "app", endpoints: [{ lb_endpoints: lbEndpoints }] },
        },
      ],
    },
  }
  const file = join(server.directory, "envoy.json")
  writeFileSync(file, JSON.stringify(config))
  const args = ["-c", file, "--concurrency", "1", "--base-id", String(process.pid % 10_000), "--log-level", "off"]
  return { name: "Envoy", port, cpu: start(program, ...args) }
}

const gateway = await startGateway(server.port)
const [{ port }] = gateway.addresses()
let passed = 0
gateway.on("close", ({ datagramsFromClient, datagramsFromBackend }) => {
  passed += datagramsFromClient + datagramsFromBackend
})
const proxies = [{ name: "tlsroute", port, cpu: ownCpu }]
proxies.push(await startNginx())
const envoy = process.env["ENVOY"] ?? resolve(import.meta.dirname, "out/peers/envoy/envoy")
if (existsSync(envoy)) proxies.push(await startEnvoy(envoy))
else console.log(`no Envoy at ${envoy}: it is not measured`)
await sleep(2_000)

const used = new Map(proxies.map(({ name }) => [name, []]))
for (let turn = 0; turn < TURNS; turn++) {
  for (const proxy of proxies) {
    const before = proxy.cpu()
    await server.client(proxy.port, "-bytes", String(megabytes * 1_000_000))
    used.get(proxy.name).push(proxy.cpu() - before)
  }
}
await gateway.close({ drainTimeout: 0 })
for (const child of children) child.kill()
server.stop()

const datagrams = passed / TURNS
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]
console.log(`${Math.round(datagrams)} datagrams each time`)
for (const [name, seconds] of used) {
  const [least, most] = [Math.min(...seconds), Math.max(...seconds)].map((value) => value.toFixed(2))
  const middle = median(seconds)
  const ratio = median(seconds.map((value, turn) => used.get("tlsroute")[turn] / value))
  console.log(
    `${name}: ${middle.toFixed(2)} s of CPU (${least} to ${most}), ${Math.round(datagrams / middle)} datagrams per ` +
      `CPU-second; tlsroute takes ${ratio.toFixed(2)} times as much`,
  )
}
