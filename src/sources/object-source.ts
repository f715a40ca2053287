import { abortSignal, holding } from "../primitives/option-checks.ts"
import type { GatewayResources } from "../routing/resources.ts"
import { refuseArgument } from "./source-error.ts"

/** What is wrong within becomes a problem of the snapshot. */
const RESOURCES = holding(
  "an object of lists, for example { gateways: [gateway], tlsRoutes: [route] }",
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
)

/** A source that a program fills: what `createPassthroughGateway` takes as `source`. */
export interface ObjectSource {
  /** Yields the snapshot in force, if any, then every later one until the signal aborts; never one that is outdated. */
  (signal: AbortSignal): AsyncIterable<GatewayResources>
  /**
   * Puts a whole new snapshot in force. Reuse objects that did not change: routing rebuilds only those that did. For what
   * is no object of lists, whoever follows the source says so, a gateway by its event `error`, and the last snapshot stays.
   */
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
 *
 * A list of objects of any kinds is sorted into such an object by `resourcesFromObjects` of `tlsroute/sources`.
 *
 * @throws {@link SourceError} `ERR_TLSROUTE_SOURCE_OPTION` for what is no object of lists
 */
export function objectSource(initial?: GatewayResources): ObjectSource {
  if (initial !== undefined) refuseArgument("objectSource", initial, RESOURCES)
  let current = initial
  const waiting = new Set<() => void>()
  const wakeAll = (): void => {
    for (const wake of waiting) wake()
    waiting.clear()
  }

  async function* follow(signal: AbortSignal): AsyncGenerator<GatewayResources, void, undefined> {
    refuseArgument("the source", signal, abortSignal)
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
