// Measures the route table: lookups at growing sizes, a full build, and the rebuild after one change.
// Run `npm run build` first; then `node bench/micro/routing.mjs`. Times are of this machine, at this moment.
import { performance } from "node:perf_hooks"
import { buildRouteTable, createRouteTableBuilder, routeTableFromData } from "../../dist/routing.js"

const HOSTNAMES_PER_ROUTE = 1000

const meta = (name, extra = {}) => ({ name, namespace: "default", ...extra })
const gateway = {
  metadata: meta("gateway"),
  spec: {
    gatewayClassName: "any",
    listeners: [{ name: "tls", port: 443, protocol: "TLS", tls: { mode: "Passthrough" } }],
  },
}
const route = (name, hostnames, backend) => ({
  metadata: meta(name),
  spec: { parentRefs: [{ name: "gateway" }], hostnames, rules: [{ backendRefs: [{ name: backend, port: 443 }] }] },
})
const service = (name) => ({ metadata: meta(name), spec: { clusterIP: "10.96.0.1", ports: [{ port: 443 }] } })
const slice = (name, address) => ({
  metadata: meta(`${name}-x`, { labels: { "kubernetes.io/service-name": name } }),
  ports: [{ port: 8443 }],
  endpoints: [{ addresses: [address] }],
})

/** Milliseconds of the best of some rounds: what the machine's other work did not slow down. */
function time(run, rounds) {
  const samples = []
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    run(round)
    samples.push(performance.now() - start)
  }
  return Math.min(...samples)
}

/** Nanoseconds for one lookup. Names are made anew from bytes, as a parser makes them: no hash is cached. */
function lookups(table, names, label) {
  const bytes = names.map((name) => Buffer.from(name, "latin1"))
  const rounds = 20_000
  let next = 0
  const run = (find) => {
    let found = 0
    for (let at = 0; at < rounds; at++) {
      next = next + 1 === bytes.length ? 0 : next + 1
      if (find(bytes[next].latin1Slice())) found++
    }
    return found
  }
  const query = { port: 443, serverName: undefined }
  const match = (name) => {
    query.serverName = name
    return table.match(query).matched
  }
  const baseline = (name) => name.length > 0
  for (let warm = 0; warm < 20; warm++) run(match) + run(baseline)
  const perRound = (find) => (time(() => run(find), 100) * 1e6) / rounds
  const decode = perRound(baseline)
  console.log(
    `${label}: ${(perRound(match) - decode).toFixed(0)} ns (decoding the name, ${decode.toFixed(0)} ns, not counted)`,
  )
}

for (const count of [10, 10_000, 1_000_000]) {
  const tlsRoutes = []
  const all = []
  for (let start = 0; start < count; start += HOSTNAMES_PER_ROUTE) {
    const hostnames = []
    for (let at = start; at < Math.min(count, start + HOSTNAMES_PER_ROUTE); at++)
      hostnames.push(`host-${at}.example.com`)
    all.push(...hostnames)
    tlsRoutes.push(route(`r${start}`, [...hostnames, `*.w${start}.example.com`], "backend"))
  }
  const table = buildRouteTable({ gateways: [gateway], tlsRoutes, services: [service("backend")] })
  const asked = Array.from({ length: 100_003 }, (_, at) => all[(at * 7_919) % all.length])
  lookups(table, asked, `exact match among ${count}`)
  lookups(
    table,
    asked.map((_, at) => `a.b.w${(at % tlsRoutes.length) * HOSTNAMES_PER_ROUTE}.example.com`),
    `wildcard match among ${count}`,
  )
  lookups(
    table,
    asked.map((name) => `no-${name}`),
    `no match among ${count}`,
  )
}

const ROUTES = 10_000
const world = {
  gateways: [gateway],
  tlsRoutes: Array.from({ length: ROUTES }, (_, at) => route(`r${at}`, [`r${at}.example.com`], `s${at}`)),
  services: Array.from({ length: ROUTES }, (_, at) => service(`s${at}`)),
  endpointSlices: Array.from({ length: ROUTES }, (_, at) => slice(`s${at}`, `10.1.${at >> 8}.${at & 255}`)),
}
const fullBuild = time(() => buildRouteTable(structuredClone(world)), 1)
console.log(`first full build of ${ROUTES} routes, cloning included: ${fullBuild.toFixed(1)} ms`)
const clones = Array.from({ length: 7 }, () => structuredClone(world))
console.log(`full build of ${ROUTES} routes: ${time((round) => buildRouteTable(clones[round]), 7).toFixed(1)} ms`)

const builder = createRouteTableBuilder()
const table = builder.build(world)
const replace = (list, at, value) => list.map((old, index) => (index === at ? value : old))
const steps = Array.from({ length: 101 }, (_, round) => {
  const at = (round * 97) % ROUTES
  return {
    route: {
      ...world,
      tlsRoutes: replace(world.tlsRoutes, at, route(`r${at}`, [`new-${round}.example.com`], `s${at}`)),
    },
    slice: { ...world, endpointSlices: replace(world.endpointSlices, at, slice(`s${at}`, `10.2.0.${round}`)) },
  }
})
console.log(`after one route changed: ${time((round) => builder.build(steps[round].route), 101).toFixed(2)} ms`)
builder.build(world)
console.log(`after one EndpointSlice changed: ${time((round) => builder.build(steps[round].slice), 101).toFixed(2)} ms`)
const withVersion = (object, round) => ({
  ...object,
  metadata: { ...object.metadata, resourceVersion: String(round) },
})
console.log(
  `after the Gateway's status changed: ${time((round) => builder.build({ ...world, gateways: [withVersion(gateway, round)] }), 31).toFixed(2)} ms`,
)
console.log(`all problems, first time: ${time(() => table.problems, 1).toFixed(1)} ms`)
console.log(
  `all problems after one EndpointSlice changed: ${time((round) => builder.build(steps[round].slice).problems, 31).toFixed(2)} ms`,
)
console.log(`all statuses: ${time(() => table.statuses(), 7).toFixed(1)} ms`)
const statuses = table.statuses()
const written = ({ object, status }) => ({ ...object, status })
const settled = buildRouteTable({
  ...world,
  gateways: statuses.gateways.map(written),
  tlsRoutes: statuses.tlsRoutes.map(written),
})
console.log(`all statuses once they are written: ${time(() => settled.statuses(), 7).toFixed(1)} ms`)
console.log(
  `as data: ${time(() => table.toData(), 7).toFixed(1)} ms; copied: ${time(() => structuredClone(table.toData()), 7).toFixed(1)} ms`,
)
const data = structuredClone(table.toData())
console.log(`table from data: ${time(() => routeTableFromData(data), 7).toFixed(1)} ms`)
