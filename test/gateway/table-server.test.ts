import { once } from "node:events"
import { connect, createServer } from "node:net"
import { describe, expect, it, onTestFinished } from "vitest"
import type { TableServerOptions } from "../../src/gateway/options.ts"
import { TableServer } from "../../src/gateway/table-server.ts"
import type { ConnectionRecord } from "../../src/proxy/connection/record.ts"
import { SpliceProxy } from "../../src/proxy/proxy.ts"
import type { GatewayResources } from "../../src/routing/resources.ts"
import { createRouteTableBuilder } from "../../src/routing/table-builder.ts"
import { configTo, echo, greeting, readBytes } from "../faults/harness.ts"
import { client, closedPort, ending, listenOn } from "../proxy/harness.ts"

const OFTEN = { healthCheck: "tcp", healthCheckInterval: "100ms", unhealthyThreshold: 1 } as const

/** A controller: a table server, the proxy that it serves, and what became of connections. */
function controller(options: TableServerOptions = {}) {
  const server = new TableServer({ address: "127.0.0.1", mapPort: () => 0, ...options })
  const proxy = new SpliceProxy({ router: server })
  const builder = createRouteTableBuilder()
  const records: ConnectionRecord[] = []
  proxy.on("close", (record) => records.push(record))
  onTestFinished(async () => {
    server.stop()
    await proxy.close({ drainTimeout: 0 })
  })
  const apply = (resources: GatewayResources) => server.apply(proxy, builder.build(resources), resources)
  const port = () => {
    const [state] = server.addresses()
    if (state?.bound !== true) throw new Error("nothing is bound")
    return state.port
  }
  /** Sends a ClientHello and waits for it to come back. */
  const spliced = async () => {
    const socket = await client(port())
    socket.write(greeting())
    expect(await readBytes(socket, greeting().length)).toEqual(greeting())
    return socket
  }
  /** Sends a ClientHello, and tells why it was refused. */
  const refusal = async () => {
    const closed = once(proxy, "close")
    // It may be reset before it is connected.
    const socket = connect(port(), "127.0.0.1").on("error", () => undefined)
    socket.write(greeting())
    const [record] = await closed
    socket.destroy()
    return record
  }
  return { server, proxy, apply, spliced, refusal, port, records }
}

describe("a table server", () => {
  it("holds what its policies ask of every connection: networks, counts", async () => {
    const config = configTo(await echo())
    const denying = controller({ policies: { denyCidrs: ["127.0.0.0/8"] } })
    await denying.apply(config)
    expect(await denying.refusal()).toMatchObject({ kind: "refused", outcome: "denied" })

    const counting = controller({ policies: { maxConnections: 1 } })
    await counting.apply(config)
    const first = await counting.spliced()
    expect(await counting.refusal()).toMatchObject({ kind: "refused", outcome: "too-many-connections" })
    first.destroy()
  })

  it("probes endpoints, and sends connections to those that are healthy alone", async () => {
    const { server, apply, spliced, records } = controller({ policies: { ...OFTEN, dialAttempts: 1 } })
    const dead = await closedPort()
    const changed = once(server, "health")
    await apply(configTo(dead, [443], [await echo()]))
    expect(await changed).toMatchObject([{ endpoint: { port: dead.port }, healthy: false, reason: "ECONNREFUSED" }])
    for (let turn = 0; turn < 4; turn++) (await spliced()).destroy()
    expect(records.filter(({ kind }) => kind === "refused")).toEqual([])
  })

  it("tells of a port that is taken, in statuses too, and of it being bound once it is free", async () => {
    const holder = createServer()
    const taken = await listenOn(holder)
    const { server, apply, spliced } = controller({ mapPort: () => taken.port })
    const [state] = await apply(configTo(await echo()))
    expect(state).toMatchObject({ bound: false, code: "EADDRINUSE" })
    const programmed = () =>
      server.statuses().gateways[0]?.status.conditions?.find(({ type }) => type === "Programmed")?.status
    expect(programmed()).toBe("False")
    const bound = once(server, "bindings")
    holder.close()
    expect((await bound)[0]).toMatchObject([{ bound: true, port: taken.port }])
    expect(programmed()).toBe("True")
    ;(await spliced()).destroy()
  })

  it("lets connections of a removed route drain, when a policy says so", async () => {
    const config = configTo(await echo())
    const { apply, spliced } = controller({ policies: { onRemoval: "drain", drainWindow: "0s" } })
    await apply(config)
    const socket = await spliced()
    const ended = ending(socket)
    await apply({ ...config, tlsRoutes: [] })
    await ended
  })

  it("tells of policies that cannot be used, as problems and in statuses", async () => {
    const config = configTo(await echo())
    const [route] = config.tlsRoutes ?? []
    const annotations = { "tlsroute.dev/idle-timeout": "soon" }
    const { server, apply } = controller()
    await apply({
      ...config,
      tlsRoutes: route === undefined ? [] : [{ ...route, metadata: { ...route.metadata, annotations } }],
    })
    expect(server.problems).toMatchObject([{ path: expect.stringContaining("idle-timeout") }])
    expect(JSON.stringify(server.statuses().tlsRoutes)).toContain("tlsroute.dev/PoliciesAccepted")
  })

  it("serves beside another one in the same process, each on ports of its own", async () => {
    const [a, b] = [controller(), controller()]
    await a.apply(configTo(await echo()))
    await b.apply(configTo(await echo()))
    expect(a.port()).not.toBe(b.port())
    a.server.stop()
    await a.proxy.close({ drainTimeout: 0 })
    ;(await b.spliced()).destroy()
  })

  it("refuses to serve two proxies, or to go on once it is stopped", async () => {
    const config = configTo(await echo())
    const { server, apply } = controller()
    await apply(config)
    const table = createRouteTableBuilder().build(config)
    const other = new SpliceProxy({ router: server })
    await expect(server.apply(other, table)).rejects.toMatchObject({ code: "ERR_TLSROUTE_STATE" })
    server.stop()
    await expect(apply(config)).rejects.toMatchObject({ code: "ERR_TLSROUTE_STATE" })
  })

  it("outlives a listener of its events that throws", async () => {
    const { server, apply } = controller({ policies: OFTEN })
    server.on("health", () => {
      throw new Error("a fault of the program")
    })
    const failed = once(server, "error")
    await apply(configTo(await closedPort()))
    expect((await failed)[0]).toMatchObject({ code: "ERR_TLSROUTE_LISTENER" })
  })
})
