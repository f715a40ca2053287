import type { AdmittedEndpointSlice, AdmittedServicePort } from "../admit/backend.ts"
import type { BackendResolution } from "../backend-resolver.ts"
import type { ResolvedOptions } from "../options.ts"
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
  if (onPort.length === 0) return { refused: "BackendNotFound", message: `Service ${key} has no port ${port}` }
  const servicePort = onPort.find((candidate) => candidate.protocol === "TCP")
  if (servicePort === undefined) {
    return { refused: "UnsupportedProtocol", message: `port ${port} of Service ${key} is not TCP` }
  }
  const slices = [...index.slices(key)]
  if (slices.length === 0) return { endpoints: service.clusterIPs.map((address) => ({ address, port })) }
  const ready = collect(slices, servicePort, (endpoint) => endpoint.ready)
  if (ready.length > 0) return { endpoints: ready }
  return { endpoints: collect(slices, servicePort, (endpoint) => endpoint.servingWhileTerminating) }
}

function resolveExternalName(key: string, name: string, port: number, options: ResolvedOptions): BackendResolution {
  if (!options.externalNameServices) {
    return {
      refused: "BackendNotFound",
      message: `Service ${key} is of type ExternalName, which is off (externalNameServices)`,
    }
  }
  const verdict = judgeExternalBackend(name.endsWith(".") ? name.slice(0, -1) : name, options.externalBackends)
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
