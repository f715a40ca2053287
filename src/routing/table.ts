import { checkLookup, checkReference, checkRouteQuery, checkStatusOptions } from "./check-options.ts"
import { matchRoute, type Sockets } from "./listeners/sockets.ts"
import { explainQuery } from "./report/explain.ts"
import { lintSnapshot } from "./report/lint.ts"
import { collectProblems } from "./report/problems.ts"
import type { ObjectRef, ResourceProblem } from "./resources.ts"
import type {
  Explanation,
  ListenerBinding,
  NoMatch,
  RouteMatch,
  RouteQuery,
  RouteTable,
  RouteTableData,
  Statuses,
  StatusOptions,
  TableRoute,
} from "./route-table.ts"
import { attachedRoutes, type Snapshot, servedRoutes } from "./snapshot.ts"
import { computeStatuses } from "./status/status.ts"
import { tableData } from "./table-data.ts"

/** The table over one snapshot. What a connection does not need is computed when first asked for. */
export class Table implements RouteTable {
  readonly #snapshot: Snapshot
  readonly #sockets: Sockets
  #routes: readonly TableRoute[] | undefined
  #hostnames: ReadonlyMap<string, readonly string[]> | undefined
  #problems: readonly ResourceProblem[] | undefined
  /** What `lint("parents")` finds: it is asked for with every snapshot, by more than one. */
  #strays: readonly ResourceProblem[] | undefined

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot
    this.#sockets = snapshot.listening.sockets
  }

  get listeners(): readonly ListenerBinding[] {
    return this.#sockets.bindings
  }

  get routes(): readonly TableRoute[] {
    this.#routes ??= servedRoutes(this.#snapshot)
    return this.#routes
  }

  hostnamesOf(route: ObjectRef): readonly string[] {
    checkReference("hostnamesOf", route)
    this.#hostnames ??= new Map(
      attachedRoutes(this.#snapshot).map(({ route }) => [`${route.ref.namespace}/${route.ref.name}`, route.hostnames]),
    )
    return this.#hostnames.get(`${route.namespace}/${route.name}`) ?? []
  }

  get problems(): readonly ResourceProblem[] {
    this.#problems ??= collectProblems(this.#snapshot)
    return this.#problems
  }

  match(query: RouteQuery): RouteMatch | NoMatch {
    checkLookup(query)
    return matchRoute(this.#sockets, this.#snapshot.contests, query)
  }

  explain(query: RouteQuery): Explanation {
    checkRouteQuery(query)
    return explainQuery(this.#snapshot, query)
  }

  lint(
    what?: "everything" | "parents",
    carriesHttp?: (binding: ListenerBinding) => boolean,
  ): readonly ResourceProblem[] {
    if (what !== "parents") return lintSnapshot(this.#snapshot, what, carriesHttp)
    this.#strays ??= lintSnapshot(this.#snapshot, what)
    return this.#strays
  }

  toData(): RouteTableData {
    return tableData(this.#snapshot)
  }

  statuses(options: StatusOptions = {}): Statuses {
    checkStatusOptions(options)
    return computeStatuses(this.#snapshot, options)
  }
}
