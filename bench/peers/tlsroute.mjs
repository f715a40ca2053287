// The gateway as it is published, configured by Gateway API objects.
// Run with `{"port": number, "routes": {"name": port}, "workers"?: number, "situation"?: "changing" | "busy"}` as the
// argument. `changing`: 10 000 further routes, of which ten change every second. `busy`: the program has other work to do,
// 30 % of the time.
import { setTimeout as delay } from "node:timers/promises"
import { createPassthroughGateway } from "../../dist/index.js"
import { gatewayObjects } from "./objects.mjs"

const { port, routes, workers, situation } = JSON.parse(process.argv[2])
const objects = gatewayObjects({ port, routes })
const gateway = createPassthroughGateway({
  address: "127.0.0.1",
  workers,
  source: situation === "changing" ? changing : objects,
})

gateway.on("config", ({ problems }) => {
  if (problems.length > 0) throw new Error(`the benchmark's objects have problems: ${JSON.stringify(problems)}`)
})
await gateway.start()
if (situation === "busy") {
  setInterval(() => {
    const until = performance.now() + 3
    while (performance.now() < until);
  }, 10)
}

async function* changing(signal) {
  const others = gatewayObjects({
    port,
    routes: Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`other${i}.bench.example`, 1 + (i % 60_000)])),
  })
  const all = Object.fromEntries(Object.entries(objects).map(([kind, list]) => [kind, [...list]]))
  for (const kind of ["tlsRoutes", "services", "endpointSlices"]) all[kind].push(...others[kind])
  const first = objects.tlsRoutes.length
  for (let turn = 0; !signal.aborted; turn++) {
    yield { ...all }
    await delay(100)
    const at = first + (turn % 10_000)
    const route = all.tlsRoutes[at]
    const hostnames = turn % 2 === 0 ? [...route.spec.hostnames, `turn${turn}.bench.example`] : route.spec.hostnames
    all.tlsRoutes = [...all.tlsRoutes]
    all.tlsRoutes[at] = { ...route, spec: { ...route.spec, hostnames } }
  }
}
