import type { RouteTable, Statuses, StatusOptions } from "../routing/route-table.ts"
import type { BindingState } from "./bindings.ts"
import type { Policies } from "./policies/policies.ts"

/** States of sockets, with how connections begin there. */
export function statesOf(states: readonly BindingState[], policies: Policies): readonly BindingState[] {
  return states.map((state) => {
    const starttls = policies.binding(state.binding.key)?.listener.starttls?.protocol.name
    return starttls === undefined ? state : { ...state, starttls }
  })
}

/** Statuses of a table that is served: what is bound, and which policies are refused, is known. */
export function statusesOf(
  table: RouteTable,
  states: readonly BindingState[],
  policies: Policies,
  options: Omit<StatusOptions, "bound" | "policyProblems">,
): Statuses {
  const bound = new Map(states.map((state) => [state.binding.key, state]))
  return table.statuses({ ...options, bound, policyProblems: policies.problems })
}
