// Measures the route table: lookups at growing sizes, a full build, and the rebuild after one change.
// Prints one JSON object: lookups in nanoseconds of CPU time, all else in milliseconds. Run `npm run build` first.
import { buildRouteTable, createRouteTableBuilder, routeTableFromData } from "../../dist/routing.js"
import { best, perCall } from "./timing.mjs"

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

const figures = {}

/**
 * Nanoseconds to find what one name leads to. Names are made anew from bytes, as a parser makes them: no hash is cached.
 *
 * @param {(name: string) => boolean} isFound
 * @param {readonly string[]} names
 */
async function perLookup(isFound, names) {
  const bytes = names.map((name) => Buffer.from(name, "latin1"))
  let next = 0
  let found = 0
  const time = (find) =>
    perCall((calls) => {
      for (let call = 0; call < calls; call++) {
        next = next + 1 === bytes.length ? 0 : next + 1
        if (find(bytes[next].latin1Slice())) found++
      }
      return found
    })
  const lookup = await time(isFound)
  return lookup - (await time((name) => name.length > 0))
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
  const wildcards = asked.map((_, at) => `a.b.w${(at % tlsRoutes.length) * HOSTNAMES_PER_ROUTE}.example.com`)
  const unknown = asked.map((name) => `no-${name}`)
  const query = { port: 443, serverName: undefined }
  const isMatched = (name) => {
    query.serverName = name
    return table.match(query).matched
  }
  figures[`lookup-${count}`] = await perLookup(isMatched, asked)
  figures[`lookup-wildcard-${count}`] = await perLookup(isMatched, wildcards)
  figures[`lookup-none-${count}`] = await perLookup(isMatched, unknown)
  const map = new Map(all.map((hostname) => [hostname, { matched: true, hostname }]))
  figures[`lookup-map-${count}`] = await perLookup((name) => map.get(name)?.matched === true, asked)
}

const ROUTES = 10_000
const world = {
  gateways: [gateway],
  tlsRoutes: Array.from({ length: ROUTES }, (_, at) => route(`r${at}`, [`r${at}.example.com`], `s${at}`)),
  services: Array.from({ length: ROUTES }, (_, at) => service(`s${at}`)),
  endpointSlices: Array.from({ length: ROUTES }, (_, at) => slice(`s${at}`, `10.1.${at >> 8}.${at & 255}`)),
}
figures["build-first"] = best(() => buildRouteTable(world), 1)
const clones = Array.from({ length: 7 }, () => structuredClone(world))
figures.build = best((round) => buildRouteTable(clones[round]), 7)

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
figures["rebuild-route"] = best((round) => builder.build(steps[round].route), 101)
builder.build(world)
figures["rebuild-slice"] = best((round) => builder.build(steps[round].slice), 101)
const withVersion = (object, round) => ({
  ...object,
  metadata: { ...object.metadata, resourceVersion: String(round) },
})
figures["rebuild-status"] = best((round) => builder.build({ ...world, gateways: [withVersion(gateway, round)] }), 31)
figures["problems-first"] = best(() => table.problems, 1)
figures["problems-slice"] = best((round) => builder.build(steps[round].slice).problems, 31)
figures.statuses = best(() => table.statuses(), 7)
const statuses = table.statuses()
const written = ({ object, status }) => ({ ...object, status })
const settled = buildRouteTable({
  ...world,
  gateways: statuses.gateways.map(written),
  tlsRoutes: statuses.tlsRoutes.map(written),
})
figures["statuses-settled"] = best(() => settled.statuses(), 7)
figures["data-copy"] = best(() => structuredClone(table.toData()), 7)
const data = structuredClone(table.toData())
figures["table-from-data"] = best(() => routeTableFromData(data), 7)
console.log(JSON.stringify(figures))
