// Metrics for OpenTelemetry.
//
//   node examples/opentelemetry.mjs examples/reference 8000
//
// Prints what it measured when it ends; give the reader another exporter to send it on.
import { metrics } from "@opentelemetry/api"
import { ConsoleMetricExporter, MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics"
import { createPassthroughGateway, fileSource } from "tlsroute"
import { measure } from "tlsroute/opentelemetry"

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

// In a program this is all there is to it.
measure({ gateway, meter: metrics.getMeter("tlsroute") })

await gateway.start()
for (const state of gateway.addresses()) {
  if (state.bound) console.log(`listening on ${state.address}:${state.port}`)
}

process.once("SIGINT", async () => {
  await gateway.close({ drainTimeout: 10_000 })
  await provider.shutdown()
})
