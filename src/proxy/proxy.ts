import { randomBytes } from "node:crypto"
import { channel } from "node:diagnostics_channel"
import type { AddressInfo, Server, Socket } from "node:net"
import { DnsCache, type NameResolver } from "./backend/dns-cache.ts"
import { Balancer } from "./balance/balancer.ts"
import { checkProxyOptions } from "./check-options.ts"
import { Connection, type ConnectionHost } from "./connection/connection.ts"
import { LiveConnections } from "./connection/live-connections.ts"
import type { ConnectionInfo, ConnectionRecord, Rejection, Removal, Waiting } from "./connection/record.ts"
import { defaultConnectionPolicy, defaultListenerPolicy } from "./default-policy.ts"
import { ListenError, ProxyError } from "./errors.ts"
import { describe, GuardedEmitter } from "./guarded-emitter.ts"
import { Gate } from "./limits/gate.ts"
import { ALONE } from "./limits/sharing.ts"
import { bind, boundAddress } from "./listen/bind.ts"
import { OwnSockets } from "./listen/own-sockets.ts"
import {
  assertMaxHelloBytes,
  type CloseOptions,
  DEFAULT_DRAIN,
  type ListenOptions,
  type SpliceProxyOptions,
} from "./options.ts"
import type { ConnectionPolicy, ListenerPolicy, RefusalMode } from "./policy.ts"
import { DecryptBudget } from "./quic/decrypt-budget.ts"
import { type DropCounts, Drops } from "./quic/drops.ts"
import type { QuicFlow } from "./quic/flow.ts"
import type { QuicPortHost } from "./quic/quic-port.ts"
import { QuicPorts } from "./quic/quic-ports.ts"
import { kernelUdp } from "./quic/udp.ts"
import type { RouteDecision, Router } from "./router.ts"
import { defaultSlabs } from "./splice/slabs.ts"
import type { DialEndpoint } from "./target.ts"
import { LONGEST_TIMER, TimerWheel } from "./timer-wheel.ts"

/** Name of the `node:diagnostics_channel` on which every proxy of the process publishes each {@link ConnectionRecord}. */
export const CLOSE_CHANNEL = "tlsroute:connection:close"

const closeChannel = channel(CLOSE_CHANNEL)

/** Milliseconds from one `drops` event to the next. */
const TELL_DROPS_EVERY = 1_000

/** Events of a {@link SpliceProxy}, with their arguments. For one connection they come in this order. */
export interface SpliceProxyEvents {
  /** A connection was accepted. */
  connection: [connection: ConnectionInfo]
  /** Its ClientHello was read, and the router chose a target. */
  route: [connection: ConnectionInfo, decision: RouteDecision & { readonly action: "forward" }]
  /** It was refused: no byte of it has reached, or will reach, a backend. */
  reject: [connection: ConnectionInfo, rejection: Rejection]
  /** It waits for its backend for longer than is usual, over TCP: once for each of the reasons, and it goes on. */
  waiting: [connection: ConnectionInfo, waiting: Waiting]
  /** It is over, routed or refused: once for every connection. */
  close: [record: ConnectionRecord]
  /** Datagrams that came over QUIC and went nowhere, since the last of these events: at most one each second. */
  drops: [drops: DropCounts]
  /** Something failed that no single client did; the proxy goes on. Without a listener it becomes a process warning. */
  error: [error: Error]
}

/**
 * Accepts TCP connections, reads each one's TLS ClientHello, asks a {@link Router} where it goes, connects
 * there, replays the bytes read and splices both ways until both sides have ended. Nothing is decrypted.
 *
 * ```ts
 * const proxy = new SpliceProxy({
 *   router: {
 *     route: ({ hello }) =>
 *       hello.serverName === "example.com"
 *         ? { action: "forward", target: { kind: "name", id: "origin", host: "example.com", port: 443 } }
 *         : { action: "refuse", reason: "unknown-name" },
 *   },
 * })
 * const { port } = await proxy.listen({ key: "public", port: 8443 })
 * proxy.on("close", (record) => console.log(record.serverName, record.outcome))
 * ```
 */
export class SpliceProxy extends GuardedEmitter<SpliceProxyEvents> {
  readonly #host: Host
  readonly #servers = new Map<string, Server>()
  /** Listeners that are being bound: the attempt under way for each key. */
  readonly #binding = new Map<string, symbol>()
  readonly #hosts = new Map<string, string | undefined>()
  #closing: Promise<void> | undefined

  /** @param options - the router, and limits that all have defaults */
  constructor(options: SpliceProxyOptions) {
    super()
    checkProxyOptions(options)
    this.#host = new Host(this, options)
  }

  /** Connections that are not closed yet, oldest first. */
  get connections(): Iterable<ConnectionInfo> & { readonly size: number } {
    return this.#host.connections
  }

  /**
   * Address that a listener is bound to.
   *
   * @param key - key given to {@link listen}
   * @returns `undefined` when there is no such listener
   */
  address(key: string): AddressInfo | undefined {
    const server = this.#servers.get(key)
    return server === undefined ? undefined : boundAddress(server)
  }

  /**
   * UDP address at which a listener takes QUIC: the port of the same number.
   *
   * @param key - key given to {@link listen}
   * @returns `undefined` when it takes none, or its port could not be bound yet
   */
  quicAddress(key: string): AddressInfo | undefined {
    return this.#host.quic.address(key)
  }

  /**
   * Binds a port and accepts connections on it.
   *
   * @returns where it is bound
   * @throws {@link ListenError} naming address and port, also when it was unlistened meanwhile; {@link ProxyError}
   * when the proxy is closed
   */
  async listen(options: ListenOptions): Promise<AddressInfo> {
    const { key, host, port } = options
    this.#assertOpen()
    if (this.#servers.has(key) || this.#binding.has(key)) {
      throw new ListenError(key, host, port, `a listener with the key "${key}" exists; unlisten it first`)
    }
    if (options.policy !== undefined) assertMaxHelloBytes(options.policy.maxHelloBytes)
    const attempt = Symbol(key)
    this.#binding.set(key, attempt)
    try {
      const server = await bind(
        options,
        (socket) => this.#accept(key, socket),
        (error) => this.#host.connectionError(error),
      )
      if (this.#binding.get(key) !== attempt) {
        server.close()
        this.#assertOpen()
        throw new ListenError(key, host, port, "it was unlistened while it was being bound")
      }
      this.#servers.set(key, server)
      const address = boundAddress(server)
      this.#host.own.add(key, address)
      this.#hosts.set(key, host)
      await this.#setPolicy(key, options.policy)
      return address
    } finally {
      if (this.#binding.get(key) === attempt) this.#binding.delete(key)
    }
  }

  /**
   * Stops accepting on a listener. The port is free at once; its live connections go on. So do those over QUIC, whose
   * UDP port is free when the last of them is over.
   *
   * @returns whether there was such a listener
   */
  unlisten(key: string): boolean {
    const server = this.#servers.get(key)
    if (server === undefined) return this.#binding.delete(key)
    this.#servers.delete(key)
    this.#host.own.delete(key)
    this.#hosts.delete(key)
    this.#host.policies.delete(key)
    this.#host.quic.unwant(key)
    server.close()
    return true
  }

  /**
   * Puts another policy in force on a listener, for connections accepted from now on; `undefined` for the default.
   *
   * @throws {@link ProxyError} when it bounds no ClientHello
   */
  setListenerPolicy(key: string, policy: ListenerPolicy | undefined): void {
    if (policy !== undefined) assertMaxHelloBytes(policy.maxHelloBytes)
    void this.#setPolicy(key, policy)
  }

  /** Settles when the listener takes QUIC, if it is to, or its port could not be bound at the first attempt. */
  async #setPolicy(key: string, policy: ListenerPolicy | undefined): Promise<void> {
    const { policies, quic } = this.#host
    if (policy === undefined) policies.delete(key)
    else policies.set(key, policy)
    const address = this.address(key)
    if (address === undefined) return
    if (this.#host.listenerPolicyOf(key).quic) await quic.want(key, { host: this.#hosts.get(key), port: address.port })
    else quic.unwant(key)
  }

  /** Puts another router in force for every connection whose ClientHello is not whole yet. Live ones go on. */
  setRouter(router: Router): void {
    this.#host.router = router
    this.forgetUnused()
  }

  /** Forgets what is known of targets that carry nothing and were not asked for in the last minute. */
  forgetUnused(): void {
    this.#host.balancer.prune()
  }

  /**
   * Takes what an active check has come to for an endpoint. It counts for connections whose policy names that
   * check, until it is told otherwise.
   *
   * @param target - id of the target
   * @param endpoint - one of its endpoints
   * @param check - id of the check: {@link HealthCheck.id}
   * @param isHealthy - whether connections may be sent there
   */
  setEndpointHealth(target: string, endpoint: DialEndpoint, check: string, isHealthy: boolean): void {
    this.#host.balancer.checked(target, endpoint, check, isHealthy)
  }

  /**
   * Lets those live connections end, each within its own window, whose {@link DrainPolicy} says so.
   *
   * @param removal - tells what a connection was routed by and is there no longer; asked only of those that a
   * removal would end
   */
  drainRemoved(removal: (connection: ConnectionInfo) => Removal | undefined): void {
    for (const connection of this.#host.connections) {
      if (connection.drainsOnRemoval) connection.removed(removal(connection))
    }
  }

  /**
   * Stops accepting, lets live connections finish, and ends those that are left when the time is over.
   * Called again, the shorter time counts. Resolves when no socket is left.
   */
  close(options: CloseOptions = {}): Promise<void> {
    for (const key of [...this.#servers.keys(), ...this.#binding.keys()]) this.unlisten(key)
    const timeout = options.drainTimeout ?? DEFAULT_DRAIN
    const spread = Math.min(timeout, options.spread ?? timeout / 4)
    const timers =
      timeout > LONGEST_TIMER
        ? []
        : [
            setTimeout(() => this.#host.endAll(spread), timeout - spread),
            setTimeout(() => this.#host.stopAll(), timeout),
          ]
    this.#closing ??= this.#host.whenEmpty().then(() => {
      this.#host.quic.close()
      this.#host.closeNames()
    })
    return this.#closing.finally(() => {
      for (const timer of timers) clearTimeout(timer)
    })
  }

  /** Same as {@link close} with its defaults. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) {
      throw new ProxyError("ERR_TLSROUTE_PROXY_USAGE", "The proxy is closed; make a new one")
    }
  }

  #accept(key: string, socket: Socket): void {
    const host = this.#host
    const connection = new Connection(host, host.nextId(), key, socket, host.listenerPolicyOf(key))
    host.connectionAccepted(connection)
    connection.start()
  }
}

/** What the proxy's connections share. */
class Host implements ConnectionHost, QuicPortHost {
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
  readonly quic = new QuicPorts(this)
  readonly #events: GuardedEmitter<SpliceProxyEvents>
  #lastId = 0
  #emptied: (() => void) | undefined

  constructor(events: GuardedEmitter<SpliceProxyEvents>, options: SpliceProxyOptions) {
    this.#events = events
    this.family = options.family ?? randomBytes(4).toString("hex")
    this.instance = this.family + randomBytes(4).toString("hex")
    this.router = options.router
    this.gate = new Gate(options.limits, options.sharing)
    this.balancer = new Balancer(Math.random, options.sharing)
    this.listenerPolicy = defaultListenerPolicy(options)
    this.connectionPolicy = defaultConnectionPolicy(options)
    this.refusal = options.refusal ?? "close"
    this.describesHello = options.describeHello ?? false
    this.names = options.names ?? new DnsCache()
    this.decrypts = new DecryptBudget(options.sharing ?? ALONE)
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

  closeNames(): void {
    try {
      this.names.close?.()
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
