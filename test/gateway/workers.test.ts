import { spawnSync } from "node:child_process"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import net from "node:net"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { PolicyCompiler } from "../../src/gateway/policies/compiler.ts"
import { hasReusePort, type WorkerHandle, type WorkerHost, workerHost } from "../../src/gateway/workers/host.ts"
import { WorkerDataPlane } from "../../src/gateway/workers/worker-data-plane.ts"
import type * as Face from "../../src/index.ts"
import type { ConnectionRecord } from "../../src/proxy/connection/record.ts"
import { buildRouteTable } from "../../src/routing/table-builder.ts"
import { hello, serverName } from "../client-hello/build.ts"
import { helloFor } from "../proxy/quic/harness.ts"
import { buildPackage } from "../support/built-package.ts"
import { freePort } from "../support/free-port.ts"
import { localPort } from "../support/gateway.ts"
import { gateway, listener, resources, route, service } from "../support/resources.ts"

// Workers load what is built: Node.js 20 cannot load TypeScript.
let face: typeof Face
let directory: string
let remove: () => void
const cleanups: (() => unknown)[] = []

beforeAll(async () => {
  ;({ directory, remove } = buildPackage())
  face = await import(pathToFileURL(join(directory, "index.js")).href)
}, 120_000)

afterAll(() => remove())

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A backend that sends back what it gets, hello included. */
async function echo(): Promise<number> {
  const server = net.createServer(
    { allowHalfOpen: true },
    (socket) => void socket.on("error", () => undefined).pipe(socket),
  )
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  cleanups.push(() => void server.close())
  return (server.address() as net.AddressInfo).port
}

async function config(name: string): Promise<Face.GatewayResources> {
  return resources(
    { gateways: [gateway([listener("tls", 8443)])], tlsRoutes: [route("app", [name], [{ name: "app", port: 443 }])] },
    service("app", [await echo()]),
  )
}

async function serve(options: Partial<Face.PassthroughGatewayOptions> = {}) {
  const source = face.objectSource(await config("app.example.com"))
  const served = face.createPassthroughGateway({
    source,
    workers: 2,
    address: "127.0.0.1",
    mapPort: () => 0,
    ...options,
  })
  cleanups.push(() => served.close({ drainTimeout: 0 }))
  await served.start()
  return { served, source, port: localPort(served) }
}

const greeting = (name = "app.example.com") => hello({ extensions: [serverName(name)] })

/** Connects, sends a hello, and waits until the backend has echoed it. */
async function connect(port: number, name?: string): Promise<net.Socket> {
  const socket = net.connect({ port, host: "127.0.0.1" })
  socket.on("error", () => undefined)
  socket.write(greeting(name))
  let echoed = 0
  while (echoed < greeting(name).length) {
    const [chunk] = await Promise.race([once(socket, "data"), once(socket, "close").then(() => [undefined])])
    if (!(chunk instanceof Buffer)) throw new Error("refused")
    echoed += chunk.length
  }
  return socket
}

async function exchange(socket: net.Socket, text: string): Promise<string> {
  socket.end(text)
  let got = ""
  for await (const chunk of socket) got += chunk
  return got
}

describe("a gateway with two workers", () => {
  it("takes QUIC in one of them, which has all flows of the port, and tells of its connections", async () => {
    const own = await freePort()
    const { served, port } = await serve({ mapPort: () => own, policies: { quic: "on" } })
    expect(served.addresses()).toMatchObject([{ bound: true, port, quic: { bound: true, address: "127.0.0.1", port } }])
    const records: ConnectionRecord[] = []
    served.on("close", (record) => records.push(record))
    // Two workers that shared the port would each be sent some of these.
    for (let client = 0; client < 8; client++) {
      const socket = createSocket("udp4")
      cleanups.push(() => void socket.close())
      const answered = once(socket, "message")
      socket.send(helloFor("nobody.example.com"), port, "127.0.0.1")
      const [answer] = (await answered) as [Buffer]
      expect(answer.length).toBeLessThan(80)
    }
    while (records.length < 8) await once(served, "close")
    for (const record of records) expect(record).toMatchObject({ transport: "quic", outcome: "refused" })
    expect(new Set(records.map(({ id }) => id % 1024)).size).toBe(1)
  })

  it("dials no socket of its own from either, and knows an id of either when it comes back", async () => {
    const records: ConnectionRecord[] = []
    const hop = net.createServer((socket) => {
      const onward = net.connect({ port: own, host: "127.0.0.1" }).on("error", () => undefined)
      onward.on("close", () => socket.destroy())
      socket
        .on("error", () => undefined)
        .pipe(onward)
        .pipe(socket)
    })
    hop.listen(0, "127.0.0.1")
    await once(hop, "listening")
    cleanups.push(() => void hop.close())
    const own = await freePort()
    const routes = { self: own, hop: (hop.address() as net.AddressInfo).port }
    const parts = Object.entries(routes).map(([name, port]) => ({
      ...service(name, [port]),
      tlsRoutes: [route(name, [`${name}.example.com`], [{ name, port: 443 }])],
    }))
    const { served } = await serve({
      source: resources({ gateways: [gateway([listener("tls", 8443)])] }, ...parts),
      mapPort: () => own,
      policies: {
        sendProxyProtocol: "v2",
        sendProxyProtocolFields: ["unique-id"],
        acceptProxyProtocol: "optional",
        trustedProxies: ["127.0.0.0/8"],
      },
    })
    served.on("close", (record) => records.push(record))
    for (let turn = 0; turn < 8; turn += 1) {
      await expect(connect(own, "self.example.com")).rejects.toThrow()
      await expect(connect(own, "hop.example.com")).rejects.toThrow()
    }
    const details = () => records.filter(({ outcome }) => outcome === "loop").map(({ detail }) => detail)
    await expect.poll(() => details().filter((detail) => detail === "OWN_LISTENER").length).toBe(8)
    await expect.poll(() => details().filter((detail) => detail === "OWN_UNIQUE_ID").length).toBe(8)
  })

  it("serves one port from both, and emits one record for every connection", async () => {
    const { served, port } = await serve()
    const records: ConnectionRecord[] = []
    const all = new Promise<void>((resolve) => {
      served.on("close", (record) => {
        if (records.push(record) === 40) resolve()
      })
    })
    for (let i = 0; i < 40; i += 1) expect(await exchange(await connect(port), `bytes ${i}`)).toBe(`bytes ${i}`)
    await all
    expect(
      records.every(({ outcome, serverName: name }) => outcome === "completed" && name === "app.example.com"),
    ).toBe(true)
    expect(new Set(records.map(({ id }) => id)).size).toBe(40)
  })

  it.each([
    ["its port", (port: number) => port],
    ["a port of the system's choice", () => 0],
  ])("tells in the status that the machine does not have a Gateway's address, with %s", async (_, mapPort) => {
    const { gateways = [], ...rest } = await config("app.example.com")
    const addresses = [{ value: "192.0.2.77" }]
    const source = { ...rest, gateways: gateways.map((one) => ({ ...one, spec: { ...one.spec, addresses } })) }
    const served = face.createPassthroughGateway({ source, workers: 2, mapPort })
    cleanups.push(() => served.close({ drainTimeout: 0 }))
    served.on("error", () => undefined)
    await served.start({ tolerateBindErrors: true })
    expect(served.statuses().gateways[0]?.status.conditions).toContainEqual(
      expect.objectContaining({ type: "Programmed", status: "False", reason: "AddressNotUsable" }),
    )
  })

  it("routes by a new table in every worker and keeps what is connected", async () => {
    const { source, served, port } = await serve()
    const before = await Promise.all(Array.from({ length: 8 }, () => connect(port)))
    const applied = once(served, "config")
    source.set(await config("other.example.com"))
    await applied
    await Promise.all(
      (await Promise.all(Array.from({ length: 8 }, () => connect(port, "other.example.com")))).map((socket) =>
        exchange(socket, "x"),
      ),
    )
    await expect(connect(port)).rejects.toThrow("refused")
    for (const socket of before) expect(await exchange(socket, "still here")).toBe("still here")
  })

  it("holds connections of every worker to policies, of annotations and of the program", async () => {
    const { source, served, port } = await serve({ policies: { routes: { "default/app": { maxConnections: 0 } } } })
    await connect(port)
    const denied = await config("app.example.com")
    const [routed] = denied.tlsRoutes ?? []
    if (routed === undefined) throw new Error("no route")
    const metadata = { ...routed.metadata, annotations: { "tlsroute.dev/deny-cidrs": "127.0.0.0/8" } }
    const applied = once(served, "config")
    source.set({ ...denied, tlsRoutes: [{ ...routed, metadata }] })
    await applied
    const outcomes: string[] = []
    served.on("close", ({ outcome }) => outcomes.push(outcome))
    for (let turn = 0; turn < 4; turn += 1) await expect(connect(port)).rejects.toThrow("refused")
    await expect.poll(() => outcomes).toEqual(["denied", "denied", "denied", "denied"])
  })

  it("lists live connections of all workers", async () => {
    const { served, port } = await serve()
    const sockets = await Promise.all(Array.from({ length: 10 }, () => connect(port)))
    // Reports come four times a second.
    const names = () => Array.from(served.connections, ({ serverName }) => serverName)
    await expect.poll(names).toEqual(new Array(10).fill("app.example.com"))
    await Promise.all(sockets.map((socket) => exchange(socket, "bye")))
    await expect.poll(() => served.connections.size).toBe(0)
  })

  it("holds a limit of all connections and one of each client's, whichever worker they come to", async () => {
    const { served, port } = await serve({ policies: { maxConnections: 12, maxConnectionsPerClient: 8 } })
    const rejections: string[] = []
    served.on("reject", (_connection, { reason }) => rejections.push(reason))
    const attempts = await Promise.allSettled(Array.from({ length: 24 }, () => connect(port)))
    const live = attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []))
    // Threads count together. Processes have a share each, of which some may be left over.
    if (hasReusePort()) expect(live).toHaveLength(8)
    expect(live.length).toBeGreaterThan(0)
    expect(live.length).toBeLessThanOrEqual(8)
    await expect.poll(() => rejections.length).toBe(24 - live.length)
    expect(new Set(rejections)).toEqual(new Set(["too-many-of-client"]))
    // What has ended leaves its place to others.
    await Promise.all(live.map((socket) => exchange(socket, "bye")))
    const again = () => connect(port).then((socket) => exchange(socket, "again"))
    await expect.poll(() => again().catch(() => "refused")).toBe("again")
  })

  it("drains on close: live connections finish, new ones are not accepted", async () => {
    const { served, port } = await serve()
    const sockets = await Promise.all(Array.from({ length: 4 }, () => connect(port)))
    const closed = served.close({ drainTimeout: 20_000 })
    for (const socket of sockets) expect(await exchange(socket, "last words")).toBe("last words")
    await closed
    await expect(once(net.connect({ port, host: "127.0.0.1" }), "connect")).rejects.toMatchObject({
      code: "ECONNREFUSED",
    })
  })

  it("accept and answer while the program that started them is busy", async () => {
    const { port } = await serve()
    const client = `const s = require("net").connect(${port}, "127.0.0.1", () => s.write(Buffer.from(process.argv[1], "hex")))
      s.on("error", () => {}).on("close", () => console.log("closed")).resume()`
    const unrouted = Buffer.from(greeting("nobody.example")).toString("hex")
    for (let i = 0; i < 4; i++) {
      // It blocks this program's event loop until the client has ended.
      const { stdout } = spawnSync(process.execPath, ["--eval", client, unrouted], {
        encoding: "utf8",
        timeout: 25_000,
      })
      expect(stdout).toBe("closed\n")
    }
  })

  it("refuses to bind a port that another program has", async () => {
    const taken = net.createServer().listen(0, "127.0.0.1")
    await once(taken, "listening")
    cleanups.push(() => void taken.close())
    const { port } = taken.address() as net.AddressInfo
    await expect(serve({ mapPort: () => port })).rejects.toMatchObject({ code: "ERR_TLSROUTE_BIND" })
  })

  it("refuses options that cannot be sent to workers, by name", () => {
    const names = { resolve: () => [] } as unknown as NonNullable<Face.PassthroughGatewayOptions["names"]>
    expect(() => face.createPassthroughGateway({ source: {}, workers: 2, names })).toThrow(/"names" cannot be sent/)
  })
})

describe("a worker that dies", () => {
  it("is replaced, and the other's connections do not notice", async () => {
    const host = workerHost(pathToFileURL(join(directory, "worker.js")))
    const handles: WorkerHandle[] = []
    const watched: WorkerHost = {
      ...host,
      start: (told) => {
        const handle = host.start(told)
        handles.push(handle)
        return handle
      },
    }
    const table = buildRouteTable(await config("app.example.com"))
    const plane = new WorkerDataPlane(watched, 2, table, new PolicyCompiler().compile([], table), {})
    cleanups.push(() => plane.close({ drainTimeout: 0 }))
    const { port } = await plane.listen({ key: table.listeners[0]?.key ?? "", host: "127.0.0.1", port: 0 })
    let sockets: readonly net.Socket[] = []
    do {
      // Processes accept as they come to it: one may have been faster each time.
      for (const socket of sockets) socket.destroy()
      await expect.poll(() => plane.connections.size).toBe(0)
      sockets = await Promise.all(Array.from({ length: 16 }, () => connect(port)))
      await expect.poll(() => plane.connections.size).toBe(16)
      // The id of a connection begins with that of its worker's proxy.
    } while (new Set(Array.from(plane.connections, ({ uniqueId }) => uniqueId.split("-")[0])).size === 1)

    const died = once(plane, "error")
    handles[0]?.terminate()
    const [error] = await died
    const lost = Number(/with (\d+) connections/.exec(error.message)?.[1])
    expect(lost).toBeGreaterThan(0)
    expect(lost).toBeLessThan(16)
    const answers = await Promise.all(sockets.map((socket) => exchange(socket, "still here").catch(() => "lost")))
    expect(answers.filter((answer) => answer === "still here")).toHaveLength(16 - lost)

    await expect.poll(() => handles.length).toBe(3)
    handles[1]?.terminate()
    await once(plane, "error")
    // Only the replacement is left to answer, as soon as it listens.
    await expect
      .poll(() =>
        connect(port)
          .then((socket) => exchange(socket, "again"))
          .catch(() => "refused"),
      )
      .toBe("again")
  })
})

describe("whether ports can be shared", () => {
  it.each([
    ["20.20.2", "linux", false],
    ["22.11.0", "linux", false],
    ["22.12.0", "linux", true],
    ["23.0.0", "linux", false],
    ["23.1.0", "linux", true],
    ["26.10.0", "linux", true],
    ["26.10.0", "darwin", false],
    ["26.10.0", "win32", false],
  ])("on Node.js %s and %s: %s", (version, platform, shared) => {
    expect(hasReusePort(version, platform)).toBe(shared)
  })
})

const threadsShare = hasReusePort() ? " (skipped: here threads share ports)" : ""

describe.skipIf(threadsShare !== "")(`workers that are processes${threadsShare}`, () => {
  it("are warned of, with what to do about it", async () => {
    const warned = once(process, "warning")
    workerHost(pathToFileURL(join(directory, "worker.js")))
    expect((await warned)[0]).toMatchObject({
      code: "TLSROUTE_WORKER_PROCESSES",
      message: expect.stringContaining("Node.js 22.12"),
    })
  })
})
