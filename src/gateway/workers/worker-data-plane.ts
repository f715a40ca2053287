import type { EventEmitter } from "node:events"
import type { AddressInfo } from "node:net"
import type { ConnectionInfo, ConnectionRecord } from "../../proxy/connection/record.ts"
import { ListenError } from "../../proxy/errors.ts"
import type { SpliceProxyEvents } from "../../proxy/events.ts"
import { GuardedEmitter } from "../../proxy/guarded-emitter.ts"
import { forgetProxy, type LimitMemory, limitMemory } from "../../proxy/limits/shared-memory.ts"
import { type CloseOptions, DEFAULT_DRAIN } from "../../proxy/options.ts"
import type { QuicState } from "../../proxy/quic/quic-ports.ts"
import { LONGEST_TIMER } from "../../proxy/timer-wheel.ts"
import type { RouteTable } from "../../routing/route-table.ts"
import type { DataPlane, EndpointVerdict, PlaneOptions } from "../data-plane.ts"
import { GatewayError } from "../errors.ts"
import { RELAYED } from "../event-relay.ts"
import type { WorkerDeath } from "../events.ts"
import type { Policies } from "../policies/policies.ts"
import { NO_SUCCESSORS, type Successors } from "../table-router.ts"
import type { WorkerHost } from "./host.ts"
import type { Configuration, EventMessage, RelayedEvent, WorkerStart } from "./messages.ts"
import { type Listening, WorkerLink } from "./worker-link.ts"

const FIRST_RESTART_MS = 100
const LAST_RESTART_MS = 10_000
/** A worker that lived this long did not die of how it was started. */
const STABLE_MS = 10_000
/** Time that a worker has, beyond that of its connections, to say that it is closed. One that hangs never does. */
const FAREWELL_MS = 2_000

/**
 * A data plane in several threads or processes, each with a proxy of its own. The table is sent once per
 * change; a worker that dies is replaced, and the others' connections do not notice.
 */
export class WorkerDataPlane extends GuardedEmitter<SpliceProxyEvents> implements DataPlane {
  readonly #host: WorkerHost
  readonly #options: PlaneOptions
  readonly #count: number
  readonly #limits: LimitMemory | undefined
  readonly #links: (WorkerLink | undefined)[]
  readonly #listening = new Map<string, Listening>()
  readonly #restarts = new Set<NodeJS.Timeout>()
  readonly #onDeath: (death: WorkerDeath) => void
  readonly #life = new AbortController()
  /** Endpoints that active checks have found unhealthy, for workers that start later. */
  readonly #unhealthy = new Map<string, EndpointVerdict>()
  #table: RouteTable
  #policies: Policies
  #successors: Successors = NO_SUCCESSORS
  #deaths = 0
  #closing: Promise<void> | undefined

  constructor(
    host: WorkerHost,
    count: number,
    table: RouteTable,
    policies: Policies,
    options: PlaneOptions,
    onDeath: (death: WorkerDeath) => void = () => undefined,
  ) {
    super()
    this.#onDeath = onDeath
    this.#host = host
    this.#options = options
    this.#count = count
    this.#limits = host.sharesMemory ? limitMemory(count) : undefined
    this.#table = table
    this.#policies = policies
    this.#links = Array.from({ length: count }, (_, index) => this.#start(index))
    for (const name of ["newListener", "removeListener"]) {
      ;(this as unknown as EventEmitter).on(name, () => queueMicrotask(() => this.#subscribe()))
    }
  }

  /** Settles when every worker routes by it; one that dies meanwhile is replaced by one that does. */
  async setTable(table: RouteTable, policies: Policies, successors: Successors = NO_SUCCESSORS): Promise<void> {
    this.#table = table
    this.#policies = policies
    this.#successors = successors
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
        return links.reduce((sum, link) => sum + link.size, 0)
      },
      // Those of one moment: whoever takes time over them meets each once.
      [Symbol.iterator]: () => links.flatMap((link) => Array.from(link.connections.values())).values(),
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
      this.#assertOpen()
      // Those that take the place of a worker that dies meanwhile have to bind it as well.
      for (let link = this.#without(key); link !== undefined; link = this.#without(key)) {
        try {
          address = await link.listen({ key, host, port: shared })
        } catch (error) {
          if (!link.isDead) throw error
        }
        this.#assertOpen()
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
    await Promise.allSettled(this.#live().map((link) => link.unlisten(key)))
  }

  quicState(key: string): QuicState | undefined {
    for (const link of this.#live()) {
      const state = link.quicState(key)
      if (state !== undefined) return state
    }
    return undefined
  }

  close(options: CloseOptions = {}): Promise<void> {
    this.#life.abort()
    for (const timer of this.#restarts) clearTimeout(timer)
    const links = this.#live()
    const closed = Promise.all(links.map((link) => link.close(options)))
    const longest = (options.drainTimeout ?? DEFAULT_DRAIN) + FAREWELL_MS
    const timer = longest > LONGEST_TIMER ? undefined : setTimeout(() => links.map((link) => link.terminate()), longest)
    this.#closing ??= closed.then(() => undefined)
    return this.#closing.finally(() => clearTimeout(timer))
  }

  #assertOpen(): void {
    if (this.#life.signal.aborted) throw new GatewayError("ERR_TLSROUTE_STATE", "the gateway is being closed")
  }

  #live(): readonly WorkerLink[] {
    return this.#links.filter((link) => link !== undefined)
  }

  #without(key: string): WorkerLink | undefined {
    return this.#live().find((link) => !link.listens(key))
  }

  #configuration(): Configuration {
    return { table: this.#table.toData(), annotated: this.#policies.annotated, successors: this.#successors }
  }

  #start(index: number): WorkerLink {
    const start: WorkerStart = {
      index,
      count: this.#count,
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
      failed: (error) => this.tell("error", error),
      quicChanged: (listener, state) => this.tell("quic", listener, state),
      died: (reason, lost) => this.#replace(index, reason, lost),
    })
  }

  #replace(index: number, reason: string, lost: readonly ConnectionRecord[]): void {
    const link = this.#links[index]
    this.#links[index] = undefined
    if (this.#limits !== undefined) forgetProxy(this.#limits, index)
    for (const record of lost) this.tell("close", record)
    if (this.#life.signal.aborted) return
    this.#onDeath({ worker: index, reason, lost: lost.length })
    const message = `a worker died with ${lost.length} connections and is being replaced: ${reason}`
    this.tell("error", new GatewayError("ERR_TLSROUTE_WORKER", message))
    if ((link?.age ?? 0) > STABLE_MS) this.#deaths = 0
    const delay = Math.min(LAST_RESTART_MS, FIRST_RESTART_MS * 2 ** this.#deaths)
    this.#deaths += 1
    const timer = setTimeout(() => {
      this.#restarts.delete(timer)
      const next = this.#start(index)
      this.#links[index] = next
      void this.#catchUp(next)
    }, delay)
    this.#restarts.add(timer)
  }

  /** Has a new worker bind what the others have bound. */
  async #catchUp(link: WorkerLink): Promise<void> {
    for (const listening of this.#listening.values()) {
      try {
        await link.listen(listening)
      } catch (error) {
        // What became of a worker that died is told by its death, and nobody waits for a socket that was closed.
        if (this.#life.signal.aborted || link.isDead) return
        if (this.#listening.get(listening.key) !== listening) continue
        this.tell("error", error instanceof Error ? error : new Error(String(error)))
        await link.terminate()
        return
      }
      if (this.#life.signal.aborted || link.isDead) return
    }
  }

  /** With any event come those that a connection begins and ends with: by them the main thread knows what is live. */
  #subscribed(): readonly RelayedEvent[] {
    const heard = RELAYED.filter((event) => this.listenerCount(event) > 0)
    return heard.length === 0 ? [] : [...new Set<RelayedEvent>(["connection", ...heard, "close"])]
  }

  #subscribe(): void {
    const events = this.#subscribed()
    for (const link of this.#live()) link.post({ type: "events", events })
  }

  #relay(message: EventMessage, index: number): void {
    const link = this.#links[index]
    if (link === undefined) return
    if (message.event === "close") this.tell("close", link.ended(message.record))
    else if (message.event === "drops") this.tell("drops", message.drops)
    else if (message.event === "eject") this.tell("eject", message.ejection)
    else if (message.event === "lookupFailed") this.tell("lookupFailed", message.failure)
    else if (message.event === "connection") this.tell("connection", link.view(message.connection))
    else if (message.event === "route") this.tell("route", link.view(message.connection), message.decision)
    else if (message.event === "waiting") this.tell("waiting", link.view(message.connection), message.waiting)
    else this.tell("reject", link.view(message.connection), message.rejection)
  }
}

function overlap(other: Listening, host: string | undefined): boolean {
  return other.host === undefined || host === undefined || other.host === host
}
