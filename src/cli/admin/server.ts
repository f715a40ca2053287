import type { IncomingMessage, Server, ServerResponse } from "node:http"
import { isIP } from "node:net"
import { http } from "../../kubernetes/node-http.ts"
import { canonicalIp, isIP as isAddress, withoutZone } from "../../primitives/ip-address.ts"
import type { ConnectionInfo } from "../../proxy/connection/record.ts"
import type { QuicState } from "../../proxy/quic/quic-ports.ts"
import type { ResourceProblem } from "../../routing/resources.ts"
import type { Explanation, RouteQuery, RouteTable } from "../../routing/route-table.ts"
import { describeHello } from "../commands/hello-format.ts"
import { jsonLine } from "../log/json-line.ts"
import { ConnectionSlots } from "./connection-slots.ts"
import { EventStream } from "./event-stream.ts"
import type { Overview } from "./overview.ts"
import { PAGE_FILES, PAGE_HEADERS } from "./page.ts"
import { tableJson } from "./table-json.ts"

/** What the admin server tells of: a gateway. */
export interface AdminSource {
  /** The table in force. */
  readonly routeTable: RouteTable
  /** Live connections. */
  readonly connections: Iterable<ConnectionInfo> & { readonly size: number }
  /** Which sockets are bound. */
  addresses(): readonly {
    readonly bound: boolean
    readonly binding: { readonly key: string }
    readonly message?: string
    readonly keeps?: { readonly address: string; readonly port: number } | undefined
    readonly quic?: QuicState | undefined
  }[]
  /** What is wrong with objects whose last good version stays in force. */
  readonly kept: readonly ResourceProblem[]
  /** Which route a name gets, and why. */
  explain(query: RouteQuery): Explanation
}

/** What {@link startAdmin} needs. */
export interface AdminOptions {
  /** Address to bind, loopback unless the operator says otherwise; `undefined` is every address. */
  readonly host: string | undefined
  /** TCP port; 0 lets the system choose. */
  readonly port: number
  /** The gateway. */
  readonly gateway: AdminSource
  /** Whether new connections should be sent here: false before the start and from the first moment of a drain. */
  readonly isServing: () => boolean
  /**
   * Whether everything that was asked for has been bound once. From then on a change that cannot be carried out takes
   * nothing out of service that works: it is ready while one socket is bound. Left out, it is ready without any.
   */
  readonly wasComplete?: (() => boolean) | undefined
  /** What the live page shows, where there is one. */
  readonly overview?: Overview | undefined
  /** Writes the metrics, when there are any. */
  readonly metrics?: { readonly contentType: string; metrics(): Promise<string> } | undefined
}

/** An admin server that listens. */
export interface Admin {
  /** Port it is bound to. */
  readonly port: number
  /** Stops it at once. */
  close(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Connections to the server itself, of which one that asks and goes needs a place for a moment. */
const MOST_CONNECTIONS = 64
/** Characters of a filter; a name has 255 at most. */
const MOST_FILTER = 255
/** Connections listed when no `limit` is asked for. */
const LISTED = 1000

/**
 * Serves, over plain HTTP and for reading only: a live page at `/`, fed by `/events` and `/connection?id=`; `/livez`,
 * `/readyz`, `/metrics`, `/routes`, `/explain?port=&sni=`, `/connections`. It has no authentication, so that it belongs on loopback or behind a
 * network policy. On loopback it answers only requests for a loopback address or `localhost`.
 *
 * @throws the system's error when the address cannot be bound
 */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const server = http.createServer({
    requestTimeout: 5_000,
    headersTimeout: 5_000,
    keepAliveTimeout: 5_000,
    // How often those times are looked at.
    connectionsCheckingInterval: 1_000,
  })
  const slots = new ConnectionSlots(MOST_CONNECTIONS)
  server.on("connection", (socket) => slots.take(socket))
  const events = options.overview === undefined ? undefined : new EventStream(options.overview)
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    answer(request, options)
      .catch((error: unknown) => failure(500, error instanceof Error ? error.message : String(error)))
      .then((result) => {
        if (result !== EVENTS) send(request, response, result)
        else if (!follow(request, response, events)) send(request, response, failure(503, "too many watch already"))
      })
      // What cannot even be told costs its own connection, and not the gateway.
      .catch(() => response.destroy())
  })
  await listen(server, options)
  const address = server.address()
  return {
    port: typeof address === "object" && address !== null ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        events?.close()
        options.overview?.close()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/**
 * Reads `127.0.0.1:9900`, `[::1]:9900`, `:9900`, which stands for loopback, or `*:9900` for every address the
 * machine has, of whichever family. @throws RangeError
 */
export function parseAdminAddress(text: string): Pick<AdminOptions, "host" | "port"> {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? (plain === "" ? "127.0.0.1" : (plain ?? ""))
  const port = Number(digits)
  if ((plain !== "*" && isIP(host) === 0) || !(port <= 65535)) {
    throw new RangeError(`${JSON.stringify(text)} is no ADDRESS:PORT, for example 127.0.0.1:9900`)
  }
  return { host: plain === "*" ? undefined : host, port }
}

function listen(server: Server, { host, port }: AdminOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen({ ...(host === undefined ? {} : { host }), port }, () => {
      server.off("error", reject)
      // What fails from here on is an accept, for want of descriptors, and without a listener it would end the process.
      server.on("error", () => undefined)
      resolve()
    })
  })
}

/** The request is for the stream of events, which is no answer that ends. */
const EVENTS = Symbol("events")

async function answer(request: IncomingMessage, options: AdminOptions): Promise<Answer | typeof EVENTS> {
  if (request.method !== "GET" && request.method !== "HEAD") return failure(405, "only GET is served")
  // A page that a browser on this machine shows may have had its own name resolved to loopback (DNS rebinding).
  const host = requestedHost(request)
  if (options.host !== undefined && isLoopback(options.host) && host !== undefined && !isLoopback(host)) {
    return failure(403, "this server listens on loopback: ask for localhost or a loopback address")
  }
  const url = parseTarget(request.url)
  if (url === undefined) return failure(400, "the request target is no path")
  const { gateway, metrics, overview } = options
  const file = overview === undefined ? undefined : PAGE_FILES.get(url.pathname)
  if (file !== undefined) return { status: 200, ...file, headers: PAGE_HEADERS }
  switch (url.pathname) {
    case "/events":
      return overview === undefined || request.method === "HEAD" ? failure(404, "there is no page to feed") : EVENTS
    case "/connection":
      return overview === undefined
        ? failure(404, "there is no page to feed")
        : connection(gateway, overview, url.searchParams)
    case "/livez":
      return json(200, { status: "ok" })
    case "/readyz":
      return readiness(options, url.searchParams.has("verbose"))
    case "/metrics":
      if (metrics === undefined) return failure(404, "metrics are off: install prom-client")
      return { status: 200, type: metrics.contentType, body: await metrics.metrics() }
    case "/routes":
      return json(200, tableJson(gateway.routeTable))
    case "/explain":
      return explain(gateway, url.searchParams)
    case "/connections":
      return connections(gateway, url.searchParams)
    default:
      return failure(404, "there are /, /livez, /readyz, /metrics, /routes, /explain, /connections and /events")
  }
}

/** What the request's Host names, without port and brackets. */
function requestedHost({ headers }: IncomingMessage): string | undefined {
  return headers.host?.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1")
}

function isLoopback(host: string): boolean {
  const address = canonicalIp(withoutZone(host))
  return address === undefined ? /^localhost\.?$/i.test(host) : address === "::1" || address.startsWith("127.")
}

function parseTarget(target = "/"): URL | undefined {
  // A path that begins with two slashes is a path all the same, where a URL relative to another would name a host.
  const url = target.startsWith("/") ? `http://admin${target}` : target
  return URL.canParse(url) ? new URL(url) : undefined
}

function readiness({ gateway, isServing, wasComplete }: AdminOptions, verbose: boolean): Answer {
  const states = gateway.addresses()
  const unbound = states.filter(({ bound }) => !bound)
  const serving = isServing()
  const works = states.some(({ bound, keeps }) => bound || keeps !== undefined)
  const ready = serving && (wasComplete === undefined || (works && wasComplete()))
  const told = { status: ready ? "ok" : "unavailable", serving, unbound: unbound.map(({ binding }) => binding.key) }
  return json(ready ? 200 : 503, verbose ? { ...told, ...details(gateway, states) } : told)
}

function details({ routeTable, kept }: AdminSource, states: ReturnType<AdminSource["addresses"]>) {
  const ofSeverity = (wanted: string) => routeTable.problems.filter(({ severity }) => severity === wanted).length
  return {
    listeners: routeTable.listeners.length,
    routes: routeTable.routes.length,
    errors: ofSeverity("error"),
    warnings: ofSeverity("warning"),
    notBound: states
      .filter(({ bound }) => !bound)
      .map(({ binding, message, keeps }) => ({ key: binding.key, message, keeps })),
    // Without its UDP port a listener is ready: browsers stay with TCP.
    quic: states.flatMap(({ binding, quic }) => (quic === undefined ? [] : [{ key: binding.key, ...quic }])),
    keptObjects: kept,
  }
}

function explain(gateway: AdminSource, query: URLSearchParams): Answer {
  const port = Number(query.get("port") ?? "")
  if (!Number.isInteger(port) || port < 1 || port > 65535) return failure(400, "port= must be 1 to 65535")
  const serverName = query.get("sni") || undefined
  const address = query.get("address") ?? undefined
  if (address !== undefined && !isAddress(address)) return failure(400, "address= must be an IP address")
  return json(200, gateway.explain({ port, serverName, address }))
}

function connections(gateway: AdminSource, query: URLSearchParams): Answer {
  const limit = Number(query.get("limit") ?? LISTED)
  if (!Number.isInteger(limit) || limit < 0) return failure(400, "limit= must be a whole number, 0 or more")
  const listed = []
  for (const connection of gateway.connections) {
    if (listed.length >= limit) break
    listed.push(connection.toJSON())
  }
  return json(200, { total: gateway.connections.size, connections: listed })
}

/** One live connection: what it is, what its ClientHello said, and why it went where it went. */
function connection(gateway: AdminSource, overview: Overview, query: URLSearchParams): Answer {
  const found = overview.connection(query.get("id") ?? "")
  if (found === undefined) return failure(404, "no live connection has that id; it may have ended")
  const { connection, hello } = found
  const binding = gateway.routeTable.listeners.find(({ key }) => key === connection.listener)
  const explanation =
    binding && gateway.explain({ port: binding.port, address: binding.address, serverName: connection.serverName })
  return json(200, { connection: connection.toJSON(), hello: hello && describeHello(hello), explanation })
}

/** Sends events on a response for as long as its client wants them. @returns false when there is no room */
function follow(request: IncomingMessage, response: ServerResponse, events: EventStream | undefined): boolean {
  const filter = parseTarget(request.url)?.searchParams.get("filter") ?? ""
  return events?.add(response, filter.slice(0, MOST_FILTER), PAGE_HEADERS) ?? false
}

function json(status: number, value: unknown): Answer {
  return { status, type: "application/json", body: `${jsonLine(value)}\n` }
}

function failure(status: number, message: string): Answer {
  return json(status, { error: message })
}

function send(request: IncomingMessage, response: ServerResponse, { status, type, body, headers }: Answer): void {
  response.writeHead(status, {
    ...headers,
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...(status === 405 ? { allow: "GET, HEAD" } : {}),
  })
  response.end(request.method === "HEAD" ? undefined : body)
}
