import cluster from "node:cluster"
import { once } from "node:events"
import type { Socket } from "node:net"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Worker } from "node:worker_threads"
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { hasReusePort } from "../../src/gateway/workers/host.ts"
import type * as Face from "../../src/index.ts"
import { createMetrics, type Metrics } from "../../src/metrics/metrics.ts"
import { objectSource } from "../../src/sources/object-source.ts"
import { buildPackage } from "../support/built-package.ts"
import { localPort } from "../support/gateway.ts"
import { configTo, connected, echo, isServed, NAME, says } from "./harness.ts"

// Workers load what is built: Node.js 20 cannot load TypeScript.
let face: typeof Face
let remove: () => void
const threads: Worker[] = []
const noteThread = (worker: Worker) => void threads.push(worker)

beforeAll(async () => {
  const built = buildPackage()
  remove = built.remove
  face = await import(pathToFileURL(join(built.directory, "index.js")).href)
  process.on("worker", noteThread)
}, 120_000)

afterAll(() => {
  process.off("worker", noteThread)
  remove()
})

/** Kills the oldest worker that runs, without a word to anyone. */
async function killOne(): Promise<void> {
  if (hasReusePort()) {
    await threads.find(({ threadId }) => threadId > 0)?.terminate()
    return
  }
  const worker = Object.values(cluster.workers ?? {}).find((each) => each?.isDead() === false)
  if (worker === undefined) throw new Error("no worker runs")
  // It may be told something while it dies, which fails.
  const gone = new Promise((resolve) => worker.once("exit", resolve))
  worker.process.kill("SIGKILL")
  await gone
}

async function serve(config: Face.GatewayResources) {
  threads.length = 0
  const source = objectSource(config)
  const gateway = face.createPassthroughGateway({ source, workers: 2, address: "127.0.0.1", mapPort: () => 0 })
  onTestFinished(() => gateway.close({ drainTimeout: 0 }))
  const errors: Error[] = []
  gateway.on("error", (error) => errors.push(error))
  await gateway.start()
  return { gateway, source, errors, port: localPort(gateway) }
}

/** Asks until it is served: connections to a worker that has just died are lost, as those in progress there are. */
async function comesBack(port: number, name?: string): Promise<void> {
  while (!(await isServed(port, name).catch(() => false))) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** Connections to either worker, once there are two that accept. */
async function connectedToBoth(gateway: Face.PassthroughGateway, port: number): Promise<readonly Socket[]> {
  for (;;) {
    const sockets = await Promise.all(Array.from({ length: 20 }, () => connected(port)))
    const ports = new Set(sockets.map(({ localPort: own }) => own))
    const known = () => [...gateway.connections].filter(({ clientPort }) => ports.has(clientPort))
    // Workers report a few times a second.
    await expect.poll(() => known().length).toBe(20)
    // The id of a connection begins with that of its worker's proxy.
    const workers = new Set(known().map(({ uniqueId }) => uniqueId.split("-")[0]))
    if (workers.size === 2) return sockets
    for (const socket of sockets) socket.destroy()
  }
}

/** Every series of a scrape that only ever rises. */
async function counters({ registry }: Metrics): Promise<ReadonlyMap<string, number>> {
  const text = await registry.metrics()
  const series = text.matchAll(/^(tlsroute_\w+_(?:total|count|sum|bucket)(?:\{.*\})?) (\S+)$/gm)
  return new Map([...series].map(([, name = "", value]) => [name, Number(value)]))
}

describe("counters", () => {
  it("never go back, whether a worker dies or a route goes and comes again", async () => {
    const config = configTo(await echo())
    const { gateway, source, port } = await serve(config)
    const metrics = createMetrics({ gateway })
    const before = new Map<string, number>()
    const scrape = async () => {
      const now = await counters(metrics)
      for (const name of before.keys()) expect([name, now.get(name)]).toEqual([name, expect.any(Number)])
      for (const [name, value] of now) expect([name, value >= (before.get(name) ?? 0)]).toEqual([name, true])
      for (const [name, value] of now) before.set(name, value)
      return now
    }
    const sockets = await connectedToBoth(gateway, port)
    for (const socket of sockets) socket.write(Buffer.alloc(10_000))
    const bytes = /^tlsroute_transferred_bytes_total\{.*route="[^"]+".*from_client/
    const carried = async () =>
      [...(await scrape())].reduce((sum, [name, value]) => sum + (bytes.test(name) ? value : 0), 0)
    // What is live counts as it flows.
    await expect.poll(carried).toBeGreaterThan(200_000)
    await killOne()
    const restarts = async () => (await scrape()).get("tlsroute_worker_restarts_total")
    await expect.poll(restarts).toBe(1)
    await comesBack(port)
    await scrape()
    source.set({ ...config, tlsRoutes: [] })
    await once(gateway, "config")
    await scrape()
    source.set(config)
    await once(gateway, "config")
    await comesBack(port)
    for (const socket of sockets) socket.destroy()
    await expect.poll(() => gateway.connections.size).toBe(0)
    const last = await scrape()
    const sum = (name: string) =>
      [...last].reduce((all, [series, value]) => all + (series.startsWith(`${name}{`) ? value : 0), 0)
    expect(sum("tlsroute_connections_closed_total")).toBe(sum("tlsroute_connections_accepted_total"))
    expect(sum("tlsroute_transferred_bytes_total")).toBeGreaterThan(200_000)
  }, 60_000)
})

describe("a worker that is killed", () => {
  it("takes its own connections with it and no other's, again and again, and is replaced each time", async () => {
    const { gateway, errors, port } = await serve(configTo(await echo()))
    for (let turn = 1; turn <= 3; turn += 1) {
      const sockets = await connectedToBoth(gateway, port)
      const lost = new Set<number>()
      const note = ({ outcome, clientPort }: Face.ConnectionRecord) => {
        if (outcome === "worker-lost") lost.add(clientPort)
      }
      gateway.on("close", note)
      const died = once(gateway, "error")
      await killOne()
      await died
      const ports = sockets.map(({ localPort: own }) => own ?? 0)
      const answers = await Promise.all(sockets.map((socket) => says(socket, "still here").catch(() => "lost")))
      expect(answers.filter((answer) => answer === "still here").length).toBeGreaterThan(0)
      expect(answers.filter((answer) => answer === "lost").length).toBeGreaterThan(0)
      gateway.off("close", note)
      expect(ports.filter((own) => lost.has(own))).toEqual(ports.filter((_, index) => answers[index] === "lost"))
      for (const socket of sockets) socket.destroy()
    }
    expect(errors.map((error) => (error as NodeJS.ErrnoException).code)).toEqual(
      new Array(3).fill("ERR_TLSROUTE_WORKER"),
    )
  }, 60_000)

  it("with the last one leaves the port to those that replace them, which route by the newest configuration", async () => {
    const endpoint = await echo()
    const { gateway, source, port } = await serve(configTo(endpoint))
    await isServed(port)
    const other = "other.example.com"
    await killOne()
    await killOne()
    const config = configTo(endpoint)
    const [route] = config.tlsRoutes ?? []
    if (route === undefined) throw new Error("no route")
    source.set({ ...config, tlsRoutes: [{ ...route, spec: { ...route.spec, hostnames: [other] } }] })
    await comesBack(port, other)
    await expect(connected(port, NAME)).rejects.toThrow()
    await gateway.close({ drainTimeout: 0 })
    expect(gateway.connections.size).toBe(0)
  }, 60_000)
})
