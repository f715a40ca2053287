import { type BigIntStats, constants, createReadStream, open } from "node:fs"
import { readdir, stat } from "node:fs/promises"
import { Socket } from "node:net"
import { extname, join } from "node:path"
import { addAbortSignal, type Readable } from "node:stream"
import { promisify } from "node:util"

/** A file as it was when looked at. */
export interface ScannedFile {
  /** Path as given, or joined to the directory as given. */
  readonly file: string
  /** Changes whenever the file is written or replaced, within the granularity of the file system's clock. */
  readonly signature: string
  /** Written so recently that a further write could leave the signature as it is. */
  readonly fresh: boolean
  /** False for a pipe or device, which can be read only once. */
  readonly regular: boolean
}

/** A path that was named, and what stands there. */
export type ScannedPath =
  | { readonly path: string; readonly files: readonly ScannedFile[] }
  /** Nothing there, or not accessible. */
  | { readonly path: string; readonly missing: boolean; readonly message: string }

/** What standard input, named `-`, is called in problems. */
const STDIN = "<stdin>"

// The coarsest clock of a file system in use is FAT's, with two seconds.
const CLOCK_GRANULARITY_MS = 2_000

const EXTENSIONS: ReadonlySet<string> = new Set([".yaml", ".yml", ".json"])

/**
 * Looks at every named path. A directory gives its `.yaml`, `.yml` and `.json` files in order of name, not those
 * of directories in it and nothing that starts with a dot, as the `..data` link of a mounted ConfigMap does.
 * `-` is standard input.
 */
export async function scanPaths(paths: readonly string[]): Promise<ScannedPath[]> {
  return Promise.all(paths.map(scanPath))
}

async function scanPath(path: string): Promise<ScannedPath> {
  if (path === "-") return { path, files: [{ file: STDIN, signature: STDIN, fresh: false, regular: false }] }
  try {
    const stats = await stat(path, { bigint: true })
    if (!stats.isDirectory()) return { path, files: [describe(path, stats)] }
    const names = (await readdir(path)).filter((name) => !name.startsWith(".") && EXTENSIONS.has(extname(name))).sort()
    const files = await Promise.all(names.map((name) => scanEntry(join(path, name))))
    return { path, files: files.filter((file) => file !== undefined) }
  } catch (error) {
    const missing = isErrno(error) && (error.code === "ENOENT" || error.code === "ENOTDIR")
    return { path, missing, message: readFailure(error) }
  }
}

async function scanEntry(file: string): Promise<ScannedFile | undefined> {
  try {
    const stats = await stat(file, { bigint: true })
    return stats.isFile() ? describe(file, stats) : undefined
  } catch (error) {
    // Listed and gone: deleted meanwhile. Reading a link that leads nowhere will tell what is wrong with it.
    const signature = isErrno(error) ? `${file}:${error.code}` : file
    return { file, signature, fresh: true, regular: true }
  }
}

function describe(file: string, stats: BigIntStats): ScannedFile {
  const { dev, ino, size, mtimeNs, ctimeNs, mtimeMs, ctimeMs } = stats
  if (!stats.isFile()) return { file, signature: [file, dev, ino].join(":"), fresh: false, regular: false }
  const written = Math.max(Number(mtimeMs), Number(ctimeMs))
  return {
    file,
    signature: [file, dev, ino, size, mtimeNs, ctimeNs].join(":"),
    fresh: written > Date.now() - CLOCK_GRANULARITY_MS,
    regular: true,
  }
}

/** What a file holds, or why it cannot be read. */
export type FileText = { readonly text: string } | { readonly failure: string }

/** Reads UTF-8 text of at most `maxBytes`, and never much more than that. A pipe is given up when `signal` aborts. */
export async function readText(file: string, maxBytes: number, signal?: AbortSignal): Promise<FileText> {
  const chunks: Buffer[] = []
  let total = 0
  try {
    for await (const chunk of (await openText(file, signal)) as AsyncIterable<Buffer>) {
      total += chunk.length
      if (total > maxBytes) return { failure: `larger than the limit of ${maxBytes} bytes` }
      chunks.push(chunk)
    }
    // A byte order mark is dropped by the decoder.
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks, total)) }
  } catch (error) {
    return { failure: error instanceof TypeError ? "not UTF-8 text" : readFailure(error) }
  }
}

async function openText(file: string, signal: AbortSignal | undefined): Promise<Readable> {
  if (file === STDIN) return process.stdin
  if (!(await stat(file)).isFIFO()) return createReadStream(file)
  // Opened to wait for its writer, a pipe holds a thread that nothing interrupts, and with it the end of the process.
  const fd = await promisify(open)(file, constants.O_RDONLY | constants.O_NONBLOCK)
  const pipe = new Socket({ fd, readable: true, writable: false })
  return signal === undefined ? pipe : addAbortSignal(signal, pipe)
}

const FAILURES: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  ENOTDIR: "no such file or directory",
  EACCES: "permission denied",
  EISDIR: "is a directory",
  ELOOP: "too many symbolic links",
}

/** Why a file cannot be read, in words. */
export function readFailure(error: unknown): string {
  if (!isErrno(error)) return String(error)
  return FAILURES[error.code ?? ""] ?? error.message
}

function isErrno(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error
}
