import type { ListenerBinding, StatusOptions } from "./route-table.ts"

/** What the data plane says of one listener. */
export type BindingReport =
  | { readonly state: "bound" }
  | { readonly state: "pending" }
  | { readonly state: "failed"; readonly message: string; readonly addressUnusable: boolean }

/** Reports by listener id. */
export type BindingReports = (listenerId: string) => BindingReport

/** Joins the reports of a listener's sockets: bound when all are. Without any report, bound is taken for granted. */
export function bindingReports(bindings: readonly ListenerBinding[], bound: StatusOptions["bound"]): BindingReports {
  if (bound === undefined) return () => ({ state: "bound" })
  const reports = new Map<string, BindingReport>()
  for (const { key, listeners } of bindings) {
    const report = bound.get(key)
    for (const { id } of listeners) {
      const next = worse(reports.get(id), reportOf(report))
      reports.set(id, next)
    }
  }
  return (id) => reports.get(id) ?? { state: "pending" }
}

type BoundState = NonNullable<StatusOptions["bound"]> extends ReadonlyMap<string, infer State> ? State : never

function reportOf(state: BoundState | undefined): BindingReport {
  if (state === undefined) return { state: "pending" }
  if (state.bound) return { state: "bound" }
  return { state: "failed", message: state.message, addressUnusable: state.code === "EADDRNOTAVAIL" }
}

const BADNESS = { bound: 0, pending: 1, failed: 2 } as const

function worse(a: BindingReport | undefined, b: BindingReport): BindingReport {
  return a !== undefined && BADNESS[a.state] >= BADNESS[b.state] ? a : b
}
