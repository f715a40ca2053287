import type { AddressInfo } from "node:net"
import type { ListenOptions } from "../proxy/options.ts"
import type { ListenerPolicy } from "../proxy/policy.ts"
import type { SpliceProxy } from "../proxy/proxy.ts"
import type { RouteMatcher } from "../routing/route-table.ts"
import type { Policies } from "./policies/policies.ts"
import { RemovalCheck } from "./removal.ts"
import { NO_SUCCESSORS, type Successors, TableRouter } from "./table-router.ts"

/** A table and its policies, in force on the sockets of one proxy. */
export class ServedTable {
  /** What the proxy asks. */
  readonly router: TableRouter
  readonly #adapt: (key: string, policy: ListenerPolicy | undefined) => ListenerPolicy | undefined
  readonly #listening = new Set<string>()
  #policies: Policies
  #successors: Successors = NO_SUCCESSORS

  /**
   * @param table - what connections are routed by
   * @param policies - what holds for them
   * @param adapt - what becomes of the policy of a socket, given its key
   */
  constructor(
    table: RouteMatcher,
    policies: Policies,
    adapt: (key: string, policy: ListenerPolicy | undefined) => ListenerPolicy | undefined = (_, policy) => policy,
  ) {
    this.router = new TableRouter(table, policies)
    this.#policies = policies
    this.#adapt = adapt
  }

  /** The policies in force. */
  get policies(): Policies {
    return this.#policies
  }

  /** Puts another table in force, and lets those connections drain whose policy says so. */
  set(proxy: SpliceProxy, table: RouteMatcher, policies: Policies, successors: Successors): void {
    this.#policies = policies
    this.#successors = successors
    this.router.setTable(table, policies, successors)
    for (const key of this.#listening) proxy.setListenerPolicy(key, this.#policyOf(key))
    const check = new RemovalCheck(table)
    proxy.drainRemoved((connection) => check.removalOf(connection))
    proxy.forgetUnused()
  }

  /** Binds a socket under the policy in force, by the proxy's own `listen`. */
  async listen(
    proxy: SpliceProxy,
    options: ListenOptions,
    bind: (options: ListenOptions) => Promise<AddressInfo>,
  ): Promise<AddressInfo> {
    const { key } = options
    const policies = this.#policies
    const address = await bind({ ...options, policy: this.#policyOf(key) })
    this.#listening.add(key)
    // Others may have come into force while the port was being bound.
    if (policies !== this.#policies) proxy.setListenerPolicy(key, this.#policyOf(key))
    return address
  }

  /** A socket is no longer bound. */
  forget(key: string): void {
    this.#listening.delete(key)
  }

  #policyOf(key: string): ListenerPolicy | undefined {
    return this.#adapt(key, this.#policies.binding(this.#successors.get(key) ?? key)?.listener)
  }
}
