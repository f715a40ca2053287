import { canonicalIp } from "../../primitives/ip-address.ts"
import { arrayOf, field, integerOf, isAbsent, presentOf, stringOf } from "../../primitives/json.ts"
import type { GatewayLocation } from "../options.ts"
import type { EndpointSlice, KubernetesObject, ReferenceGrant, Service } from "../resources.ts"
import type { Endpoint } from "../route-table.ts"
import {
  type Admission,
  type Admitted,
  common,
  type Findings,
  GATEWAY_API_GROUP,
  type KindInfo,
  readHeader,
} from "./admission.ts"

const SERVICE: KindInfo = { group: "", kind: "Service", namespaced: true, versions: ["v1"] }
const ENDPOINT_SLICE: KindInfo = {
  group: "discovery.k8s.io",
  kind: "EndpointSlice",
  namespaced: true,
  versions: ["v1"],
}
const REFERENCE_GRANT: KindInfo = {
  group: GATEWAY_API_GROUP,
  kind: "ReferenceGrant",
  namespaced: true,
  versions: ["v1", "v1beta1"],
}

/** Label that names the Service an EndpointSlice belongs to. */
const SERVICE_NAME_LABEL = "kubernetes.io/service-name"

export interface AdmittedServicePort {
  /** `""` when it has none. */
  readonly name: string
  readonly port: number
  readonly protocol: string
  /** Number of the pods' port; `undefined` when it is a name. */
  readonly targetPort: number | undefined
}

export interface AdmittedService extends Admitted<Service> {
  readonly externalName: string | undefined
  /** Canonical cluster addresses; empty for headless Services. */
  readonly clusterIPs: readonly string[]
  readonly ports: readonly AdmittedServicePort[]
}

/** An endpoint before its port is known. */
export interface SliceEndpoint {
  readonly address: string
  readonly ready: boolean
  /** Shutting down, and still answering: used when nothing is ready. */
  readonly servingWhileTerminating: boolean
  readonly details: Omit<Endpoint, "address" | "port">
}

export interface AdmittedEndpointSlice extends Admitted<EndpointSlice> {
  /** `namespace/name` of its Service; `undefined` when the label is missing. */
  readonly service: string | undefined
  readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: string }[]
  readonly endpoints: readonly SliceEndpoint[]
}

export interface AdmittedGrant extends Admitted<ReferenceGrant> {
  readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[]
  readonly to: readonly { readonly group: string; readonly kind: string; readonly name: string | undefined }[]
}

/** Reads a Service. `location` is the gateway's own place, by which hints are followed. */
export function admitService(
  object: Service,
  defaultNamespace: string,
  location: GatewayLocation,
): Admission<AdmittedService> {
  const header = readHeader(object, SERVICE, defaultNamespace)
  if ("problems" in header) return { admitted: undefined, problems: header.problems }
  const { ref, key, created, generation, findings } = header
  const { problems } = findings
  const spec = field(object, "spec")
  warnOfNoEffect(object, spec, location, findings)
  const isExternal = field(spec, "type") === "ExternalName"
  const externalName = isExternal ? (stringOf(field(spec, "externalName")) ?? "") : undefined
  const ports = presentOf((arrayOf(field(spec, "ports")) ?? []).map(readServicePort))
  const clusterIPs = readClusterIPs(spec)
  return { admitted: { object, ref, key, created, generation, problems, externalName, clusterIPs, ports } }
}

const LOAD_BALANCING = "tlsroute.dev/load-balancing"

/** Tells of what asks a Service's own load balancer, which connections do not go through. */
function warnOfNoEffect(object: Service, spec: unknown, location: GatewayLocation, findings: Findings): void {
  const balanced = field(field(field(object, "metadata"), "annotations"), LOAD_BALANCING)
  if (field(spec, "sessionAffinity") === "ClientIP" && balanced !== "client-hash") {
    const message = `has no effect, as endpoints are dialled past the Service; the annotation ${LOAD_BALANCING}: client-hash keeps a client with one endpoint`
    findings.warn("NoEffect", "spec.sessionAffinity", message)
  }
  const distribution = field(spec, "trafficDistribution")
  if (field(spec, "internalTrafficPolicy") === "Local") {
    const message =
      "has no effect, as endpoints are dialled past the Service; trafficDistribution: PreferSameNode prefers those of the gateway's own node"
    findings.warn("NoEffect", "spec.internalTrafficPolicy", message)
  }
  if (isAbsent(distribution)) return
  const [place, known, flag] =
    distribution === "PreferSameNode"
      ? (["node", location.nodeName, "--node-name"] as const)
      : (["zone", location.zone, "--zone"] as const)
  if (known !== undefined) return
  const message = `has no effect while the gateway does not know its own ${place}: tell it by the option location (${flag})`
  findings.warn("NoEffect", "spec.trafficDistribution", message)
}

/** `clusterIPs`, whose first is `clusterIP`; objects by hand may give either. */
function readClusterIPs(spec: unknown): readonly string[] {
  const listed = arrayOf(field(spec, "clusterIPs")) ?? []
  const first = field(spec, "clusterIP")
  const values = listed.includes(first) || isAbsent(first) ? listed : [first, ...listed]
  const addresses = presentOf(values.map((value) => (typeof value === "string" ? canonicalIp(value) : undefined)))
  return addresses.length < 2 ? addresses : [...new Set(addresses)]
}

function readServicePort(entry: unknown): AdmittedServicePort | undefined {
  const port = integerOf(field(entry, "port"), 1, 65_535)
  if (port === undefined) return undefined
  const target = field(entry, "targetPort")
  return {
    name: stringOf(field(entry, "name")) ?? "",
    port,
    protocol: stringOf(field(entry, "protocol")) ?? "TCP",
    targetPort: isAbsent(target) ? port : integerOf(target, 1, 65_535),
  }
}

/** Reads an EndpointSlice. Endpoints whose address is no IP address are left out. */
export function admitEndpointSlice(object: EndpointSlice, defaultNamespace: string): Admission<AdmittedEndpointSlice> {
  const header = readHeader(object, ENDPOINT_SLICE, defaultNamespace)
  if ("problems" in header) return { admitted: undefined, problems: header.problems }
  const { ref, key, created, generation, findings } = header
  const name = stringOf(field(field(field(object, "metadata"), "labels"), SERVICE_NAME_LABEL))
  if (name === undefined) {
    findings.warn("Required", "metadata.labels", `without the label ${SERVICE_NAME_LABEL} no Service uses it`)
  }
  const service = name === undefined ? undefined : `${ref.namespace}/${name}`
  const ports = presentOf((arrayOf(field(object, "ports")) ?? []).map(readSlicePort))
  const endpoints = presentOf(
    (arrayOf(field(object, "endpoints")) ?? []).map((entry, at) => {
      // The API server promises that all addresses of one endpoint are the same; only the first is used.
      const first = arrayOf(field(entry, "addresses"))?.[0]
      const address = typeof first === "string" ? canonicalIp(first) : undefined
      if (address !== undefined) return readEndpoint(entry, address)
      const message = "must be an IP address; the endpoint is ignored"
      findings.error("InvalidValue", `endpoints[${at}].addresses[0]`, message)
      return undefined
    }),
  )
  const { problems } = findings
  return { admitted: { object, ref, key, created, generation, problems, service, ports, endpoints } }
}

function readSlicePort(entry: unknown): AdmittedEndpointSlice["ports"][number] | undefined {
  const port = integerOf(field(entry, "port"), 1, 65_535)
  if (port === undefined) return undefined
  return { name: stringOf(field(entry, "name")) ?? "", port, protocol: stringOf(field(entry, "protocol")) ?? "TCP" }
}

/** Reads a ReferenceGrant. An entry that cannot be read permits nothing. */
export function admitGrant(object: ReferenceGrant, defaultNamespace: string): Admission<AdmittedGrant> {
  const header = readHeader(object, REFERENCE_GRANT, defaultNamespace)
  if ("problems" in header) return { admitted: undefined, problems: header.problems }
  const { findings } = header
  const spec = field(object, "spec")
  const from: { group: string; kind: string; namespace: string }[] = []
  for (const [at, entry] of (arrayOf(field(spec, "from")) ?? []).entries()) {
    const group = stringOf(field(entry, "group"))
    const kind = stringOf(field(entry, "kind"))
    const namespace = stringOf(field(entry, "namespace"))
    if (group !== undefined && kind !== undefined && namespace !== undefined) from.push({ group, kind, namespace })
    else findings.error("Required", `spec.from[${at}]`, "group, kind and namespace are required; it permits nothing")
  }
  const to: { group: string; kind: string; name: string | undefined }[] = []
  for (const [at, entry] of (arrayOf(field(spec, "to")) ?? []).entries()) {
    const group = stringOf(field(entry, "group"))
    const kind = stringOf(field(entry, "kind"))
    const name = field(entry, "name")
    if (group !== undefined && kind !== undefined && (isAbsent(name) || typeof name === "string")) {
      to.push({ group, kind, name: name ?? undefined })
    } else
      findings.error("Required", `spec.to[${at}]`, "group and kind are required, name is a string; it permits nothing")
  }
  return { admitted: { ...common(object, header), from, to } }
}

/** Reads an object of a kind that only a backend resolver knows. Its key tells the kind too. */
export function admitOther(object: KubernetesObject, defaultNamespace: string): Admission<Admitted<KubernetesObject>> {
  const apiVersion = stringOf(field(object, "apiVersion")) ?? ""
  const slash = apiVersion.indexOf("/")
  const group = slash === -1 ? "" : apiVersion.slice(0, slash)
  const kind = stringOf(field(object, "kind")) ?? ""
  const version = apiVersion.slice(slash + 1)
  const header = readHeader(object, { group, kind, namespaced: true, versions: [version] }, defaultNamespace)
  if ("problems" in header) return { admitted: undefined, problems: header.problems }
  return { admitted: { ...common(object, header), key: otherKey(header.ref) } }
}

/** Key of an object among those of other kinds. */
export function otherKey(ref: { group: string; kind: string; namespace: string; name: string }): string {
  return `${ref.group}/${ref.kind}/${ref.namespace}/${ref.name}`
}

function readEndpoint(entry: unknown, address: string): SliceEndpoint {
  const conditions = field(entry, "conditions")
  // Unknown readiness is to be read as ready, unknown serving as readiness.
  const ready = field(conditions, "ready") !== false
  const serving = field(conditions, "serving")
  const terminating = field(conditions, "terminating") === true
  const zone = stringOf(field(entry, "zone"))
  const nodeName = stringOf(field(entry, "nodeName"))
  const hints = field(entry, "hints")
  const forZones = readHints(field(hints, "forZones"))
  const forNodes = readHints(field(hints, "forNodes"))
  return {
    address,
    ready,
    servingWhileTerminating: terminating && (isAbsent(serving) ? ready : serving === true),
    details: {
      ...(zone === undefined ? {} : { zone }),
      ...(nodeName === undefined ? {} : { nodeName }),
      ...(forZones.length === 0 ? {} : { forZones }),
      ...(forNodes.length === 0 ? {} : { forNodes }),
    },
  }
}

function readHints(value: unknown): readonly string[] {
  return presentOf((arrayOf(value) ?? []).map((hint) => stringOf(field(hint, "name"))))
}
