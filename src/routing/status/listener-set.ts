import { field, objectOf } from "../../primitives/json.ts"
import type { AdmittedListenerSet } from "../admit/gateway.ts"
import type { ListenerSetState } from "../listeners/topology.ts"
import type { ListenerSet } from "../resources.ts"
import { fails, holds, mergeConditions, type OwnCondition } from "./conditions.ts"
import { listenerStatuses } from "./listener.ts"
import { POLICIES } from "./policies.ts"
import type { StatusContext } from "./status-context.ts"

/** `ListenerSet.status`: Accepted and Programmed with the same reason when refused, and the listeners. */
export function listenerSetStatus(
  set: AdmittedListenerSet,
  state: ListenerSetState,
  context: StatusContext,
): NonNullable<ListenerSet["status"]> {
  const status = field(set.object, "status")
  return {
    ...objectOf(status),
    conditions: mergeConditions(
      field(status, "conditions"),
      [...conditionsOf(state, context), ...context.policies.conditions(set.ref)],
      set.generation,
      context.now,
      [POLICIES],
    ),
    listeners: listenerStatuses(state.listeners, field(status, "listeners"), set.generation, context),
  }
}

function conditionsOf({ fault, listeners }: ListenerSetState, context: StatusContext): readonly OwnCondition[] {
  if (fault !== undefined) {
    return [fails("Accepted", fault.reason, fault.message), fails("Programmed", fault.reason, fault.message)]
  }
  const refused = listeners.filter((listener) => listener.fault !== undefined).map(({ listener }) => listener.name)
  const accepted =
    refused.length === 0
      ? holds("Accepted", "Accepted", "the ListenerSet is attached to its Gateway")
      : holds(
          "Accepted",
          "ListenersNotValid",
          `attached without its listeners that are not valid: ${refused.join(", ")}`,
        )
  const reports = listeners
    .filter((listener) => listener.served)
    .map(({ listener }) => context.reports.ofListener(listener.id))
  if (reports.length === 0) return [accepted, fails("Programmed", "Invalid", "no listener can take connections")]
  if (reports.some((report) => report.state === "bound")) {
    return [accepted, holds("Programmed", "Programmed", "the ListenerSet takes connections")]
  }
  const failed = reports.find((report) => report.state === "failed")
  return [
    accepted,
    fails("Programmed", "Pending", failed?.state === "failed" ? failed.message : "no port is bound yet"),
  ]
}
