import type { BackendRef } from "../resources.ts"
import type { Channel } from "./channel.ts"
import {
  group,
  hostname,
  hostnameNotIP,
  kind,
  namespaceName,
  objectName,
  portNumber,
  refuseDuplicates,
  subdomainName,
} from "./fields.ts"
import { parentReferences } from "./parent-reference.ts"
import type { Report } from "./report.ts"
import { choice, defaulted, integer, isRecord, list, optional, record, required, type Shape } from "./shape.ts"

const backendRef = (channel: Channel): Shape =>
  record<BackendRef>(
    {
      group: defaulted(group, ""),
      kind: defaulted(kind, "Service"),
      name: required(objectName),
      namespace: optional(namespaceName),
      port: optional(portNumber),
      weight: defaulted(integer(0, 1_000_000), 1),
    },
    { rule: channel === "standard" ? requireServicePort : checkPort },
  )

function checkPort(ref: BackendRef, report: Report): void {
  requireServicePort(ref, report)
  const { group, kind, port } = ref
  if (group !== "gateway.networking.x-k8s.io" || kind !== "XBackend") return
  if (port !== undefined && port !== null)
    report.breach("Forbidden", "must not have port for XBackend reference", "port")
}

function requireServicePort({ group, kind, name, port }: BackendRef, report: Report): void {
  if ((group ?? "") !== "" || (kind ?? "Service") !== "Service") return
  if (port !== undefined && port !== null) return
  const [, host, number] = /^([^:]+):(\d{1,5})$/.exec(name) ?? []
  const hint = host === undefined ? "" : `; did you mean name: ${host}, port: ${number}?`
  report.breach("Required", `must have port for Service reference${hint}`, "port")
}

const rule = (channel: Channel): Shape =>
  record({
    name: optional(subdomainName),
    backendRefs: required(list(backendRef(channel), { min: 1, max: 16 })),
  })

const oneRule = (channel: Channel): Shape => list(rule(channel), { min: 1, max: 1 })

const upToSixteenRules = list<{ readonly name?: string }>(rule("experimental"), {
  min: 1,
  max: 16,
  rule: (rules, report) =>
    refuseDuplicates(
      rules,
      (item) => item.name ?? undefined,
      report,
      (item, earlier) => `rule name must be unique within the route; ${item.name} is the name of rules[${earlier}] too`,
      "name",
    ),
})

const useDefaultGateways = optional(choice("All", "None"))
const hostnames = required(list(hostnameNotIP, { min: 1, max: 1024 }))

/** `TLSRoute.spec` of v1 in the standard channel. */
export const tlsRouteSpec: Shape = record({
  parentRefs: optional(parentReferences(false)),
  hostnames,
  rules: required(oneRule("standard")),
})

/** `TLSRoute.spec` of v1 and v1alpha3 in the experimental channel. */
export const experimentalTLSRouteSpec: Shape = record({
  parentRefs: optional(parentReferences(true)),
  useDefaultGateways,
  hostnames,
  rules: required(oneRule("experimental")),
})

/** `TLSRoute.spec` of v1alpha2, where hostnames may be left out and rules may be several. */
export const alphaTLSRouteSpec: Shape = record({
  parentRefs: optional(parentReferences(true)),
  useDefaultGateways,
  hostnames: optional(list(hostname, { max: 1024 })),
  rules: required(upToSixteenRules),
})

/** What of a v1alpha2 route v1 does not take. */
export function beforeMigratingRoute(object: Readonly<Record<string, unknown>>): string | undefined {
  const spec = isRecord(object["spec"]) ? object["spec"] : {}
  const { hostnames, rules } = spec
  const advice: string[] = []
  if (hostnames === undefined || hostnames === null || (Array.isArray(hostnames) && hostnames.length === 0)) {
    advice.push("v1 needs hostnames: give them before you migrate")
  }
  if (Array.isArray(rules) && rules.length > 1) advice.push("v1 takes one rule: make them one before you migrate")
  return advice.length === 0 ? undefined : advice.join("; ")
}
