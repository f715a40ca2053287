// Metrics for OpenTelemetry, taken from the records that every connection leaves.
//
//   node examples/opentelemetry.mjs examples/reference 8000
//
// Prints what it measured when it ends; give the reader another exporter to send it on.
import { metrics } from "@opentelemetry/api"
import { ConsoleMetricExporter, MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics"
import { createPassthroughGateway, fileSource } from "tlsroute"

const [path = "examples/reference", localPort = "8000"] = process.argv.slice(2)

const provider = new MeterProvider({
  readers: [new PeriodicExportingMetricReader({ exporter: new ConsoleMetricExporter() })],
})
metrics.setGlobalMeterProvider(provider)

const gateway = createPassthroughGateway({
  source: fileSource(path),
  address: "127.0.0.1",
  mapPort: () => Number(localPort),
  externalBackends: ["httpbin.org"],
})

// In a program this is all there is to it. What clients send, such as the SNI, makes no attribute: there would be a
// series for whatever anyone on the internet likes to write. Routes are as many as are configured.
const meter = metrics.getMeter("tlsroute")
const connections = meter.createCounter("tlsroute.connections", { description: "Connections that ended." })
const bytes = meter.createCounter("tlsroute.transferred", { unit: "By", description: "Bytes of those connections." })
const duration = meter.createHistogram("tlsroute.connection.duration", { unit: "s" })
meter
  .createObservableGauge("tlsroute.connections.active")
  .addCallback((result) => result.observe(gateway.connections.size))

gateway.on("close", (record) => {
  const { listener, route = "", outcome } = record
  connections.add(1, { listener, route, outcome })
  bytes.add(record.bytesFromClient, { listener, route, direction: "from_client" })
  bytes.add(record.bytesFromBackend, { listener, route, direction: "from_backend" })
  duration.record(record.durations.total / 1000, { listener, route })
})

await gateway.start()
for (const state of gateway.addresses()) {
  if (state.bound) console.log(`listening on ${state.address}:${state.port}`)
}

process.once("SIGINT", async () => {
  await gateway.close({ drainTimeout: 10_000 })
  await provider.shutdown()
})
