import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { createInterface } from "node:readline"
import { freePort } from "../../support/free-port.ts"
import { type ClusterBinaries, clusterBinaries } from "./build-apiserver.ts"

const START_DEADLINE_MS = 60_000

/** A real API server on loopback, with its own data, for one test file. */
export class TestCluster {
  readonly kubeconfig: string
  readonly port: number
  readonly #binaries: ClusterBinaries
  readonly #dir: string
  #process: ChildProcess | undefined

  private constructor(binaries: ClusterBinaries, dir: string, port: number) {
    this.#binaries = binaries
    this.#dir = dir
    this.port = port
    this.kubeconfig = join(dir, "kubeconfig")
  }

  /** Starts an empty cluster. */
  static async start(): Promise<TestCluster> {
    const dir = await mkdtemp(join(tmpdir(), "tlsroute-cluster-"))
    const cluster = new TestCluster(await clusterBinaries(), dir, await freePort())
    await cluster.resume()
    return cluster
  }

  /** Starts the API server again on the same data, port and certificate. */
  async resume(): Promise<void> {
    const started = spawn(this.#binaries.apiserver, ["--dir", this.#dir, "--port", String(this.port)], {
      // Its standard input ends with this process, and it with that.
      stdio: ["pipe", "pipe", "pipe"],
    })
    this.#process = started
    const log: string[] = []
    started.stderr?.on("data", (chunk: Buffer) => {
      log.push(chunk.toString())
      if (log.length > 50) log.shift()
    })
    const ready = new Promise<void>((resolve, reject) => {
      createInterface({ input: started.stdout }).on("line", (line) => {
        if (line.startsWith("ready ")) resolve()
      })
      started.once("exit", (code) => reject(new Error(`the API server ended with ${code}:\n${log.join("")}`)))
      started.once("error", reject)
      setTimeout(
        () => reject(new Error(`the API server was not ready in time:\n${log.join("")}`)),
        START_DEADLINE_MS,
      ).unref()
    })
    await ready
  }

  /** Ends the API server at once, as a crash would; the data stay. */
  async kill(): Promise<void> {
    const running = this.#process
    this.#process = undefined
    if (running === undefined || running.exitCode !== null) return
    running.kill("SIGKILL")
    await once(running, "exit")
  }

  /** Ends the API server and removes its data. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await rm(this.#dir, { recursive: true, force: true })
  }

  /** Runs kubectl as the cluster's admin; `input` is its standard input. Rejects with its standard error. */
  async kubectl(args: readonly string[], input?: string): Promise<string> {
    return run(this.#binaries.kubectl, ["--kubeconfig", this.kubeconfig, ...args], input)
  }

  /** Runs helm as the cluster's admin. */
  async helm(...args: readonly string[]): Promise<string> {
    return run(this.#binaries.helm, ["--kubeconfig", this.kubeconfig, ...args])
  }

  /** A kubeconfig of a ServiceAccount, with the rights that RBAC gives it and no others; of another server if given. */
  async kubeconfigOf(namespace: string, account: string, server = this.server): Promise<string> {
    const token = (await this.kubectl(["create", "token", account, "--namespace", namespace])).trim()
    const known = JSON.parse(await this.kubectl(["config", "view", "--raw", "-o", "json"]))
    const path = join(this.#dir, `kubeconfig-${namespace}-${account}-${new URL(server).port}`)
    const { "certificate-authority-data": ca } = known.clusters[0].cluster
    const config = {
      ...known,
      clusters: [{ name: "test", cluster: { server, "certificate-authority-data": ca } }],
      users: [{ name: "admin", user: { token } }],
    }
    await writeFile(path, JSON.stringify(config))
    return path
  }

  /** The API server's URL. */
  get server(): string {
    return `https://127.0.0.1:${this.port}`
  }

  /** Path of the program that runs tests of the Gateway API's conformance suite. */
  get conformance(): string {
    return this.#binaries.conformance
  }

  /** Folder that holds kubectl and helm under their names. */
  get binaries(): string {
    return dirname(this.#binaries.kubectl)
  }

  /** `kubectl apply -f -`. */
  async apply(manifests: string | readonly object[], ...args: readonly string[]): Promise<string> {
    const text =
      typeof manifests === "string" ? manifests : JSON.stringify({ apiVersion: "v1", kind: "List", items: manifests })
    return this.kubectl(["apply", "-f", "-", ...args], text)
  }

  /** `kubectl get -o json`. */
  async get<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.kubectl(["get", ...args, "-o", "json"])) as T
  }
}

function run(command: string, args: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, { maxBuffer: 256 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${basename(command)} ${args.join(" ")}: ${stderr || error.message}`))
    })
    child.stdin?.on("error", () => undefined)
    child.stdin?.end(input)
  })
}
