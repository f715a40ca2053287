import { setTimeout as delay } from "node:timers/promises"
import { draw } from "./draw.ts"
import { type AdminTarget, AdminUnreadable, type OverviewEvent, readOverview } from "./events.ts"
import { Screen } from "./screen.ts"
import { type Key, press, type View } from "./view.ts"

/** Milliseconds until an admin server that is gone is asked again. */
const AGAIN_MS = 1_000

/**
 * Shows on the terminal what the admin server tells, until somebody quits. Where it goes, it is waited for.
 *
 * @param address - of the admin server, for people
 * @throws AdminUnreadable when it cannot be read at first
 */
export async function watch(target: AdminTarget, address: string, filter: string): Promise<void> {
  const watcher = new Watcher(target, address, filter)
  try {
    await watcher.run()
  } finally {
    watcher.close()
  }
}

class Watcher {
  readonly #target: AdminTarget
  readonly #address: string
  #filter: string
  #view: View | undefined
  #screen: Screen | undefined
  #hasQuit = false
  /** Ends the stream that is read, or the wait for the next one. */
  #abort = new AbortController()

  constructor(target: AdminTarget, address: string, filter: string) {
    this.#target = target
    this.#address = address
    this.#filter = filter
  }

  async run(): Promise<void> {
    while (!this.#hasQuit) {
      this.#abort = new AbortController()
      const { signal } = this.#abort
      try {
        for await (const event of readOverview(this.#target, this.#filter, signal)) this.#take(event)
      } catch (error) {
        if (signal.aborted) continue
        if (!(error instanceof AdminUnreadable) || this.#view === undefined) throw error
        this.#show({ ...this.#view, lost: error.message })
        await delay(AGAIN_MS, undefined, { signal }).catch(() => {})
      }
    }
  }

  close(): void {
    this.#screen?.close()
  }

  #take(event: OverviewEvent): void {
    const view = this.#view
    if (event.kind === "scene") {
      const first = { address: this.#address, filter: this.#filter, typing: undefined, isPaused: false, scroll: 0 }
      this.#show({ ...(view ?? { ...first, moment: undefined }), scene: event.scene, lost: undefined })
      this.#screen ??= new Screen({ onKey: (key) => this.#onKey(key), onResize: () => this.#draw() })
      return
    }
    if (view === undefined || view.isPaused) return
    this.#show({ ...view, moment: event.moment })
  }

  #onKey(key: Key): void {
    if (this.#view === undefined) return
    const view = press(this.#view, key)
    if (view === undefined) {
      this.#hasQuit = true
      this.#abort.abort()
      return
    }
    this.#show(view)
    if (view.filter === this.#filter) return
    this.#filter = view.filter
    this.#abort.abort()
  }

  #show(view: View): void {
    this.#view = view
    this.#draw()
  }

  #draw(): void {
    if (this.#view === undefined || this.#screen === undefined) return
    const { lines, scroll } = draw(this.#view, this.#screen.size)
    this.#view = { ...this.#view, scroll }
    this.#screen.show(lines)
  }
}
