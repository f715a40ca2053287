import type { ConnectionInfo } from "../../proxy/connection/record.ts"
import type { TableRoute } from "../../routing/route-table.ts"
import { formatAddress } from "../shared/terminal.ts"

/** What tells an endpoint of a target from all others. */
const endpointKey = (target: string, { address, port }: { readonly address: string; readonly port: number }): string =>
  `${target} ${formatAddress(address, port)}`

interface Count {
  /** What it is told by. */
  readonly key: string
  live: number
}

interface CountedTarget {
  readonly all: Count
  /** Of a target that is one name: all its connections are that endpoint's, whichever address it leads to. */
  readonly name: Count | undefined
  /** By address, then by port. */
  readonly endpoints: ReadonlyMap<string, ReadonlyMap<number, Count>>
}

/** Counts live connections by the targets and endpoints of some routes, and puts no key into words for each. */
export class EndpointCounts {
  readonly #targets = new Map<string, CountedTarget>()
  readonly #counts: Count[] = []

  /**
   * @param routes - whose targets are counted
   * @param most - endpoints of a target that are told apart
   */
  constructor(routes: readonly TableRoute[], most: number) {
    for (const { target } of routes.flatMap(({ backends }) => backends)) {
      // Several routes may lead to it.
      if (this.#targets.has(target.id)) continue
      const endpoints = new Map<string, Map<number, Count>>()
      const name =
        target.kind === "name"
          ? this.#count(endpointKey(target.id, { address: target.host, port: target.port }))
          : undefined
      this.#targets.set(target.id, { all: this.#count(target.id), name, endpoints })
      if (target.kind !== "endpoints") continue
      for (const endpoint of target.endpoints.slice(0, most)) {
        const ports = endpoints.get(endpoint.address) ?? new Map<number, Count>()
        endpoints.set(endpoint.address, ports.set(endpoint.port, this.#count(endpointKey(target.id, endpoint))))
      }
    }
  }

  /** Counts from none. */
  reset(): void {
    for (const count of this.#counts) count.live = 0
  }

  /** Counts one that is live. */
  add({ target, endpoint }: ConnectionInfo): void {
    const counted = target === undefined ? undefined : this.#targets.get(target)
    if (counted === undefined) return
    counted.all.live++
    if (counted.name !== undefined) counted.name.live++
    const count = endpoint && counted.endpoints.get(endpoint.address)?.get(endpoint.port)
    if (count !== undefined) count.live++
  }

  /** By target, and by `target address:port`; those that have any. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts.filter(({ live }) => live > 0).map(({ key, live }) => [key, live]))
  }

  #count(key: string): Count {
    const count = { key, live: 0 }
    this.#counts.push(count)
    return count
  }
}
