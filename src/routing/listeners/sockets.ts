import { canonicalIp } from "../../primitives/ip-address.ts"
import { ANY_HOSTNAME } from "../hostnames/hostname.ts"
import { HostnameMap } from "../hostnames/hostname-map.ts"
import type { ListenerBinding, NoMatch, NoMatchReason, RouteMatch, RouteQuery, TableListener } from "../route-table.ts"

/** A listener that takes connections, and where. */
export interface ServedListener {
  readonly listener: TableListener
  /** Empty for every address. */
  readonly addresses: readonly string[]
}

/** Routes of one listener by intersected hostname. */
export type ListenerRoutes = HostnameMap<RouteMatch>

/** A listener as the sockets know it: its place in the list of served listeners. */
export interface ListenerNode {
  readonly index: number
  readonly listener: TableListener
  readonly noRoute: NoMatch
  readonly noServerName: NoMatch
}

/** Listeners that share a socket, by hostname. */
export type SocketListeners = HostnameMap<ListenerNode>

interface PortListeners {
  /** For queries that tell no local address. */
  readonly any: SocketListeners
  /** For connections whose local address no Gateway names; `undefined` where no Gateway takes every address. */
  readonly elsewhere: SocketListeners | undefined
  /** For the addresses that Gateways name; `undefined` where none does. */
  readonly byAddress: ReadonlyMap<string, SocketListeners> | undefined
}

const NO_LISTENER = noMatch("NoListener", undefined)
const NO_MATCHING_LISTENER = noMatch("NoMatchingListener", undefined)
const NO_SERVER_NAME = noMatch("NoServerName", undefined)

/** Finds listeners by port, address and name. Depends on the listeners alone, so route changes keep it. */
export class Sockets {
  /** What to bind. */
  readonly bindings: readonly ListenerBinding[]
  readonly #ports: ReadonlyMap<number, PortListeners>

  /** `served` in order of precedence. */
  constructor(served: readonly ServedListener[]) {
    const byPort = new Map<number, { node: ListenerNode; addresses: readonly string[] }[]>()
    for (const [index, { listener, addresses }] of served.entries()) {
      const noRoute = noMatch("NoMatchingRoute", listener)
      const node = { index, listener, noRoute, noServerName: noMatch("NoServerName", listener) }
      const onPort = byPort.get(listener.port)
      if (onPort === undefined) byPort.set(listener.port, [{ node, addresses }])
      else onPort.push({ node, addresses })
    }
    const ports = new Map<number, PortListeners>()
    const bindings: ListenerBinding[] = []
    for (const [port, onPort] of [...byPort].sort(([a], [b]) => a - b)) {
      const open = onPort.filter(({ addresses }) => addresses.length === 0)
      const named = [...new Set(onPort.flatMap(({ addresses }) => addresses))].sort()
      const byAddress = new Map<string, SocketListeners>()
      for (const address of named) {
        const there = onPort.filter(({ addresses }) => addresses.length === 0 || addresses.includes(address))
        byAddress.set(address, byHostname(there.map(({ node }) => node)))
        if (open.length === 0) bindings.push(binding(port, address, there, false))
      }
      // One socket on every address stands for all: the system binds no second one beside it.
      if (open.length > 0) bindings.push(binding(port, undefined, onPort, named.length > 0))
      const any = byHostname((open.length > 0 ? open : onPort).map(({ node }) => node))
      ports.set(port, {
        any,
        elsewhere: open.length > 0 ? any : undefined,
        byAddress: byAddress.size > 0 ? byAddress : undefined,
      })
    }
    this.#ports = ports
    this.bindings = bindings
  }

  /** Listeners that share the socket a connection came in by. */
  at(port: number, address: string | undefined): SocketListeners | undefined {
    const listeners = this.#ports.get(port)
    if (listeners === undefined) return undefined
    if (listeners.byAddress === undefined || address === undefined) return listeners.any
    const { byAddress, elsewhere } = listeners
    return byAddress.get(address) ?? byAddress.get(canonicalIp(address) ?? "") ?? elsewhere
  }
}

/** Listener first, by its hostname; then, of its routes alone, the most specific hostname. */
export function matchRoute(
  sockets: Sockets,
  routes: readonly ListenerRoutes[],
  query: RouteQuery,
): RouteMatch | NoMatch {
  const listeners = sockets.at(query.port, query.address)
  if (listeners === undefined) return NO_LISTENER
  const { serverName } = query
  const node = listeners.lookup(serverName)
  if (node === undefined) return serverName === undefined ? NO_SERVER_NAME : NO_MATCHING_LISTENER
  const found = routes[node.index]?.lookup(serverName)
  if (found !== undefined) return found
  return serverName === undefined ? node.noServerName : node.noRoute
}

function byHostname(nodes: readonly ListenerNode[]): SocketListeners {
  const listeners: SocketListeners = new HostnameMap()
  for (const node of nodes) {
    const hostname = node.listener.hostname ?? ANY_HOSTNAME
    // Equal hostnames meet only where no address was asked for and several are: the first comes first.
    if (listeners.get(hostname) === undefined) listeners.set(hostname, node)
  }
  return listeners
}

function binding(
  port: number,
  address: string | undefined,
  there: readonly { node: ListenerNode }[],
  byAddress: boolean,
): ListenerBinding {
  const host = address === undefined ? "*" : address.includes(":") ? `[${address}]` : address
  return { key: `${host}:${port}`, address, port, listeners: there.map(({ node }) => node.listener), byAddress }
}

function noMatch(reason: NoMatchReason, listener: TableListener | undefined): NoMatch {
  return Object.freeze({ matched: false, reason, listener })
}
