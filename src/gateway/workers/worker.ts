import cluster from "node:cluster"
import type { AddressInfo } from "node:net"
import { parentPort } from "node:worker_threads"
import type { LookupFailure } from "../../proxy/backend/name-resolver.ts"
import type { ConnectionInfo, Waiting } from "../../proxy/connection/record.ts"
import { ListenError } from "../../proxy/errors.ts"
import type { Ejection } from "../../proxy/health/endpoint-health.ts"
import { sharedLimits } from "../../proxy/limits/shared-memory.ts"
import { equalShares, type LimitSharing } from "../../proxy/limits/sharing.ts"
import type { DropCounts } from "../../proxy/quic/drops.ts"
import type { RouteDecision } from "../../proxy/router.ts"
import type { RouteMatcher } from "../../routing/route-table.ts"
import { routeTableFromData } from "../../routing/table-data.ts"
import { LocalDataPlane } from "../data-plane.ts"
import { PolicyCompiler } from "../policies/compiler.ts"
import type { Policies } from "../policies/policies.ts"
import { ConnectionReports } from "./connection-reports.ts"
import type {
  Configuration,
  ErrorMessage,
  EventMessage,
  FromWorker,
  LimitPart,
  RelayedEvent,
  ToWorker,
  WorkerRequest,
  WorkerStart,
} from "./messages.ts"
import { leaveSignalsToParent } from "./signals.ts"

const REPORT_MS = 250
const LOADED: FromWorker = { type: "loaded" }

/** The worker's side: one data plane of its own, told what to do by the main thread. */
class Worker {
  readonly #post: (message: FromWorker) => void
  #plane: LocalDataPlane | undefined
  #compiler = new PolicyCompiler()
  #events: readonly RelayedEvent[] = []
  #happened: EventMessage[] = []
  readonly #reports = new ConnectionReports()
  #reportedSize = 0

  constructor(post: (message: FromWorker) => void) {
    this.#post = post
  }

  receive(message: ToWorker): void {
    const plane = this.#plane
    if (message.type === "start") this.#start(message.start)
    else if (plane === undefined) return
    else if (message.type === "checked") plane.endpointChecked(message.verdict)
    else if (message.type === "events") this.#listenTo(plane, message.events)
    else void this.#answer(plane, message.id, message.request)
  }

  #start({ index, count, options, configuration, limits, unhealthy, events }: WorkerStart): void {
    this.#compiler = new PolicyCompiler(options.policies)
    // All datagrams of a UDP port come to one worker, as only one knows its flows.
    const ownsQuic = (key: string) => quicOwner(key, count) === index
    const plane = new LocalDataPlane(...this.#read(configuration), options, sharingOf(limits), ownsQuic)
    // One that takes the place of another may have to bind sockets that are on their way out.
    plane.setTable(...this.#read(configuration), configuration.successors)
    this.#plane = plane
    for (const verdict of unhealthy) plane.endpointChecked(verdict)
    plane.on("error", (error) => this.#post({ type: "error", error: errorMessage(error) }))
    plane.on("quic", (listener, state) => this.#post({ type: "quic", listener, state }))
    this.#listenTo(plane, events)
    plane.on("connection", (connection) => {
      const isRelayed = this.#events.includes("connection")
      this.#reports.add(connection, isRelayed)
      if (isRelayed) this.#push({ event: "connection", connection: connection.toJSON() })
    })
    setInterval(() => this.#report(plane), REPORT_MS).unref()
  }

  #read({ table: data, annotated }: Configuration): [table: RouteMatcher, policies: Policies] {
    const table = routeTableFromData(data)
    return [table, this.#compiler.compile(annotated, table)]
  }

  async #answer(plane: LocalDataPlane, id: number, request: WorkerRequest): Promise<void> {
    try {
      const address = await this.#perform(plane, request)
      // Who is told that all is closed ends this worker, and must know by then how every connection ended.
      this.#flush()
      this.#post({ type: "done", id, address })
    } catch (error) {
      this.#post({ type: "failed", id, error: errorMessage(error) })
    }
  }

  async #perform(plane: LocalDataPlane, request: WorkerRequest): Promise<AddressInfo | undefined> {
    switch (request.type) {
      case "listen": {
        const { key, host, port, reusePort } = request
        return plane.listen({ key, host, port, reusePort })
      }
      case "configure":
        plane.setTable(...this.#read(request.configuration), request.configuration.successors)
        break
      case "unlisten":
        plane.unlisten(request.key)
        break
      case "close":
        await plane.close(request.options)
    }
    return undefined
  }

  readonly #relays = {
    route: (connection: ConnectionInfo, { policy: _, ...decision }: RouteDecision & { readonly action: "forward" }) =>
      this.#push({ event: "route", connection: connection.toJSON(), decision }),
    reject: (connection: ConnectionInfo, rejection: (EventMessage & { readonly event: "reject" })["rejection"]) =>
      this.#push({ event: "reject", connection: connection.toJSON(), rejection }),
    waiting: (connection: ConnectionInfo, waiting: Waiting) =>
      this.#push({ event: "waiting", connection: connection.toJSON(), waiting }),
    close: (record: (EventMessage & { readonly event: "close" })["record"]) => this.#push({ event: "close", record }),
    drops: (drops: DropCounts) => this.#push({ event: "drops", drops }),
    eject: (ejection: Ejection) => this.#push({ event: "eject", ejection }),
    lookupFailed: (failure: LookupFailure) => this.#push({ event: "lookupFailed", failure }),
  }

  #listenTo(plane: LocalDataPlane, events: readonly RelayedEvent[]): void {
    for (const event of this.#events) if (event !== "connection") plane.off(event, this.#relays[event])
    for (const event of events) if (event !== "connection") plane.on(event, this.#relays[event])
    this.#events = events
  }

  // One message carries all events of a turn of the loop: a message costs more than what it carries.
  #push(event: EventMessage): void {
    if (this.#happened.push(event) === 1) setImmediate(() => this.#flush())
  }

  #flush(): void {
    if (this.#happened.length === 0) return
    const events = this.#happened
    this.#happened = []
    this.#post({ type: "happened", events })
  }

  #report(plane: LocalDataPlane): void {
    // Events first: a report must not tell of a connection before the event that it began with.
    this.#flush()
    const { changed, gone } = this.#reports.next()
    const { size } = plane.connections
    if (changed.length + gone.length === 0 && size === this.#reportedSize) return
    this.#reportedSize = size
    this.#post({ type: "report", size, changed, gone })
  }
}

/** The worker whose port it is: each listener's is another's, so that several share the work. */
function quicOwner(key: string, count: number): number {
  let hash = 0
  for (let at = 0; at < key.length; at++) hash = (Math.imul(hash, 31) + key.charCodeAt(at)) >>> 0
  return hash % count
}

function sharingOf(limits: LimitPart): LimitSharing {
  return limits.memory === undefined ? equalShares(limits.proxies) : sharedLimits(limits.memory, limits.proxy)
}

function errorMessage(error: unknown): ErrorMessage {
  if (!(error instanceof Error)) return { message: String(error), code: undefined }
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined
  return { message: error.message, code, ...(error instanceof ListenError ? { reason: error.reason } : {}) }
}

if (parentPort !== null) {
  const port = parentPort
  const worker = new Worker((message) => port.postMessage(message))
  port.on("message", (message: ToWorker) => worker.receive(message))
  port.postMessage(LOADED)
} else if (cluster.isWorker) {
  leaveSignalsToParent()
  const worker = new Worker((message) => void process.send?.(message))
  process.on("message", (message: ToWorker) => worker.receive(message))
  process.send?.(LOADED)
  // The primary's end is the worker's: a process that nobody tells anything would serve an old table for ever.
  process.on("disconnect", () => process.exit(0))
}
