import { compareText } from "./admission.ts"
import { otherKey } from "./admitted-backend.ts"
import type { BackendIndex, BackendLookup, BackendResolution } from "./backend-resolver.ts"
import { judgeExternalBackend } from "./external-backend.ts"
import { canonicalIp, parseIp } from "./ip-address.ts"
import { arrayOf, field, integerOf, stringOf } from "./json.ts"
import type { ResolvedOptions } from "./options.ts"
import type { ObjectRef } from "./resources.ts"
import type { BackendTarget, Endpoint } from "./route-table.ts"
import { resolveService } from "./service-backend.ts"

/** A resolved backend and the keys of everything that was read for it. */
export interface ResolvedTarget {
  readonly target: BackendTarget
  readonly dependencies: readonly string[]
}

/** Key under which a change of a Service, its EndpointSlices or another object is announced. */
export const dependencyKey = {
  service: (key: string) => `Service ${key}`,
  slices: (serviceKey: string) => `EndpointSlice ${serviceKey}`,
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
  const dependencies = new Set<string>()
  const service = (namespace: string, name: string, servicePort: number): BackendResolution => {
    const key = `${namespace}/${name}`
    dependencies.add(dependencyKey.service(key)).add(dependencyKey.slices(key))
    return resolveService(key, servicePort, index, options)
  }
  const lookup: BackendLookup = {
    service,
    object(other) {
      const key = otherKey(other)
      dependencies.add(dependencyKey.other(key))
      return index.other(key)
    },
  }
  const resolution = resolve(ref, port, index, options, lookup)
  return { target: targetOf(id, resolution), dependencies: [...dependencies] }
}

/** A target that refuses every connection. */
export function invalidTarget(
  ref: ObjectRef,
  port: number | undefined,
  reason: Extract<BackendTarget, { kind: "invalid" }>["reason"],
  message: string,
): BackendTarget {
  return { kind: "invalid", id: targetId(ref, port), reason, message }
}

function resolve(
  ref: ObjectRef,
  port: number | undefined,
  index: BackendIndex,
  options: ResolvedOptions,
  lookup: BackendLookup,
): BackendResolution {
  const custom = options.backendResolvers.get(`${ref.group}/${ref.kind}`)
  if (custom !== undefined) return runResolver(() => custom({ ref, port }, lookup), ref)
  if (ref.group !== "" || ref.kind !== "Service") {
    const kind = ref.group === "" ? ref.kind : `${ref.group}/${ref.kind}`
    return { refused: "InvalidKind", message: `backends of kind ${kind} are not supported` }
  }
  if (port === undefined) {
    return { refused: "BackendNotFound", message: `backendRef ${ref.namespace}/${ref.name} must have a port` }
  }
  const found = lookup.service(ref.namespace, ref.name, port)
  // A Service's name never has a dot, so a dotted name without a Service can only mean DNS.
  if (!ref.name.includes(".") || index.service(`${ref.namespace}/${ref.name}`) !== undefined) return found
  return resolveExternal(ref.name, port, options)
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
function runResolver(run: () => BackendResolution, ref: ObjectRef): BackendResolution {
  const name = `${ref.group}/${ref.kind} ${ref.namespace}/${ref.name}`
  try {
    return checkResolution(run(), name)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { refused: "BackendNotFound", message: `the resolver of ${name} failed: ${why}` }
  }
}

function checkResolution(resolution: unknown, name: string): BackendResolution {
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
  for (const endpoint of endpoints) {
    const address = stringOf(field(endpoint, "address"))
    if (address === undefined || parseIp(address) === undefined)
      throw new Error("an endpoint's address is no IP address")
    if (integerOf(field(endpoint, "port"), 1, 65_535) === undefined)
      throw new Error("an endpoint's port is no TCP port")
  }
  return { endpoints: endpoints as readonly Endpoint[] }
}

const REFUSALS = ["BackendNotFound", "InvalidKind", "RefNotPermitted", "UnsupportedProtocol", "NoEndpoints"] as const

function isRefusal(value: unknown): value is (typeof REFUSALS)[number] {
  return REFUSALS.some((refusal) => refusal === value)
}

function targetOf(id: string, resolution: BackendResolution): BackendTarget {
  if ("refused" in resolution) return { kind: "invalid", id, reason: resolution.refused, message: resolution.message }
  if ("host" in resolution) {
    const { host, port } = resolution
    return { kind: "name", id, host, port, ...(resolution.anyAddress === true ? { anyAddress: true } : {}) }
  }
  if (resolution.endpoints.length === 0) {
    return { kind: "invalid", id, reason: "NoEndpoints", message: `${id} has no endpoint that takes connections` }
  }
  return { kind: "endpoints", id, endpoints: inOneOrder(resolution.endpoints) }
}

/** Sorted and without repetition, so that the order of EndpointSlices in a snapshot changes nothing. */
function inOneOrder(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const byKey = new Map<string, Endpoint>()
  for (const endpoint of endpoints) {
    const key = `${endpoint.address} ${endpoint.port}`
    const twin = byKey.get(key)
    if (twin === undefined || compareText(JSON.stringify(endpoint), JSON.stringify(twin)) < 0) byKey.set(key, endpoint)
  }
  return [...byKey].sort(([a], [b]) => compareText(a, b)).map(([, endpoint]) => endpoint)
}
