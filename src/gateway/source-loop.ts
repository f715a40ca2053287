import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises"
import type { GatewayResources } from "../routing/resources.ts"
import type { GatewaySource } from "../sources/source.ts"
import { GatewayError } from "./errors.ts"

const FIRST_PAUSE_MS = 1_000
const LAST_PAUSE_MS = 30_000
/** Time that a source has to end once the signal has aborted; one that does not heed it is left behind. */
const LEAVE_AFTER_MS = 1_000

/** What the loop tells its owner. */
export interface SourceObserver {
  /** A snapshot came; the next one is asked for when this settles. */
  snapshot(resources: GatewayResources): Promise<void>
  /** The source threw. The loop calls it again after a pause. */
  failed(error: unknown): void
}

/**
 * Follows a source until the signal aborts: whatever it throws is reported and it is called again after a
 * pause that doubles, with jitter so that replicas do not knock on one server in step.
 */
export async function followSource(
  source: GatewaySource,
  signal: AbortSignal,
  observer: SourceObserver,
): Promise<void> {
  if (typeof source !== "function") return observer.snapshot(source)
  for (let failures = 0; !signal.aborted; ) {
    try {
      for await (const resources of heeding(signal, source(signal))) {
        if (signal.aborted) return
        if (!isRecord(resources)) throw new TypeError(`it yielded ${describe(resources)}, not an object of resources`)
        failures = 0
        await observer.snapshot(resources)
        // Between snapshots of a source that never waits, connections have their turn.
        await turn()
      }
      return
    } catch (error) {
      if (signal.aborted) return
      observer.failed(error)
      failures += 1
      await pause(failures, signal)
    }
  }
}

/**
 * Refuses what is no source, so that a gateway that would serve nothing does not start.
 *
 * @throws {@link GatewayError} `ERR_TLSROUTE_OPTION`
 */
export function assertSource(source: unknown): asserts source is GatewaySource {
  if (typeof source === "function") return
  const isResources = isRecord(source) && !["then", Symbol.asyncIterator, Symbol.iterator].some((key) => key in source)
  if (isResources) return
  throw new GatewayError(
    "ERR_TLSROUTE_OPTION",
    `source must be an object of resources, or a function that yields them such as fileSource(path), not ${describe(source)}`,
  )
}

function isRecord(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value !== "object") return `the ${typeof value} ${JSON.stringify(value)}`
  return Array.isArray(value) ? "an array" : Object.prototype.toString.call(value)
}

/** Makes any source end soon after the signal aborts, even one that stalls for ever. */
function heeding<T>(signal: AbortSignal, source: AsyncIterable<T>): AsyncIterable<T> {
  const iterator = source[Symbol.asyncIterator]()
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => settledOrLeft(signal, async () => iterator.next()),
      return: () => settledOrLeft(signal, async () => (await iterator.return?.()) ?? DONE),
    }),
  }
}

const DONE = { done: true, value: undefined } as const

function settledOrLeft<T>(
  signal: AbortSignal,
  step: () => Promise<IteratorResult<T, undefined>>,
): Promise<IteratorResult<T, undefined>> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const leave = () => {
      timer = setTimeout(resolve, LEAVE_AFTER_MS, DONE)
    }
    if (signal.aborted) leave()
    else signal.addEventListener("abort", leave, { once: true })
    step()
      .then(resolve, reject)
      .finally(() => {
        clearTimeout(timer)
        signal.removeEventListener("abort", leave)
      })
  })
}

async function pause(failures: number, signal: AbortSignal): Promise<void> {
  const longest = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1))
  const delay = longest * (0.5 + Math.random() / 2)
  await sleep(delay, undefined, { signal, ref: false }).catch(() => undefined)
}
