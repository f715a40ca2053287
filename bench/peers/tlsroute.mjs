// The gateway as it is published, configured by Gateway API objects.
// Run with `{"port": number, "routes": {"name": port}, "workers"?: number}` as the argument.
import { createPassthroughGateway } from "../../dist/index.js"
import { gatewayObjects } from "./objects.mjs"

const { port, routes, workers } = JSON.parse(process.argv[2])
const gateway = createPassthroughGateway({
  address: "127.0.0.1",
  workers,
  source: gatewayObjects({ port, routes }),
})

gateway.on("config", ({ problems }) => {
  if (problems.length > 0) throw new Error(`the benchmark's objects have problems: ${JSON.stringify(problems)}`)
})
await gateway.start()
