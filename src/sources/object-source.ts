import type { GatewayResources } from "../routing/resources.ts"

/** A source that a program fills: what `createPassthroughGateway` takes as `source`. */
export interface ObjectSource {
  /** Yields the snapshot in force, if any, then every later one until the signal aborts; never one that is outdated. */
  (signal: AbortSignal): AsyncIterable<GatewayResources>
  /** Puts a whole new snapshot in force. Reuse objects that did not change: routing rebuilds only those that did. */
  set(resources: GatewayResources): void
}

/**
 * Makes a source for a program that holds the objects itself. Without `initial`, a gateway waits for the first `set`.
 *
 * ```ts
 * const source = objectSource({ gateways: [gateway], tlsRoutes: [] })
 * const edge = createPassthroughGateway({ source })
 * await edge.start()
 * source.set({ gateways: [gateway], tlsRoutes: [route] })
 * ```
 */
export function objectSource(initial?: GatewayResources): ObjectSource {
  let current = initial
  const waiting = new Set<() => void>()
  const wakeAll = (): void => {
    for (const wake of waiting) wake()
    waiting.clear()
  }

  async function* follow(signal: AbortSignal): AsyncGenerator<GatewayResources, void, undefined> {
    signal.addEventListener("abort", wakeAll)
    try {
      let last: GatewayResources | undefined
      while (!signal.aborted) {
        if (current === undefined || current === last) {
          await new Promise<void>((wake) => waiting.add(wake))
          continue
        }
        last = current
        yield last
      }
    } finally {
      signal.removeEventListener("abort", wakeAll)
    }
  }

  return Object.assign(follow, {
    set(resources: GatewayResources): void {
      current = resources
      wakeAll()
    },
  })
}
