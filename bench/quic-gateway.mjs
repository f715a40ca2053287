// A gateway that takes QUIC for a.example, in this process, with a server of quic-go behind it and clients of quic-go.
import { execFile, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import { createPassthroughGateway, objectSource } from "../dist/index.js"

const run = promisify(execFile)
const meta = (name, rest) => ({ metadata: { name, namespace: "default", ...rest } })

/** Builds the peers, and starts the server. */
export async function startServer() {
  const directory = mkdtempSync(join(tmpdir(), "tlsroute-bench-quic-"))
  const peer = join(directory, "peer")
  execFileSync("go", ["build", "-o", peer, "."], { cwd: resolve(import.meta.dirname, "../test/quic-peers/go") })
  const child = spawn(peer, ["server", "-name", "a.example"], { stdio: ["ignore", "pipe", "inherit"] })
  const [line] = await once(child.stdout, "data")
  return {
    directory,
    port: JSON.parse(String(line)).port,
    /** Runs a client against a port of 127.0.0.1. */
    client: (port, ...args) => run(peer, ["client", "-gateway", `127.0.0.1:${port}`, ...args]),
    /** Floods a port of 127.0.0.1. */
    flood: (port, ...args) => run(peer, ["flood", "-gateway", `127.0.0.1:${port}`, ...args]),
    stop() {
      child.kill()
      rmSync(directory, { recursive: true })
    },
  }
}

/** Starts a gateway in front of the server. */
export async function startGateway(serverPort) {
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
          ports: [{ name: "tls", port: serverPort }],
          endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
        },
      ],
    }),
  })
  await gateway.start()
  return gateway
}

/** Seconds of CPU that this process has used. */
export function ownCpu() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
