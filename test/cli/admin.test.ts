import { once } from "node:events"
import { request } from "node:http"
import { connect } from "node:net"
import { describe, expect, it, onTestFinished } from "vitest"
import { type AdminOptions, parseAdminAddress, startAdmin } from "../../src/cli/admin/server.ts"
import type { ConnectionInfo } from "../../src/proxy/connection/record.ts"
import { buildRouteTable } from "../../src/routing/table-builder.ts"

const table = buildRouteTable({
  gateways: [
    {
      metadata: { name: "public", namespace: "infra" },
      spec: {
        gatewayClassName: "tlsroute",
        listeners: [{ name: "https", port: 8443, protocol: "TLS", tls: { mode: "Passthrough" } }],
      },
    },
  ],
  tlsRoutes: [
    {
      apiVersion: "gateway.networking.k8s.io/v1",
      metadata: { name: "checkout", namespace: "infra" },
      spec: {
        parentRefs: [{ name: "public" }],
        hostnames: ["checkout.example"],
        rules: [{ backendRefs: [{ name: "checkout", port: 443 }] }],
      },
    },
  ],
})

function connection(id: number): ConnectionInfo {
  return { id, toJSON: () => ({ id, serverName: "\u001b[31m\u2028" }) } as unknown as ConnectionInfo
}

async function admin(overrides: Partial<AdminOptions> = {}) {
  const gateway = {
    routeTable: table,
    connections: new Set([1, 2, 3].map(connection)),
    addresses: () => [{ bound: true, binding: { key: "*:8443" } }],
    kept: [],
    explain: (query: Parameters<typeof table.explain>[0]) => table.explain(query),
  }
  const started = await startAdmin({
    host: "127.0.0.1",
    port: 0,
    gateway,
    isServing: () => true,
    wasComplete: () => true,
    ...overrides,
  })
  onTestFinished(() => started.close())
  const get = (path: string, method = "GET", headers = {}) =>
    new Promise<{ status: number | undefined; text: string; type: string | undefined }>((resolve, reject) => {
      request({ host: "127.0.0.1", port: started.port, path, method, headers, agent: false }, async (response) => {
        let text = ""
        for await (const chunk of response) text += chunk
        resolve({ status: response.statusCode, text, type: response.headers["content-type"] })
      })
        .on("error", reject)
        .end()
    })
  return { get, gateway, port: started.port }
}

describe("the admin server", () => {
  it("says that the process lives, whether or not it serves", async () => {
    const { get } = await admin({ isServing: () => false })
    expect(await get("/livez")).toMatchObject({ status: 200, text: '{"status":"ok"}\n', type: "application/json" })
  })

  it("is ready while the gateway serves and every socket is bound", async () => {
    let serving = true
    const { get } = await admin({ isServing: () => serving })
    expect((await get("/readyz")).status).toBe(200)
    serving = false
    expect(await get("/readyz")).toMatchObject({ status: 503, text: expect.stringContaining('"serving":false') })
  })

  it("is not ready before all was bound that was asked for, and stays so while one socket works", async () => {
    let complete = false
    const { get, gateway } = await admin({ wasComplete: () => complete })
    expect((await get("/readyz")).status).toBe(503)
    complete = true
    const keeps = { address: "::", port: 8443 }
    const failed = { bound: false, binding: { key: "*:9443" }, message: "taken", keeps }
    gateway.addresses = () => [failed]
    expect(await get("/readyz")).toMatchObject({ status: 200, text: expect.stringContaining('"unbound":["*:9443"]') })
    expect(JSON.parse((await get("/readyz?verbose")).text)).toMatchObject({
      ...{ status: "ok", listeners: 1, routes: 1, errors: 1, warnings: 0, keptObjects: [] },
      notBound: [{ key: "*:9443", message: "taken", keeps }],
    })
    gateway.addresses = () => [{ bound: false, binding: { key: "*:8443" } }]
    expect((await get("/readyz")).status).toBe(503)
  })

  it("lists listeners, routes, backends and problems", async () => {
    const { get } = await admin()
    expect(JSON.parse((await get("/routes")).text)).toMatchObject({
      listeners: [{ port: 8443, listeners: [{ hostname: "*" }] }],
      routes: [{ route: "infra/checkout", backends: [{ backend: "infra/checkout", weight: 1 }] }],
      problems: expect.any(Array),
    })
  })

  it("explains a name", async () => {
    const { get } = await admin()
    const { status, text } = await get("/explain?port=8443&sni=Checkout.Example")
    expect(status).toBe(200)
    expect(JSON.parse(text)).toMatchObject({ result: { matched: true, hostname: "checkout.example" } })
    expect(JSON.parse((await get("/explain?port=8443")).text)).toMatchObject({ result: { matched: false } })
  })

  it("lists connections up to a limit, with what clients sent escaped", async () => {
    const { get } = await admin()
    const { text } = await get("/connections?limit=2")
    expect(JSON.parse(text)).toMatchObject({ total: 3, connections: [{ id: 1 }, { id: 2 }] })
    expect(text).toMatch(/^[\x20-\x7e]*\n$/)
    expect(text).toContain("\\u001b[31m\\u2028")
  })

  it("writes the metrics it is given", async () => {
    const metrics = { contentType: "text/plain", metrics: async () => "up 1\n" }
    const { get } = await admin({ metrics })
    expect(await get("/metrics")).toEqual({ status: 200, text: "up 1\n", type: "text/plain" })
  })

  it.each([
    ["/metrics", "GET", 404],
    ["/", "GET", 404],
    ["/routes", "POST", 405],
    ["/explain", "GET", 400],
    ["/explain?port=0", "GET", 400],
    ["/explain?port=8443x", "GET", 400],
    ["/connections?limit=-1", "GET", 400],
    ["/explain?port=8443&address=zz", "GET", 400],
    ["/explain?port=8443&address=", "GET", 400],
    ["//", "GET", 404],
    ["//livez", "GET", 404],
    ["http://[", "GET", 400],
    ["*", "GET", 400],
  ])("refuses %s by %s with %i and says why", async (path, method, status) => {
    const { get } = await admin()
    const answer = await get(path, method)
    expect(answer.status).toBe(status)
    expect(JSON.parse(answer.text)).toEqual({ error: expect.any(String) })
  })

  it.each([
    ["rebound.example", 403],
    ["rebound.example:9900", 403],
    ["127.0.0.1.rebound.example", 403],
    ["localhost:9900", 200],
    ["127.0.0.1", 200],
    ["[::1]:9900", 200],
    ["LocalHost:9900", 200],
    ["localhost.", 200],
  ])("on loopback, answers a request for the host %s with %i", async (host, status) => {
    const { get } = await admin()
    expect((await get("/connections", "GET", { host })).status).toBe(status)
  })

  it.each(["::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "127.0.0.2"])(
    "on loopback that is written %s, refuses other names than loopback's",
    async (host) => {
      const { port } = await admin({ host })
      const at = host.includes(":") && !host.includes("127") ? "::1" : host.replace("::ffff:", "")
      const status = (asked: string) =>
        new Promise((resolve, reject) => {
          request({ host: at, port, path: "/connections", headers: { host: asked }, agent: false }, (response) => {
            response.resume()
            resolve(response.statusCode)
          })
            .on("error", reject)
            .end()
        })
      expect(await status("rebound.example")).toBe(403)
      expect(await status("localhost")).toBe(200)
    },
  )

  it("on any other address, answers whatever name it is asked by", async () => {
    const { get } = await admin({ host: "0.0.0.0" })
    expect((await get("/connections", "GET", { host: "gateway.monitoring.svc" })).status).toBe(200)
  })

  it("answers 500 when something throws, and goes on", async () => {
    const { get } = await admin({ metrics: { contentType: "x", metrics: () => Promise.reject(new Error("broken")) } })
    expect(await get("/metrics")).toMatchObject({ status: 500, text: '{"error":"broken"}\n' })
    expect((await get("/livez")).status).toBe(200)
  })

  it.skipIf(process.platform !== "linux")(
    "answers at once, whatever number of connections one address holds open (Linux has 127.0.0.2 without asking)",
    async () => {
      const { get, port } = await admin()
      const ask = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
      const waiting = connect({ port, host: "127.0.0.1" })
      onTestFinished(() => void waiting.destroy())
      await once(waiting, "connect")
      const silent = Array.from({ length: 100 }, () => connect({ port, host: "127.0.0.1", localAddress: "127.0.0.2" }))
      for (const socket of silent) socket.on("error", () => undefined)
      onTestFinished(() => {
        for (const socket of silent) socket.destroy()
      })
      // Those that came first have made room for the last.
      await Promise.all(silent.slice(0, 30).map((socket) => once(socket, "close")))
      expect(silent.filter((socket) => socket.closed).length).toBeLessThan(40)
      waiting.write(ask)
      expect(String(await once(waiting, "data"))).toMatch(/^HTTP\/1\.1 200 /)
      expect(await get("/livez")).toMatchObject({ status: 200 })
    },
  )

  it("reports an address it cannot bind", async () => {
    await expect(admin({ host: "192.0.2.1" })).rejects.toMatchObject({ code: "EADDRNOTAVAIL" })
  })
})

describe("an admin address", () => {
  it.each([
    ["127.0.0.1:9900", { host: "127.0.0.1", port: 9900 }],
    [":9900", { host: "127.0.0.1", port: 9900 }],
    ["[::1]:0", { host: "::1", port: 0 }],
    ["0.0.0.0:80", { host: "0.0.0.0", port: 80 }],
    ["*:9900", { host: undefined, port: 9900 }],
  ])("%s is read", (text, address) => {
    expect(parseAdminAddress(text)).toEqual(address)
  })

  it.each(["9900", "localhost:9900", "127.0.0.1", "127.0.0.1:65536", "::1:9900", "[]:80", ""])(
    "%j is refused",
    (text) => {
      expect(() => parseAdminAddress(text)).toThrow(RangeError)
    },
  )
})
