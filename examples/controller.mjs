// A controller of one's own: configuration from a Kubernetes API server, and statuses written back.
//
//   node examples/controller.mjs
//
// Uses the current context of your kubeconfig. `createPassthroughGateway` does all of this, and health checks, and
// workers; this is for who wants a part of it otherwise.

import { TableServer } from "tlsroute"
import { kubernetesSource, startStatusWriter } from "tlsroute/kubernetes"
import { SpliceProxy } from "tlsroute/proxy"
import { createRouteTableBuilder } from "tlsroute/routing"

const controllerName = "example.com/passthrough"
const stop = new AbortController()
process.once("SIGINT", () => stop.abort())

const server = new TableServer({ address: "127.0.0.1", mapPort: () => 0 })
const proxy = new SpliceProxy({ router: server })
const builder = createRouteTableBuilder({ controllerName })
const writer = await startStatusWriter({ controllerName })

for await (const resources of kubernetesSource({ controllerName })(stop.signal)) {
  const table = builder.build(resources)
  const states = await server.apply(proxy, table, resources)
  writer.write(() => table.statuses({ bound: new Map(states.map((state) => [state.binding.key, state])) }))
  for (const state of states) {
    console.log(state.bound ? `listening on ${state.address}:${state.port}` : state.message)
  }
}
server.stop()
await writer.close()
await proxy.close()
