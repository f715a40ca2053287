import { once } from "node:events"
import { connect, createServer } from "node:net"
import { type DataPoint, MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics"
import { expect, it, onTestFinished } from "vitest"
import { createPassthroughGateway } from "../../src/gateway/gateway.ts"
import { createMetrics } from "../../src/metrics/metrics.ts"
import { type MeasureOptions, measure } from "../../src/opentelemetry/measure.ts"
import { objectSource } from "../../src/sources/object-source.ts"
import { hello, serverName } from "../client-hello/build.ts"
import { localPort } from "../support/gateway.ts"
import { oneRoute } from "../support/resources.ts"

/** What a collector gets, when a test asks for it. */
class Reader extends MetricReader {
  protected async onForceFlush(): Promise<void> {}
  protected async onShutdown(): Promise<void> {}

  async read() {
    const { resourceMetrics, errors } = await this.collect()
    expect(errors).toEqual([])
    return resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)
  }

  /** Points of one instrument: what they are of, and their values. */
  async points(name: string): Promise<readonly DataPoint<unknown>[]> {
    return (await this.read()).find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? []
  }
}

it("measures a gateway by the SDK of OpenTelemetry as for Prometheus, under the same names", async () => {
  const reader = new Reader()
  const provider = new MeterProvider({ readers: [reader] })
  onTestFinished(() => provider.shutdown())
  const backend = createServer((socket) => void socket.on("error", () => undefined).pipe(socket)).listen(0, "127.0.0.1")
  await once(backend, "listening")
  const address = backend.address()
  const gateway = createPassthroughGateway({
    address: "127.0.0.1",
    mapPort: () => 0,
    source: objectSource(oneRoute("shop", "shop.example", "origin.example")),
    externalBackends: ["origin.example"],
    resolve: { "origin.example": `127.0.0.1:${typeof address === "object" ? address?.port : 0}` },
  })
  onTestFinished(async () => {
    await gateway.close({ drainTimeout: 0 })
    backend.close()
  })
  const measures = measure({ gateway, meter: provider.getMeter("tlsroute") })
  const metrics = createMetrics({ gateway })
  await gateway.start()
  const port = localPort(gateway)

  const visit = (name: string) => {
    const socket = connect({ port, host: "127.0.0.1" }).on("error", () => undefined)
    socket.write(hello({ extensions: [serverName(name)] }))
    return socket
  }
  const live = visit("shop.example")
  await once(live, "data")
  const refused = visit("nobody.example")
  const closed = once(gateway, "close")
  await once(refused.resume(), "close")
  await closed

  const [bytes] = (await reader.points("tlsroute.transferred")).filter(
    ({ attributes }) => attributes["route"] === "default/shop" && attributes["direction"] === "from_client",
  )
  expect(bytes).toMatchObject({ attributes: { listener: "*:8443", "network.transport": "tcp" } })
  expect(bytes?.value).toBeGreaterThan(40)
  expect(await reader.points("tlsroute.connections.closed")).toMatchObject([
    { attributes: { outcome: "refused", "error.type": "refused", route: "", ended_by: "proxy" }, value: 1 },
  ])
  expect(await reader.points("tlsroute.connections.active")).toMatchObject([{ attributes: { state: "splicing" } }])

  live.end()
  await once(live.resume(), "close")
  await expect.poll(() => gateway.connections.size).toBe(0)
  const completed = (await reader.points("tlsroute.connections.closed")).find(
    ({ attributes }) => attributes["outcome"] === "completed",
  )
  expect(completed?.attributes).not.toHaveProperty("error.type")
  expect(await reader.points("tlsroute.dial.duration")).toMatchObject([
    { attributes: { route: "default/shop" }, value: { count: 1 } },
  ])

  // As exporters for Prometheus put them.
  const suffix = { s: "_seconds", By: "_bytes" } as const
  const told = (await reader.read()).map(({ descriptor: { name, unit }, ...metric }) => {
    const isTotal = "isMonotonic" in metric && metric.isMonotonic === true
    return `${name.replaceAll(".", "_")}${suffix[unit as keyof typeof suffix] ?? ""}${isTotal ? "_total" : ""}`
  })
  const text = await metrics.registry.metrics()
  const known = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) =>
    type === "counter" ? `${name}_total` : name,
  )
  for (const name of told) expect(known).toContain(name)
  expect(told.length).toBeGreaterThan(12)

  metrics.close()
  expect(gateway.listenerCount("close")).toBeGreaterThan(0)
  measures.close()
  for (const event of ["connection", "close", "config", "eject"] as const) expect(gateway.listenerCount(event)).toBe(0)
})

it.each<[options: unknown, words: string]>([
  [{}, 'the option "gateway" is missing'],
  [
    { gateway: { on() {}, off() {} } },
    'the option "meter" is missing, for example meter: metrics.getMeter("tlsroute")',
  ],
  [{ proxy: { on() {}, off() {} }, meter: 1 }, 'the option "meter" must be an object with createHistogram()'],
])("refuses options that cannot be what was meant: %j", (options, words) => {
  expect(() => measure(options as MeasureOptions)).toThrow(
    expect.objectContaining({ code: "ERR_TLSROUTE_OPTION", message: expect.stringContaining(words) }),
  )
})
