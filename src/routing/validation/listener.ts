import type { Listener } from "../resources.ts"
import type { Channel } from "./channel.ts"
import {
  GATEWAY_GROUP,
  group,
  hostname,
  kind,
  labelSelector,
  namespaceName,
  objectName,
  portNumber,
  protocol,
  refuseDuplicates,
  subdomainName,
} from "./fields.ts"
import type { Report } from "./report.ts"
import { anything, choice, defaulted, list, map, optional, record, required, type Shape, text } from "./shape.ts"

/** A reference to a Secret with a certificate. */
export const secretReference: Shape = record({
  group: defaulted(group, ""),
  kind: defaulted(kind, "Secret"),
  name: required(objectName),
  namespace: optional(namespaceName),
})

const allowedRoutes = record({
  namespaces: defaulted(
    record<NamespaceFilter>(
      { from: defaulted(choice("All", "Selector", "Same"), "Same"), selector: optional(labelSelector) },
      { rule: warnOfMissingSelector },
    ),
    { from: "Same" },
  ),
  kinds: optional(list(record({ group: defaulted(group, GATEWAY_GROUP), kind: required(kind) }), { max: 8 })),
})

interface NamespaceFilter {
  readonly from?: string
  readonly selector?: unknown
}

/** Warns where a selector is asked for and not given: nothing is selected then. */
export function warnOfMissingSelector({ from, selector }: NamespaceFilter, report: Report): void {
  if (from === "Selector" && (selector === undefined || selector === null)) {
    report.warn("Required", "from: Selector needs a selector; without, no namespace is selected", "selector")
  }
}

const listenerTLS = record<NonNullable<Listener["tls"]>>(
  {
    mode: defaulted(choice("Terminate", "Passthrough"), "Terminate"),
    certificateRefs: optional(list(secretReference, { max: 64 })),
    options: optional(map(text({ max: 4096 }), { max: 16 })),
  },
  { rule: requireCertificate },
)

function requireCertificate({ mode, certificateRefs, options }: NonNullable<Listener["tls"]>, report: Report): void {
  if ((mode ?? "Terminate") !== "Terminate") return
  if ((certificateRefs?.length ?? 0) > 0 || hasEntry(options)) return
  const hint = "; to pass TLS through, set mode to Passthrough"
  report.breach(
    "Required",
    `certificateRefs or options must be specified when mode is Terminate${hint}`,
    "certificateRefs",
  )
}

const hasEntry = (options: unknown): boolean => Object.values(options ?? {}).some((value) => value !== null)

const fields = {
  name: required(subdomainName),
  hostname: optional(hostname),
  port: required(portNumber),
  protocol: required(protocol),
  tls: optional(listenerTLS),
  allowedRoutes: defaulted(allowedRoutes, { namespaces: { from: "Same" } }),
}

/** What runs on HTTP requests before they are routed, since v1.7: no listener with it is served, so it is not looked into. */
const filters = optional(anything)

function listener(kind: "Gateway" | "ListenerSet", channel: Channel): Shape {
  if (channel === "standard") return record<Listener>(fields, { rule: checkProtocol })
  // The rule is a Gateway's alone in v1.7.
  const rule = kind === "Gateway" ? checkProtocolAndFilters : checkProtocol
  return record<ListenerWithFilters>({ ...fields, filters }, { rule })
}

interface ListenerWithFilters extends Listener {
  readonly filters?: unknown
}

function checkProtocolAndFilters(listener: ListenerWithFilters, report: Report): void {
  checkProtocol(listener, report)
  const { filters, protocol } = listener
  if (filters !== undefined && filters !== null && protocol !== "HTTP" && protocol !== "HTTPS") {
    report.breach("Forbidden", `filters must not be specified for protocol ${protocol}`, "filters")
  }
}

const WITHOUT_TLS: ReadonlySet<string> = new Set(["HTTP", "TCP", "UDP"])
const WITHOUT_HOSTNAME: ReadonlySet<string> = new Set(["TCP", "UDP"])

function checkProtocol({ protocol, tls, hostname }: Listener, report: Report): void {
  const hasTLS = tls !== undefined && tls !== null
  if (hasTLS && WITHOUT_TLS.has(protocol)) {
    report.breach("Forbidden", `tls must not be specified for protocol ${protocol}`, "tls")
  }
  if (!hasTLS && protocol === "TLS") {
    report.breach("Required", "tls mode must be set for protocol TLS: set it to Passthrough", "tls", "mode")
  }
  if (hasTLS && protocol === "HTTPS" && (tls.mode ?? "Terminate") !== "Terminate") {
    report.breach("InvalidValue", "tls mode must be Terminate for protocol HTTPS", "tls", "mode")
  }
  if (hostname !== undefined && hostname !== null && WITHOUT_HOSTNAME.has(protocol)) {
    report.breach("Forbidden", `hostname must not be specified for protocol ${protocol}`, "hostname")
  }
}

/** `spec.listeners` of Gateway and ListenerSet. */
export const listeners = (kind: "Gateway" | "ListenerSet", channel: Channel): Shape =>
  list<Listener>(listener(kind, channel), {
    min: 1,
    max: 64,
    rule(items, report) {
      refuseDuplicates(
        items,
        (item) => item.name,
        report,
        (item, earlier) => `listener name must be unique; ${item.name} is the name of listeners[${earlier}] too`,
        "name",
      )
      refuseDuplicates(
        items,
        (item) => `${item.port} ${item.protocol} ${item.hostname ?? ""}`,
        report,
        (_, earlier) =>
          `combination of port, protocol and hostname must be unique for each listener, and is that of listeners[${earlier}]`,
      )
    },
  })
