import type { AddressInfo } from "node:net"
import type { ConnectionInfo, ConnectionRecord, ConnectionSnapshot } from "../../proxy/connection/record.ts"
import type { CloseOptions } from "../../proxy/options.ts"
import type { QuicState } from "../../proxy/quic/quic-ports.ts"
import { GatewayError } from "../errors.ts"
import type { WorkerHandle, WorkerHost } from "./host.ts"
import type { ErrorMessage, EventMessage, FromWorker, ToWorker, WorkerRequest, WorkerStart } from "./messages.ts"

// Ids of connections count up from 1 in each worker; the worker's number in the low digits makes them unique.
const MOST_WORKERS = 1024

/** Time that a worker has to answer, loading included. One that takes longer hangs, and is ended. */
const ANSWER_MS = 30_000

/** What a link tells the data plane. */
export interface WorkerLinkListener {
  /** An event of the worker's proxy. */
  happened(event: EventMessage): void
  /** Something failed in the worker, and it goes on. */
  failed(error: Error): void
  /** The UDP port beside a listener is another worker's now, or open, or not. */
  quicChanged(listener: string, state: QuicState | undefined): void
  /** The worker is gone, and connections with it. */
  died(reason: string, lost: readonly ConnectionRecord[]): void
}

interface Pending {
  resolve(address: AddressInfo | undefined): void
  reject(error: Error): void
  readonly timer: NodeJS.Timeout | undefined
}

/** A socket that every worker binds. */
export interface Listening {
  readonly key: string
  readonly host: string | undefined
  readonly port: number
}

/** One worker, seen from the main thread: requests with answers, and what it last reported. */
export class WorkerLink {
  readonly #index: number
  readonly #reusePort: boolean
  readonly #handle: WorkerHandle
  readonly #listener: WorkerLinkListener
  readonly #pending = new Map<number, Pending>()
  readonly #connections = new Map<number, ConnectionInfo>()
  /** Sockets that it binds or has bound, by key: two who want the same one wait for one answer. */
  readonly #listening = new Map<string, Promise<AddressInfo | undefined>>()
  readonly #exited: Promise<void>
  readonly #startedAt = performance.now()
  /** UDP ports of its own, by listener. */
  readonly #quic = new Map<string, QuicState>()
  /** Live connections that are not among those reported. */
  #unreported = 0
  #waiting: ToWorker[] | undefined = []
  #lastId = 0
  #dead = false
  #hangs = false

  constructor(host: WorkerHost, index: number, start: WorkerStart, listener: WorkerLinkListener) {
    this.#index = index
    this.#reusePort = host.reusePort
    this.#listener = listener
    let exited: () => void = () => undefined
    this.#exited = new Promise((resolve) => {
      exited = resolve
    })
    this.#handle = host.start({
      message: (message) => this.#receive(message),
      exit: (reason) => {
        exited()
        this.#exit(this.#hangs ? `it did not answer for ${ANSWER_MS / 1_000} s` : reason)
      },
    })
    this.post({ type: "start", start })
  }

  /** The UDP port beside a listener, where it is this worker's. */
  quicState(listener: string): QuicState | undefined {
    return this.#quic.get(listener)
  }

  /** Connections as last reported. */
  get connections(): ReadonlyMap<number, ConnectionInfo> {
    return this.#connections
  }

  /** Live connections. */
  get size(): number {
    return this.#connections.size + this.#unreported
  }

  /** Milliseconds since it was started. */
  get age(): number {
    return performance.now() - this.#startedAt
  }

  /** Whether it is gone. */
  get isDead(): boolean {
    return this.#dead
  }

  /** Sends what needs no answer. */
  post(message: ToWorker): void {
    if (this.#dead) return
    if (this.#waiting === undefined) this.#handle.post(message)
    else this.#waiting.push(message)
  }

  /** Whether it binds or has bound this socket. */
  listens(key: string): boolean {
    return this.#listening.has(key)
  }

  /** Binds a socket, once. */
  listen({ key, host, port }: Listening): Promise<AddressInfo | undefined> {
    const under = this.#listening.get(key)
    if (under !== undefined) return under
    const bound = this.ask({ type: "listen", key, host, port, reusePort: this.#reusePort })
    this.#listening.set(key, bound)
    bound.catch(() => {
      if (this.#listening.get(key) === bound) this.#listening.delete(key)
    })
    return bound
  }

  /** Closes a socket, or gives up binding it. */
  async unlisten(key: string): Promise<void> {
    if (this.#listening.delete(key)) await this.ask({ type: "unlisten", key })
  }

  /** Asks, and waits for the answer. A worker that gives none is ended. */
  ask(request: WorkerRequest): Promise<AddressInfo | undefined> {
    if (this.#dead) return Promise.reject(new GatewayError("ERR_TLSROUTE_WORKER", "the worker has died"))
    this.#lastId += 1
    const id = this.#lastId
    // How long a close may take is its own matter: see {@link close}.
    const timer = request.type === "close" ? undefined : setTimeout(() => this.#hung(), ANSWER_MS).unref()
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, timer })
      this.post({ type: "request", id, request })
    })
  }

  /** Lets its connections finish, then ends it; resolves when it is gone. Called again, the shorter time counts. */
  async close(options: CloseOptions): Promise<void> {
    // What was asked before is of no use to anyone now, and nobody waits for it.
    for (const [id, { reject, timer }] of this.#pending) {
      if (timer === undefined) continue
      clearTimeout(timer)
      this.#pending.delete(id)
      reject(new GatewayError("ERR_TLSROUTE_STATE", "the gateway is being closed"))
    }
    await this.ask({ type: "close", options }).catch(() => undefined)
    await this.terminate()
  }

  /** Ends the worker; resolves when it is gone. */
  async terminate(): Promise<void> {
    if (!this.#dead) this.#handle.terminate()
    await this.#exited
  }

  /** Takes what an event tells of a connection, under an id that is unique among workers. */
  view(snapshot: ConnectionSnapshot): ConnectionInfo {
    const view = this.#view(snapshot)
    this.#connections.set(snapshot.id, view)
    return view
  }

  /** The record of a connection that is over, under its unique id. */
  ended(record: ConnectionRecord): ConnectionRecord {
    this.#connections.delete(record.id)
    return this.#rename(record)
  }

  #rename<T extends { readonly id: number }>(record: T): T {
    return { ...record, id: record.id * MOST_WORKERS + this.#index }
  }

  #view(snapshot: ConnectionSnapshot): ConnectionInfo {
    const renamed = this.#rename(snapshot)
    return { ...renamed, hello: undefined, toJSON: () => renamed }
  }

  #receive(message: FromWorker): void {
    if (message.type === "loaded") this.#flush()
    else if (message.type === "done") this.#settle(message.id)?.resolve(message.address)
    else if (message.type === "failed") this.#settle(message.id)?.reject(errorOf(message.error))
    else if (message.type === "happened") for (const event of message.events) this.#listener.happened(event)
    else if (message.type === "error") this.#listener.failed(errorOf(message.error))
    else if (message.type === "quic") {
      const { listener, state } = message
      if (state === undefined) this.#quic.delete(listener)
      else this.#quic.set(listener, state)
      this.#listener.quicChanged(listener, state)
    } else if (message.type === "report") {
      for (const id of message.gone) this.#connections.delete(id)
      for (const snapshot of message.changed) this.#connections.set(snapshot.id, this.#view(snapshot))
      this.#unreported = message.size - this.#connections.size
    }
  }

  #flush(): void {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const message of waiting) this.#handle.post(message)
  }

  #hung(): void {
    this.#hangs = true
    void this.terminate()
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    clearTimeout(pending?.timer)
    this.#pending.delete(id)
    return pending
  }

  #exit(reason: string): void {
    this.#dead = true
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer)
      reject(new GatewayError("ERR_TLSROUTE_WORKER", `the worker died: ${reason}`))
    }
    this.#pending.clear()
    const lost = Array.from(this.#connections.values(), lostRecord)
    this.#connections.clear()
    this.#unreported = 0
    this.#listener.died(reason, lost)
  }
}

/** What is known of a connection that went with its worker. */
function lostRecord(connection: ConnectionInfo): ConnectionRecord {
  const { state, target, endpoint, ...known } = connection.toJSON()
  const common = {
    ...known,
    offered: undefined,
    offeredName: undefined,
    proxyHeaderBytes: undefined,
    outcome: "worker-lost" as const,
    detail: undefined,
    endedBy: "proxy" as const,
    durations: { ...known.durations, total: Math.max(0, Date.now() - known.since) },
  }
  const wasSpliced = state === "splicing" || state === "half-closed"
  if (wasSpliced && target !== undefined && endpoint !== undefined) {
    return { ...common, kind: "spliced", target, endpoint }
  }
  return { ...common, kind: "abandoned", target, endpoint }
}

function errorOf({ message, ...codes }: ErrorMessage): Error {
  return Object.assign(new Error(message), codes)
}
