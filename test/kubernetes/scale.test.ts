import { spawn } from "node:child_process"
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { connect as connectTls } from "node:tls"
import { afterAll, beforeAll, expect, test } from "vitest"
import { TestCluster } from "./support/cluster.ts"
import { Controller } from "./support/controller.ts"
import { installTlsroute } from "./support/install.ts"
import { gatewayObject, reach, reached, routeObject, startService, Traffic } from "./support/traffic.ts"

// More than the test needs, for measuring: docs/kubernetes.md has figures for 10 000.
const ROUTES = Number(process.env["TLSROUTE_SCALE_ROUTES"] ?? 2000)

let cluster: TestCluster
let kubeconfig: string
let controller: Controller
let backend: Server
let port: number

const hostname = (name: string): string => `${name}.example.com`
/** Of one length, whatever the number. */
const routeName = (at: number): string => `route-${String(at).padStart(6, "0")}`
// A Gateway of another controller comes at the end.
const route = (name: string) => routeObject("shop", name, [hostname(name)], { name: "web" }, ["gateway", "later"])

beforeAll(async () => {
  cluster = await TestCluster.start()
  kubeconfig = await installTlsroute(cluster)
  await cluster.kubectl(["create", "namespace", "shop"])
  backend = await startService(cluster, "shop", "web", ["*.example.com"])
  await cluster.apply([gatewayObject("shop", "gateway"), route("first")])
  controller = await Controller.start(kubeconfig)
  port = await controller.port("Gateway/shop/gateway/tls")
  await reached(port, hostname("first"))
})
afterAll(async () => {
  await controller?.[Symbol.asyncDispose]()
  backend?.close()
  await cluster?.[Symbol.asyncDispose]()
})

/** Applies routes with kubectl, and calls back when kubectl says that one is there. */
async function applyAll(names: readonly string[], applied: (name: string) => void): Promise<void> {
  const child = spawn(
    join(cluster.binaries, "kubectl"),
    ["--kubeconfig", cluster.kubeconfig, "apply", "--server-side", "-f", "-"],
    { stdio: ["pipe", "pipe", "inherit"] },
  )
  createInterface({ input: child.stdout }).on("line", (line) => applied(/\/(\S+) /.exec(line)?.[1] ?? line))
  child.stdin.end(JSON.stringify({ apiVersion: "v1", kind: "List", items: names.map(route) }))
  const [code] = await once(child, "close")
  expect(code).toBe(0)
}

/**
 * The ClientHello of a real client. Two thousand whole handshakes in this process would be what is measured: a probe
 * sends these bytes with its own name in them, and has been routed once the backend answers.
 */
async function captureHello(serverName: string): Promise<Buffer> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const client = connectTls({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, servername: serverName })
  client.on("error", () => undefined)
  const [socket] = (await once(server, "connection")) as [Socket]
  const [hello] = (await once(socket, "data")) as [Buffer]
  client.destroy()
  server.close()
  return hello
}

/** Whether the gateway passes a ClientHello on to a backend, which answers. */
function isRouted(hello: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(hello))
    socket.once("data", () => {
      resolve(true)
      socket.destroy()
    })
    socket.on("error", () => undefined)
    socket.once("close", () => resolve(false))
  })
}

/** Milliseconds until a first connection with that ClientHello is routed. */
async function timeToReach(hello: Buffer): Promise<number> {
  const started = performance.now()
  while (!(await isRouted(hello))) await sleep(50)
  return performance.now() - started
}

const quantile = (sorted: readonly number[], share: number): number =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN)

test(`${ROUTES} routes are applied while clients connect, and each serves within two seconds`, async () => {
  const traffic = await Traffic.start(port, hostname("first"))
  const names = Array.from({ length: ROUTES }, (_, at) => routeName(at))
  const template = await captureHello(hostname(routeName(0)))
  const nameAt = template.indexOf(routeName(0))
  const helloFor = (name: string): Buffer => {
    const hello = Buffer.from(template)
    hello.write(name, nameAt)
    return hello
  }
  const before = await controller.usage()
  const pending: Promise<number>[] = []
  const started = performance.now()
  await applyAll(names, (name) => pending.push(timeToReach(helloFor(name))))
  const applied = (performance.now() - started) / 1000
  const times = (await Promise.all(pending)).sort((a, b) => a - b)
  await traffic.stop()
  const after = await controller.usage()
  console.info(
    `${ROUTES} routes in ${applied.toFixed(1)} s; from applied to the first connection through: ` +
      `p50 ${quantile(times, 0.5)} ms, p99 ${quantile(times, 0.99)} ms, longest ${quantile(times, 1)} ms; ` +
      `${(after.cpu - before.cpu).toFixed(1)} s of CPU, ${Math.round(before.rss)} MiB before, ${Math.round(after.rss)} after`,
  )
  expect(times).toHaveLength(ROUTES)
  expect(traffic.failures).toEqual([])
  // A machine that is busy with other things is so for kubectl as well.
  expect(quantile(times, 0.99)).toBeLessThan(Math.max(2000, applied * 50))
}, 1_200_000)

test("every one of them is told that it is accepted", async () => {
  interface Routes {
    readonly items: readonly {
      readonly status?: {
        readonly parents: readonly { readonly conditions: readonly { type: string; status: string }[] }[]
      }
    }[]
  }
  const started = performance.now()
  for (;;) {
    const { items } = await cluster.get<Routes>("tlsroutes", "--namespace", "shop")
    const accepted = items.filter(({ status }) =>
      status?.parents.some(({ conditions }) =>
        conditions.some(({ type, status }) => type === "Accepted" && status === "True"),
      ),
    )
    if (accepted.length === ROUTES + 1) break
    await sleep(500)
  }
  console.info(`all statuses written ${((performance.now() - started) / 1000).toFixed(1)} s after the last route`)
}, 1_200_000)

test("a replica that starts then serves all of them with its first snapshot", async () => {
  const started = performance.now()
  const second = await Controller.start(kubeconfig)
  try {
    const ready = (performance.now() - started) / 1000
    const { rss, cpu } = await second.usage()
    console.info(
      `a second replica serves after ${ready.toFixed(1)} s, with ${Math.round(rss)} MiB and ${cpu.toFixed(1)} s of CPU`,
    )
    const secondPort = await second.port("Gateway/shop/gateway/tls")
    for (const at of [0, ROUTES >> 1, ROUTES - 1]) expect(await reach(secondPort, hostname(routeName(at)))).toBe("web")
  } finally {
    await second.kill()
  }
})

test("a controller that finds them all without a status of its own writes every one", async () => {
  const controllerName = "example.com/later"
  await cluster.apply([
    {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "GatewayClass",
      metadata: { name: "later" },
      spec: { controllerName },
    },
    gatewayObject("shop", "later", "later"),
  ])
  const started = performance.now()
  const later = await Controller.start(kubeconfig, "--controller-name", controllerName, "--no-lease")
  try {
    const isOfRoute = ({ event, kind }: { readonly event: string; readonly [field: string]: unknown }): boolean =>
      event === "kubernetes-status-written" && kind === "TLSRoute"
    while (later.events.filter(isOfRoute).length < ROUTES) await sleep(50)
    const seconds = (performance.now() - started) / 1000
    const { rss, cpu } = await later.usage()
    console.info(
      `${ROUTES} statuses from none in ${seconds.toFixed(1)} s, with ${Math.round(rss)} MiB and ${cpu.toFixed(1)} s of CPU`,
    )
    expect(rss).toBeLessThan(250)
  } finally {
    await later.kill()
  }
}, 1_200_000)
