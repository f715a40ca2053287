import { arrayOf, field, stringOf } from "../../primitives/json.ts"
import { GATEWAY_API_GROUP } from "../admit/admission.ts"
import { ANY_HOSTNAME } from "../hostnames/hostname.ts"
import type { ParentReference, RouteParentStatus, TLSRoute } from "../resources.ts"
import { type ParentAttachment, reachWithoutHostnames } from "../routes/attachment.ts"
import type { RouteState } from "../routes/route-state.ts"
import { fails, holds, mergeConditions, type OwnCondition } from "./conditions.ts"
import { POLICIES } from "./policies.ts"

const MAX_PARENTS = 32

/**
 * `TLSRoute.status`: one entry per parentRef to a parent that is ours. Entries of other controllers stay as
 * and where they are; ours for parents that are gone are taken out. `undefined` when the route is no matter
 * of ours.
 *
 * @param status - what the route has now
 * @param policies - the condition about its policies, if there is one
 */
export function routeStatus(
  state: RouteState,
  status: unknown,
  controllerName: string,
  now: string,
  policies: readonly OwnCondition[],
): NonNullable<TLSRoute["status"]> | undefined {
  const { route, attachment } = state
  const pending = new Map(attachment.parents.map((parent) => [parentKey(parent.ref.reference), parent]))
  const parents: RouteParentStatus[] = []
  let ours = pending.size > 0
  for (const entry of arrayOf(field(status, "parents")) ?? []) {
    if (field(entry, "controllerName") !== controllerName) {
      parents.push(entry as RouteParentStatus)
      continue
    }
    ours = true
    const key = parentKey(field(entry, "parentRef"))
    const parent = pending.get(key)
    if (parent === undefined) continue
    pending.delete(key)
    const conditions = [...conditionsOf(parent, state), ...policies]
    parents.push({
      parentRef: parent.ref.reference,
      controllerName,
      conditions: mergeConditions(field(entry, "conditions"), conditions, route.generation, now, [POLICIES]),
    })
  }
  if (!ours) return undefined
  for (const parent of pending.values()) {
    const conditions = mergeConditions([], [...conditionsOf(parent, state), ...policies], route.generation, now)
    parents.push({ parentRef: parent.ref.reference, controllerName, conditions })
  }
  return { parents: parents.slice(0, MAX_PARENTS) }
}

function conditionsOf(parent: ParentAttachment, state: RouteState): readonly OwnCondition[] {
  const { unresolved, route, attachment, withoutEndpoints } = state
  const { fault, withheld } = parent
  const attached = [
    "the route is attached",
    route.hostnames[0] === ANY_HOSTNAME ? `without hostnames it takes ${reachWithoutHostnames(attachment)}` : "",
    withheld === undefined ? "" : `listeners that do not take it keep their names from it: ${withheld}`,
  ]
  return [
    fault === undefined
      ? holds("Accepted", "Accepted", attached.filter((part) => part !== "").join("; "))
      : fails("Accepted", fault.reason, fault.message),
    unresolved === undefined
      ? holds("ResolvedRefs", "ResolvedRefs", ["every backendRef is resolved", ...withoutEndpoints].join("; "))
      : fails("ResolvedRefs", unresolved.reason, unresolved.message),
  ]
}

/** Identity of a parentRef, with its defaults filled in. */
function parentKey(reference: ParentReference | unknown): string {
  return JSON.stringify([
    field(reference, "group") ?? GATEWAY_API_GROUP,
    field(reference, "kind") ?? "Gateway",
    stringOf(field(reference, "namespace")),
    field(reference, "name"),
    field(reference, "sectionName") ?? undefined,
    field(reference, "port") ?? undefined,
  ])
}
