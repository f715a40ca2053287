import type { EndpointHealthChange } from "../../gateway/health-checks.ts"
import type { Ejection } from "../../proxy/health/endpoint-health.ts"
import { formatAddress } from "../shared/terminal.ts"

/** Endpoints that are left out, each with the reason: what active checks found, or that connects to it fail. */
export class LeftOut {
  /** By target, then by `address:port`, then by the check or transport that speaks against it. */
  readonly #targets = new Map<string, Map<string, Map<string, { readonly reason: string }>>>()
  readonly #onChange: () => void

  /** @param onChange - is told whenever an endpoint is left out, or back */
  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** Takes a verdict of active checks. */
  checked({ target, endpoint, check, healthy, reason = "unhealthy" }: EndpointHealthChange): void {
    const where = formatAddress(endpoint.address, endpoint.port)
    if (healthy) this.#remove(target, where, check)
    else this.#add(target, where, check, { reason })
  }

  /** Takes that connects to an endpoint failed, for as long as it is left out for that. */
  ejected({ target, endpoint, transport, duration }: Ejection): void {
    const where = formatAddress(endpoint.address, endpoint.port)
    const word = { reason: `connects fail: left out for ${Math.round(duration / 1_000)} s` }
    this.#add(target, where, transport, word)
    setTimeout(() => {
      // Another worker may have left it out since.
      if (this.#targets.get(target)?.get(where)?.get(transport) === word) this.#remove(target, where, transport)
    }, duration).unref()
  }

  /** Why each endpoint of a target is left out, by `address:port`. */
  of(target: string): ReadonlyMap<string, string> {
    const reasons = new Map<string, string>()
    for (const [where, words] of this.#targets.get(target) ?? []) {
      const [first] = words.values()
      if (first !== undefined) reasons.set(where, first.reason)
    }
    return reasons
  }

  #add(target: string, where: string, by: string, word: { readonly reason: string }): void {
    const endpoints = this.#targets.get(target) ?? new Map<string, Map<string, { readonly reason: string }>>()
    this.#targets.set(target, endpoints)
    endpoints.set(where, (endpoints.get(where) ?? new Map()).set(by, word))
    this.#onChange()
  }

  #remove(target: string, where: string, by: string): void {
    const endpoints = this.#targets.get(target)
    const words = endpoints?.get(where)
    if (endpoints === undefined || words?.delete(by) !== true) return
    if (words.size === 0) endpoints.delete(where)
    if (endpoints.size === 0) this.#targets.delete(target)
    this.#onChange()
  }
}
