import type { AddressInfo, Server, Socket } from "node:net"
import {
  checkCloseOptions,
  checkEndpointHealth,
  checkListenOptions,
  checkProxyOptions,
  checkRemoval,
  checkRouter,
} from "./check-options.ts"
import { checkListenerPolicy } from "./check-policy.ts"
import { Connection } from "./connection/connection.ts"
import type { ConnectionInfo, Removal } from "./connection/record.ts"
import { ListenError, ProxyError } from "./errors.ts"
import type { SpliceProxyEvents } from "./events.ts"
import { GuardedEmitter } from "./guarded-emitter.ts"
import { bind, boundAddress } from "./listen/bind.ts"
import { type CloseOptions, DEFAULT_DRAIN, type ListenOptions, type SpliceProxyOptions } from "./options.ts"
import type { ListenerPolicy } from "./policy.ts"
import { ProxyHost } from "./proxy-host.ts"
import type { QuicState } from "./quic/quic-ports.ts"
import type { Router } from "./router.ts"
import type { DialEndpoint } from "./target.ts"
import { LONGEST_TIMER } from "./timer-wheel.ts"

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
  readonly #host: ProxyHost
  readonly #servers = new Map<string, Server>()
  /** Listeners that are being bound: the attempt under way for each key. */
  readonly #binding = new Map<string, symbol>()
  readonly #hosts = new Map<string, string | undefined>()
  #closing: Promise<void> | undefined

  /**
   * @param options - the router, and limits that all have defaults
   * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE` when one cannot be used
   */
  constructor(options: SpliceProxyOptions) {
    super()
    checkProxyOptions(options)
    this.#host = new ProxyHost(this, options)
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

  /** The same, or why its port could not be bound; `undefined` for a listener that is to take none. */
  quicState(key: string): QuicState | undefined {
    return this.#host.quic.state(key)
  }

  /**
   * Binds a port and accepts connections on it.
   *
   * @returns where it is bound
   * @throws {@link ListenError} naming address and port, also when it was unlistened meanwhile; {@link ProxyError}
   * when the proxy is closed, or an option cannot be used
   */
  async listen(options: ListenOptions): Promise<AddressInfo> {
    checkListenOptions(options)
    const { key, host, port } = options
    this.#assertOpen()
    if (this.#servers.has(key) || this.#binding.has(key)) {
      throw new ListenError(key, host, port, `a listener with the key "${key}" exists; unlisten it first`)
    }
    if (options.policy !== undefined) checkListenerPolicy(key, options.policy)
    const attempt = Symbol(key)
    this.#binding.set(key, attempt)
    if (options.policy !== undefined) this.#host.policies.set(key, options.policy)
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
      await this.#followPolicy(key)
      return address
    } finally {
      if (this.#binding.get(key) === attempt) {
        this.#binding.delete(key)
        if (!this.#servers.has(key)) this.#host.policies.delete(key)
      }
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
    this.#host.policies.delete(key)
    if (server === undefined) return this.#binding.delete(key)
    this.#servers.delete(key)
    this.#host.own.delete(key)
    this.#hosts.delete(key)
    this.#host.quic.unwant(key)
    server.close()
    return true
  }

  /**
   * Puts another policy in force on a listener, for connections accepted from now on; `undefined` for the default.
   * Where it asks for QUIC, the event `quic` tells when the UDP port is bound, or why it is not.
   *
   * @param key - key given to {@link listen}, which need not have settled yet
   * @returns whether there is such a listener; where there is none, nothing is in force
   * @throws {@link ProxyError} naming the field of the policy that cannot be what was meant
   */
  setListenerPolicy(key: string, policy: ListenerPolicy | undefined): boolean {
    if (policy !== undefined) checkListenerPolicy(key, policy)
    if (!this.#servers.has(key) && !this.#binding.has(key)) return false
    if (policy === undefined) this.#host.policies.delete(key)
    else this.#host.policies.set(key, policy)
    void this.#followPolicy(key)
    return true
  }

  /** Settles when the listener takes QUIC, if it is to, or its port could not be bound at the first attempt. */
  async #followPolicy(key: string): Promise<void> {
    const { quic } = this.#host
    const address = this.address(key)
    if (address === undefined) return
    if (this.#host.listenerPolicyOf(key).quic) await quic.want(key, { host: this.#hosts.get(key), port: address.port })
    else quic.unwant(key)
  }

  /**
   * Puts another router in force for every connection whose ClientHello is not whole yet. Live ones go on.
   *
   * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE` for what is no router; the one before stays in force
   */
  setRouter(router: Router): void {
    checkRouter(router)
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
   * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE` when one of them cannot be what was meant
   */
  setEndpointHealth(target: string, endpoint: DialEndpoint, check: string, isHealthy: boolean): void {
    checkEndpointHealth(target, endpoint, check, isHealthy)
    this.#host.balancer.checked(target, endpoint, check, isHealthy)
  }

  /**
   * Lets those live connections end, each within its own window, whose {@link DrainPolicy} says so.
   *
   * @param removal - tells what a connection was routed by and is there no longer; asked only of those that a
   * removal would end
   * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE` for what is no function
   */
  drainRemoved(removal: (connection: ConnectionInfo) => Removal | undefined): void {
    checkRemoval(removal)
    for (const connection of this.#host.connections) {
      if (connection.drainsOnRemoval) connection.removed(removal(connection))
    }
  }

  /**
   * Stops accepting, lets live connections finish, and ends those that are left when the time is over.
   * Called again, the shorter time counts. Resolves when no socket is left.
   *
   * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE`, and nothing is closed, when an option cannot be used
   */
  async close(options: CloseOptions = {}): Promise<void> {
    checkCloseOptions(options)
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
      void this.#host.closeNames()
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
