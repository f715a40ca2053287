import type { IncomingMessage } from "node:http"
import type { KubernetesObject } from "../routing/resources.ts"
import type { ApiStatus } from "./api-client.ts"
import { KubernetesError } from "./errors.ts"

/** One line of a watch. */
export type WatchEvent =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: KubernetesObject }
  /** Carries only a resource version: everything up to it has been sent. */
  | { readonly type: "BOOKMARK"; readonly object: KubernetesObject }
  | { readonly type: "ERROR"; readonly object: ApiStatus }

/**
 * The events of a watch, in the batches that the network delivers. Ends when the server ends the watch, which it
 * does routinely; throws {@link KubernetesError} when the connection breaks, when nothing arrives for
 * `stallMs` (the server sends a bookmark about once a minute), and for lines that are not events.
 */
export async function* readWatch(response: IncomingMessage, stallMs: number): AsyncGenerator<readonly WatchEvent[]> {
  let stalled = false
  const timer = setTimeout(() => {
    stalled = true
    response.destroy()
  }, stallMs)
  const rest: Buffer[] = []
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      timer.refresh()
      const end = chunk.lastIndexOf(0x0a)
      if (end === -1) {
        rest.push(chunk)
        continue
      }
      const whole = Buffer.concat([...rest, chunk.subarray(0, end)])
      rest.length = 0
      if (end + 1 < chunk.length) rest.push(chunk.subarray(end + 1))
      yield whole
        .toString("utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map(parseEvent)
    }
  } catch (cause) {
    if (cause instanceof KubernetesError) throw cause
    const message = stalled ? `the watch was silent for ${stallMs} ms` : "the watch broke"
    throw new KubernetesError("ERR_TLSROUTE_KUBERNETES_UNREACHABLE", message, stalled ? {} : { cause })
  } finally {
    clearTimeout(timer)
    response.destroy()
  }
  if (stalled)
    throw new KubernetesError("ERR_TLSROUTE_KUBERNETES_UNREACHABLE", `the watch was silent for ${stallMs} ms`)
}

function parseEvent(line: string): WatchEvent {
  try {
    const event = JSON.parse(line) as WatchEvent
    if (typeof event.type === "string" && typeof event.object === "object" && event.object !== null) return event
  } catch {
    // Reported below, as any line that is not an event.
  }
  throw new KubernetesError("ERR_TLSROUTE_KUBERNETES_PROTOCOL", `a watch sent ${JSON.stringify(line.slice(0, 80))}`)
}
