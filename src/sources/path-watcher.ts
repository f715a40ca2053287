import { type FSWatcher, watch } from "node:fs"
import { realpath, stat } from "node:fs/promises"
import { basename, dirname, resolve } from "node:path"
import { type ScannedPath, scanPaths } from "./scan.ts"

/** Timing of {@link PathWatcher}, in milliseconds. */
export interface WatchTiming {
  /** Quiet time after a change before it counts as complete. */
  readonly debounce: number
  /** Time between looks at the files themselves, for what no notification tells. */
  readonly pollInterval: number
}

/** Names to react to in a directory; every name when it is `undefined`. */
type WatchedNames = Set<string> | undefined

/**
 * Tells when something at the named paths may have changed. Notifications of the file system give speed and
 * a regular look at the files gives certainty: network mounts, far ends of links and exhausted inotify
 * watches send none.
 */
export class PathWatcher implements Disposable {
  readonly #paths: readonly string[]
  readonly #timing: WatchTiming
  readonly #signal: AbortSignal
  readonly #watchers = new Map<string, { readonly watcher: FSWatcher; readonly identity: string }>()
  #names: ReadonlyMap<string, WatchedNames> = new Map()
  #changed = false
  #hurried = false
  #wake: (() => void) | undefined

  constructor(paths: readonly string[], timing: WatchTiming, signal: AbortSignal) {
    this.#paths = paths
    this.#timing = timing
    this.#signal = signal
    signal.addEventListener("abort", this.#end)
  }

  /** Looks at the paths, with watches in place first, so that no change after the look goes unseen. */
  async scan(): Promise<ScannedPath[]> {
    this.#changed = false
    this.#hurried = false
    const seen = await scanPaths(this.#paths)
    await this.#watchDirectories(seen)
    return scanPaths(this.#paths)
  }

  /** Waits until the files differ from `last`, or may differ, and have settled. False once the signal aborts. */
  async changedSince(last: readonly ScannedPath[]): Promise<boolean> {
    // A file written just before the look could have changed since under the same time stamp.
    let doubtful = last.some((path) => "files" in path && path.files.some(({ fresh }) => fresh))
    const signature = signatureOf(last)
    while (!this.#changed) {
      if (this.#signal.aborted) return false
      await this.#pause(this.#timing.pollInterval)
      if (this.#signal.aborted) return false
      if (this.#changed) break
      if (doubtful || signatureOf(await scanPaths(this.#paths)) !== signature) break
      doubtful = false
    }
    if (!this.#hurried) await this.#settle()
    return !this.#signal.aborted
  }

  /** Ends the wait for a change at once. */
  hurry(): void {
    this.#hurried = true
    this.#notify()
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener("abort", this.#end)
    this.#closeWatchers()
  }

  // Whoever reads the files may be stuck in one, a pipe for example, and come to no end: no watch outlives the signal.
  readonly #end = (): void => {
    this.#closeWatchers()
    this.#notify()
  }

  #closeWatchers(): void {
    for (const { watcher } of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }

  /** Waits for a quiet moment, so that a file in the middle of being written is not read half. */
  async #settle(): Promise<void> {
    const giveUpAt = performance.now() + 10 * this.#timing.debounce
    do {
      this.#changed = false
      await this.#pause(this.#timing.debounce)
    } while (this.#changed && !this.#hurried && !this.#signal.aborted && performance.now() < giveUpAt)
  }

  /** Sleeps until a notification, the signal, or the time. */
  async #pause(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((wake) => {
      this.#wake = wake
      timer = setTimeout(wake, ms)
    })
    this.#wake = undefined
    clearTimeout(timer)
  }

  readonly #notify = (): void => {
    this.#changed = true
    this.#wake?.()
  }

  async #watchDirectories(scanned: readonly ScannedPath[]): Promise<void> {
    const wanted = await directoriesOf(scanned)
    this.#names = wanted
    const identities = new Map<string, string>()
    for (const directory of wanted.keys()) {
      const identity = await identityOf(directory)
      if (identity !== undefined) identities.set(directory, identity)
    }
    if (this.#signal.aborted) return
    for (const [directory, { watcher, identity }] of this.#watchers) {
      // A watch follows the inode: a directory made anew under the old name needs a new one.
      if (identities.get(directory) === identity) continue
      watcher.close()
      this.#watchers.delete(directory)
    }
    for (const [directory, identity] of identities) {
      if (!this.#watchers.has(directory)) this.#watchDirectory(directory, identity)
    }
  }

  #watchDirectory(directory: string, identity: string): void {
    try {
      const watcher = watch(directory, (_event, name) => {
        const names = this.#names.get(directory)
        // Links named `..data` lead from the names of a mounted ConfigMap to its files.
        if (name === null || names === undefined || names.has(name) || name.startsWith("..")) this.#notify()
      })
      watcher.on("error", () => {
        watcher.close()
        this.#watchers.delete(directory)
      })
      this.#watchers.set(directory, { watcher, identity })
    } catch {
      // No watch to be had, for want of inotify watches for example: the regular look remains.
    }
  }
}

/** The directories whose entries decide what stands at the paths: of the names, and of what links lead to. */
async function directoriesOf(scanned: readonly ScannedPath[]): Promise<Map<string, WatchedNames>> {
  const wanted = new Map<string, WatchedNames>()
  const addEntry = (path: string): void => {
    const directory = dirname(path)
    if (!wanted.has(directory)) wanted.set(directory, new Set())
    wanted.get(directory)?.add(basename(path))
  }
  for (const entry of scanned) {
    const path = resolve(entry.path)
    addEntry(path)
    const target = await realpathOf(path)
    if (target !== undefined) addEntry(target)
    if (!("files" in entry)) continue
    for (const { file } of entry.files) {
      const real = await realpathOf(file)
      if (real !== undefined) addEntry(real)
    }
  }
  for (const { path } of scanned) {
    const real = await realpathOf(path)
    if (real !== undefined && (await isDirectory(real))) wanted.set(real, undefined)
  }
  return wanted
}

async function realpathOf(path: string): Promise<string | undefined> {
  try {
    return await realpath(path)
  } catch {
    return undefined
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}

async function identityOf(directory: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(directory, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

function signatureOf(scanned: readonly ScannedPath[]): string {
  return scanned
    .map((path) => ("files" in path ? path.files.map(({ signature }) => signature).join("\n") : path.message))
    .join("\n\n")
}
