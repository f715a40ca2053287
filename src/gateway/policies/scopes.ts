import type { AccessList } from "../../proxy/limits/cidr.ts"
import type { ScopePolicy } from "../../proxy/policy.ts"
import { definite, type PolicyLayer } from "./layer.ts"

/** What one object says, with the name that connections are counted by. */
export interface NamedLayer {
  /** For example `Gateway/infra/public`. */
  readonly key: string
  /** What it says. */
  readonly layer: PolicyLayer
}

/** Scopes that ask something of connections. */
export function scopesOf(layers: readonly NamedLayer[]): readonly ScopePolicy[] {
  return layers.flatMap(({ key, layer }) => {
    const access = accessOf(layer)
    const maxConnections = definite("maxConnections", [layer])
    const maxConnectionsPerClient = definite("maxConnectionsPerClient", [layer])
    const rate = rateOf(layer)
    const isOpen = maxConnections === Number.POSITIVE_INFINITY && maxConnectionsPerClient === Number.POSITIVE_INFINITY
    if (access === undefined && isOpen && rate === undefined) return []
    return [{ key, access, maxConnections, maxConnectionsPerClient, rate }]
  })
}

function accessOf({ allowCidrs: allow, denyCidrs: deny }: PolicyLayer): AccessList | undefined {
  return allow === undefined && deny === undefined ? undefined : { allow, deny }
}

function rateOf(layer: PolicyLayer): ScopePolicy["rate"] {
  const perSecond = definite("connectionRatePerClient", [layer])
  if (perSecond === Number.POSITIVE_INFINITY) return undefined
  return { perSecond, burst: layer.connectionBurstPerClient ?? Math.max(10, 2 * perSecond) }
}

/** Scopes that each of a socket's listeners has: they can be held to before the SNI is known. */
export function commonScopes(
  first: readonly NamedLayer[],
  others: readonly (readonly NamedLayer[])[],
): readonly ScopePolicy[] {
  return scopesOf(first.filter(({ key }) => others.every((layers) => layers.some((layer) => layer.key === key))))
}
