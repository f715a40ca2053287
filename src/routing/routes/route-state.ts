import { arrayOf, field, isAbsent } from "../../primitives/json.ts"
import type { AdmittedGrant } from "../admit/backend.ts"
import type { Fault } from "../admit/fault.ts"
import type { AdmittedBackendRef, AdmittedRoute } from "../admit/route.ts"
import { grantMeant, isReferencePermitted } from "../backends/grants.ts"
import { invalidTarget } from "../backends/target.ts"
import type { ProblemCode } from "../problem-codes.ts"
import type { ResourceProblem } from "../resources.ts"
import type { BackendTarget, TableRoute } from "../route-table.ts"
import { type Attachment, reachWithoutHostnames } from "./attachment.ts"

/** Everything computed for one route: its place in the table, and what its status tells. */
export interface RouteState {
  readonly route: AdmittedRoute
  readonly attachment: Attachment
  readonly table: TableRoute
  /** The first backendRef that does not resolve; `undefined` when all do. */
  readonly unresolved: Fault | undefined
  /** Why backendRefs that resolve have no endpoint, one sentence each. */
  readonly withoutEndpoints: readonly string[]
  readonly problems: readonly ResourceProblem[]
}

const NONE: readonly string[] = []

/** What resolving a route's backendRefs asks for. */
export interface TargetSource {
  target(ref: AdmittedBackendRef): BackendTarget
  grants(namespace: string): Iterable<AdmittedGrant>
}

/** Resolves the backends of a route; of one that has no parent of ours, they are not our matter. */
export function routeState(route: AdmittedRoute, attachment: Attachment, targets: TargetSource): RouteState {
  const problems: ResourceProblem[] = []
  const report = (severity: ResourceProblem["severity"], code: ProblemCode, path: string, message: string): void => {
    problems.push({ severity, code, object: route.ref, path, message })
  }
  for (const { ref, fault } of attachment.parents) {
    if (fault === undefined) continue
    const { reason, message, cause } = fault
    const problem = { severity: "error", code: reason, object: route.ref, path: ref.path, message } as const
    problems.push(cause === undefined ? problem : { ...problem, cause })
  }
  if (route.writtenAs !== undefined && attachment.listeners.length > 0) warnOfLaxVersion(route, attachment, report)
  let unresolved: Fault | undefined
  let withoutEndpoints = NONE
  let totalWeight = 0
  const backendRefs = attachment.parents.length === 0 ? [] : route.backendRefs
  const backends = backendRefs.map((ref) => {
    const target = resolveRef(route, ref, targets)
    totalWeight += ref.weight
    if (target.kind === "invalid") {
      // A Service without endpoints is found; only its connections are refused.
      if (target.reason === "NoEndpoints") {
        report("warning", target.reason, ref.path, target.message)
        if (!withoutEndpoints.includes(target.message)) withoutEndpoints = [...withoutEndpoints, target.message]
      } else {
        unresolved ??= { reason: target.reason, message: target.message }
        // What breaks the object's own schema was reported where it was read.
        if (ref.fault === undefined && !lacksPort(ref)) report("error", target.reason, ref.path, target.message)
      }
    }
    return { ref: ref.ref, port: ref.port, path: ref.path, weight: ref.weight, target }
  })
  const table = { ref: route.ref, backends, totalWeight }
  return { route, attachment, table, unresolved, withoutEndpoints, problems }
}

/** Whether a Service is named without the port that it must have. */
const lacksPort = ({ ref, port }: AdmittedBackendRef): boolean =>
  port === undefined && ref.group === "" && ref.kind === "Service"

/** Tells of what v1 would not have admitted, and takes no edit of. */
function warnOfLaxVersion(
  route: AdmittedRoute,
  attachment: Attachment,
  report: (severity: "warning", code: ProblemCode, path: string, message: string) => void,
): void {
  const spec = field(route.object, "spec")
  if (isAbsent(field(spec, "hostnames"))) {
    const message = `written as v1alpha2, without hostnames: it takes ${reachWithoutHostnames(attachment)}; name its hostnames, as v1 takes no edit of it without`
    report("warning", "NoHostnames", "spec.hostnames", message)
  }
  const rules = arrayOf(field(spec, "rules"))?.length ?? 0
  if (rules > 1) {
    const message = `written as v1alpha2, with ${rules} rules: the weights of all are one list; make them one rule, as v1 takes no edit of it otherwise`
    report("warning", "SeveralRules", "spec.rules", message)
  }
}

function resolveRef(route: AdmittedRoute, ref: AdmittedBackendRef, targets: TargetSource): BackendTarget {
  if (ref.fault !== undefined) return invalidTarget(ref.ref, ref.port, "BackendNotFound", ref.fault)
  // Permission before existence: what may not be referred to must not be told about either.
  const grants = [...targets.grants(ref.ref.namespace)]
  if (!isReferencePermitted(route.ref.namespace, ref.ref, grants)) {
    const kind = ref.ref.group === "" ? ref.ref.kind : `${ref.ref.group}/${ref.ref.kind}`
    const message = `no ReferenceGrant in namespace ${ref.ref.namespace} lets TLSRoutes of ${route.ref.namespace} refer to ${kind} ${ref.ref.name}${grantMeant(route.ref.namespace, grants)}`
    return invalidTarget(ref.ref, ref.port, "RefNotPermitted", message)
  }
  return targets.target(ref)
}
