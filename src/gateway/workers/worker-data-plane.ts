import { EventEmitter } from "node:events"
import type { AddressInfo } from "node:net"
import type { ConnectionInfo } from "../../proxy/connection/record.ts"
import { ListenError } from "../../proxy/errors.ts"
import { forgetProxy, type LimitMemory, limitMemory } from "../../proxy/limits/shared-memory.ts"
import type { CloseOptions } from "../../proxy/options.ts"
import type { SpliceProxyEvents } from "../../proxy/proxy.ts"
import type { RouteTable } from "../../routing/route-table.ts"
import type { DataPlane, DataPlaneOptions, EndpointVerdict } from "../data-plane.ts"
import { GatewayError } from "../errors.ts"
import type { Policies } from "../policies/policies.ts"
import type { WorkerHost } from "./host.ts"
import type { Configuration, EventMessage, RelayedEvent, WorkerStart } from "./messages.ts"
import { WorkerLink } from "./worker-link.ts"

const RELAYED: readonly RelayedEvent[] = ["connection", "route", "reject", "close"]
const FIRST_RESTART_MS = 100
const LAST_RESTART_MS = 10_000

interface Listening {
  readonly key: string
  readonly host: string | undefined
  readonly port: number
}

/**
 * A data plane in several threads or processes, each with a proxy of its own. The table is sent once per
 * change; a worker that dies is replaced, and the others' connections do not notice.
 */
export class WorkerDataPlane extends EventEmitter<SpliceProxyEvents> implements DataPlane {
  readonly #host: WorkerHost
  readonly #options: DataPlaneOptions
  readonly #count: number
  readonly #limits: LimitMemory | undefined
  readonly #links: (WorkerLink | undefined)[]
  readonly #listening = new Map<string, Listening>()
  readonly #restarts = new Set<NodeJS.Timeout>()
  /** Endpoints that active checks have found unhealthy, for workers that start later. */
  readonly #unhealthy = new Map<string, EndpointVerdict>()
  #table: RouteTable
  #policies: Policies
  #deaths = 0
  #closing: Promise<void> | undefined

  constructor(host: WorkerHost, count: number, table: RouteTable, policies: Policies, options: DataPlaneOptions) {
    super()
    this.#host = host
    this.#options = options
    this.#count = count
    this.#limits = host.sharesMemory ? limitMemory(count) : undefined
    this.#table = table
    this.#policies = policies
    this.#links = Array.from({ length: count }, (_, index) => this.#start(index))
    for (const name of ["newListener", "removeListener"]) {
      ;(this as EventEmitter).on(name, () => queueMicrotask(() => this.#subscribe()))
    }
  }

  /** Settles when every worker routes by it; one that dies meanwhile is replaced by one that does. */
  async setTable(table: RouteTable, policies: Policies): Promise<void> {
    this.#table = table
    this.#policies = policies
    const configuration = this.#configuration()
    await Promise.allSettled(this.#live().map((link) => link.ask({ type: "configure", configuration })))
  }

  endpointChecked(verdict: EndpointVerdict): void {
    const { target, endpoint, check, healthy } = verdict
    const key = `${target} ${endpoint.address} ${endpoint.port} ${check}`
    if (healthy) this.#unhealthy.delete(key)
    else this.#unhealthy.set(key, verdict)
    for (const link of this.#live()) link.post({ type: "checked", verdict })
  }

  get connections(): Iterable<ConnectionInfo> & { readonly size: number } {
    const links = this.#live()
    return {
      get size() {
        return links.reduce((sum, link) => sum + link.connections.size, 0)
      },
      *[Symbol.iterator]() {
        for (const link of links) yield* link.connections.values()
      },
    }
  }

  /**
   * Binds one socket in every worker.
   *
   * @throws {@link ListenError} when the first worker is refused; {@link GatewayError} when a later one is
   */
  async listen({ key, host, port }: Listening): Promise<AddressInfo> {
    // With SO_REUSEPORT the kernel lets one program bind a port twice and spreads connections over both.
    const twin = [...this.#listening.values()].find(
      (other) => port !== 0 && other.port === port && overlap(other, host),
    )
    if (twin !== undefined) throw new ListenError(key, host, port, "EADDRINUSE")
    let address: AddressInfo | undefined
    try {
      let shared = port === 0 ? await this.#host.choosePort(host) : port
      for (const link of this.#live()) {
        address = await this.#listenIn(link, { key, host, port: shared })
        shared = address?.port ?? shared
      }
    } catch (error) {
      await this.unlisten(key)
      throw error
    }
    if (address === undefined) throw new GatewayError("ERR_TLSROUTE_WORKER", "no worker is running; try again later")
    this.#listening.set(key, { key, host, port: address.port })
    return address
  }

  async unlisten(key: string): Promise<void> {
    this.#listening.delete(key)
    await Promise.allSettled(this.#live().map((link) => link.ask({ type: "unlisten", key })))
  }

  close(options: CloseOptions = {}): Promise<void> {
    for (const timer of this.#restarts) clearTimeout(timer)
    const links = this.#live()
    const closed = Promise.allSettled(links.map((link) => link.ask({ type: "close", options })))
    this.#closing ??= closed.then(async () => {
      await Promise.all(links.map((link) => link.terminate()))
    })
    return this.#closing
  }

  #live(): readonly WorkerLink[] {
    return this.#links.filter((link) => link !== undefined)
  }

  #configuration(): Configuration {
    return { table: this.#table.toData(), annotated: this.#policies.annotated }
  }

  #start(index: number): WorkerLink {
    const start: WorkerStart = {
      options: this.#options,
      configuration: this.#configuration(),
      limits:
        this.#limits === undefined
          ? { memory: undefined, proxies: this.#count }
          : { memory: this.#limits, proxy: index },
      unhealthy: [...this.#unhealthy.values()],
      events: this.#subscribed(),
    }
    return new WorkerLink(this.#host, index, start, {
      happened: (event) => this.#relay(event, index),
      failed: (error) => this.#report(error),
      died: (reason, lost) => this.#replace(index, reason, lost),
    })
  }

  #replace(index: number, reason: string, lost: number): void {
    this.#links[index] = undefined
    if (this.#limits !== undefined) forgetProxy(this.#limits, index)
    if (this.#closing !== undefined) return
    const message = `a worker died with ${lost} connections and is being replaced: ${reason}`
    this.#report(new GatewayError("ERR_TLSROUTE_WORKER", message))
    const delay = Math.min(LAST_RESTART_MS, FIRST_RESTART_MS * 2 ** this.#deaths)
    this.#deaths += 1
    const timer = setTimeout(() => {
      this.#restarts.delete(timer)
      const link = this.#start(index)
      this.#links[index] = link
      void this.#catchUp(link)
    }, delay)
    this.#restarts.add(timer)
  }

  async #catchUp(link: WorkerLink): Promise<void> {
    try {
      for (const listening of this.#listening.values()) await this.#listenIn(link, listening)
      this.#deaths = 0
    } catch (error) {
      this.#report(error instanceof Error ? error : new Error(String(error)))
      await link.terminate()
    }
  }

  async #listenIn(link: WorkerLink, { key, host, port }: Listening): Promise<AddressInfo | undefined> {
    return link.ask({ type: "listen", key, host, port, reusePort: this.#host.reusePort })
  }

  #subscribed(): readonly RelayedEvent[] {
    return RELAYED.filter((event) => this.listenerCount(event) > 0)
  }

  #subscribe(): void {
    const events = this.#subscribed()
    for (const link of this.#live()) link.post({ type: "events", events })
  }

  #relay(message: EventMessage, index: number): void {
    const link = this.#links[index]
    if (link === undefined) return
    if (message.event === "close") this.emit("close", link.rename(message.record))
    else if (message.event === "connection") this.emit("connection", link.view(message.connection))
    else if (message.event === "route") this.emit("route", link.view(message.connection), message.decision)
    else this.emit("reject", link.view(message.connection), message.rejection)
  }

  #report(error: Error): void {
    if (this.listenerCount("error") > 0) this.emit("error", error)
    else process.emitWarning(error)
  }
}

function overlap(other: Listening, host: string | undefined): boolean {
  return other.host === undefined || host === undefined || other.host === host
}
