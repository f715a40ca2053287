import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { type AddressInfo, connect as connectTcp, createServer } from "node:net"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { connect, createServer as createTlsServer, type Server } from "node:tls"
import { fileURLToPath } from "node:url"
import { build } from "tsup"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { STARTTLS_PROTOCOLS } from "../../src/proxy/starttls/protocols.ts"
import { linesOf } from "../cli/cli.ts"
import { FakeApiServer } from "../kubernetes-source/fake-api-server.ts"
import { helloFor } from "../proxy/quic/harness.ts"
import { ask, echoServer, secureClient } from "../proxy/starttls/peers.ts"
import { type Certificate, selfSigned } from "../support/certificate.ts"
import { freePort } from "../support/free-port.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const names = [
  "databases",
  "gateway",
  "http3",
  "own-source",
  "controller",
  "own-controller",
  "client-hello",
  "match",
  "metrics",
  "opentelemetry",
  "splice",
] as const

let directory: string
let certificate: Certificate
let backend: Server
const running: ChildProcessWithoutNullStreams[] = []
/** What the programs wrote to standard error, warnings of Node.js with where they come from. */
let complaints = ""

beforeAll(async () => {
  const cache = join(root, "node_modules", ".cache")
  await mkdir(cache, { recursive: true })
  directory = await mkdtemp(join(cache, "tlsroute-examples-"))
  // The examples import the package by name, which leads to dist; here it leads to the sources.
  await build({
    config: false,
    entry: Object.fromEntries(names.map((name) => [name, join(root, "examples", `${name}.mjs`)])),
    outDir: directory,
    format: "esm",
    target: "node20",
    platform: "node",
    external: ["yaml", "prom-client", "@kubernetes/client-node", /^@opentelemetry\//],
    silent: true,
    outExtension: () => ({ js: ".mjs" }),
    esbuildOptions(options) {
      options.alias = {
        "tlsroute/kubernetes": join(root, "src/kubernetes/index.ts"),
        "tlsroute/metrics": join(root, "src/metrics/index.ts"),
        "tlsroute/opentelemetry": join(root, "src/opentelemetry/index.ts"),
        "tlsroute/client-hello": join(root, "src/client-hello/index.ts"),
        "tlsroute/routing": join(root, "src/routing/index.ts"),
        "tlsroute/proxy": join(root, "src/proxy/index.ts"),
        "tlsroute/sources": join(root, "src/sources/index.ts"),
        tlsroute: join(root, "src/index.ts"),
      }
    },
  })
  certificate = selfSigned(["httpbin.org", "shop.example.com"])
  backend = createTlsServer(certificate, (socket) => {
    socket.on("error", () => {})
    socket.end("hello from the backend\n")
  })
  // One of the tests has a site over QUIC at the same number.
  backend.listen(await freePort(), "127.0.0.1")
  await once(backend, "listening")
})

afterEach(async () => {
  await Promise.all(
    running.splice(0).map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill("SIGKILL")
      await once(child, "close")
    }),
  )
  const told = complaints
  complaints = ""
  expect(told).toBe("")
})

afterAll(async () => {
  backend.close()
  await rm(directory, { recursive: true, force: true })
})

const backendPort = () => (backend.address() as AddressInfo).port

function start(name: (typeof names)[number], ...args: string[]) {
  return startIn({}, name, ...args)
}

function startIn(environment: NodeJS.ProcessEnv, name: (typeof names)[number], ...args: string[]) {
  const env = { ...process.env, ...environment }
  const child = spawn(process.execPath, ["--trace-warnings", join(directory, `${name}.mjs`), ...args], {
    stdio: "pipe",
    env,
  })
  running.push(child)
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (complaints += chunk))
  let line: (() => Promise<string>) | undefined
  /** The next line that matches. */
  const until = async (pattern: RegExp): Promise<RegExpExecArray> => {
    line ??= linesOf(child.stdout)
    for (;;) {
      const match = pattern.exec(await line())
      if (match !== null) return match
    }
  }
  const listening = async () => Number((await until(/^listening on 127\.0\.0\.1:(\d+)$/))[1])
  return { child, until, listening }
}

/** Asks for a name on a port and reads what the backend behind says. */
async function greeting(port: number, servername: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", servername, ca: certificate.cert })
  socket.on("error", () => {})
  return text(socket)
}

/** The manifests of the guide, in one file, with a backend of this test's. */
async function manifests(): Promise<string> {
  const file = join(directory, "manifests.yaml")
  const endpoints = `---
apiVersion: v1
kind: Service
metadata: {name: local, namespace: httpbin}
spec: {ports: [{name: tls, port: 443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: local, namespace: httpbin, labels: {kubernetes.io/service-name: local}}
addressType: IPv4
ports: [{name: tls, port: ${backendPort()}}]
endpoints: [{addresses: [127.0.0.1]}]
`
  const reference = (name: string) => readFile(join(root, "examples/reference", name), "utf8")
  const route = (await reference("tlsroute.yaml")).replace("name: httpbin.org", "name: local")
  await writeFile(file, `${await reference("gateway.yaml")}---\n${route}${endpoints}`)
  return file
}

describe("examples", () => {
  test("are all run here", async () => {
    const programs = (await readdir(join(root, "examples"))).filter((file) => file.endsWith(".mjs"))
    expect(programs.toSorted()).toEqual(names.map((name) => `${name}.mjs`).toSorted())
  })

  test("controller.mjs serves what an API server says, and writes statuses back", async () => {
    await using api = await FakeApiServer.start()
    const kubeconfig = join(directory, "kubeconfig")
    await writeFile(kubeconfig, api.kubeConfig.exportConfig())
    const metadata = { namespace: "shop", name: "edge" }
    api.put("gatewayclasses", {
      metadata: { name: "example" },
      spec: { controllerName: "example.com/passthrough" },
    })
    api.put("gateways", {
      metadata,
      spec: {
        gatewayClassName: "example",
        listeners: [{ name: "tls", port: 443, protocol: "TLS", tls: { mode: "Passthrough" } }],
      },
    })
    api.put("tlsroutes", {
      metadata: { namespace: "shop", name: "shop" },
      spec: {
        parentRefs: [{ name: "edge" }],
        hostnames: ["shop.example.com"],
        rules: [{ backendRefs: [{ name: "web", port: 443 }] }],
      },
    })
    api.put("services", { metadata: { namespace: "shop", name: "web" }, spec: { ports: [{ name: "tls", port: 443 }] } })
    api.put("endpointslices", {
      metadata: { namespace: "shop", name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
      addressType: "IPv4",
      ports: [{ name: "tls", port: backendPort() }],
      endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
    })
    const { child, listening } = startIn({ KUBECONFIG: kubeconfig }, "controller")
    const port = await listening()
    expect(await greeting(port, "shop.example.com")).toBe("hello from the backend\n")
    await expect
      .poll(() => api.writes.map(({ request }) => request))
      .toContainEqual(expect.stringContaining("/gateways/edge/status"))
    child.kill("SIGINT")
    expect((await once(child, "close"))[0]).toBe(0)
  })

  test("own-controller.mjs serves objects of a file, follows it, and writes statuses down", async () => {
    const objects = join(directory, "objects.json")
    const statuses = join(directory, "statuses.json")
    const apiVersion = "gateway.networking.k8s.io/v1"
    const tls = { name: "tls", port: 443, protocol: "TLS", tls: { mode: "Passthrough" } }
    const routeTo = (hostname: string) => ({
      apiVersion,
      kind: "TLSRoute",
      metadata: { name: "shop" },
      spec: {
        parentRefs: [{ name: "edge" }],
        hostnames: [hostname],
        rules: [{ backendRefs: [{ name: "web", port: 443 }] }],
      },
    })
    const write = (hostname: string) =>
      writeFile(
        objects,
        JSON.stringify([
          {
            apiVersion,
            kind: "Gateway",
            metadata: { name: "edge" },
            spec: { gatewayClassName: "x", listeners: [tls] },
          },
          routeTo(hostname),
          {
            apiVersion: "v1",
            kind: "Service",
            metadata: { name: "web" },
            spec: { ports: [{ name: "tls", port: 443 }] },
          },
          {
            apiVersion: "discovery.k8s.io/v1",
            kind: "EndpointSlice",
            metadata: { name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
            addressType: "IPv4",
            ports: [{ name: "tls", port: backendPort() }],
            endpoints: [{ addresses: ["127.0.0.1"] }],
          },
        ]),
      )
    await write("httpbin.org")
    const { child, until, listening } = start("own-controller", objects, statuses)
    const port = await listening()
    expect(await greeting(port, "shop.example.com")).toBe("")
    await writeFile(objects, "[")
    await until(/^nothing is changed: /)
    await write("shop.example.com")
    await until(/^listening on /)
    expect(await greeting(port, "shop.example.com")).toBe("hello from the backend\n")
    child.kill("SIGINT")
    expect((await once(child, "close"))[0]).toBe(0)
    expect(JSON.parse(await readFile(statuses, "utf8"))).toMatchObject([
      { kind: "Gateway", name: "edge", status: { listeners: [{ attachedRoutes: 1 }] } },
      { kind: "TLSRoute", name: "shop" },
    ])
  })

  test("gateway.mjs serves manifests, tells of each connection, and drains", async () => {
    const file = await manifests()
    const { child, until, listening } = start("gateway", file, "0")
    expect(await greeting(await listening(), "httpbin.org")).toBe("hello from the backend\n")
    await until(/^httpbin\.org → httpbin\/httpbin: completed$/)
    child.kill("SIGINT")
    expect((await once(child, "close"))[0]).toBe(0)
  })

  test("databases.mjs leads clients of PostgreSQL to the database that they name", async () => {
    const { postgres } = STARTTLS_PROTOCOLS
    const servers = await Promise.all(["orders", "users"].map((name) => echoServer(postgres, name)))
    const [orders, users] = servers.map(({ address, port }) => `${address}:${port}`)
    const args = [`orders.db.example.com=${orders}`, `users.db.example.com=${users}`]
    const { child, until, listening } = start("databases", "0", ...args)
    const port = await listening()
    for (const name of ["orders", "users"]) {
      const client = await secureClient(port, postgres, `${name}.db.example.com`)
      expect(await ask(client, "hello", 10)).toBe(`${name} hello`)
      client.destroy()
      await until(new RegExp(`^${name}\\.db\\.example\\.com → default/${name}: `))
    }
    child.kill("SIGINT")
    expect((await once(child, "close"))[0]).toBe(0)
  })

  test("http3.mjs leads a client over TCP and one over QUIC to the site", async () => {
    const { child, until, listening } = start(
      "http3",
      String(await freePort()),
      "shop.example.com",
      "127.0.0.1",
      String(backendPort()),
    )
    const port = await listening()
    await until(new RegExp(`^listening on UDP 127\\.0\\.0\\.1:${port}$`))
    expect(await greeting(port, "shop.example.com")).toBe("hello from the backend\n")
    await until(/^shop\.example\.com over tcp: completed$/)
    const site = createSocket("udp4").bind(backendPort(), "127.0.0.1")
    const client = createSocket("udp4")
    await once(site, "listening")
    const hello = helloFor("shop.example.com")
    client.send(hello, port, "127.0.0.1")
    expect((await once(site, "message"))[0]).toEqual(Buffer.from(hello))
    child.kill("SIGKILL")
    client.close()
    site.close()
  })

  test("own-source.mjs serves a route from the moment the program adds it", async () => {
    const { child, until, listening } = start("own-source", "0")
    const port = await listening()
    expect(await greeting(port, "shop.example.com")).toBe("")
    child.stdin.write(`shop.example.com 127.0.0.1:${backendPort()}\n`)
    await until(/^1 routes$/)
    expect(await greeting(port, "shop.example.com")).toBe("hello from the backend\n")
    child.stdin.end()
    expect((await once(child, "close"))[0]).toBe(0)
  })

  test("client-hello.mjs tells who is asked for, and what is no ClientHello", async () => {
    const { until, listening } = start("client-hello", "0")
    const port = await listening()
    await greeting(port, "shop.example.com")
    expect(JSON.parse((await until(/^\{.*\}$/))[0])).toMatchObject({
      serverName: "shop.example.com",
      alpnProtocols: [],
    })
    const plain = connectTcp(port, "127.0.0.1")
    plain.on("error", () => {})
    plain.end("GET / HTTP/1.1\r\n\r\n")
    await until(/^refused: PLAIN_HTTP$/)
  })

  test("match.mjs tells the route of each name", async () => {
    const { child } = start("match", "shop.example.com", "a.b.example.com", "example.org")
    const lines = (await text(child.stdout)).split("\n")
    expect(lines.slice(0, 3)).toEqual([
      "shop.example.com: shop by shop.example.com",
      "a.b.example.com: rest by *.example.com",
      "example.org: NoMatchingRoute",
    ])
  })

  test("metrics.mjs serves metrics for Prometheus", async () => {
    const { child, until, listening } = start("metrics", await manifests(), "0", "0")
    const port = await listening()
    const [, url = ""] = await until(/^metrics on (http:.*)$/)
    expect(await greeting(port, "httpbin.org")).toBe("hello from the backend\n")
    const closed =
      'tlsroute_connections_closed_total{listener="*:8000",route="httpbin/httpbin",transport="tcp",outcome="completed",ended_by="backend"} 1'
    await expect.poll(async () => (await fetch(url)).text()).toContain(closed)
    child.kill("SIGINT")
    expect((await once(child, "close"))[0]).toBe(0)
  })

  test("opentelemetry.mjs measures connections by route and outcome", async () => {
    const { child, until, listening } = start("opentelemetry", await manifests(), "0")
    expect(await greeting(await listening(), "httpbin.org")).toBe("hello from the backend\n")
    child.kill("SIGINT")
    await until(/name: 'tlsroute.connections.closed'/)
    await until(/route: 'httpbin\/httpbin'/)
    expect((await once(child, "close"))[0]).toBe(0)
  })

  test("splice.mjs carries both directions, with the client ending first", async () => {
    // Answers only when the client has ended its side.
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const chunks: Buffer[] = []
      socket.on("data", (chunk) => chunks.push(chunk))
      socket.on("end", () => socket.end(Buffer.concat(chunks).toString().toUpperCase()))
    })
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    const { until, listening } = start("splice", "0", "127.0.0.1", String((server.address() as AddressInfo).port))
    const client = connectTcp({ port: await listening(), host: "127.0.0.1", allowHalfOpen: true })
    client.end("every byte")
    expect(await text(client)).toBe("EVERY BYTE")
    await until(/^completed: 10 bytes up, 10 bytes down$/)
    server.close()
  })
})
