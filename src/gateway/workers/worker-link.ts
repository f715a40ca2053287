import type { AddressInfo } from "node:net"
import type { ConnectionInfo, ConnectionSnapshot } from "../../proxy/connection/record.ts"
import { GatewayError } from "../errors.ts"
import type { WorkerHandle, WorkerHost } from "./host.ts"
import type { ErrorMessage, EventMessage, FromWorker, ToWorker, WorkerRequest, WorkerStart } from "./messages.ts"

// Ids of connections count up from 1 in each worker; the worker's number in the low digits makes them unique.
const MOST_WORKERS = 1024

/** What a link tells the data plane. */
export interface WorkerLinkListener {
  /** An event of the worker's proxy. */
  happened(event: EventMessage): void
  /** Something failed in the worker, and it goes on. */
  failed(error: Error): void
  /** The worker is gone, and `lost` connections with it. */
  died(reason: string, lost: number): void
}

interface Pending {
  resolve(address: AddressInfo | undefined): void
  reject(error: Error): void
}

/** One worker, seen from the main thread: requests with answers, and what it last reported. */
export class WorkerLink {
  readonly #index: number
  readonly #handle: WorkerHandle
  readonly #listener: WorkerLinkListener
  readonly #pending = new Map<number, Pending>()
  readonly #connections = new Map<number, ConnectionInfo>()
  readonly #exited: Promise<void>
  #waiting: ToWorker[] | undefined = []
  #lastId = 0
  #dead = false

  constructor(host: WorkerHost, index: number, start: WorkerStart, listener: WorkerLinkListener) {
    this.#index = index
    this.#listener = listener
    let exited: () => void = () => undefined
    this.#exited = new Promise((resolve) => {
      exited = resolve
    })
    this.#handle = host.start({
      message: (message) => this.#receive(message),
      exit: (reason) => {
        exited()
        this.#exit(reason)
      },
    })
    this.post({ type: "start", start })
  }

  /** Connections as last reported. */
  get connections(): ReadonlyMap<number, ConnectionInfo> {
    return this.#connections
  }

  /** Sends what needs no answer. */
  post(message: ToWorker): void {
    if (this.#dead) return
    if (this.#waiting === undefined) this.#handle.post(message)
    else this.#waiting.push(message)
  }

  /** Asks, and waits for the answer. */
  ask(request: WorkerRequest): Promise<AddressInfo | undefined> {
    if (this.#dead) return Promise.reject(new GatewayError("ERR_TLSROUTE_WORKER", "the worker has died"))
    this.#lastId += 1
    const id = this.#lastId
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.post({ type: "request", id, request })
    })
  }

  /** Ends the worker; resolves when it is gone. */
  async terminate(): Promise<void> {
    if (!this.#dead) this.#handle.terminate()
    await this.#exited
  }

  /** A record or snapshot with an id that is unique among workers. */
  rename<T extends { readonly id: number }>(record: T): T {
    return { ...record, id: record.id * MOST_WORKERS + this.#index }
  }

  /** A snapshot as the view that events carry. */
  view(snapshot: ConnectionSnapshot): ConnectionInfo {
    const renamed = this.rename(snapshot)
    return { ...renamed, hello: undefined, toJSON: () => renamed }
  }

  #receive(message: FromWorker): void {
    if (message.type === "loaded") this.#flush()
    else if (message.type === "done") this.#settle(message.id)?.resolve(message.address)
    else if (message.type === "failed") this.#settle(message.id)?.reject(errorOf(message.error))
    else if (message.type === "happened") for (const event of message.events) this.#listener.happened(event)
    else if (message.type === "error") this.#listener.failed(errorOf(message.error))
    else if (message.type === "report") {
      for (const id of message.gone) this.#connections.delete(id)
      for (const snapshot of message.changed) this.#connections.set(snapshot.id, this.view(snapshot))
    }
  }

  #flush(): void {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const message of waiting) this.#handle.post(message)
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    return pending
  }

  #exit(reason: string): void {
    this.#dead = true
    for (const { reject } of this.#pending.values()) {
      reject(new GatewayError("ERR_TLSROUTE_WORKER", `the worker died: ${reason}`))
    }
    this.#pending.clear()
    const lost = this.#connections.size
    this.#connections.clear()
    this.#listener.died(reason, lost)
  }
}

function errorOf({ message, ...codes }: ErrorMessage): Error {
  return Object.assign(new Error(message), codes)
}
