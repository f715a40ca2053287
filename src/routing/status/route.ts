import { arrayOf, field, stringOf } from "../../primitives/json.ts"
import { GATEWAY_API_GROUP } from "../admit/admission.ts"
import type { Fault } from "../admit/fault.ts"
import { ANY_HOSTNAME } from "../hostnames/hostname.ts"
import type { ParentReference, RouteParentStatus, TLSRoute } from "../resources.ts"
import { reachWithoutHostnames } from "../routes/attachment.ts"
import type { RouteState } from "../routes/route-state.ts"
import { fails, holds, mergeConditions, type OwnCondition } from "./conditions.ts"

const MAX_PARENTS = 32

/**
 * `TLSRoute.status`: one entry per parentRef to a parent that is ours. Entries of other controllers stay as
 * and where they are; ours for parents that are gone are taken out. `undefined` when the route is no matter
 * of ours.
 *
 * @param status - what the route has now
 */
export function routeStatus(
  state: RouteState,
  status: unknown,
  controllerName: string,
  now: string,
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
    const conditions = conditionsOf(parent.fault, state)
    parents.push({
      parentRef: parent.ref.reference,
      controllerName,
      conditions: mergeConditions(field(entry, "conditions"), conditions, route.generation, now),
    })
  }
  if (!ours) return undefined
  for (const { ref, fault } of pending.values()) {
    const conditions = mergeConditions([], conditionsOf(fault, state), route.generation, now)
    parents.push({ parentRef: ref.reference, controllerName, conditions })
  }
  return { parents: parents.slice(0, MAX_PARENTS) }
}

function conditionsOf(
  fault: Fault | undefined,
  { unresolved, route, attachment }: RouteState,
): readonly OwnCondition[] {
  const reach =
    route.hostnames[0] === ANY_HOSTNAME ? `; without hostnames it takes ${reachWithoutHostnames(attachment)}` : ""
  return [
    fault === undefined
      ? holds("Accepted", "Accepted", `the route is attached${reach}`)
      : fails("Accepted", fault.reason, fault.message),
    unresolved === undefined
      ? holds("ResolvedRefs", "ResolvedRefs", "every backendRef is resolved")
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
