import { spawnSync } from "node:child_process"
import { once } from "node:events"
import type { Socket } from "node:net"
import { describe, expect, it } from "vitest"
import type { NameResolver } from "../../src/proxy/backend/name-resolver.ts"
import type { ConnectionState } from "../../src/proxy/connection/record.ts"
import type { DialEndpoint } from "../../src/proxy/target.ts"
import { blackHole } from "../proxy/black-hole.ts"
import { backend, client, closedPort, deferred, ending } from "../proxy/harness.ts"
import { gateway, listener, resources, route } from "../support/resources.ts"
import { configTo, echo, greeting, NAME, readBytes, type Served, serve } from "./harness.ts"

/** A gateway with one connection in a given state. */
interface Stage extends Served {
  readonly socket: Socket
  /** How the backend's side of it ends, where there is one. */
  readonly backendEnds?: Promise<string>
}

async function open(served: Served): Promise<Stage> {
  const accepted = once(served.gateway, "connection")
  const socket = await client(served.port)
  await accepted
  return { ...served, socket }
}

async function greet(served: Served): Promise<Stage> {
  const stage = await open(served)
  const routed = once(served.gateway, "route")
  stage.socket.write(greeting())
  await routed
  return stage
}

/** A backend that greets, and tells how its connection ends. */
async function greeter(onHello?: (socket: Socket) => void): Promise<{ endpoint: DialEndpoint; ends: Promise<string> }> {
  const ends = deferred<string>()
  const endpoint = await backend((socket) => {
    socket.once("close", () => ends.resolve((socket.errored as NodeJS.ErrnoException | null)?.code ?? "end"))
    socket.once("data", () => {
      socket.write("greetings")
      onHello?.(socket)
    })
    socket.resume()
  })
  return { endpoint, ends: ends.promise }
}

async function spliced(onHello?: (socket: Socket) => void, policies = {}): Promise<Stage> {
  const { endpoint, ends } = await greeter(onHello)
  const stage = await greet(await serve({ source: configTo(endpoint), policies }))
  expect(String(await readBytes(stage.socket, 9))).toBe("greetings")
  return { ...stage, backendEnds: ends }
}

/** Never finds anything. */
const stuck: NameResolver = { resolve: () => new Promise(() => undefined) }

/** A gateway whose backend is a name that nobody can tell. */
function serveName(policies = {}): Promise<Served> {
  const source = resources({
    gateways: [gateway([listener("tls", 443)])],
    tlsRoutes: [route("app", [NAME], [{ name: "slow.example", port: 443 }])],
  })
  return serve({ source, policies, names: stuck, externalBackends: ["slow.example"] })
}

const stages: Readonly<Record<string, () => Promise<Stage>>> = {
  accepted: async () => open(await serve({ source: configTo(await echo()) })),
  hello: async () => {
    const stage = await open(await serve({ source: configTo(await echo()) }))
    stage.socket.write(greeting().subarray(0, 20))
    await until(stage, ({ bytesFromClient }) => bytesFromClient === 20)
    return stage
  },
  routed: async () => greet(await serveName()),
  dialing: async () => greet(await serve({ source: configTo(await blackHole()), policies: { dialTimeout: "1m" } })),
  splicing: () => spliced(),
  "half-closed": async () => {
    const stage = await spliced((socket) => void socket.end())
    await until(stage, ({ state }) => state === "half-closed")
    return stage
  },
  refusing: async () => {
    const served = await serve({ source: configTo(await closedPort()) })
    const stage = await open(served)
    const rejected = once(served.gateway, "reject")
    stage.socket.write(greeting())
    await rejected
    return stage
  },
}

type View = { readonly state: ConnectionState; readonly bytesFromClient: number }

/** Waits until the gateway's one connection is as wanted. */
async function until({ gateway: served }: Served, isThere: (view: View) => boolean): Promise<void> {
  while (![...served.connections].some(isThere)) await new Promise(setImmediate)
}

describe("a client that resets its connection", () => {
  it.each([
    ["accepted", "probe", undefined],
    ["hello", "client-gone", undefined],
    ["routed", "client-gone", undefined],
    ["dialing", "client-gone", undefined],
    ["splicing", "client-reset", "ECONNRESET"],
    // It has heard the backend's end, and may have nothing to say.
    ["half-closed", "completed", "ECONNRESET"],
    ["refusing", "dial-failed", undefined],
  ])("while it is %s leaves nothing behind, and is recorded as %s", async (state, outcome, atBackend) => {
    const { gateway: served, socket, backendEnds, ended } = await stages[state]!()
    expect([...served.connections].map((connection) => connection.state)).toEqual([state])
    socket.resetAndDestroy()
    const [record] = await ended(1)
    const endedBy = outcome === "dial-failed" ? "proxy" : outcome === "completed" ? "backend" : "client"
    expect(record).toMatchObject({ outcome, endedBy })
    expect(served.connections.size).toBe(0)
    expect(await backendEnds).toBe(atBackend)
  })
})

describe("a client that ends its side and is then reset", () => {
  // Once a stream has ended the system is no longer asked about it, so that only a write tells of the reset.
  it("is noticed when the backend next sends", async () => {
    const backendSocket = deferred<Socket>()
    const stage = await spliced((socket) => backendSocket.resolve(socket))
    const { socket, ended, backendEnds } = stage
    socket.end()
    await until(stage, ({ state }) => state === "half-closed")
    socket.resetAndDestroy()
    const drip = setInterval((to: Socket) => void to.write("more"), 20, await backendSocket.promise)
    expect(await ended(1)).toMatchObject([{ outcome: "client-reset", endedBy: "client" }])
    expect(await backendEnds).toMatch(/ECONNRESET|EPIPE/)
    clearInterval(drip)
  })

  it("is let go at the half-closed deadline when it does not", async () => {
    const stage = await spliced(undefined, { halfClosedTimeout: 500 })
    stage.socket.end()
    await until(stage, ({ state }) => state === "half-closed")
    stage.socket.resetAndDestroy()
    expect(await stage.ended(1)).toMatchObject([{ outcome: "half-closed-timeout", endedBy: "proxy" }])
  })
})

describe("a client that ends its side", () => {
  it.each([
    ["accepted", "probe"],
    ["hello", "client-gone"],
    ["refusing", "dial-failed"],
  ])("while it is %s gets the gateway's end, and is recorded as %s", async (state, outcome) => {
    const { gateway: served, socket, ended } = await stages[state]!()
    const end = ending(socket)
    socket.end()
    expect(await end).toBe("end")
    expect(await ended(1)).toMatchObject([{ outcome }])
    expect(served.connections.size).toBe(0)
  })

  it("while the backend's name is looked up gets the gateway's end at the dial's deadline", async () => {
    const { socket, ended } = await greet(await serveName({ dialTimeout: 500 }))
    const end = ending(socket)
    socket.end()
    expect(await end).toBe("end")
    expect(await ended(1)).toMatchObject([{ outcome: "dial-timeout" }])
  })

  it("while the backend is dialled still gets its answer", async () => {
    const hole = await blackHole()
    const {
      socket,
      gateway: served,
      ended,
    } = await greet(await serve({ source: configTo(hole), policies: { dialTimeout: 1_000 } }))
    const end = ending(socket)
    socket.end()
    expect(await end).toBe("end")
    expect(await ended(1)).toMatchObject([{ outcome: "dial-timeout" }])
    expect(served.connections.size).toBe(0)
  })

  it("right behind its ClientHello is heard by the backend, and hears it", async () => {
    const { endpoint, ends } = await greeter((socket) => void socket.end(" and goodbye"))
    const { port, ended } = await serve({ source: configTo(endpoint) })
    const socket = await client(port)
    socket.end(greeting())
    expect(String(await readBytes(socket, 21))).toBe("greetings and goodbye")
    expect(await ends).toBe("end")
    expect(await ended(1)).toMatchObject([{ outcome: "completed", endedBy: "client" }])
  })
})

describe("a client that is gone before it is accepted", () => {
  /** Connects, sends a ClientHello and more, and resets, all while this process is not looking. */
  function comeAndGo(port: number): void {
    const script = `
      const socket = require("node:net").connect(${port}, "127.0.0.1", () => {
        socket.write(Buffer.from("${greeting().toString("hex")}", "hex"))
        setTimeout(() => socket.write("early data", () => setTimeout(() => socket.resetAndDestroy(), 50)), 50)
      })`
    spawnSync(process.execPath, ["-e", script], { stdio: "inherit" })
  }

  it("has no address to be judged by, and is left at once: no backend hears of it", async () => {
    let asked = 0
    const endpoint = await echo(() => {
      asked += 1
    })
    const policies = { denyCidrs: ["10.0.0.0/8"], sendProxyProtocol: "v2" } as const
    const { gateway: served, port, ended } = await serve({ source: configTo(endpoint), policies })
    comeAndGo(port)
    expect(await ended(1)).toMatchObject([{ outcome: "probe", clientAddress: "", route: undefined }])
    expect(served.connections.size).toBe(0)
    const honest = await client(port)
    honest.write(greeting())
    await readBytes(honest, greeting().length)
    expect(asked).toBe(1)
  })
})
