import type { ConfigLine } from "../log/config-changes.ts"

/** A configuration that came into force. */
export interface TimelineEntry {
  /** Milliseconds since 1970. */
  readonly at: number
  /** Something is wrong that was not before. */
  readonly worse: boolean
  /** What changed, as in the log. */
  readonly fields: ConfigLine["fields"]
}

/** Configurations that are remembered. */
const MOST_ENTRIES = 50

/** Remembers how the configuration changed, newest first. */
export class Timeline {
  #entries: readonly TimelineEntry[] = []

  get entries(): readonly TimelineEntry[] {
    return this.#entries
  }

  /** Takes the first line on a configuration that is in force now. */
  add(line: ConfigLine): void {
    const entry = { at: Date.now(), worse: line.worse, fields: line.fields }
    this.#entries = [entry, ...this.#entries.slice(0, MOST_ENTRIES - 1)]
  }
}
