import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { createInterface } from "node:readline"
import { NODE_OPTIONS, PROGRAM } from "./program.ts"

/** A line that the controller printed. */
export interface ControllerEvent {
  readonly event: string
  readonly [field: string]: unknown
}

interface Waiter {
  check(event: ControllerEvent): boolean
  resolve(event: ControllerEvent): void
}

/** `tlsroute controller` as a process of its own, on 127.0.0.1 and ports of the system's choice. */
export class Controller {
  /** Every event so far. */
  readonly events: ControllerEvent[] = []
  /** Bytes of its log so far. */
  logged = 0
  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiters = new Set<Waiter>()
  readonly #exited: Promise<unknown>
  #stderr = ""

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    this.#exited = once(child, "close")
    child.stderr.on("data", (chunk: Buffer) => {
      this.#stderr += chunk.toString()
    })
    child.stdout.on("data", (chunk: Buffer) => {
      this.logged += chunk.length
    })
    createInterface({ input: child.stdout }).on("line", (line) => {
      const event = JSON.parse(line) as ControllerEvent
      this.events.push(event)
      for (const waiter of this.#waiters) {
        if (!waiter.check(event)) continue
        this.#waiters.delete(waiter)
        waiter.resolve(event)
      }
    })
  }

  /** Starts it and waits until it serves. Of flags given twice, the last counts. */
  static async start(kubeconfig: string, ...flags: readonly string[]): Promise<Controller> {
    const controller = new Controller(
      spawn(
        process.execPath,
        [
          PROGRAM,
          ...["controller", "--json", "--kubeconfig", kubeconfig],
          ...["--lease", "tlsroute-system/tlsroute", "--lease-duration", "2"],
          ...[
            "--address",
            "127.0.0.1",
            "--map-port",
            "443:0",
            "--admin",
            "127.0.0.1:0",
            "--drain-timeout",
            "5",
            ...flags,
          ],
        ],
        { env: { ...process.env, NODE_OPTIONS } },
      ),
    )
    await controller.until("started")
    return controller
  }

  /** The first event of that name which satisfies `check`: past or, when there is none, to come. */
  async until(
    name: string | RegExp,
    check: (event: ControllerEvent) => boolean = () => true,
  ): Promise<ControllerEvent> {
    return this.after(0, name, check)
  }

  /** As {@link until}, among the events that followed the first `mark` ones. */
  async after(
    mark: number,
    name: string | RegExp,
    check: (event: ControllerEvent) => boolean = () => true,
  ): Promise<ControllerEvent> {
    const isNamed = (event: string): boolean => (typeof name === "string" ? event === name : name.test(event))
    const matches = (event: ControllerEvent): boolean => isNamed(event.event) && check(event)
    const known = this.events.slice(mark).find(matches)
    if (known !== undefined) return known
    const found = new Promise<ControllerEvent>((resolve) => this.#waiters.add({ check: matches, resolve }))
    const ended = this.#exited.then(() => {
      throw new Error(`the controller ended before it told of ${name}: ${this.#stderr}`)
    })
    return Promise.race([found, ended])
  }

  /** Local port of a Gateway's listener, `Gateway/namespace/name/listener`, once it is bound. */
  async port(listener: string): Promise<number> {
    interface Binding {
      readonly listeners: readonly string[]
      readonly port?: number
    }
    const portIn = ({ bindings }: ControllerEvent): number | undefined =>
      (bindings as readonly Binding[]).find(({ listeners }) => listeners.includes(listener))?.port
    const told = await this.until(/^config/, (event) => portIn(event) !== undefined)
    const port = portIn(told)
    if (port === undefined) throw new Error("no port")
    return port
  }

  /** Asks the admin server. */
  async admin<T>(path: string): Promise<T> {
    const { port } = await this.until("admin")
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    return (await response.json()) as T
  }

  /** Resident memory in MiB, and seconds of processor time so far. */
  async usage(): Promise<{ readonly rss: number; readonly cpu: number }> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, "utf8")
    const stat = await readFile(`/proc/${this.#child.pid}/stat`, "utf8")
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    // utime and stime, in ticks of a hundredth of a second.
    const cpu = (Number(fields[11]) + Number(fields[12])) / 100
    return { rss: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024, cpu }
  }

  /** Ends it as a deleted pod ends. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM")
    await this.#exited
  }

  /** Ends it as a lost node ends. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL")
    await this.#exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.kill()
  }
}
