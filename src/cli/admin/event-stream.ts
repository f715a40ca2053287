import type { ServerResponse } from "node:http"
import { jsonLine } from "../log/json-line.ts"
import type { Overview } from "./overview.ts"
import { inTurns, type Steps } from "./steps.ts"

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

/** The time from the first who watches until nobody does. */
interface Watch {
  readonly timer: NodeJS.Timeout
  isLooking: boolean
}

/**
 * Sends the overview to whoever watches, as server-sent events: `scene` when the configuration changed, `moment` every
 * second. A watcher that does not read skips what it missed: at most one moment waits for it.
 */
export class EventStream {
  readonly #overview: Overview
  readonly #watchers = new Set<Watcher>()
  #watch: Watch | undefined

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
    this.#sendScene([watcher])
    if (this.#watch === undefined) this.#start()
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

  #start(): void {
    this.#overview.open()
    const watch = { timer: setInterval(() => this.#look(watch), EVERY).unref(), isLooking: false }
    this.#watch = watch
    // Rates are told from the second look on.
    this.#look(watch)
  }

  #stop(): void {
    if (this.#watch === undefined) return
    clearInterval(this.#watch.timer)
    this.#watch = undefined
    this.#overview.shut()
  }

  #look(watch: Watch): void {
    if (watch.isLooking) return
    watch.isLooking = true
    inTurns(this.#moment(), () => this.#watch === watch)
      // What cannot be told costs those who ask, and not the gateway.
      .catch(() => {
        for (const { response } of this.#watchers) response.destroy()
      })
      .finally(() => {
        watch.isLooking = false
      })
  }

  *#moment(): Steps<void> {
    const ready = [...this.#watchers].filter(isReady)
    if (ready.length === 0) return
    this.#sendScene(ready)
    yield
    const look = yield* this.#overview.look([...new Set(ready.map(({ filter }) => filter))])
    if (look === undefined) return
    yield
    const shared = jsonLine(look.shared).slice(0, -1)
    for (const [filter, connections] of look.lists) {
      yield
      const text = message("moment", `${shared},"connections":${jsonLine(connections)}}`)
      // Those who came meanwhile have it at once, and those who went are not among them any more.
      for (const watcher of this.#watchers) {
        if (watcher.filter !== filter || !isReady(watcher)) continue
        watcher.response.write(text)
        yield
      }
    }
  }

  #sendScene(watchers: readonly Watcher[]): void {
    const { revision } = this.#overview
    const behind = watchers.filter((watcher) => watcher.revision !== revision)
    if (behind.length === 0) return
    const scene = message("scene", jsonLine(this.#overview.scene()))
    for (const watcher of behind) {
      watcher.revision = revision
      watcher.response.write(scene)
    }
  }
}

function isReady({ response }: Watcher): boolean {
  return !response.writableNeedDrain
}

function message(name: string, json: string): string {
  return `event: ${name}\ndata: ${json}\n\n`
}
