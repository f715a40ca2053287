import { oncePerPart, type Parts } from "../primitives/parts.ts"
import type { Listening, ListeningObjects } from "./listeners/listening.ts"
import type { ResolvedOptions } from "./options.ts"
import type { KubernetesObject, ResourceProblem } from "./resources.ts"
import type { TableRoute } from "./route-table.ts"
import type { Contests } from "./routes/candidates.ts"
import type { RouteState } from "./routes/route-state.ts"

/** Everything computed from one snapshot of resources; never changed after. */
export interface Snapshot {
  readonly options: ResolvedOptions
  readonly listening: Listening
  readonly objects: ListeningObjects
  /** Routes of each served listener, in the same order. */
  readonly contests: readonly Contests[]
  /** Every usable route, by `namespace/name`. */
  readonly routes: Parts<RouteState>
  /** Of the Gateway API's CRDs; `undefined` when they are not known. */
  readonly bundleVersions: readonly string[] | undefined
  /** The newest form of an object, as far as the source knows it. */
  readonly latest: (object: KubernetesObject) => KubernetesObject
  /** What the source found, then what was found in single objects. */
  readonly objectProblems: readonly (() => readonly ResourceProblem[])[]
}

const attachedOf = oncePerPart((part: readonly RouteState[]) =>
  part.filter(({ attachment }) => attachment.listeners.length > 0),
)
const tablesOf = oncePerPart((part: readonly RouteState[]) => attachedOf(part).map(({ table }) => table))

/** Routes that at least one listener takes. */
export function attachedRoutes({ routes }: Snapshot): readonly RouteState[] {
  return routes.flatMap(attachedOf)
}

/** The same, as a table serves them. */
export function servedRoutes({ routes }: Snapshot): readonly TableRoute[] {
  return routes.flatMap(tablesOf)
}
