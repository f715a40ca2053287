import { networkInterfaces } from "node:os"
import type { BindingState } from "../../gateway/bindings.ts"
import type { Gateway } from "../../routing/resources.ts"

const WILDCARDS: ReadonlySet<string> = new Set(["::", "0.0.0.0"])

/**
 * Addresses at which a Gateway is really bound. Where it is bound to every address, these are the addresses of
 * the machine that others can reach.
 */
export function boundAddresses(
  gateway: Gateway,
  states: readonly BindingState[],
  machine: readonly string[] = machineAddresses(),
): readonly { readonly value: string }[] {
  const { namespace = "", name } = gateway.metadata
  const addresses = states.flatMap((state): readonly string[] => {
    const isOurs = state.binding.listeners.some((listener) => {
      return listener.gateway.namespace === namespace && listener.gateway.name === name
    })
    if (!isOurs || !state.bound) return []
    return WILDCARDS.has(state.address) ? machine : [state.address]
  })
  return [...new Set(addresses)].map((value) => ({ value }))
}

function machineAddresses(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith("fe80:"))
    .map(({ address }) => address)
}
