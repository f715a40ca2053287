import cluster from "node:cluster"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import { GatewayError } from "../errors.ts"
import type { FromWorker, ToWorker } from "./messages.ts"

/** A running worker, seen from the main thread: a thread or a process. */
export interface WorkerHandle {
  /** Sends a message. */
  post(message: ToWorker): void
  /** Ends it at once. */
  terminate(): void
}

/** What the main thread is told of a worker. */
export interface WorkerListener {
  /** A message came. */
  message(message: FromWorker): void
  /** It is gone, for whatever reason: once. */
  exit(reason: string): void
}

/** Starts workers of one kind. */
export interface WorkerHost {
  /** Whether workers bind the same port side by side (`SO_REUSEPORT`), or share what the primary process binds. */
  readonly reusePort: boolean
  /** Whether workers are threads of this process, with which memory can be shared. */
  readonly sharesMemory: boolean
  /** The port that workers are told to bind, where the caller left it to the system. */
  choosePort(host: string | undefined): Promise<number>
  /** Starts one. */
  start(listener: WorkerListener): WorkerHandle
}

/**
 * The built worker, which stands beside the package's other files. A bundle has those in one file of its own, and no
 * worker beside it.
 *
 * @throws {@link GatewayError} `ERR_TLSROUTE_OPTION` when it is not there
 */
function builtWorker(): URL {
  // Written as one expression, webpack would copy the worker into the bundle: alone, without what it imports.
  const here = import.meta.url
  // A bundle in CommonJS may have no address to look from.
  const file = URL.canParse("./worker.js", here) ? new URL("./worker.js", here) : undefined
  if (file !== undefined && existsSync(file)) return file
  const where = file === undefined ? "" : `, and ${fileURLToPath(file)} does not exist`
  throw new GatewayError(
    "ERR_TLSROUTE_OPTION",
    `workers run a file of the package tlsroute that is not in this bundle${where}; leave tlsroute out of the bundle ` +
      "(esbuild: external, webpack: externals, Vite: ssr.external), or set workers to 1",
  )
}

/**
 * Whether each thread can bind the same port and the kernel spreads connections over them: `reusePort` of
 * `listen`, from Node.js 22.12 and 23.1, on Linux.
 */
export function hasReusePort(version = process.versions.node, platform: string = process.platform): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  return platform === "linux" && (major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12))
}

/**
 * Threads where ports can be shared by the kernel, else processes of `node:cluster`, and a warning of what they cost.
 *
 * @param file - the built worker
 */
export function workerHost(file = builtWorker()): WorkerHost {
  if (hasReusePort()) return threads(file)
  process.emitWarning(
    "workers are processes here: they share one socket unevenly, each has its part of the limits, and a connection costs " +
      "more than with one worker. Use Node.js 22.12 or later on Linux, where threads share a port, or one worker",
    { type: "PerformanceWarning", code: "TLSROUTE_WORKER_PROCESSES" },
  )
  return processes(file)
}

const threads = (file: URL): WorkerHost => ({
  reusePort: true,
  sharesMemory: true,
  // The first thread asks the system, the others bind the same.
  choosePort: async () => 0,
  start(listener) {
    const worker = new Worker(file)
    let reason = "it exited"
    worker.on("message", (message: FromWorker) => listener.message(message))
    worker.on("error", (error) => {
      reason = error.message
    })
    worker.on("exit", (code) => listener.exit(`${reason} (exit code ${code})`))
    return { post: (message) => worker.postMessage(message), terminate: () => void worker.terminate() }
  },
})

const processes = (file: URL): WorkerHost => ({
  reusePort: false,
  sharesMemory: false,
  // node:cluster shares a port by its number, so 0 would be a port of its own in each process.
  async choosePort(host) {
    const server = createServer().listen(0, host)
    await once(server, "listening")
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, "close")
    return port
  },
  start(listener) {
    // Each accepts by itself. In turns, the default, the first process accepts for all, hands every connection over a pipe,
    // and has all clients wait while it is busy. A program that began with node:cluster itself has chosen already.
    cluster.schedulingPolicy = cluster.SCHED_NONE
    cluster.setupPrimary({ exec: fileURLToPath(file), serialization: "advanced" })
    const worker = cluster.fork()
    worker.on("message", (message: FromWorker) => listener.message(message))
    worker.on("error", () => undefined)
    worker.on("exit", (code, signal) => listener.exit(`it exited (${signal ?? `exit code ${code}`})`))
    return {
      post: (message) => void (worker.isConnected() && worker.send(message)),
      terminate: () => worker.process.kill("SIGKILL"),
    }
  },
})
