import { normalize, sep } from "node:path"
import {
  abortSignal,
  atLeast,
  type Checks,
  flag,
  holding,
  optionFault,
  wholeNumber,
} from "../primitives/option-checks.ts"
import type { GatewayResources, ObjectRef } from "../routing/resources.ts"
import { ManifestSet, type SourceLocation } from "./manifest-set.ts"
import { PathWatcher } from "./path-watcher.ts"
import { type ScannedPath, scanPaths } from "./scan.ts"
import { refuseArgument, SourceError } from "./source-error.ts"
import { loadYaml } from "./yaml-module.ts"

/** Bounds of what is read. */
export interface ReadOptions {
  /** Largest file read, in bytes. A larger one is reported and not read. Default: 16 MiB. */
  readonly maxFileBytes?: number | undefined
}

/** How {@link fileSource} follows its files. */
export interface FileSourceOptions extends ReadOptions {
  /** Quiet time after a change before the files are read again, in milliseconds. Default: 100. */
  readonly debounce?: number | undefined
  /**
   * Time between looks at the files for changes that the file system does not announce (network mounts, far ends
   * of links), in milliseconds. Default: 2000.
   */
  readonly pollInterval?: number | undefined
  /** Wait for named paths that do not exist yet; they are reported in `problems`. Default: false. */
  readonly allowMissing?: boolean | undefined
}

/** A source over files: what `createPassthroughGateway` takes as `source`. */
export interface FileSource {
  /** Yields a snapshot at the start and after every change, until the signal aborts. */
  (signal: AbortSignal): AsyncIterable<GatewayResources>
  /** People mistype: an object that was good and turns bad stays in force as it was. */
  readonly onError: "keep"
  /**
   * Tells where a field of an object stands in the files as last read, for reporting problems that routing finds.
   * `path` is a field path such as `spec.listeners[0].tls.mode`, or `""` for the object itself.
   */
  locate(object: ObjectRef, path: string): SourceLocation | undefined
  /**
   * Reads every file again now, whether or not it looks changed: for network mounts that tell late, and for `SIGHUP`.
   * Standard input and other pipes are not read again. Resolves once all is read, with whether it says something else;
   * `false` at once while nobody iterates.
   */
  reload(): Promise<boolean>
}

/** Everything the files said when they were read. */
export interface ReadResult {
  /** The snapshot, with what could not be read in `problems`. */
  readonly resources: GatewayResources
  /**
   * Tells where a field of an object is written. `path` is a field path such as `spec.listeners[0].tls.mode`, or `""`
   * for the object itself; a field that is missing gives the place where it would stand. `undefined` when no file
   * holds the object.
   */
  locate(object: ObjectRef, path: string): SourceLocation | undefined
}

const DEFAULT_MAX_FILE_BYTES = 16 * 1024 * 1024

const READ: Checks<ReadOptions> = { maxFileBytes: wholeNumber(1) }

const FILE_SOURCE: Checks<FileSourceOptions> = {
  ...READ,
  debounce: atLeast(0, " of milliseconds"),
  pollInterval: atLeast(1, " of milliseconds"),
  allowMissing: flag,
}

const PATHS = holding("a path, or a list of paths", (value) => {
  const paths = [value].flat()
  return paths.length > 0 && paths.every((path) => typeof path === "string")
})

function checkArguments<Options>(what: string, paths: unknown, options: unknown, checks: Checks<Options>): void {
  refuseArgument(what, paths, PATHS)
  const fault = optionFault(options, checks)
  if (fault !== undefined) throw new SourceError("ERR_TLSROUTE_SOURCE_OPTION", `${what}: ${fault}`)
}

/**
 * Reads manifests and follows their changes: files of YAML documents or JSON, and directories of them
 * (`.yaml`, `.yml`, `.json`; not those of directories within; a directory that has none is a warning in `problems`).
 * The path `-` is standard input; it and other pipes are read once.
 *
 * Editors' atomic renames and the `..data` swap of mounted ConfigMaps are followed. A file that breaks or is
 * cut to nothing while it is followed, one with a kind that is misspelt, and a named path that disappears, keep their last good version in force and are
 * reported in `problems` with line and column; a file deleted from a directory takes its objects with it. Objects that still say the same
 * keep their identity from snapshot to snapshot.
 *
 * Iterating throws {@link SourceError} with code `ERR_TLSROUTE_PATH_NOT_FOUND` when a named path does not exist at the start, and
 * with code `ERR_TLSROUTE_YAML_MISSING` when the optional package `yaml` is not installed.
 *
 * ```ts
 * const gateway = createPassthroughGateway({ source: fileSource("gateway.yaml") })
 * ```
 *
 * @throws {@link SourceError} `ERR_TLSROUTE_SOURCE_OPTION` when there is no path, or an option cannot be used
 */
export function fileSource(pathOrPaths: string | readonly string[], options: FileSourceOptions = {}): FileSource {
  checkArguments("fileSource", pathOrPaths, options, FILE_SOURCE)
  const paths = listPaths(pathOrPaths)
  const timing = { debounce: options.debounce ?? 100, pollInterval: options.pollInterval ?? 2_000 }
  let latest: ManifestSet | undefined
  const followers = new Set<() => Promise<boolean>>()

  async function* follow(signal: AbortSignal): AsyncGenerator<GatewayResources, void, undefined> {
    refuseArgument("the source", signal, abortSignal)
    const manifests = new ManifestSet(await loadYaml(), options.maxFileBytes ?? DEFAULT_MAX_FILE_BYTES, signal)
    using watcher = new PathWatcher(paths, timing, signal)
    const reloads: ((changed: boolean) => void)[] = []
    const reload = (): Promise<boolean> => {
      watcher.hurry()
      return new Promise((resolve) => reloads.push(resolve))
    }
    followers.add(reload)
    try {
      let last: GatewayResources | undefined
      while (!signal.aborted) {
        const asked = reloads.splice(0)
        const scanned = await watcher.scan()
        if (last === undefined && options.allowMissing !== true) requirePresent(scanned)
        const snapshot = await manifests.update(scanned, asked.length > 0)
        latest = manifests
        for (const tell of asked) tell(snapshot !== last)
        if (snapshot !== last) {
          last = snapshot
          yield snapshot
        }
        if (!(await watcher.changedSince(scanned))) return
      }
    } finally {
      followers.delete(reload)
      for (const tell of reloads) tell(false)
    }
  }

  return Object.assign(follow, {
    onError: "keep" as const,
    locate: (object: ObjectRef, path: string) => latest?.locate(object, path),
    async reload() {
      const changed = await Promise.all([...followers].map((reload) => reload()))
      return changed.includes(true)
    },
  })
}

/**
 * Reads manifests once: the same files and directories as {@link fileSource}.
 *
 * Throws {@link SourceError} with code `ERR_TLSROUTE_PATH_NOT_FOUND` when a named path does not exist, and with code `ERR_TLSROUTE_YAML_MISSING`
 * when the optional package `yaml` is not installed. Everything else that is wrong is in `resources.problems`.
 */
export async function readResources(
  pathOrPaths: string | readonly string[],
  options: ReadOptions = {},
): Promise<ReadResult> {
  checkArguments("readResources", pathOrPaths, options, READ)
  const manifests = new ManifestSet(await loadYaml(), options.maxFileBytes ?? DEFAULT_MAX_FILE_BYTES)
  const scanned = await scanPaths(listPaths(pathOrPaths))
  requirePresent(scanned)
  const resources = await manifests.update(scanned)
  return { resources, locate: (object, path) => manifests.locate(object, path) }
}

function listPaths(pathOrPaths: string | readonly string[]): readonly string[] {
  const paths = typeof pathOrPaths === "string" ? [pathOrPaths] : pathOrPaths
  return [...new Set(paths.map(tidy))]
}

/** Two ways to write a path become one. `""` stays a path that does not exist, and `./-` a file. */
function tidy(path: string): string {
  if (path === "") return path
  const normal = normalize(path)
  return normal === "-" && path !== "-" ? `.${sep}-` : normal
}

function requirePresent(scanned: readonly ScannedPath[]): void {
  for (const entry of scanned) {
    if ("missing" in entry && entry.missing)
      throw new SourceError("ERR_TLSROUTE_PATH_NOT_FOUND", `${entry.path || '""'}: ${entry.message}`)
  }
}
