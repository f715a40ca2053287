// A controller of one's own without Kubernetes: it asks for its objects every second, and writes their statuses down.
//
//   node examples/own-controller.mjs objects.json statuses.json
//
// objects.json is an array of Gateways, TLSRoutes, Services and EndpointSlices. It might as well come from a database.
import { readFile, writeFile } from "node:fs/promises"
import { setInterval } from "node:timers/promises"
import { TableServer } from "tlsroute"
import { SpliceProxy } from "tlsroute/proxy"
import { createRouteTableBuilder } from "tlsroute/routing"
import { resourcesFromObjects } from "tlsroute/sources"

const [objectsFile = "objects.json", statusesFile = "statuses.json"] = process.argv.slice(2)
const stop = new AbortController()
process.once("SIGINT", () => stop.abort())

const server = new TableServer({
  address: "127.0.0.1",
  mapPort: () => 0,
  policies: { healthCheck: "tcp", onRemoval: "drain", idleTimeout: "10m" },
})
const proxy = new SpliceProxy({ router: server })
const builder = createRouteTableBuilder({ controllerName: "example.com/passthrough" })

async function publish() {
  for (const state of server.addresses()) {
    console.log(state.bound ? `listening on ${state.address}:${state.port}` : state.message)
  }
  for (const { path, message } of server.problems) console.log(`${path}: ${message}`)
  const { gateways, tlsRoutes } = server.statuses()
  const told = [...gateways, ...tlsRoutes].map(({ ref, status }) => ({ kind: ref.kind, name: ref.name, status }))
  await writeFile(statusesFile, JSON.stringify(told, undefined, 2))
}

// A port that was taken may be bound by now.
server.on("bindings", publish)
server.on("health", ({ endpoint, healthy }) => console.log(`${endpoint.address} is ${healthy ? "up" : "down"}`))

let served
try {
  for await (const _ of setInterval(1000, undefined, { signal: stop.signal })) {
    const text = await readFile(objectsFile, "utf8")
    if (text === served) continue
    served = text
    try {
      const resources = resourcesFromObjects(JSON.parse(text))
      await server.apply(proxy, builder.build(resources), resources)
      await publish()
    } catch (error) {
      console.log(`nothing is changed: ${error.message}`)
    }
  }
} catch (error) {
  if (!stop.signal.aborted) throw error
}
server.stop()
await proxy.close()
