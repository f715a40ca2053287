/** The gateway, in a process of its own, so that all that the process holds is the gateway's. */
import { createPassthroughGateway } from "../../src/index.ts"
import { DnsCache } from "../../src/proxy/backend/dns-cache.ts"
import { countDescriptors } from "../../src/proxy/limits/descriptors.ts"
import { objectSource } from "../../src/sources/object-source.ts"
import type { FromGateway, GatewayStatus, SoakRecord, ToGateway } from "./messages.ts"
import { changingZone, ZONE } from "./zone.ts"

const workers = Number(process.argv[2])
const source = objectSource()
// The answers are loopback's, which names may not lead to elsewhere.
const names = new DnsCache({
  allowAddress: () => true,
  minTtl: 200,
  failureTtl: 300,
  lookup: changingZone("127.0.0.1", "127.0.0.9"),
})
const gateway = createPassthroughGateway({
  source,
  address: "127.0.0.1",
  mapPort: () => 0,
  externalBackends: [ZONE],
  // A resolver of one's own cannot be sent to workers.
  ...(workers === 1 ? { names } : { workers }),
  policies: { helloTimeout: "1s500ms", dialTimeout: "5s", idleTimeout: "20s", halfClosedTimeout: "20s" },
})

const tell = (message: FromGateway) => void process.send?.(message)
let records: SoakRecord[] = []
let count = 0

gateway.on(
  "close",
  ({ listener, clientPort, serverName, endpoint, outcome, detail, bytesFromClient, bytesFromBackend, durations }) => {
    count += 1
    const gatewayPort = Number(listener.slice(listener.lastIndexOf(":") + 1))
    records.push({
      gatewayPort,
      clientPort,
      serverName,
      endpoint: endpoint === undefined ? "" : `${endpoint.address}:${endpoint.port}`,
      outcome,
      detail,
      bytesFromClient,
      bytesFromBackend,
      time: durations.total,
    })
    if (records.length === 1) setImmediate(tellRecords)
  },
)
gateway.on("error", (error) => tell({ type: "error", message: error.message }))
gateway.on("config", ({ bindings, problems }) => {
  // They are made only when somebody looks.
  if (problems.length > 1_000) tell({ type: "error", message: `${problems.length} problems` })
  tell({ type: "config", ports: boundPorts(bindings) })
})

function tellRecords(): void {
  const told = records
  records = []
  tell({ type: "records", records: told })
}

function boundPorts(bindings: ReturnType<typeof gateway.addresses>): Readonly<Record<number, number>> {
  return Object.fromEntries(bindings.flatMap((state) => (state.bound ? [[state.binding.port, state.port]] : [])))
}

function status(): GatewayStatus {
  // What is counted has been told.
  tellRecords()
  for (let turn = 0; turn < 4; turn += 1) globalThis.gc?.()
  const resources: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  return {
    live: gateway.connections.size,
    records: count,
    descriptors: countDescriptors() ?? 0,
    resources,
    listening: Object.keys(boundPorts(gateway.addresses())).map(Number),
    memory: process.memoryUsage(),
  }
}

process.on("message", (message: ToGateway) => {
  if (message.type === "configure") source.set(message.config)
  else if (message.type === "status") tell({ type: "status", status: status() })
  else void gateway.close({ drainTimeout: 0 }).then(() => process.disconnect())
})
process.once("disconnect", () => void gateway.close({ drainTimeout: 0 }))

await gateway.start()
