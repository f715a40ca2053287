import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer as createHttpsServer } from "node:https"
import { createServer as createTcpServer, type Server } from "node:net"
import { text } from "node:stream/consumers"
import { setTimeout as sleep } from "node:timers/promises"
import { createServer as createTlsServer, type TLSSocket } from "node:tls"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { createPassthroughGateway, type PassthroughGateway } from "../../src/index.ts"
import { loadClusterAccess } from "../../src/kubernetes/cluster-access.ts"
import { kubernetesSource } from "../../src/kubernetes/source.ts"
import { type StatusWriter, startStatusWriter } from "../../src/kubernetes/status-writer.ts"
import { DEFAULT_CONTROLLER_NAME } from "../../src/routing/options.ts"
import { TestCluster } from "./support/cluster.ts"
import { installTlsroute } from "./support/install.ts"

// Those of the profile GATEWAY-TLS that ask for no HTTP listener: this gateway serves none, and says so.
const TESTS = [
  "TLSRouteSimpleSameNamespace",
  "TLSRouteHostnameIntersection",
  "TLSRouteInvalidBackendRefNonexistent",
  "TLSRouteInvalidBackendRefUnknownKind",
  "TLSRouteInvalidNoMatchingListenerHostname",
  "TLSRouteInvalidReferenceGrant",
  "TLSRouteListenerPassthroughSupportedKinds",
  "TLSRouteListenerTerminateNotSupported",
  "GatewayInvalidParametersRef",
  "GatewayClassObservedGenerationBump",
] as const

const INFRA = "gateway-conformance-infra"
const NAMESPACES = [INFRA, "gateway-conformance-app-backend", "gateway-conformance-web-backend"]

let cluster: TestCluster
let gateway: PassthroughGateway
let writer: StatusWriter
let obstacle: string | undefined
const servers: Server[] = []

/** Every Gateway has an address of its own, as from a load balancer: all of them listen on port 443. */
function addressOf(): (gateway: { readonly namespace: string; readonly name: string }) => readonly string[] {
  const given = new Map<string, string>()
  return ({ namespace, name }) => {
    const key = `${namespace}/${name}`
    const address = given.get(key) ?? `127.78.0.${given.size + 1}`
    given.set(key, address)
    return [address]
  }
}

async function portObstacle(): Promise<string | undefined> {
  const server = createTcpServer()
  const outcome = Promise.race([once(server, "listening").then(() => undefined), once(server, "error")])
  server.listen(443, "127.78.0.1")
  const error = await outcome.catch((cause: Error) => [cause])
  server.close()
  return error === undefined ? undefined : `port 443 cannot be bound: ${(error as Error[])[0]?.message}`
}

/** The suite's pods and Services: nothing runs pods here, so that they are made ready by hand. */
async function prepareBackends(): Promise<void> {
  const pods = [...["tls-backend", "tls-backend-2", "tcp-backend"].map((name) => [INFRA, name] as const)]
  const elsewhere = NAMESPACES.slice(1).map((namespace) => [namespace, "backend"] as const)
  const services = pods.map(([namespace, name]) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace, name },
    spec: { ports: [{ name: "tls", port: name === "tcp-backend" ? 8443 : 443 }] },
  }))
  const objects = [
    ...NAMESPACES.map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })),
    ...services,
    ...[...pods, ...elsewhere].map(([namespace, name]) => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace, name: `${name}-0` },
      spec: { containers: [{ name, image: "none" }] },
    })),
  ]
  await cluster.apply(objects)
  const status = { conditions: [{ type: "Ready", status: "True" }], phase: "Running" }
  for (const [namespace, name] of [...pods, ...elsewhere]) {
    await cluster.kubectl([
      ...["patch", "pod", `${name}-0`, "--namespace", namespace, "--subresource", "status"],
      ...["--type", "merge", "--patch", JSON.stringify({ status })],
    ])
  }
}

const clusterIp = async (name: string): Promise<string> =>
  (await cluster.get<{ spec: { clusterIP: string } }>("service", name, "--namespace", INFRA)).spec.clusterIP

/** The certificate that the suite makes for its backends, once it has. */
async function certificate(name: string, ended: AbortSignal): Promise<{ readonly cert: string; readonly key: string }> {
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
async function startHttpsEcho(name: string, ended: AbortSignal): Promise<void> {
  const server = createHttpsServer(await certificate("tls-checks-certificate", ended), (request, response) => {
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
  servers.push(server.listen(443, await clusterIp(name)))
}

/** The suite's TCP echo server: it speaks first, then answers commands. */
async function startTcpEcho(ended: AbortSignal): Promise<void> {
  const server = createTlsServer(await certificate("tls-passthrough-checks-certificate", ended), (socket) => {
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
  servers.push(server.listen(8443, await clusterIp("tcp-backend")))
}

beforeAll(async () => {
  obstacle = await portObstacle()
  if (obstacle !== undefined) return
  cluster = await TestCluster.start()
  const kubeConfig = await loadClusterAccess({ kubeconfig: await installTlsroute(cluster) })
  await prepareBackends()
  gateway = createPassthroughGateway({
    source: kubernetesSource({ kubeConfig, controllerName: DEFAULT_CONTROLLER_NAME }),
    gatewayAddresses: addressOf(),
  })
  writer = await startStatusWriter({ kubeConfig, controllerName: DEFAULT_CONTROLLER_NAME })
  gateway.on("config", () => writer.write(() => gateway.statuses()))
  gateway.on("error", () => undefined)
  await gateway.start({ tolerateBindErrors: true })
})
afterAll(async () => {
  await writer?.close()
  await gateway?.close({ drainTimeout: 0 })
  for (const server of servers) server.close()
  await cluster?.[Symbol.asyncDispose]()
})

describe("the Gateway API's own conformance tests", () => {
  let output = ""

  test("run to their end", async (context) => {
    if (obstacle !== undefined) context.skip(obstacle)
    const child = spawn(
      cluster.conformance,
      ["--kubeconfig", cluster.kubeconfig, "--gateway-class", "tlsroute", ...TESTS],
      {
        stdio: ["ignore", "pipe", "pipe"],
      },
    )
    const ended = new AbortController()
    const backends = Promise.allSettled([
      startHttpsEcho("tls-backend", ended.signal),
      startHttpsEcho("tls-backend-2", ended.signal),
      startTcpEcho(ended.signal),
    ])
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")])
    ended.abort()
    await backends
    output = `${stdout}\n${stderr}`
    expect(output).toContain("--- PASS: Conformance/")
  }, 600_000)

  test.for(TESTS)("%s passes", (name, context) => {
    if (obstacle !== undefined) context.skip(obstacle)
    const failed = output.split("\n").filter((line) => line.includes(`--- FAIL: Conformance/${name}`))
    expect(failed, output).toEqual([])
    expect(output, output).toContain(`--- PASS: Conformance/${name} `)
  })
})
