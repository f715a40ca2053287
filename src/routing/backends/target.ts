import { compareText } from "../../primitives/compare-text.ts"
import { describe } from "../../primitives/describe.ts"
import { refusePromise } from "../../primitives/forget-promise.ts"
import { canonicalIp } from "../../primitives/ip-address.ts"
import { arrayOf, field, integerOf, stringOf } from "../../primitives/json.ts"
import { otherKey } from "../admit/backend.ts"
import type { BackendLookup, BackendRequest, BackendResolution, BackendResolver } from "../backend-resolver.ts"
import type { ResolvedOptions } from "../options.ts"
import type { ObjectRef } from "../resources.ts"
import type { BackendRefusal, BackendTarget, Endpoint } from "../route-table.ts"
import type { BackendIndex } from "./backend-index.ts"
import { judgeExternalBackend, meansExternal } from "./external-name.ts"
import { resolveService } from "./service.ts"

/** A resolved backend and the keys of everything that was read for it. */
export interface ResolvedTarget {
  readonly target: BackendTarget
  readonly dependencies: readonly string[]
}

/** Key under which a change of a Service or its EndpointSlices, or of another object, is announced. */
export const dependencyKey = {
  service: (key: string) => `Service ${key}`,
  other: (key: string) => `Other ${key}`,
}

/** What makes two backendRefs the same target. Names of some kinds may hold a colon, which the port stands behind. */
export function targetId(ref: ObjectRef, port: number | undefined): string {
  const kind = ref.group === "" ? ref.kind : `${ref.group}/${ref.kind}`
  const name = ref.name.replace(/[%:]/g, (character) => (character === ":" ? "%3A" : "%25"))
  return `${kind}/${ref.namespace}/${name}${port === undefined ? "" : `:${port}`}`
}

/** Resolves what a backendRef names, whoever refers to it: ReferenceGrants are not asked here. */
export function resolveTarget(
  ref: ObjectRef,
  port: number | undefined,
  index: BackendIndex,
  options: ResolvedOptions,
): ResolvedTarget {
  const id = targetId(ref, port)
  const resolver = options.backendResolvers.get(`${ref.group}/${ref.kind}`)
  if (resolver !== undefined) return resolveByProgram(id, { ref, port }, resolver, index, options)
  if (ref.group !== "" || ref.kind !== "Service") {
    const kind = ref.group === "" ? ref.kind : `${ref.group}/${ref.kind}`
    return { target: refuse(id, "InvalidKind", `backends of kind ${kind} are not supported`), dependencies: [] }
  }
  const key = `${ref.namespace}/${ref.name}`
  if (port === undefined) {
    return { target: refuse(id, "BackendNotFound", `backendRef ${key} must have a port`), dependencies: [] }
  }
  const isExternal = index.service(key) === undefined && meansExternal(ref.name, options.externalBackends)
  const resolution = isExternal ? resolveExternal(ref.name, port, options) : resolveService(key, port, index, options)
  return { target: targetOf(id, resolution), dependencies: [dependencyKey.service(key)] }
}

/** A target that refuses every connection. */
export function invalidTarget(
  ref: ObjectRef,
  port: number | undefined,
  reason: BackendRefusal,
  message: string,
): BackendTarget {
  return refuse(targetId(ref, port), reason, message)
}

function refuse(id: string, reason: BackendRefusal, message: string): BackendTarget {
  return { kind: "invalid", id, reason, message }
}

function resolveExternal(name: string, port: number, options: ResolvedOptions): BackendResolution {
  const verdict = judgeExternalBackend(name, options.externalBackends)
  if (!verdict.allowed) {
    return {
      refused: "BackendNotFound",
      message: `no Service ${name}, and as an external backend it is not allowed: ${verdict.why}`,
    }
  }
  const address = canonicalIp(verdict.host)
  if (address !== undefined) return { endpoints: [{ address, port }] }
  return { host: verdict.host, port, anyAddress: verdict.anyAddress }
}

/** Runs code of the embedding program: what it throws or returns must not harm the table. */
function resolveByProgram(
  id: string,
  request: BackendRequest,
  resolver: BackendResolver,
  index: BackendIndex,
  options: ResolvedOptions,
): ResolvedTarget {
  const dependencies = new Set<string>()
  const lookup: BackendLookup = {
    service(namespace, name, port) {
      const key = `${namespace}/${name}`
      dependencies.add(dependencyKey.service(key))
      return resolveService(key, port, index, options)
    },
    object(ref) {
      const key = otherKey(ref)
      dependencies.add(dependencyKey.other(key))
      return index.other(key)
    },
  }
  const { group, kind, namespace, name } = request.ref
  const called = `${group}/${kind} ${namespace}/${name}`
  let target: BackendTarget
  try {
    target = targetOf(id, readResolution(resolver(request, lookup), called))
  } catch (error) {
    const why = describe(error)
    target = refuse(id, "BackendNotFound", `the resolver of ${called} failed: ${why}`)
  }
  return { target, dependencies: [...dependencies] }
}

function readResolution(resolution: unknown, name: string): BackendResolution {
  if (typeof resolution === "object" && resolution !== null) refusePromise(resolution)
  const refused = field(resolution, "refused")
  if (refused !== undefined) {
    const message = stringOf(field(resolution, "message")) ?? `${name} cannot be used`
    return { refused: isRefusal(refused) ? refused : "BackendNotFound", message }
  }
  const host = stringOf(field(resolution, "host"))
  const port = integerOf(field(resolution, "port"), 1, 65_535)
  if (host !== undefined && host !== "" && port !== undefined) {
    return { host, port, anyAddress: field(resolution, "anyAddress") === true }
  }
  const endpoints = arrayOf(field(resolution, "endpoints"))
  if (endpoints === undefined) throw new Error("it returned neither endpoints, nor host and port, nor refused")
  return { endpoints: endpoints.map(readEndpoint) }
}

function readEndpoint(endpoint: unknown): Endpoint {
  const address = canonicalIp(stringOf(field(endpoint, "address")) ?? "")
  const port = integerOf(field(endpoint, "port"), 1, 65_535)
  if (address === undefined) throw new Error("an endpoint's address is no IP address")
  if (port === undefined) throw new Error("an endpoint's port is no TCP port")
  const zone = stringOf(field(endpoint, "zone"))
  const nodeName = stringOf(field(endpoint, "nodeName"))
  const forZones = arrayOf(field(endpoint, "forZones"))?.filter((name) => typeof name === "string")
  const forNodes = arrayOf(field(endpoint, "forNodes"))?.filter((name) => typeof name === "string")
  return {
    address,
    port,
    ...(zone === undefined ? {} : { zone }),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(forZones === undefined ? {} : { forZones }),
    ...(forNodes === undefined ? {} : { forNodes }),
  }
}

const REFUSALS: readonly BackendRefusal[] = [
  "BackendNotFound",
  "InvalidKind",
  "RefNotPermitted",
  "UnsupportedProtocol",
  "NoEndpoints",
]

function isRefusal(value: unknown): value is BackendRefusal {
  return REFUSALS.some((refusal) => refusal === value)
}

function targetOf(id: string, resolution: BackendResolution): BackendTarget {
  if ("refused" in resolution) return refuse(id, resolution.refused, resolution.message)
  if ("host" in resolution) {
    const { host, port } = resolution
    return { kind: "name", id, host, port, ...(resolution.anyAddress === true ? { anyAddress: true } : {}) }
  }
  if (resolution.endpoints.length === 0) {
    return refuse(id, "NoEndpoints", `${id} has no endpoint that takes connections`)
  }
  return { kind: "endpoints", id, endpoints: inOneOrder(resolution.endpoints) }
}

/** Sorted and without repetition, so that the order of EndpointSlices in a snapshot changes nothing. */
function inOneOrder(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const [only] = endpoints
  if (only !== undefined && endpoints.length === 1) return [only]
  const byKey = new Map<string, Endpoint>()
  for (const endpoint of endpoints) {
    const key = `${endpoint.address} ${endpoint.port}`
    const twin = byKey.get(key)
    if (twin === undefined || compareText(JSON.stringify(endpoint), JSON.stringify(twin)) < 0) byKey.set(key, endpoint)
  }
  return [...byKey].sort(([a], [b]) => compareText(a, b)).map(([, endpoint]) => endpoint)
}
