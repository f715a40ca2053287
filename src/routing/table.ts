import { matchRoute, type Sockets } from "./dispatch.ts"
import { explainQuery } from "./explain.ts"
import { lintSnapshot } from "./lint.ts"
import { collectProblems } from "./problems.ts"
import type { ResourceProblem } from "./resources.ts"
import type {
  Explanation,
  ListenerBinding,
  NoMatch,
  RouteMatch,
  RouteQuery,
  RouteTable,
  Statuses,
  StatusOptions,
  TableRoute,
} from "./route-table.ts"
import type { Snapshot } from "./snapshot.ts"
import { computeStatuses } from "./status.ts"
import { type RouteTableData, tableData } from "./table-data.ts"

/** The table over one snapshot. What a connection does not need is computed when first asked for. */
export class Table implements RouteTable {
  readonly #snapshot: Snapshot
  readonly #sockets: Sockets
  #routes: readonly TableRoute[] | undefined
  #problems: readonly ResourceProblem[] | undefined

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot
    this.#sockets = snapshot.listening.sockets
  }

  get listeners(): readonly ListenerBinding[] {
    return this.#sockets.bindings
  }

  get routes(): readonly TableRoute[] {
    this.#routes ??= this.#snapshot.routes
      .filter((state) => state.attachment.listeners.length > 0)
      .map((state) => state.table)
    return this.#routes
  }

  get problems(): readonly ResourceProblem[] {
    this.#problems ??= collectProblems(this.#snapshot)
    return this.#problems
  }

  match(query: RouteQuery): RouteMatch | NoMatch {
    return matchRoute(this.#sockets, this.#snapshot.contests, query)
  }

  explain(query: RouteQuery): Explanation {
    return explainQuery(this.#snapshot, query)
  }

  lint(): readonly ResourceProblem[] {
    return lintSnapshot(this.#snapshot)
  }

  toData(): RouteTableData {
    return tableData(this.#snapshot)
  }

  statuses(options: StatusOptions = {}): Statuses {
    return computeStatuses(this.#snapshot, options)
  }
}
