import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { build } from "tsup"
import { rawText } from "../../tsup.config.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** What a finished run left behind. */
export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The command, bundled from the sources as they are. */
export class Cli implements AsyncDisposable {
  /** A folder for files of the tests, empty at first, gone with the command. */
  readonly folder: string
  readonly #directory: string

  private constructor(directory: string, folder: string) {
    this.#directory = directory
    this.folder = folder
  }

  /** Bundles the command inside node_modules, where its dependencies are found. */
  static async build(): Promise<Cli> {
    const cache = join(root, "node_modules", ".cache")
    await mkdir(cache, { recursive: true })
    const directory = await mkdtemp(join(cache, "tlsroute-cli-"))
    await build({
      config: false,
      entry: { cli: join(root, "src/cli/main.ts"), worker: join(root, "src/gateway/workers/worker.ts") },
      outDir: directory,
      format: "esm",
      target: "node20",
      platform: "node",
      external: ["commander", "yaml"],
      esbuildPlugins: [rawText],
      silent: true,
    })
    await writeFile(join(directory, "package.json"), '{ "type": "module" }')
    return new Cli(directory, await mkdtemp(join(tmpdir(), "tlsroute-cli-")))
  }

  /** Writes a file into the folder, at once: a command that follows it never finds it half written. @returns its path */
  async write(name: string, text: string): Promise<string> {
    const file = join(this.folder, name)
    await writeFile(`${file}.new`, text)
    await rename(`${file}.new`, file)
    return file
  }

  /** Starts the command as a user would: a process of its own, without a terminal. */
  start(
    args: readonly string[],
    environment: NodeJS.ProcessEnv = {},
    options: { readonly detached?: boolean } = {},
  ): ChildProcessWithoutNullStreams {
    const env = { ...process.env, ...environment }
    return spawn(process.execPath, [join(this.#directory, "cli.js"), ...args], { stdio: "pipe", env, ...options })
  }

  /** How a shell starts the command. Arguments need no quotes. */
  commandLine(args: readonly string[]): string {
    return [process.execPath, join(this.#directory, "cli.js"), ...args].join(" ")
  }

  /** Runs the command to its end. */
  async run(args: readonly string[], input: string | Uint8Array = ""): Promise<CliResult> {
    const child = this.start(args)
    child.stdin.on("error", () => {}).end(input)
    const [[code], stdout, stderr] = await Promise.all([once(child, "close"), text(child.stdout), text(child.stderr)])
    return { code, stdout, stderr }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const path of [this.#directory, this.folder]) await rm(path, { recursive: true, force: true })
  }
}

/** Reads lines of a stream one by one. */
export function linesOf(stream: NodeJS.ReadableStream): () => Promise<string> {
  const lines = createInterface({ input: stream })[Symbol.asyncIterator]()
  return async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error("the command printed no further line")
    return value
  }
}
