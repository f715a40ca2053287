import { monitorEventLoopDelay } from "node:perf_hooks"
import { version } from "../../../package.json"
import type { BindingState } from "../../gateway/bindings.ts"
import type { GatewayEvents } from "../../gateway/events.ts"
import type { PassthroughGateway } from "../../gateway/gateway.ts"
import type { Tallies } from "../../metrics/tallies.ts"
import type { ConnectionInfo, ConnectionRecord } from "../../proxy/connection/record.ts"
import type { ResourceProblem } from "../../routing/resources.ts"
import type { BackendTarget, RouteTable, TableRoute } from "../../routing/route-table.ts"
import type { ToldConfig } from "../log/config-feed.ts"
import { formatAddress } from "../shared/terminal.ts"
import { EndpointCounts } from "./endpoint-counts.ts"
import { type BackendFailure, Failures } from "./failures.ts"
import { Carried, type Flow } from "./flows.ts"
import { HelloMemory } from "./hello-memory.ts"
import { LeftOut } from "./left-out.ts"
import { LiveRates, type LiveRow } from "./live-rates.ts"
import { type RefusalCount, Refusals } from "./refusals.ts"
import type { Steps } from "./steps.ts"
import { Timeline, type TimelineEntry } from "./timeline.ts"

/** Rows of each list: a page is for people, and `/routes` and `/metrics` have the rest. */
const MOST_LISTENERS = 100
const MOST_ROUTES = 200
const MOST_ENDPOINTS = 20
const MOST_PROBLEMS = 100
const MOST_REFUSALS = 20
const CONNECTIONS_OF_A_STEP = 32

/** What does not change from second to second. */
export interface Scene {
  readonly version: string
  /** Milliseconds since 1970. */
  readonly started: number
  readonly listeners: readonly SceneListener[]
  readonly routes: { readonly total: number; readonly list: readonly SceneRoute[] }
  readonly problems: { readonly total: number; readonly list: readonly ResourceProblem[] }
  readonly timeline: readonly TimelineEntry[]
}

interface SceneListener {
  readonly key: string
  /** Port as the Gateways say. */
  readonly port: number
  /** Where it is bound. */
  readonly bound: string | undefined
  /** Why it is not. */
  readonly error: string | undefined
  /** STARTTLS protocol that is spoken there before TLS. */
  readonly starttls: string | undefined
  /** Whether the UDP port beside it is open; `undefined` where it takes no QUIC. */
  readonly quic: { readonly error: string | undefined } | undefined
  readonly listeners: readonly { readonly id: string; readonly hostname: string }[]
}

interface SceneRoute {
  readonly name: string
  readonly hostnames: readonly string[]
  readonly backends: readonly {
    readonly name: string
    readonly weight: number
    readonly target: string
    /** Why it is refused. */
    readonly error: string | undefined
    /** `leftOut` counts those of all that are left out, in the list or not. */
    readonly endpoints: { readonly total: number; readonly leftOut: number; readonly list: readonly SceneEndpoint[] }
  }[]
}

interface SceneEndpoint {
  /** `address:port`, or `name:port` of what DNS is asked for. */
  readonly where: string
  /** It is a name: nothing is known of what it leads to but what connections find. */
  readonly isName: boolean
  /** Why it is left out: what active checks found, or that connects to it fail; `undefined` where nothing speaks against it. */
  readonly unhealthy: string | undefined
}

/** What one second brought. */
export interface Moment {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly live: number
  /** Whether new connections should be sent here: not before the start is over, and not any more while it drains. */
  readonly serving: boolean
  /** 99th percentile of how late the event loop was, in milliseconds. */
  readonly loopDelay: number
  readonly listeners: Readonly<Record<string, Flow>>
  readonly routes: Readonly<Record<string, Flow>>
  /** Live connections by target, and by target and endpoint, as `target address:port`. */
  readonly endpoints: Readonly<Record<string, number>>
  /** What fails about backends, by target; those that are shown, and about which something does. */
  readonly failures: Readonly<Record<string, BackendFailure>>
  readonly refusals: readonly RefusalCount[]
  readonly connections: readonly LiveRow[]
}

/** What the time since the look before brought. */
export interface Look {
  /** What everybody is told. */
  readonly shared: Omit<Moment, "connections">
  /** What only those are told who asked with a filter, by that. */
  readonly lists: ReadonlyMap<string, Moment["connections"]>
}

/** What the overview is taken from. */
export type OverviewSource = Pick<PassthroughGateway, "routeTable" | "addresses" | "connections" | "on" | "off">

/**
 * What a person asks of a gateway first, ready to be shown: a scene that changes with the configuration, and a moment
 * every second. Live connections are looked at only while somebody watches, and once for all who do.
 */
export class Overview {
  readonly #gateway: OverviewSource
  readonly #tallies: Tallies
  readonly #isServing: () => boolean
  readonly #refusals = new Refusals()
  readonly #timeline = new Timeline()
  readonly #rates = new LiveRates()
  readonly #hellos = new HelloMemory()
  readonly #failures = new Failures()
  readonly #leftOut = new LeftOut(() => this.#revision++)
  readonly #loop = monitorEventLoopDelay({ resolution: 20 })
  #problems: readonly ResourceProblem[] = []
  #revision = 0
  /** What the look before found; `undefined` where there was none since somebody watches. */
  #before: { readonly carried: Carried; readonly at: number } | undefined
  #shown: { readonly table: RouteTable; readonly routes: readonly TableRoute[]; readonly counts: EndpointCounts }

  /**
   * @param gateway - what is watched
   * @param tallies - what it carries
   * @param isServing - whether new connections should be sent to it
   */
  constructor(gateway: OverviewSource, tallies: Tallies, isServing: () => boolean = () => true) {
    this.#gateway = gateway
    this.#tallies = tallies
    this.#isServing = isServing
    this.#shown = shown(gateway.routeTable)
    gateway.on("health", this.#onHealth)
    gateway.on("eject", this.#onEject)
    gateway.on("lookupFailed", this.#onLookupFailed)
    gateway.on("close", this.#onClose)
    gateway.on("route", this.#onRoute)
  }

  /** Changes whenever the scene does. */
  get revision(): number {
    return this.#revision
  }

  /** Somebody watches from now on. */
  open(): void {
    this.#loop.enable()
  }

  /** Nobody watches any more. */
  shut(): void {
    this.#loop.disable()
    // The next one who watches is to have the rates of a second, and not of the time that nobody watched.
    this.#before = undefined
    this.#rates.clear()
  }

  /** Lets go of the gateway. */
  close(): void {
    this.shut()
    this.#gateway.off("health", this.#onHealth)
    this.#gateway.off("eject", this.#onEject)
    this.#gateway.off("lookupFailed", this.#onLookupFailed)
    this.#gateway.off("close", this.#onClose)
    this.#gateway.off("route", this.#onRoute)
  }

  /** What there is now, apart from traffic. */
  scene(): Scene {
    const table = this.#gateway.routeTable
    return {
      version,
      started: performance.timeOrigin,
      listeners: this.#gateway.addresses().slice(0, MOST_LISTENERS).map(sceneListener),
      routes: {
        total: table.routes.length,
        list: table.routes.slice(0, MOST_ROUTES).map((route) => this.#sceneRoute(table, route)),
      },
      problems: { total: this.#problems.length, list: this.#problems.slice(0, MOST_PROBLEMS) },
      timeline: this.#timeline.entries,
    }
  }

  /**
   * Looks at what is carried and at every connection that is live when it begins, in steps. One that was begun before and
   * not ended must be given up.
   *
   * @param filters - of each list of connections that is asked for
   * @returns what the time since the look before brought; `undefined` where there was none
   */
  *look(filters: readonly string[]): Steps<Look | undefined> {
    const before = this.#before
    const { connections, routeTable } = this.#gateway
    if (this.#shown.table !== routeTable) this.#shown = shown(routeTable)
    const { routes, counts } = this.#shown
    const now = performance.now()
    const seconds = before === undefined ? 1 : Math.max(0.001, (now - before.at) / 1_000)
    const told = { at: Date.now(), live: connections.size, loopDelay: this.#loop.percentile(99) / 1e6 }
    this.#loop.reset()
    counts.reset()
    this.#rates.begin(connections.size, seconds, before === undefined ? [] : filters)
    // Nobody comes or goes between this and the beginning of the loop: each is counted once, ended or live.
    const carried = new Carried(this.#tallies, routes.map(routeName))
    this.#before = { carried, at: now }
    let seen = 0
    for (const connection of connections) {
      carried.add(connection)
      counts.add(connection)
      this.#rates.see(connection)
      this.#failures.see(connection)
      if (++seen % CONNECTIONS_OF_A_STEP === 0) yield
    }
    const lists = yield* this.#rates.end()
    if (before === undefined) return undefined
    const flows = carried.since(before.carried, seconds)
    yield
    const shared = {
      ...told,
      serving: this.#isServing(),
      ...flows,
      endpoints: counts.counts(),
      failures: this.#failuresOf(routes),
      refusals: this.#refusals.top(MOST_REFUSALS),
    }
    return { shared, lists: new Map(filters.map((filter, at) => [filter, lists[at] ?? []])) }
  }

  /** The live connection of that id, and its ClientHello if that is still known. */
  connection(uniqueId: string) {
    for (const connection of this.#gateway.connections) {
      if (connection.uniqueId === uniqueId) return { connection, hello: this.#hellos.get(connection.id) }
    }
    return undefined
  }

  /** Takes a configuration that is in force now. */
  configured({ problems, lines }: Pick<ToldConfig, "problems" | "lines">): void {
    this.#problems = problems
    for (const line of lines.slice(0, 1)) this.#timeline.add(line)
    this.#revision++
  }

  readonly #onHealth = (...[change]: GatewayEvents["health"]): void => this.#leftOut.checked(change)

  readonly #onEject = (...[ejection]: GatewayEvents["eject"]): void => this.#leftOut.ejected(ejection)

  readonly #onLookupFailed = (...[failure]: GatewayEvents["lookupFailed"]): void => this.#failures.lookupFailed(failure)

  readonly #onClose = (record: ConnectionRecord): void => {
    this.#hellos.forget(record.id)
    this.#refusals.add(record)
    this.#failures.ended(record)
  }

  readonly #onRoute = (connection: ConnectionInfo): void => {
    if (connection.hello !== undefined) this.#hellos.add(connection.id, connection.hello, connection.bytesFromClient)
    // Workers keep ClientHellos to themselves: what they tell of a route is not worth a message to each.
    else this.#gateway.off("route", this.#onRoute)
  }

  #sceneRoute(table: RouteTable, route: TableRoute): SceneRoute {
    return {
      name: routeName(route),
      hostnames: table.hostnamesOf(route.ref),
      backends: route.backends.map(({ ref, port, weight, target }) => ({
        name: `${ref.namespace}/${ref.name}${port === undefined ? "" : `:${port}`}`,
        weight,
        target: target.id,
        error: target.kind === "invalid" ? `${target.reason}: ${target.message}` : undefined,
        endpoints: this.#sceneEndpoints(target),
      })),
    }
  }

  #sceneEndpoints(target: BackendTarget): SceneRoute["backends"][number]["endpoints"] {
    const reasons = this.#leftOut.of(target.id)
    const leftOut = reasons.size
    switch (target.kind) {
      case "invalid":
        return { total: 0, leftOut: 0, list: [] }
      case "name": {
        // Of the addresses that it leads to, those are known that are left out.
        const bad = [...reasons].slice(0, MOST_ENDPOINTS)
        const list = bad.map(([where, unhealthy]) => ({ where, isName: false, unhealthy }))
        const name = { where: formatAddress(target.host, target.port), isName: true, unhealthy: undefined }
        return { total: 1 + leftOut, leftOut, list: [name, ...list] }
      }
      case "endpoints": {
        const list = target.endpoints.slice(0, MOST_ENDPOINTS).map(({ address, port }) => {
          const where = formatAddress(address, port)
          return { where, isName: false, unhealthy: reasons.get(where) }
        })
        return { total: target.endpoints.length, leftOut, list }
      }
    }
  }

  #failuresOf(routes: readonly TableRoute[]): Readonly<Record<string, BackendFailure>> {
    const targets = routes.flatMap(({ backends }) => backends.map(({ target }) => target))
    return Object.fromEntries(
      targets.flatMap((target) => {
        const failure = this.#failures.of(target)
        return failure === undefined ? [] : [[target.id, failure]]
      }),
    )
  }
}

const routeName = ({ ref }: TableRoute): string => `${ref.namespace}/${ref.name}`

/** What is shown of a table, and counts of that. */
function shown(table: RouteTable) {
  const routes = table.routes.slice(0, MOST_ROUTES)
  return { table, routes, counts: new EndpointCounts(routes, MOST_ENDPOINTS) }
}

function sceneListener(state: BindingState): SceneListener {
  const { key, port, listeners } = state.binding
  const quic = state.bound ? state.quic : undefined
  return {
    key,
    port,
    bound: state.bound ? formatAddress(state.address, state.port) : undefined,
    error: state.bound ? undefined : state.message,
    starttls: state.starttls,
    quic: quic && { error: quic.bound ? undefined : quic.message },
    listeners: listeners.map(({ id, hostname }) => ({ id, hostname: hostname ?? "*" })),
  }
}
