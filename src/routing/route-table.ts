import type {
  Condition,
  Gateway,
  GatewayClass,
  ListenerSet,
  ObjectRef,
  ResourceProblem,
  TLSRoute,
} from "./resources.ts"

/** A listener as the table serves it. */
export interface TableListener {
  /** Unique in the table, for example `Gateway/httpbin/gateway/tls` (kind/namespace/name/listener). */
  readonly id: string
  /** The Gateway or ListenerSet that declares it. */
  readonly parent: ObjectRef
  /** The Gateway it belongs to: itself, or the ListenerSet's parent. */
  readonly gateway: ObjectRef
  /** `spec.listeners[].name`. */
  readonly name: string
  /** TCP port as the Gateway says. */
  readonly port: number
  /** Hostname as the listener says; `undefined` stands for any. */
  readonly hostname: string | undefined
}

/** One socket to bind: several listeners may share it. */
export interface ListenerBinding {
  /** Stable identity across snapshots: `[address]:port`, with `*` for every address. */
  readonly key: string
  /** IP address to bind; `undefined` for every address. */
  readonly address: string | undefined
  /** TCP port as the Gateways say. */
  readonly port: number
  /** Accepted listeners behind it. */
  readonly listeners: readonly TableListener[]
  /** Whether the local address that takes a connection matters: it is bound for every address, and some Gateway on it has its own. */
  readonly byAddress: boolean
}

/** Where one connection can be dialled. */
export interface Endpoint {
  /** IP literal. */
  readonly address: string
  /** TCP port. */
  readonly port: number
  /** Topology zone, when known. */
  readonly zone?: string
  /** Node, when known. */
  readonly nodeName?: string
  /** Zones this endpoint is meant for (EndpointSlice hints). */
  readonly forZones?: readonly string[]
  /** Nodes this endpoint is meant for (EndpointSlice hints). */
  readonly forNodes?: readonly string[]
}

/** Why a backendRef cannot be used: the reasons of `ResolvedRefs`, plus `NoEndpoints`. */
export type BackendRefusal =
  | "BackendNotFound"
  | "InvalidKind"
  | "RefNotPermitted"
  | "UnsupportedProtocol"
  | "NoEndpoints"

/** What a backendRef resolved to. `id` is the same for equal targets across snapshots. */
export type BackendTarget =
  | { readonly kind: "endpoints"; readonly id: string; readonly endpoints: readonly Endpoint[] }
  | {
      readonly kind: "name"
      readonly id: string
      readonly host: string
      readonly port: number
      /** The name itself was allowed, so it may lead anywhere, this machine included. */
      readonly anyAddress?: boolean
    }
  | { readonly kind: "invalid"; readonly id: string; readonly reason: BackendRefusal; readonly message: string }

/** One backendRef with its share. */
export interface WeightedBackend {
  /** The object referred to. */
  readonly ref: ObjectRef
  /** Service port, when given. */
  readonly port: number | undefined
  /** Field path in the route, for example `spec.rules[0].backendRefs[1]`. */
  readonly path: string
  /** Share, 0 to 1 000 000. */
  readonly weight: number
  /** What to dial. An invalid target keeps its share: connections that fall to it are refused. */
  readonly target: BackendTarget
}

/** A route as the table serves it. TLSRoute rules have no matches, so all rules of a route share its connections. */
export interface TableRoute {
  /** The TLSRoute. */
  readonly ref: ObjectRef
  /** Every backendRef of every rule, in order. */
  readonly backends: readonly WeightedBackend[]
  /** Sum of the weights; 0 means that every connection is refused. */
  readonly totalWeight: number
}

/** What to look up. */
export interface RouteQuery {
  /** Port that took the connection, as the Gateway says. */
  readonly port: number
  /** Local address that took the connection, where Gateways with own addresses share the port. */
  readonly address?: string | undefined
  /** Canonical SNI (lower case), or `undefined` when the ClientHello has none. */
  readonly serverName: string | undefined
}

/** The route for a query. The same object for the same entry each time: a match allocates nothing. */
export interface RouteMatch {
  /** Tells it from {@link NoMatch}. */
  readonly matched: true
  /** Listener chosen first, by its hostname. */
  readonly listener: TableListener
  /** Route chosen among those attached to that listener. */
  readonly route: TableRoute
  /** Intersected hostname that matched: exact, `*.suffix`, or `*`. */
  readonly hostname: string
}

/** Why no route was found. */
export type NoMatchReason =
  /** No served listener on that port and address. */
  | "NoListener"
  /** Listeners there, but none whose hostname matches. */
  | "NoMatchingListener"
  /** A listener matched, and no route attached to it does: it isolates, others are not asked. */
  | "NoMatchingRoute"
  /** No SNI, and nothing there takes connections without one. */
  | "NoServerName"

/** No route for a query. */
export interface NoMatch {
  /** Tells it from {@link RouteMatch}. */
  readonly matched: false
  /** Why. */
  readonly reason: NoMatchReason
  /** Listener that took the connection and had no route, if any. */
  readonly listener: TableListener | undefined
}

/** Status objects ready to write, one per object that is ours; `status` is merged with what the object had. */
export interface ObjectStatus<T extends { readonly status?: unknown }> {
  /** The object. */
  readonly ref: ObjectRef
  /** Object as it was in the snapshot. */
  readonly object: T
  /** Complete new status. */
  readonly status: NonNullable<T["status"]>
  /** False when the new status equals the old: nothing to write. */
  readonly changed: boolean
}

/** All statuses of a snapshot. */
export interface Statuses {
  /** Of GatewayClasses of this controller. */
  readonly gatewayClasses: readonly ObjectStatus<GatewayClass>[]
  /** Of Gateways of those classes. */
  readonly gateways: readonly ObjectStatus<Gateway>[]
  /** Of ListenerSets that name one of those Gateways. */
  readonly listenerSets: readonly ObjectStatus<ListenerSet>[]
  /** Of TLSRoutes with a parentRef to any of these. */
  readonly tlsRoutes: readonly ObjectStatus<TLSRoute>[]
}

/** One route in an explanation. */
export interface ExplainedRoute {
  /** The route. */
  readonly route: ObjectRef
  /** Its own hostname considered; `*` when it has none. */
  readonly routeHostname: string
  /** Intersection with the listener's hostname, if any. */
  readonly hostname: string | undefined
  /** What became of it. */
  readonly outcome: "won" | "lost" | "no-match" | "not-attached"
  /** Why, in a sentence. */
  readonly reason: string
}

/** One listener in an explanation. */
export interface ExplainedListener {
  /** The listener. */
  readonly listener: TableListener
  /** What became of it. */
  readonly outcome: "chosen" | "lost" | "no-match"
  /** Why, in a sentence. */
  readonly reason: string
}

/** Every step of a lookup, as data. */
export interface Explanation {
  /** What was asked. */
  readonly query: RouteQuery
  /** Same answer as {@link RouteTable.match}. */
  readonly result: RouteMatch | NoMatch
  /** Listeners on that port and address, most specific first. */
  readonly listeners: readonly ExplainedListener[]
  /** Routes that were considered on the chosen listener, and those that point at it and are not attached. */
  readonly routes: readonly ExplainedRoute[]
}

/** Finds routes: what a connection needs of a table. */
export interface RouteMatcher {
  /** Sockets to bind, by port and address. */
  readonly listeners: readonly ListenerBinding[]
  /** Routes that are attached to at least one listener. */
  readonly routes: readonly TableRoute[]
  /** Finds the route for a connection. Never throws; constant time in the number of routes. */
  match(query: RouteQuery): RouteMatch | NoMatch
}

/**
 * The part of a table that connections need, as plain data: it survives `structuredClone` and
 * `postMessage`. Its shape is not for reading; give it to `routeTableFromData`.
 */
export interface RouteTableData {
  /** Attached routes. */
  readonly routes: readonly TableRoute[]
  /** Listeners in order of precedence, each with who takes which hostname. */
  readonly listeners: readonly {
    readonly listener: TableListener
    /** Empty for every address. */
    readonly addresses: readonly string[]
    readonly hostnames: readonly string[]
    /** Index into `routes` for each hostname. */
    readonly winners: readonly number[]
  }[]
}

/** Immutable result of a build. */
export interface RouteTable extends RouteMatcher {
  /** Hostnames of an attached route, as it says; `["*"]` where it says none. Empty for a route that is not attached. */
  hostnamesOf(route: ObjectRef): readonly string[]
  /** Everything found wrong, in all objects. */
  readonly problems: readonly ResourceProblem[]
  /** Statuses to write. Computed at each call; `bound` tells which bindings listen by now. */
  statuses(options?: StatusOptions): Statuses
  /**
   * Tells every candidate and why it won or lost.
   *
   * @throws {@link OptionError} when nothing can be looked up by the query
   */
  explain(query: RouteQuery): Explanation
  /**
   * What is hardly meant: names that another takes, shared certificates' reach, and such. Looks at everything;
   * with `"parents"`, for routes without a parent that is served alone, which takes one pass over the routes.
   *
   * @param carriesHttp - whether the connections of a socket may be HTTP/2, which clients use for several names; all
   * may, unless it is given: not those that begin with STARTTLS
   */
  lint(what?: "everything" | "parents", carriesHttp?: (binding: ListenerBinding) => boolean): readonly ResourceProblem[]
  /** The part that connections need, as plain data for another thread; see `routeTableFromData`. */
  toData(): RouteTableData
}

/** What the statuses need to know of the world. */
export interface StatusOptions {
  /** RFC 3339 time for conditions that change. Default: the time of the call. */
  readonly now?: string | undefined
  /**
   * State of each binding by {@link ListenerBinding.key}: bound, or the error that prevents it.
   * Left out, no data plane reports and accepted listeners count as programmed.
   */
  readonly bound?:
    | ReadonlyMap<
        string,
        | { readonly bound: true }
        /** `code` is the system's: `EADDRNOTAVAIL` makes a Gateway's address AddressNotUsable. */
        | { readonly bound: false; readonly message: string; readonly code?: string | undefined }
      >
    | undefined
  /**
   * Addresses to publish for every Gateway, or for each, where `spec.addresses` leaves the choice open. A
   * Gateway that names its addresses publishes those of them that are bound.
   */
  readonly addresses?:
    | readonly { readonly type?: string; readonly value: string }[]
    | ((gateway: Gateway) => readonly { readonly type?: string; readonly value: string }[])
    | undefined
  /**
   * What is wrong with policies in annotations, which routing does not read: told by the condition
   * `tlsroute.dev/PoliciesAccepted` of Gateways, ListenerSets and the parents of routes, while there is something to
   * tell. What a Service says counts for the routes that lead to it.
   */
  readonly policyProblems?: readonly ResourceProblem[] | undefined
}

export type { Condition }
