import { anything, holding, listOf } from "../primitives/option-checks.ts"
import type { Service } from "../routing/resources.ts"
import { refuseArgument } from "./errors.ts"

/** One entry of `Gateway.status.addresses`. */
export interface PublishedAddress {
  /** What it is, in the words of the Gateway API. */
  readonly type: "IPAddress" | "Hostname"
  /** IP literal or DNS name. */
  readonly value: string
}

/** The part of a Node (`v1`) that addresses come from. */
export interface Node {
  /** Addresses of the node, and whether it is ready. */
  readonly status?: {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[]
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
  }
}

type FrontService = Service & { readonly spec?: { readonly externalIPs?: readonly string[] } }

const SERVICE = holding("a Service", (value) => typeof value === "object" && value !== null)
const NODES = listOf(anything, "Nodes")

// The API allows no more on one Gateway.
const MAX_ADDRESSES = 16

/**
 * Addresses at which clients reach pods behind a Service: what the load balancer was given (none as long as it is
 * pending), the external addresses of ready nodes for NodePort (internal ones when there are none), else the
 * cluster IPs. `spec.externalIPs` come first.
 *
 * @throws {@link KubernetesError} `ERR_TLSROUTE_KUBERNETES_OPTION` for what is no Service, or no list of Nodes
 */
export function serviceAddresses(service: FrontService, nodes: readonly Node[]): readonly PublishedAddress[] {
  refuseArgument("serviceAddresses", service, SERVICE)
  refuseArgument("serviceAddresses", nodes, NODES)
  const found = [...(service.spec?.externalIPs ?? []).map(ipAddress), ...addressesOfType(service, nodes)]
  const unique = new Map(found.map((address) => [address.value, address]))
  return [...unique.values()].slice(0, MAX_ADDRESSES)
}

function addressesOfType(service: FrontService, nodes: readonly Node[]): readonly PublishedAddress[] {
  switch (service.spec?.type) {
    case "LoadBalancer":
      return (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }): PublishedAddress[] => {
        if (ip !== undefined && ip !== "") return [ipAddress(ip)]
        return hostname === undefined || hostname === "" ? [] : [{ type: "Hostname", value: hostname }]
      })
    case "NodePort":
      return nodeAddresses(nodes)
    default:
      return (service.spec?.clusterIPs ?? [service.spec?.clusterIP ?? ""])
        .filter((ip) => ip !== "" && ip !== "None")
        .map(ipAddress)
  }
}

function nodeAddresses(nodes: readonly Node[]): readonly PublishedAddress[] {
  const ready = nodes.filter((node) =>
    node.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True"),
  )
  const ofType = (wanted: string): readonly PublishedAddress[] =>
    ready
      .flatMap((node) => node.status?.addresses ?? [])
      .filter(({ type }) => type === wanted)
      .map(({ address }) => ipAddress(address))
  const external = ofType("ExternalIP")
  return external.length > 0 ? external : ofType("InternalIP")
}

const ipAddress = (value: string): PublishedAddress => ({ type: "IPAddress", value })
