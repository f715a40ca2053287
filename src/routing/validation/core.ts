import { isIPv4, isIPv6 } from "../../primitives/ip-address.ts"
import type { EndpointSlice, Service } from "../resources.ts"
import { namespaceName, refuseDuplicates, subdomainName } from "./fields.ts"
import { coreMetadata } from "./metadata.ts"
import { quote, type Report } from "./report.ts"
import { choice, flag, integer, list, optional, record, required, type Shape, text } from "./shape.ts"

// Core kinds have fields by the dozen. Only those that routing reads are checked, and only so far that reading
// them is safe; the rest is the API server's.

const port = integer(1, 65535)
const transport = optional(choice("TCP", "UDP", "SCTP"))

/** A port's number, or the name of a container's port. */
const targetPort: Shape = {
  check: (value, report) => (typeof value === "string" ? portName : port).check(value, report),
  fill: (value) => value,
}
const portName = text({ min: 1, max: 63 })

type ServicePort = NonNullable<NonNullable<Service["spec"]>["ports"]>[number]

const servicePorts = list<ServicePort>(
  record(
    {
      name: optional(text({ max: 63 })),
      port: required(port),
      protocol: transport,
      targetPort: optional(targetPort),
      appProtocol: optional(text()),
    },
    { open: true },
  ),
  {
    rule(ports, report) {
      if (ports.length < 2) return
      for (const [index, { name }] of ports.entries()) {
        if (!name) report.breach("Required", "ports need names when there are several", index, "name")
      }
      refuseDuplicates(
        ports,
        (item) => item.name || undefined,
        report,
        (item) => `port name must be unique within the Service, and ${item.name} is not`,
        "name",
      )
    },
  },
)

/** Service (`v1`). */
export const service: Shape = record(
  {
    metadata: required(coreMetadata(subdomainName)),
    spec: optional(
      record(
        {
          type: optional(choice("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")),
          clusterIP: optional(text()),
          clusterIPs: optional(list(text())),
          externalName: optional(text()),
          ports: optional(servicePorts),
        },
        { open: true },
      ),
    ),
    status: optional(
      record(
        {
          loadBalancer: optional(
            record(
              {
                ingress: optional(list(record({ ip: optional(text()), hostname: optional(text()) }, { open: true }))),
              },
              { open: true },
            ),
          ),
        },
        { open: true },
      ),
    ),
  },
  { open: true },
)

/** EndpointSlice (`discovery.k8s.io/v1`). */
export const endpointSlice: Shape = record<EndpointSlice>(
  {
    metadata: required(coreMetadata(subdomainName)),
    addressType: required(choice("IPv4", "IPv6", "FQDN")),
    ports: optional(
      list(record({ name: optional(text({ max: 63 })), port: optional(port), protocol: transport }, { open: true })),
    ),
    endpoints: optional(
      list(
        record(
          {
            addresses: required(list(text({ min: 1, max: 253 }), { min: 1, max: 100 })),
            conditions: optional(
              record({ ready: optional(flag), serving: optional(flag), terminating: optional(flag) }, { open: true }),
            ),
            nodeName: optional(text()),
            zone: optional(text()),
            hints: optional(
              record({ forZones: optional(list(record({ name: required(text()) }, { open: true }))) }, { open: true }),
            ),
          },
          { open: true },
        ),
      ),
    ),
  },
  { open: true, rule: checkAddresses },
)

function checkAddresses({ addressType, endpoints }: EndpointSlice, report: Report): void {
  if (addressType === "FQDN") return
  const isAddress = addressType === "IPv6" ? isIPv6 : isIPv4
  for (const [index, endpoint] of (endpoints ?? []).entries()) {
    for (const [place, address] of endpoint.addresses.entries()) {
      if (isAddress(address)) continue
      const message = `must be an ${addressType} address, not ${quote(address)}`
      report.breach("InvalidValue", message, "endpoints", index, "addresses", place)
    }
  }
}

/** Namespace (`v1`). */
export const namespace: Shape = record({ metadata: required(coreMetadata(namespaceName)) }, { open: true })
