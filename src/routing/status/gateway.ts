import { field, isAbsent, objectOf } from "../../primitives/json.ts"
import { listFew } from "../../primitives/list-few.ts"
import type { AdmittedGateway } from "../admit/gateway.ts"
import type { GatewayState } from "../listeners/topology.ts"
import type { Gateway, GatewayAddress } from "../resources.ts"
import { fails, holds, mergeConditions, type OwnCondition } from "./conditions.ts"
import { listenerStatuses } from "./listener.ts"
import { POLICIES } from "./policies.ts"
import type { StatusContext } from "./status-context.ts"

const MAX_ADDRESSES = 16

/** `Gateway.status`: Accepted, Programmed, addresses, listeners and the number of attached ListenerSets. */
export function gatewayStatus(
  gateway: AdmittedGateway,
  state: GatewayState,
  context: StatusContext,
): NonNullable<Gateway["status"]> {
  const status = field(gateway.object, "status")
  const addresses = publishedAddresses(gateway, state, context)
  return {
    ...objectOf(status),
    ...(addresses === undefined ? {} : { addresses }),
    conditions: mergeConditions(
      field(status, "conditions"),
      [accepted(state), programmed(gateway, state, addresses, context), ...context.policies.conditions(gateway.ref)],
      gateway.generation,
      context.now,
      [POLICIES],
    ),
    listeners: listenerStatuses(state.listeners, field(status, "listeners"), gateway.generation, context),
    // CRDs before ListenerSet prune the field; writing a zero there would look like a change for ever.
    ...(context.hasListenerSets || !isAbsent(field(status, "attachedListenerSets"))
      ? { attachedListenerSets: state.attachedListenerSets }
      : {}),
  }
}

function accepted({ fault, listeners }: GatewayState): OwnCondition {
  if (fault !== undefined) return fails("Accepted", fault.reason, fault.message)
  const refused = listeners.filter((listener) => listener.fault !== undefined).map(({ listener }) => listener.name)
  if (refused.length === listeners.length) return fails("Accepted", "ListenersNotValid", "no listener is valid")
  if (refused.length === 0) return holds("Accepted", "Accepted", "the Gateway is accepted")
  return holds(
    "Accepted",
    "ListenersNotValid",
    `accepted without its listeners that are not valid: ${refused.join(", ")}`,
  )
}

function programmed(
  gateway: AdmittedGateway,
  state: GatewayState,
  addresses: readonly GatewayAddress[] | undefined,
  context: StatusContext,
): OwnCondition {
  if (state.fault !== undefined) return fails("Programmed", "Invalid", state.fault.message)
  const served = state.listeners.filter((listener) => listener.served)
  if (served.length === 0) return fails("Programmed", "Invalid", "no listener can take connections")
  const reports = served.map((listener) => context.reports.ofListener(listener.listener.id))
  for (const report of reports) {
    if (report.state === "failed" && report.addressUnusable)
      return fails("Programmed", "AddressNotUsable", report.message)
  }
  const missing = gateway.hostnames.filter((hostname) => !addresses?.some(({ value }) => value === hostname))
  if (missing.length > 0) return fails("Programmed", "AddressNotUsable", notPublished(gateway, missing, context))
  if (state.addresses.length === 0 && addresses?.length === 0) {
    return fails("Programmed", "AddressNotAssigned", "no address is assigned")
  }
  if (reports.some((report) => report.state === "bound")) {
    return holds("Programmed", "Programmed", "the Gateway takes connections")
  }
  const failed = reports.find((report) => report.state === "failed")
  return fails("Programmed", "Pending", failed?.state === "failed" ? failed.message : "no port is bound yet")
}

/** Why hostnames that a Gateway asks for are not its addresses. */
function notPublished(gateway: AdmittedGateway, missing: readonly string[], context: StatusContext): string {
  const published = givenAddresses(gateway, context) ?? []
  const as = published.length === 0 ? "nothing" : listFew(published.map(({ value = "" }) => value))
  return `spec.addresses asks for hostname ${listFew(missing)}, and the gateway is published as ${as}: its own Service must have that hostname`
}

function givenAddresses(gateway: AdmittedGateway, { addresses }: StatusContext): readonly GatewayAddress[] | undefined {
  const given = typeof addresses === "function" ? addresses(gateway.object) : addresses
  return given?.map(({ type, value }) => ({ type: type ?? "IPAddress", value }))
}

/** Addresses to publish; `undefined` leaves those that are there. */
function publishedAddresses(
  gateway: AdmittedGateway,
  { addresses: own, listeners }: GatewayState,
  context: StatusContext,
): readonly GatewayAddress[] | undefined {
  const { hostnames, takesAnyAddress } = gateway
  const given = givenAddresses(gateway, context)
  if (given === undefined && own.length === 0 && takesAnyAddress && hostnames.length === 0) return undefined
  if (!listeners.some(({ served }) => served)) return []
  // A Gateway that asks for hostnames gets those alone of what it is published as.
  const asked = (given ?? []).filter(({ type, value = "" }) => type === "Hostname" && hostnames.includes(value))
  const bound = own
    .filter((value) => context.reports.isBoundAt(gateway.key, value))
    .map((value) => ({ type: "IPAddress", value }))
  if (hostnames.length > 0) return [...bound, ...asked].slice(0, MAX_ADDRESSES)
  return (given !== undefined && takesAnyAddress ? given : bound).slice(0, MAX_ADDRESSES)
}
