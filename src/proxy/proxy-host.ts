import { randomBytes } from "node:crypto"
import { channel } from "node:diagnostics_channel"
import { describe } from "../primitives/describe.ts"
import { wordOf } from "../primitives/one-of.ts"
import { DnsCache } from "./backend/dns-cache.ts"
import type { NameResolver } from "./backend/name-resolver.ts"
import { Balancer } from "./balance/balancer.ts"
import type { Connection, ConnectionHost } from "./connection/connection.ts"
import { LiveConnections } from "./connection/live-connections.ts"
import type { ConnectionInfo, Rejection, Waiting } from "./connection/record.ts"
import { defaultConnectionPolicy, defaultListenerPolicy } from "./default-policy.ts"
import { ProxyError } from "./errors.ts"
import type { SpliceProxyEvents } from "./events.ts"
import type { GuardedEmitter } from "./guarded-emitter.ts"
import { clientKey } from "./limits/client-key.ts"
import { Gate } from "./limits/gate.ts"
import { ALONE } from "./limits/sharing.ts"
import { OwnSockets } from "./listen/own-sockets.ts"
import type { SpliceProxyOptions } from "./options.ts"
import type { ConnectionPolicy, ListenerPolicy, RefusalMode } from "./policy.ts"
import { DecryptBudget } from "./quic/decrypt-budget.ts"
import { Drops } from "./quic/drops.ts"
import type { QuicFlow } from "./quic/flow.ts"
import { KnownClients } from "./quic/known-clients.ts"
import { QuicPorts, type QuicPortsHost } from "./quic/quic-ports.ts"
import { kernelUdp } from "./quic/udp.ts"
import { Unproven } from "./quic/unproven.ts"
import type { RouteDecision, Router } from "./router.ts"
import { defaultSlabs } from "./splice/slabs.ts"
import { TimerWheel } from "./timer-wheel.ts"

/**
 * Name of the `node:diagnostics_channel` on which every proxy of the process publishes each `ConnectionRecord`. Unlike a
 * listener of events, a subscriber must not throw: Node.js makes an uncaught exception of that, which ends the process.
 */
export const CLOSE_CHANNEL = "tlsroute:connection:close"

const closeChannel = channel(CLOSE_CHANNEL)

/** Flows at once whose clients have yet to answer: some 20 MB, and in a flood more than a second for each. */
const MOST_UNPROVEN = 2_048

/** Milliseconds from one `drops` event to the next. */
const TELL_DROPS_EVERY = 1_000

/** What the proxy's connections share. */
export class ProxyHost implements ConnectionHost, QuicPortsHost {
  router: Router
  readonly family: string
  readonly instance: string
  readonly gate: Gate
  readonly listenerPolicy: ListenerPolicy
  readonly connectionPolicy: ConnectionPolicy
  readonly refusal: RefusalMode
  readonly describesHello: boolean
  readonly wheel = new TimerWheel()
  readonly balancer: Balancer
  readonly names: NameResolver
  readonly slabs = defaultSlabs
  readonly own = new OwnSockets()
  readonly connections = new LiveConnections<Connection | QuicFlow>()
  readonly policies = new Map<string, ListenerPolicy>()
  readonly udp = kernelUdp
  readonly decrypts: DecryptBudget
  readonly drops: Drops
  readonly knownClients = new KnownClients()
  readonly unproven: Unproven<QuicFlow>
  readonly quic = new QuicPorts(this)
  readonly #events: GuardedEmitter<SpliceProxyEvents>
  readonly #endLookups: (() => void) | undefined
  #lastId = 0
  #emptied: (() => void) | undefined

  constructor(events: GuardedEmitter<SpliceProxyEvents>, options: SpliceProxyOptions) {
    this.#events = events
    this.family = options.family ?? randomBytes(4).toString("hex")
    this.instance = this.family + randomBytes(4).toString("hex")
    this.router = options.router
    this.gate = new Gate(options.limits, options.sharing)
    this.balancer = new Balancer(Math.random, options.sharing, (ejection) => events.tell("eject", ejection))
    this.listenerPolicy = defaultListenerPolicy(options)
    this.connectionPolicy = defaultConnectionPolicy(options)
    this.refusal = wordOf<RefusalMode>(options.refusal ?? "close")
    this.describesHello = options.describeHello ?? false
    this.names = options.names ?? new DnsCache()
    const end: unknown = this.names.onFailure?.((failure) => events.tell("lookupFailed", failure))
    this.#endLookups = typeof end === "function" ? () => end() : undefined
    const sharing = options.sharing ?? ALONE
    this.decrypts = new DecryptBudget(sharing)
    this.unproven = new Unproven(Math.min(MOST_UNPROVEN, this.gate.descriptorLimit / 4) / sharing.proxiesInProcess)
    this.drops = new Drops(() => setTimeout(() => this.#tellDrops(), TELL_DROPS_EVERY).unref())
  }

  listenerPolicyOf(key: string): ListenerPolicy {
    return this.policies.get(key) ?? this.listenerPolicy
  }

  nextId(): number {
    return ++this.#lastId
  }

  connectionAccepted(connection: Connection | QuicFlow): void {
    this.connections.add(connection)
    if (this.#events.listenerCount("connection") > 0) this.#events.tell("connection", connection)
  }

  connectionRouted(connection: ConnectionInfo, decision: RouteDecision & { readonly action: "forward" }): void {
    const { transport, clientAddress } = connection
    if (transport === "tcp" && this.quic.isUsed) this.knownClients.add(clientKey(clientAddress))
    if (this.#events.listenerCount("route") > 0) this.#events.tell("route", connection, decision)
  }

  connectionRejected(connection: ConnectionInfo, rejection: Rejection): void {
    if (this.#events.listenerCount("reject") > 0) this.#events.tell("reject", connection, rejection)
  }

  connectionWaiting(connection: ConnectionInfo, waiting: Waiting): void {
    if (this.#events.listenerCount("waiting") > 0) this.#events.tell("waiting", connection, waiting)
  }

  connectionClosed(connection: Connection | QuicFlow): void {
    this.connections.delete(connection)
    this.#publish(connection)
    if (this.connections.size === 0) this.#emptied?.()
  }

  connectionError(error: Error): void {
    this.#events.tell("error", error)
  }

  quicChanged(listener: string): void {
    if (this.#events.listenerCount("quic") > 0) this.#events.tell("quic", listener, this.quic.state(listener))
  }

  #publish(connection: Connection | QuicFlow): void {
    const isListenedTo = this.#events.listenerCount("close") > 0
    if (!isListenedTo && !closeChannel.hasSubscribers) return
    const record = connection.record()
    closeChannel.publish(record)
    if (isListenedTo) this.#events.tell("close", record)
  }

  #tellDrops(): void {
    const drops = this.drops.take()
    if (this.#events.listenerCount("drops") > 0) this.#events.tell("drops", drops)
  }

  endAll(window: number): void {
    for (const connection of this.connections) connection.endWithin(window, "drained")
  }

  stopAll(): void {
    for (const connection of this.connections) connection.stop()
  }

  async closeNames(): Promise<void> {
    try {
      this.#endLookups?.()
      // A resolver is others' code: one that closes with a promise is waited for by nobody, and must not reject unheard.
      await this.names.close?.()
    } catch (cause) {
      const message = `The name resolver could not be closed: ${describe(cause)}`
      this.connectionError(new ProxyError("ERR_TLSROUTE_NAME", message, { cause }))
    }
  }

  whenEmpty(): Promise<void> {
    if (this.connections.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#emptied = resolve
    })
  }
}
