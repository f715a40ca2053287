// Metrics for Prometheus, and policies set by the program.
//
//   node examples/metrics.mjs examples/reference 8000 9900
//
// Serves the manifests in a file or directory; http://127.0.0.1:9900/metrics tells what happened.
import { createServer } from "node:http"
import { createPassthroughGateway, fileSource } from "tlsroute"
import { createMetrics } from "tlsroute/metrics"

const [path = "examples/reference", localPort = "8000", metricsPort = "9900"] = process.argv.slice(2)

const gateway = createPassthroughGateway({
  source: fileSource(path),
  address: "127.0.0.1",
  mapPort: () => Number(localPort),
  externalBackends: ["httpbin.org"],
  policies: {
    helloTimeout: "5s",
    maxConnections: 10_000,
    maxConnectionsPerClient: 100,
    connectionRatePerClient: 50,
  },
})
const { registry } = createMetrics({ gateway })

const server = createServer(async (_request, response) => {
  response.setHeader("content-type", registry.contentType)
  response.end(await registry.metrics())
})

await gateway.start()
server.listen(Number(metricsPort), "127.0.0.1", () => {
  for (const state of gateway.addresses()) {
    if (state.bound) console.log(`listening on ${state.address}:${state.port}`)
  }
  console.log(`metrics on http://127.0.0.1:${server.address().port}/metrics`)
})

process.once("SIGINT", async () => {
  await gateway.close({ drainTimeout: 10_000 })
  server.close()
})
