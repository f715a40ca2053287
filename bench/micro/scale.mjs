// Measures how a gateway's cost grows: with the endpoints behind one Service, with listeners, with endpoints that are
// checked, and with configurations that follow each other. One process has gateway, backend and client, so that a
// connection's cost is all of theirs: what counts is how it differs from one size to the next.
// Prints one JSON object. Run `npm run build` first.
import { once } from "node:events"
import net from "node:net"
import { createPassthroughGateway } from "../../dist/index.js"
import { buildClientHello } from "../hello.mjs"

const sizes = [10, 1000, 10_000]
const listenerCounts = [1, 100, 1000]
const CONNECTIONS = 1500
const CHECKED_SECONDS = 5

const namespace = "bench"
const hello = buildClientHello("one.bench.example")
const figures = {}

let accepted = 0
// On every address of 127.0.0.0/8, so that endpoints differ by their address.
const backend = net
  .createServer((socket) => {
    accepted++
    socket.on("error", () => {}).pipe(socket)
  })
  .listen({ port: 0, host: "0.0.0.0", backlog: 4096 })
await once(backend, "listening")

const route = (name) => ({
  metadata: { name, namespace },
  spec: {
    parentRefs: [{ name: "gateway" }],
    hostnames: [`${name}.bench.example`],
    rules: [{ backendRefs: [{ name: "one", port: 443 }] }],
  },
})

/**
 * @param {{ endpoints?: number, routes?: number, ports: readonly number[] }} options
 */
function objects({ endpoints = 1, routes = 1, ports }) {
  const addresses = Array.from({ length: endpoints }, (_, i) => `127.1.${i >> 8}.${i & 255}`)
  const slices = Array.from({ length: Math.ceil(endpoints / 1000) }, (_, i) => ({
    metadata: { name: `one-${i}`, namespace, labels: { "kubernetes.io/service-name": "one" } },
    addressType: "IPv4",
    ports: [{ port: backend.address().port }],
    endpoints: addresses.slice(i * 1000, (i + 1) * 1000).map((address) => ({ addresses: [address] })),
  }))
  const listeners = ports.map((port, i) => ({ name: `tls${i}`, port, protocol: "TLS", tls: { mode: "Passthrough" } }))
  // A Gateway has 64 listeners at most.
  const gateways = Array.from({ length: Math.ceil(listeners.length / 64) }, (_, i) => ({
    metadata: { name: i === 0 ? "gateway" : `gateway${i}`, namespace },
    spec: { gatewayClassName: "any", listeners: listeners.slice(i * 64, (i + 1) * 64) },
  }))
  return {
    gateways,
    tlsRoutes: Array.from({ length: routes }, (_, i) => route(i === 0 ? "one" : `other${i}`)),
    services: [{ metadata: { name: "one", namespace }, spec: { clusterIP: "10.96.0.1", ports: [{ port: 443 }] } }],
    endpointSlices: slices,
  }
}

/** CPU milliseconds of this process while something is done. */
async function cpuOf(what) {
  const before = process.cpuUsage()
  await what()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

async function serve(source, options = {}) {
  const gateway = createPassthroughGateway({ source, address: "127.0.0.1", mapPort: () => 0, ...options })
  gateway.on("error", (error) => {
    throw error
  })
  await gateway.start()
  return gateway
}

/** One connection after the other, each with its answer. */
async function connections(gateway, count) {
  const { port } = gateway.addresses()[0]
  for (let i = 0; i < count; i++) {
    const socket = net.connect(port, "127.0.0.1")
    socket.write(hello)
    await once(socket, "data")
    socket.destroy()
    await once(socket, "close")
  }
}

const warmedUp = await serve(objects({ ports: [443] }))
await connections(warmedUp, 2 * CONNECTIONS)
await warmedUp.close({ drainTimeout: 0 })

// What comes first is compiled while it is measured, so that the sizes take turns, and the best of each counts.
for (let turn = 0; turn < 3; turn++) {
  for (const endpoints of sizes) {
    const gateway = await serve(objects({ endpoints, ports: [443] }))
    const cost = (1000 * (await cpuOf(() => connections(gateway, CONNECTIONS)))) / CONNECTIONS
    const id = `scale-endpoints-${endpoints}`
    figures[id] = Math.min(figures[id] ?? cost, cost)
    await gateway.close({ drainTimeout: 0 })
  }
}

for (const count of listenerCounts) {
  const ports = Array.from({ length: count }, (_, i) => 1 + i)
  let gateway
  figures[`scale-listeners-${count}`] = await cpuOf(async () => {
    gateway = await serve(objects({ ports }))
  })
  await gateway.close({ drainTimeout: 0 })
}

for (const endpoints of sizes) {
  const gateway = await serve(objects({ endpoints, ports: [443] }), {
    policies: { backends: { "bench/one": { healthCheck: "tcp", healthCheckInterval: `${CHECKED_SECONDS}s` } } },
  })
  const wait = () => new Promise((resolve) => setTimeout(resolve, CHECKED_SECONDS * 1000))
  const before = accepted
  figures[`scale-checks-${endpoints}`] = (await cpuOf(wait)) / CHECKED_SECONDS / 10
  const probes = accepted - before
  if (probes < 0.5 * endpoints) throw new Error(`${probes} of ${endpoints} endpoints were checked in their interval`)
  await gateway.close({ drainTimeout: 0 })
}

for (const routes of sizes) {
  const all = objects({ routes, ports: [443] })
  const changes = 50
  let began = 0
  let spent = 0
  let done
  const finished = new Promise((resolve) => {
    done = resolve
  })
  const gateway = await serve(async function* (signal) {
    for (let turn = 0; turn < 2 * changes; turn++) {
      if (turn === changes) began = process.cpuUsage()
      all.tlsRoutes = [...all.tlsRoutes]
      all.tlsRoutes[turn % routes] = { ...all.tlsRoutes[turn % routes] }
      yield { ...all }
    }
    const { user, system } = process.cpuUsage(began)
    spent = (user + system) / 1000
    done()
    await once(signal, "abort")
  })
  await finished
  figures[`scale-changes-${routes}`] = spent / changes
  await gateway.close({ drainTimeout: 0 })
}

backend.close()
console.log(JSON.stringify(figures))
