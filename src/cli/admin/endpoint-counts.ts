import type { ConnectionInfo } from "../../proxy/connection/record.ts"
import type { TableRoute } from "../../routing/route-table.ts"
import { formatAddress } from "../shared/terminal.ts"

/** What tells an endpoint of a target from all others. */
const endpointKey = (target: string, { address, port }: { readonly address: string; readonly port: number }): string =>
  `${target} ${formatAddress(address, port)}`

interface CountedTarget {
  live: number
  /** Of a target that is one name: all its connections are that endpoint's, whichever address it leads to. */
  readonly name: string | undefined
  readonly endpoints: Map<string, Map<number, number>>
}

/** Counts live connections by the targets and endpoints of some routes, and puts no key into words for each. */
export class EndpointCounts {
  readonly #targets = new Map<string, CountedTarget>()

  /**
   * @param routes - whose targets are counted
   * @param most - endpoints of a target that are told apart
   */
  constructor(routes: readonly TableRoute[], most: number) {
    for (const { target } of routes.flatMap(({ backends }) => backends)) {
      const endpoints = new Map<string, Map<number, number>>()
      const name =
        target.kind === "name" ? endpointKey(target.id, { address: target.host, port: target.port }) : undefined
      this.#targets.set(target.id, { live: 0, name, endpoints })
      if (target.kind !== "endpoints") continue
      for (const { address, port } of target.endpoints.slice(0, most)) {
        endpoints.set(address, (endpoints.get(address) ?? new Map<number, number>()).set(port, 0))
      }
    }
  }

  count({ target, endpoint }: ConnectionInfo): void {
    const counted = target === undefined ? undefined : this.#targets.get(target)
    if (counted === undefined) return
    counted.live++
    const ports = endpoint && counted.endpoints.get(endpoint.address)
    const live = endpoint && ports?.get(endpoint.port)
    if (endpoint !== undefined && live !== undefined) ports?.set(endpoint.port, live + 1)
  }

  /** By target, and by `target address:port`; those that have any. */
  counts(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const [target, { live, name, endpoints }] of this.#targets) {
      if (live > 0) counts[target] = live
      if (live > 0 && name !== undefined) counts[name] = live
      for (const [address, ports] of endpoints) {
        for (const [port, count] of ports) if (count > 0) counts[endpointKey(target, { address, port })] = count
      }
    }
    return counts
  }
}
