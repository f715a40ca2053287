import type { StatusOptions } from "../route-table.ts"
import type { BindingReports } from "./binding-reports.ts"
import type { RefusedPolicies } from "./policies.ts"

/** What every status is computed from, beside its own object. */
export interface StatusContext {
  readonly now: string
  /** Whether a condition that changed may keep the time of an earlier computation: nobody asked for this one. */
  readonly keepsTimes: boolean
  readonly reports: BindingReports
  /** Number of routes accepted on each listener, by listener id. */
  readonly attachedRoutes: ReadonlyMap<string, number>
  readonly addresses: StatusOptions["addresses"]
  readonly policies: RefusedPolicies
  readonly bundleVersions: readonly string[] | undefined
  /** Whether there is any ListenerSet, so that the CRDs are of a version that knows them. */
  readonly hasListenerSets: boolean
}
