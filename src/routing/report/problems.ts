import { compareText } from "../../primitives/compare-text.ts"
import { oncePerPart } from "../../primitives/parts.ts"
import type { Fault } from "../admit/fault.ts"
import type { ObjectRef, ResourceProblem } from "../resources.ts"
import type { RouteState } from "../routes/route-state.ts"
import type { Snapshot } from "../snapshot.ts"

const problemsOfPart = oncePerPart((part: readonly RouteState[]) => part.flatMap(({ problems }) => problems))

/** Every problem of a snapshot: what the source told first, then by object, in one order whatever the input's. */
export function collectProblems(snapshot: Snapshot): readonly ResourceProblem[] {
  const [fromSource, ...fromObjects] = snapshot.objectProblems
  const problems = fromObjects.flatMap((problemsOf) => problemsOf())
  for (const { class: ours, fault } of snapshot.listening.classes.ours.values()) {
    if (fault !== undefined) problems.push(problemOf(ours.ref, fault.path, fault))
  }
  for (const { gateway, fault, listeners } of snapshot.listening.topology.gateways.values()) {
    // What no implementation takes was reported where it was read.
    const path = fault === gateway.fault ? gateway.fault?.unsupported : "spec"
    if (fault !== undefined && path !== undefined) problems.push(problemOf(gateway.ref, path, fault))
    problems.push(...listenerProblems(gateway.ref, listeners))
  }
  for (const { set, fault, listeners } of snapshot.listening.topology.listenerSets.values()) {
    if (fault !== undefined && fault.reason !== "ListenersNotValid")
      problems.push(problemOf(set.ref, "spec.parentRef", fault))
    problems.push(...listenerProblems(set.ref, listeners))
  }
  problems.push(...snapshot.routes.flatMap(problemsOfPart))
  return [...(fromSource?.() ?? []), ...problems.sort(compareProblems)]
}

function listenerProblems(ref: ObjectRef, listeners: Snapshot["listening"]["served"]): readonly ResourceProblem[] {
  const problems: ResourceProblem[] = []
  for (const { spec, fault, kindsFault } of listeners) {
    // Likewise.
    if (fault !== undefined && fault !== spec.fault) problems.push(problemOf(ref, spec.path, fault))
    if (kindsFault !== undefined) problems.push(problemOf(ref, `${spec.path}.allowedRoutes.kinds`, kindsFault))
  }
  return problems
}

function problemOf(object: ObjectRef, path: string, fault: Fault): ResourceProblem {
  const { reason, message, cause } = fault
  return { severity: "error", code: reason, object, path, message, ...(cause === undefined ? {} : { cause }) }
}

/** By object, then by field: one order whatever the input's. */
export function compareProblems(a: ResourceProblem, b: ResourceProblem): number {
  return (
    compareText(nameOf(a.object), nameOf(b.object)) ||
    compareText(a.path, b.path) ||
    compareText(a.code, b.code) ||
    compareText(a.message, b.message)
  )
}

function nameOf(ref: ObjectRef | undefined): string {
  return ref === undefined ? "" : `${ref.kind} ${ref.group} ${ref.namespace}/${ref.name}`
}
