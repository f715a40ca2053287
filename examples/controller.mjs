// A controller of one's own: configuration from a Kubernetes API server, and statuses written back.
//
//   node examples/controller.mjs
//
// Uses the current context of your kubeconfig. `createPassthroughGateway` does all of this, and workers; this is for who
// wants a part of it otherwise.

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

// Statuses tell which ports are bound: they are due again when that changes.
const publish = () => writer.write(() => server.statuses())
server.on("bindings", publish)

for await (const resources of kubernetesSource({ controllerName })(stop.signal)) {
  const states = await server.apply(proxy, builder.build(resources), resources)
  publish()
  for (const state of states) {
    console.log(state.bound ? `listening on ${state.address}:${state.port}` : state.message)
  }
}
server.stop()
await writer.close()
await proxy.close()
