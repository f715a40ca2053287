import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer as createHttpsServer } from "node:https"
import type { Server } from "node:net"
import { text } from "node:stream/consumers"
import { setTimeout as sleep } from "node:timers/promises"
import { createServer as createTlsServer, type TLSSocket } from "node:tls"
import type { TestCluster } from "./cluster.ts"

const INFRA = "gateway-conformance-infra"
const NAMESPACES = [INFRA, "gateway-conformance-app-backend", "gateway-conformance-web-backend"]
const BACKENDS = ["tls-backend", "tls-backend-2", "tcp-backend"]

// Those of the tests with TLS listeners.
const GATEWAYS = [
  "gateway-tlsroute",
  "gateway-tlsroute-invalid-backend-ref-nonexistent",
  "gateway-tlsroute-invalid-backend-ref-unknown-kind",
  "gateway-tls-exact-hostname",
  "gateway-tls-wildcard-hostname",
  "gateway-tlsroute-tls-passthrough-only",
  "gateway-tlsroute-referencegrant",
  "gateway-tlsroute-passthrough-supported-kind",
  "gateway-tlsroute-terminate-unsupported",
  "gw-tlsroute-exact-hostname-x-1",
  "gw-tlsroute-more-specific-wc-hostname-x-2",
  "gw-tlsroute-less-specific-wc-hostname-x-3",
  "gw-tlsroute-empty-hostname-x-4",
  "gw-tlsroute-exact-hostname-x",
  "gw-tlsroute-wc-hostname-x",
]

/** First address that a Gateway of the suite is given. */
export const FIRST_ADDRESS = "127.78.0.1"

/** Flags by which every Gateway has an address of its own, as from a load balancer: all of them listen on port 443. */
export const GATEWAY_ADDRESSES: readonly string[] = GATEWAYS.flatMap((name, at) => [
  "--gateway-address",
  `${INFRA}/${name}=127.78.0.${at + 1}`,
])

/** What to run of the suite. */
export interface ConformanceRun {
  /** Extended features to claim. */
  readonly features?: readonly string[]
  /** Tests to skip. */
  readonly skip?: readonly string[]
  /** Tests to run, and no others. */
  readonly only?: readonly string[]
  /** File for the suite's report. */
  readonly report?: string
  /** Version of the implementation, for the report. */
  readonly version?: string
}

/** Runs the suite, with servers behind its Services as long as it runs; gives what it printed. */
export async function runConformance(
  cluster: TestCluster,
  { features = [], skip = [], only = [], report, version = "0.0.0" }: ConformanceRun,
): Promise<string> {
  await prepareBackends(cluster)
  const ended = new AbortController()
  const servers: Server[] = []
  const child = spawn(
    cluster.conformance,
    [
      ...["--kubeconfig", cluster.kubeconfig, "--gateway-class", "tlsroute"],
      ...["--features", features.join(), "--skip", skip.join(), "--implementation-version", version],
      // Where everything is on one machine nothing takes longer, and what fails need not fail for five minutes.
      ...["--patience", "30s", ...(report === undefined ? [] : ["--report", report])],
      ...only,
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  )
  const backends = Promise.allSettled([
    startHttpsEcho(cluster, "tls-backend", servers, ended.signal),
    startHttpsEcho(cluster, "tls-backend-2", servers, ended.signal),
    startTcpEcho(cluster, servers, ended.signal),
  ])
  try {
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")])
    return `${stdout}\n${stderr}`
  } finally {
    ended.abort()
    await backends
    for (const server of servers) server.close()
  }
}

/** The suite's pods and Services: nothing runs pods here, so that they are made ready by hand. */
async function prepareBackends(cluster: TestCluster): Promise<void> {
  const pods = BACKENDS.map((name) => [INFRA, name] as const)
  const elsewhere = NAMESPACES.slice(1).map((namespace) => [namespace, "backend"] as const)
  await cluster.apply([
    ...NAMESPACES.map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })),
    ...pods.map(([namespace, name]) => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace, name },
      spec: { ports: [{ name: "tls", port: name === "tcp-backend" ? 8443 : 443 }] },
    })),
    ...[...pods, ...elsewhere].map(([namespace, name]) => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace, name: `${name}-0` },
      spec: { containers: [{ name, image: "none" }] },
    })),
  ])
  const status = { conditions: [{ type: "Ready", status: "True" }], phase: "Running" }
  for (const [namespace, name] of [...pods, ...elsewhere]) {
    await cluster.kubectl([
      ...["patch", "pod", `${name}-0`, "--namespace", namespace, "--subresource", "status"],
      ...["--type", "merge", "--patch", JSON.stringify({ status })],
    ])
  }
}

const clusterIp = async (cluster: TestCluster, name: string): Promise<string> =>
  (await cluster.get<{ spec: { clusterIP: string } }>("service", name, "--namespace", INFRA)).spec.clusterIP

/** The certificate that the suite makes for its backends, once it has. */
async function certificate(
  cluster: TestCluster,
  name: string,
  ended: AbortSignal,
): Promise<{ readonly cert: string; readonly key: string }> {
  interface Secret {
    readonly data: Readonly<Record<string, string>>
  }
  for (;;) {
    ended.throwIfAborted()
    const secret = await cluster.get<Secret>("secret", name, "--namespace", INFRA).catch(() => undefined)
    const decode = (field: string): string => Buffer.from(secret?.data[field] ?? "", "base64").toString()
    if (secret !== undefined) return { cert: decode("tls.crt"), key: decode("tls.key") }
    await sleep(200)
  }
}

/** The suite's echo server over HTTPS, as far as its TLS tests look. */
async function startHttpsEcho(
  cluster: TestCluster,
  name: string,
  servers: Server[],
  ended: AbortSignal,
): Promise<void> {
  const server = createHttpsServer(await certificate(cluster, "tls-checks-certificate", ended), (request, response) => {
    const { servername } = request.socket as TLSSocket
    response.setHeader("content-type", "application/json")
    response.end(
      JSON.stringify({
        path: request.url,
        host: request.headers.host,
        method: request.method,
        proto: `HTTP/${request.httpVersion}`,
        headers: {},
        namespace: INFRA,
        pod: `${name}-0`,
        tls: { serverName: servername },
      }),
    )
  })
  servers.push(server.listen(443, await clusterIp(cluster, name)))
}

/** The suite's TCP echo server: it speaks first, then answers commands. */
async function startTcpEcho(cluster: TestCluster, servers: Server[], ended: AbortSignal): Promise<void> {
  const server = createTlsServer(await certificate(cluster, "tls-passthrough-checks-certificate", ended), (socket) => {
    socket.on("error", () => undefined)
    socket.write("Gateway API Test TCP Server\n")
    socket.on("data", (data) => {
      const command = data.toString().trim()
      if (command === "PING") socket.write("PONG\n")
      else if (command === "IS_TLS") socket.write("true\n")
      else if (command === "TEST") {
        const tls = { serverName: socket.servername }
        socket.write(`${JSON.stringify({ namespace: INFRA, pod: "tcp-backend-0", tls })}\n`)
      }
    })
  })
  servers.push(server.listen(8443, await clusterIp(cluster, "tcp-backend")))
}
