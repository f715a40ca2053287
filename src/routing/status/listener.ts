import { arrayOf, field, objectOf } from "../../primitives/json.ts"
import type { ListenerState } from "../listeners/topology.ts"
import type { ListenerStatus } from "../resources.ts"
import type { BindingReport } from "./binding-reports.ts"
import { fails, holds, mergeConditions, type OwnCondition } from "./conditions.ts"
import type { StatusContext } from "./status-context.ts"

/** Conditions that we set on listeners only when they apply. */
const RETIRED = ["ResolvedRefs", "Conflicted", "OverlappingTLSConfig"]

/** `status.listeners` of a Gateway or ListenerSet: one entry per listener, in the order of the spec. */
export function listenerStatuses(
  listeners: readonly ListenerState[],
  existing: unknown,
  generation: number,
  context: StatusContext,
): readonly ListenerStatus[] {
  const byName = new Map((arrayOf(existing) ?? []).map((entry) => [field(entry, "name"), entry]))
  return listeners.map((state) => {
    const entry = byName.get(state.listener.name)
    return {
      ...objectOf(entry),
      name: state.listener.name,
      supportedKinds: state.supportedKinds,
      attachedRoutes: context.attachedRoutes.get(state.listener.id) ?? 0,
      conditions: mergeConditions(
        field(entry, "conditions"),
        listenerConditions(state, context.reports.ofListener(state.listener.id)),
        generation,
        context.now,
        RETIRED,
      ),
    }
  })
}

function listenerConditions(state: ListenerState, report: BindingReport): readonly OwnCondition[] {
  const conditions = [accepted(state), programmed(state, report)]
  // Certificates are never looked at: nothing is said of what only other listeners may refer to.
  if (state.kindsFault !== undefined) {
    conditions.push(fails("ResolvedRefs", state.kindsFault.reason, state.kindsFault.message))
  } else if (state.spec.protocol === "TLS" && state.spec.mode === "Passthrough") {
    conditions.push(holds("ResolvedRefs", "ResolvedRefs", "every reference is resolved"))
  }
  conditions.push(
    state.conflicted && state.fault !== undefined
      ? holds("Conflicted", state.fault.reason, state.fault.message)
      : fails("Conflicted", "NoConflicts", "no other listener conflicts with this one"),
  )
  // Negative polarity: never written as False.
  if (state.overlaps.length > 0) {
    const names = state.overlaps.slice(0, 8).join(", ")
    const message = `hostnames overlap with ${names}: clients that reuse HTTP/2 connections can send one's requests to the other`
    conditions.push(holds("OverlappingTLSConfig", "OverlappingHostnames", message))
  }
  return conditions
}

function accepted({ fault }: ListenerState): OwnCondition {
  return fault === undefined
    ? holds("Accepted", "Accepted", "the listener is accepted")
    : fails("Accepted", fault.reason, fault.message)
}

function programmed(state: ListenerState, report: BindingReport): OwnCondition {
  if (state.fault !== undefined) {
    // Conformance wants a ListenerSet's conflict told here too; for Gateways the reason is Invalid.
    const conflictOfSet = state.conflicted && state.listener.parent.kind === "ListenerSet"
    return fails("Programmed", conflictOfSet ? state.fault.reason : "Invalid", state.fault.message)
  }
  if (!state.served) {
    const why = state.supportedKinds.length === 0 ? "no route kind can attach" : "the parent is not accepted"
    return fails("Programmed", "Invalid", why)
  }
  if (report.state === "bound") return holds("Programmed", "Programmed", "the listener takes connections")
  return fails("Programmed", "Pending", report.state === "failed" ? report.message : "the port is not bound yet")
}
