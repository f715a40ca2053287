import type { ListenerBinding, StatusOptions } from "../route-table.ts"

/** What the data plane says of one listener. */
export type BindingReport =
  | { readonly state: "bound" }
  | { readonly state: "pending" }
  | { readonly state: "failed"; readonly message: string; readonly addressUnusable: boolean }

/** What the data plane says of the sockets. */
export interface BindingReports {
  /** Of a listener's sockets taken together, by listener id: bound when all are. */
  ofListener(id: string): BindingReport
  /** Whether some socket of a Gateway (`namespace/name`) takes connections at an address. */
  isBoundAt(gatewayKey: string, address: string): boolean
}

/** Sorts what is known of each socket by listener and by Gateway. Where nothing is known, bound is taken for granted. */
export function bindingReports(bindings: readonly ListenerBinding[], bound: StatusOptions["bound"]): BindingReports {
  const ofListeners = new Map<string, BindingReport>()
  const addressesOf = new Map<string, Set<string | undefined>>()
  for (const { key, address, listeners } of bindings) {
    const report = bound === undefined ? BOUND : reportOf(bound.get(key))
    for (const { id, gateway } of listeners) {
      ofListeners.set(id, worse(ofListeners.get(id), report))
      if (report.state !== "bound") continue
      const gatewayKey = `${gateway.namespace}/${gateway.name}`
      const addresses = addressesOf.get(gatewayKey)
      if (addresses === undefined) addressesOf.set(gatewayKey, new Set([address]))
      else addresses.add(address)
    }
  }
  return {
    ofListener: (id) => ofListeners.get(id) ?? { state: "pending" },
    isBoundAt(gatewayKey, address) {
      const addresses = addressesOf.get(gatewayKey)
      // A socket bound to every address is bound to this one too.
      return addresses !== undefined && (addresses.has(address) || addresses.has(undefined))
    },
  }
}

const BOUND: BindingReport = { state: "bound" }

type BoundState = NonNullable<StatusOptions["bound"]> extends ReadonlyMap<string, infer State> ? State : never

function reportOf(state: BoundState | undefined): BindingReport {
  if (state === undefined) return { state: "pending" }
  if (state.bound) return BOUND
  return { state: "failed", message: state.message, addressUnusable: state.code === "EADDRNOTAVAIL" }
}

const BADNESS = { bound: 0, pending: 1, failed: 2 } as const

function worse(a: BindingReport | undefined, b: BindingReport): BindingReport {
  return a !== undefined && BADNESS[a.state] >= BADNESS[b.state] ? a : b
}
