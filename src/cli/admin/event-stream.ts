import type { ServerResponse } from "node:http"
import { jsonLine } from "../log/json-line.ts"
import type { Overview } from "./overview.ts"

/** Pages that may watch at once. */
const MOST_WATCHERS = 16
/** Milliseconds between two moments. */
const EVERY = 1_000

interface Watcher {
  readonly response: ServerResponse
  /** What its list of connections is for. */
  readonly filter: string
  /** Revision of the scene that it was sent. */
  revision: number
}

/**
 * Sends the overview to whoever watches, as server-sent events: `scene` when the configuration changed, `moment` every
 * second. A watcher that does not read skips what it missed: at most one moment waits for it.
 */
export class EventStream {
  readonly #overview: Overview
  readonly #watchers = new Set<Watcher>()
  #timer: NodeJS.Timeout | undefined

  /** @param overview - what is sent */
  constructor(overview: Overview) {
    this.#overview = overview
  }

  /** Sends events on a response until its connection closes. @returns false when too many watch already */
  add(response: ServerResponse, filter: string, headers: Readonly<Record<string, string>>): boolean {
    if (this.#watchers.size >= MOST_WATCHERS) return false
    response.writeHead(200, { ...headers, "content-type": "text/event-stream", "cache-control": "no-store" })
    const watcher: Watcher = { response, filter, revision: Number.NaN }
    this.#watchers.add(watcher)
    response.once("close", () => this.#remove(watcher))
    if (this.#timer === undefined) {
      this.#overview.open()
      this.#timer = setInterval(() => this.#send(), EVERY).unref()
    }
    this.#sendScene([watcher])
    return true
  }

  /** Sends nothing any more. */
  close(): void {
    for (const watcher of this.#watchers) watcher.response.end()
    this.#stop()
  }

  #remove(watcher: Watcher): void {
    this.#watchers.delete(watcher)
    if (this.#watchers.size === 0) this.#stop()
  }

  #stop(): void {
    if (this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#overview.shut()
  }

  #send(): void {
    const ready = [...this.#watchers].filter(({ response }) => !response.writableNeedDrain)
    if (ready.length === 0) return
    this.#sendScene(ready)
    for (const [at, moment] of this.#overview.moments(ready.map(({ filter }) => filter)).entries()) {
      ready[at]?.response.write(event("moment", moment))
    }
  }

  #sendScene(watchers: readonly Watcher[]): void {
    const { revision } = this.#overview
    const behind = watchers.filter((watcher) => watcher.revision !== revision)
    if (behind.length === 0) return
    const scene = event("scene", this.#overview.scene())
    for (const watcher of behind) {
      watcher.revision = revision
      watcher.response.write(scene)
    }
  }
}

function event(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${jsonLine(data)}\n\n`
}
