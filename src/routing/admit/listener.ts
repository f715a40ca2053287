import { arrayOf, field, integerOf, isAbsent, objectOf, stringOf } from "../../primitives/json.ts"
import { suggest } from "../../primitives/suggest.ts"
import { isHostname } from "../hostnames/hostname.ts"
import type { ProblemCode } from "../problem-codes.ts"
import type { RouteGroupKind } from "../resources.ts"
import { type Findings, GATEWAY_API_GROUP } from "./admission.ts"
import type { Fault } from "./fault.ts"
import { type NamespaceRule, readNamespaceRule } from "./namespace-rule.ts"

/** A listener as it can be used, or with the fault that keeps it from use. */
export interface AdmittedListener {
  readonly name: string
  readonly path: string
  readonly hostname: string | undefined
  readonly port: number
  readonly protocol: string
  readonly mode: "Terminate" | "Passthrough"
  readonly namespaces: NamespaceRule
  /** `undefined`: whatever the protocol carries. */
  readonly kinds: readonly RouteGroupKind[] | undefined
  readonly fault: Fault | undefined
}

const MAX_LISTENERS = 64

/** Reads `spec.listeners` of a Gateway or ListenerSet. Listeners that cannot be used stay in the list, with their fault. */
export function readListeners(spec: unknown, findings: Findings): readonly AdmittedListener[] {
  const list = arrayOf(field(spec, "listeners"))
  if (list === undefined || list.length === 0) {
    findings.error("Required", "spec.listeners", "at least one listener is needed")
    return []
  }
  if (list.length > MAX_LISTENERS) {
    findings.error(
      "TooMany",
      "spec.listeners",
      `at most ${MAX_LISTENERS} listeners are allowed; those after are ignored`,
    )
  }
  const byName = new Map<string, AdmittedListener>()
  for (const [at, entry] of list.slice(0, MAX_LISTENERS).entries()) {
    const path = `spec.listeners[${at}]`
    const name = stringOf(field(entry, "name"))
    if (name === undefined || name === "" || name.length > 253 || name.includes("/")) {
      findings.error("Required", `${path}.name`, "a listener must have a name; it is ignored")
      continue
    }
    const listener = readListener(entry, name, path, findings)
    const twin = byName.get(name)
    if (twin === undefined) {
      byName.set(name, listener)
      continue
    }
    const message = `two listeners are named ${name}; neither is used`
    findings.error("Duplicate", `${path}.name`, message)
    byName.set(name, { ...twin, fault: { reason: "UnsupportedValue", message } })
  }
  return [...byName.values()]
}

const PROTOCOLS_WITHOUT_HOSTNAME = new Set(["TCP", "UDP"])

function readListener(entry: unknown, name: string, path: string, findings: Findings): AdmittedListener {
  let fault: Fault | undefined
  const refuse = (code: ProblemCode, at: string, message: string): void => {
    findings.error(code, at, message)
    fault ??= { reason: "UnsupportedValue", message: `${at}: ${message}` }
  }
  const port = integerOf(field(entry, "port"), 1, 65_535)
  if (port === undefined) refuse("InvalidValue", `${path}.port`, "must be an integer from 1 to 65535")
  const protocol = stringOf(field(entry, "protocol"))
  if (protocol === undefined || protocol === "") refuse("Required", `${path}.protocol`, "must be a string such as TLS")

  const hostnameValue = field(entry, "hostname")
  let hostname: string | undefined
  if (!isAbsent(hostnameValue) && hostnameValue !== "") {
    hostname = stringOf(hostnameValue)
    if (hostname === undefined || !isHostname(hostname)) {
      hostname = undefined
      refuse(
        "InvalidValue",
        `${path}.hostname`,
        "must be a lower-case DNS name, exact or with *. as its first label, and no IP address",
      )
    } else if (protocol !== undefined && PROTOCOLS_WITHOUT_HOSTNAME.has(protocol)) {
      refuse("InvalidValue", `${path}.hostname`, `a ${protocol} listener has no hostname`)
    }
  }

  const mode = field(field(entry, "tls"), "mode")
  if (protocol === "TLS" && isAbsent(mode)) {
    refuse("Required", `${path}.tls.mode`, "a TLS listener must set tls.mode; Passthrough is the mode served")
  } else if (!isAbsent(mode) && mode !== "Passthrough" && mode !== "Terminate") {
    const meant = suggest(stringOf(mode) ?? "", ["Passthrough", "Terminate"])
    const hint = meant === undefined ? "" : `; did you mean ${meant}?`
    refuse("InvalidValue", `${path}.tls.mode`, `must be Passthrough or Terminate${hint}`)
  }

  const allowedRoutes = field(entry, "allowedRoutes")
  const namespaces = readNamespaceRule(
    field(allowedRoutes, "namespaces"),
    "Same",
    `${path}.allowedRoutes.namespaces`,
    findings,
  )
  const kinds = readKinds(field(allowedRoutes, "kinds"), `${path}.allowedRoutes.kinds`, findings)
  return {
    name,
    path,
    hostname,
    port: port ?? 0,
    protocol: protocol ?? "",
    mode: mode === "Passthrough" ? "Passthrough" : "Terminate",
    namespaces: isReadable(allowedRoutes) ? namespaces : { from: "None" },
    kinds,
    fault,
  }
}

function isReadable(value: unknown): boolean {
  return isAbsent(value) || objectOf(value) !== undefined
}

/** Reads `kinds`; an entry that cannot be read stays as a kind that nothing has, so that it is reported and matches nothing. */
function readKinds(value: unknown, path: string, findings: Findings): readonly RouteGroupKind[] | undefined {
  if (isAbsent(value)) return undefined
  const list = arrayOf(value)
  if (list === undefined) {
    findings.error("InvalidType", path, "must be a list of kinds")
    return [{ group: "", kind: "" }]
  }
  if (list.length === 0) return undefined
  return list.map((entry) => {
    const group = field(entry, "group") ?? GATEWAY_API_GROUP
    const kind = field(entry, "kind")
    if (typeof group === "string" && typeof kind === "string") return { group, kind }
    findings.error("InvalidType", path, "every kind needs a kind, and a group that is a string")
    return { group: "", kind: "" }
  })
}
