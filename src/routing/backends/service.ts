import { listFew } from "../../primitives/list-few.ts"
import type { AdmittedEndpointSlice, AdmittedServicePort } from "../admit/backend.ts"
import type { BackendResolution } from "../backend-resolver.ts"
import type { GatewayLocation, ResolvedOptions } from "../options.ts"
import type { Endpoint } from "../route-table.ts"
import type { BackendIndex } from "./backend-index.ts"
import { judgeExternalBackend } from "./external-name.ts"

/** Resolves a Service's port to the endpoints that take connections now. */
export function resolveService(
  key: string,
  port: number,
  index: BackendIndex,
  options: ResolvedOptions,
): BackendResolution {
  const service = index.service(key)
  if (service === undefined) return { refused: "BackendNotFound", message: `there is no Service ${key}` }
  if (service.externalName !== undefined) return resolveExternalName(key, service.externalName, port, options)
  const onPort = service.ports.filter((candidate) => candidate.port === port)
  if (onPort.length === 0) {
    return { refused: "BackendNotFound", message: `Service ${key} has no port ${port}; ${portsThere(service.ports)}` }
  }
  const servicePort = onPort.find((candidate) => candidate.protocol === "TCP")
  if (servicePort === undefined) {
    return { refused: "UnsupportedProtocol", message: `port ${port} of Service ${key} is not TCP` }
  }
  const slices = [...index.slices(key)]
  if (slices.length === 0) {
    if (service.clusterIPs.length > 0) return { endpoints: service.clusterIPs.map((address) => ({ address, port })) }
    const message = `Service ${key} has no EndpointSlice, and no cluster address either`
    return { refused: "NoEndpoints", message }
  }
  const ready = collect(slices, servicePort, (endpoint) => endpoint.ready)
  if (ready.length > 0) return { endpoints: near(ready, options.location) }
  const terminating = collect(slices, servicePort, (endpoint) => endpoint.servingWhileTerminating)
  if (terminating.length > 0) return { endpoints: near(terminating, options.location) }
  return { refused: "NoEndpoints", message: `Service ${key} has no endpoint: ${whyNone(slices, servicePort)}` }
}

/**
 * The endpoints that hints mean for a place: its node's, else its zone's, else all. Hints count only where every
 * endpoint has one, as they do for kube-proxy: one without is of a Service whose hints are being written.
 */
function near(endpoints: readonly Endpoint[], { zone, nodeName }: GatewayLocation): readonly Endpoint[] {
  return (
    meantFor(nodeName, endpoints, (endpoint) => endpoint.forNodes) ??
    meantFor(zone, endpoints, (endpoint) => endpoint.forZones) ??
    endpoints
  )
}

function meantFor(
  place: string | undefined,
  endpoints: readonly Endpoint[],
  hintsOf: (endpoint: Endpoint) => readonly string[] | undefined,
): readonly Endpoint[] | undefined {
  if (place === undefined || endpoints.some((endpoint) => hintsOf(endpoint) === undefined)) return undefined
  const here = endpoints.filter((endpoint) => hintsOf(endpoint)?.includes(place))
  return here.length > 0 ? here : undefined
}

/** Why EndpointSlices give no endpoint. */
function whyNone(slices: readonly AdmittedEndpointSlice[], servicePort: AdmittedServicePort): string {
  const filled = slices.filter((slice) => slice.endpoints.length > 0)
  if (filled.length === 0) return "its EndpointSlices are empty; does its selector match any pod?"
  const fitting = filled.filter((slice) => slicePort(slice, servicePort) !== undefined)
  if (fitting.length === 0) {
    const wanted = servicePort.name === "" ? "no port without a name" : `no port named ${servicePort.name}`
    const there = [...new Set(filled.flatMap(({ ports }) => ports.map(describePort)))].sort()
    const found = there.length === 0 ? "they have no port at all" : `they have ${listFew(there)}`
    return `its EndpointSlices have ${wanted}, as port ${servicePort.port} of the Service asks for; ${found}`
  }
  // Without a number, which would change the statuses of routes with every pod that comes and goes.
  return "none of those in its EndpointSlices is ready"
}

function portsThere(ports: readonly AdmittedServicePort[]): string {
  return ports.length === 0 ? "it has none" : `it has ${listFew(ports.map(describePort))}`
}

function describePort({
  name,
  port,
  protocol,
}: {
  readonly name: string
  readonly port: number
  readonly protocol: string
}): string {
  return [String(port), name === "" ? "" : `(${name})`, protocol === "TCP" ? "" : protocol]
    .filter((part) => part !== "")
    .join(" ")
}

function resolveExternalName(key: string, name: string, port: number, options: ResolvedOptions): BackendResolution {
  const host = name.endsWith(".") ? name.slice(0, -1) : name
  if (!options.externalNameServices) {
    return {
      refused: "BackendNotFound",
      message: `Service ${key} is of type ExternalName, which is off: name ${host} in the backendRef itself, as an external backend, or allow such Services (externalNameServices, --external-name-services)`,
    }
  }
  const verdict = judgeExternalBackend(host, options.externalBackends)
  if (verdict.allowed) return { host: verdict.host, port, anyAddress: verdict.anyAddress }
  return {
    refused: "BackendNotFound",
    message: `external name ${name} of Service ${key} is not allowed: ${verdict.why}`,
  }
}

function collect(
  slices: readonly AdmittedEndpointSlice[],
  servicePort: AdmittedServicePort,
  usable: (endpoint: AdmittedEndpointSlice["endpoints"][number]) => boolean,
): readonly Endpoint[] {
  const endpoints: Endpoint[] = []
  for (const slice of slices) {
    const port = slicePort(slice, servicePort)
    if (port === undefined) continue
    for (const endpoint of slice.endpoints) {
      if (usable(endpoint)) endpoints.push({ address: endpoint.address, port, ...endpoint.details })
    }
  }
  return endpoints
}

/** The pods' port: by the Service port's name, else, for hand-written slices without names, by number. */
function slicePort(slice: AdmittedEndpointSlice, servicePort: AdmittedServicePort): number | undefined {
  const tcp = slice.ports.filter((port) => port.protocol === "TCP")
  const named = tcp.find((port) => port.name === servicePort.name)
  if (named !== undefined) return named.port
  return tcp.find((port) => port.name === "" && port.port === servicePort.targetPort)?.port
}
