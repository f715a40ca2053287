import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import type { GatewayResources } from "../../src/routing/resources.ts"
import type { FromGateway, GatewayStatus, SoakRecord, ToGateway } from "./messages.ts"

/** Milliseconds that the gateway's process may take to end once it has nothing to do. */
const ENDS_WITHIN = 10_000

/** The gateway's process, seen from outside. */
export class GatewayProcess {
  /** Where each Gateway port is bound at present. */
  ports: Readonly<Record<number, number>> = {}
  readonly errors: string[] = []
  readonly #child: ChildProcess
  readonly #onRecord: (record: SoakRecord) => void
  #configured: () => void = () => undefined
  #status: (status: GatewayStatus | undefined) => void = () => undefined
  /** How it ended, once it has. */
  exit: string | undefined

  constructor(script: string, workers: number, onRecord: (record: SoakRecord) => void) {
    this.#onRecord = onRecord
    this.#child = fork(script, [String(workers)], { execArgv: ["--expose-gc"] })
    this.#child.on("message", (message: FromGateway) => this.#receive(message))
    this.#child.on("exit", (code, signal) => {
      this.exit = signal ?? `exit code ${code}`
      this.#configured()
      this.#status(undefined)
    })
  }

  /** Puts a configuration in force; resolves when one is. */
  async configure(config: GatewayResources): Promise<void> {
    const configured = new Promise<void>((resolve) => {
      this.#configured = resolve
    })
    this.#send({ type: "configure", config })
    if (this.exit === undefined) await configured
    if (this.exit !== undefined) throw new Error(`the gateway's process ended: ${this.exit}`)
  }

  /** Asks what it holds. */
  async status(): Promise<GatewayStatus> {
    const told = new Promise<GatewayStatus | undefined>((resolve) => {
      this.#status = resolve
    })
    this.#send({ type: "status" })
    const status = this.exit === undefined ? await told : undefined
    if (status === undefined) throw new Error(`the gateway's process ended: ${this.exit}`)
    return status
  }

  /** Closes the gateway; returns how the process ended, or that it did not. */
  async close(): Promise<string> {
    if (this.exit !== undefined) return this.exit
    const ended = once(this.#child, "exit")
    this.#send({ type: "close" })
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), ENDS_WITHIN)
    await ended
    clearTimeout(timer)
    return this.exit ?? "unknown"
  }

  #send(message: ToGateway): void {
    if (this.#child.connected) this.#child.send(message)
  }

  #receive(message: FromGateway): void {
    switch (message.type) {
      case "config":
        this.ports = message.ports
        this.#configured()
        break
      case "records":
        for (const record of message.records) this.#onRecord(record)
        break
      case "status":
        this.#status(message.status)
        break
      case "error":
        this.errors.push(message.message)
    }
  }
}
