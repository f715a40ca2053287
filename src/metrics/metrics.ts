import { errorMonitor } from "node:events"
import { Counter, Gauge, Registry } from "prom-client"
import { version } from "../../package.json"
import type { ConnectionInfo, ConnectionRecord } from "../proxy/connection/record.ts"
import type { DropCounts } from "../proxy/quic/drops.ts"
import type { ResourceProblem } from "../routing/resources.ts"
import { Histogram } from "./histogram.ts"
import { BoundedLabels } from "./route-labels.ts"
import type { MetricsSource } from "./source.ts"
import { type RouteTally, Tallies } from "./tallies.ts"

/** Options of {@link createMetrics}: one of `gateway` and `proxy`. */
export type MetricsOptions = ({ readonly gateway: MetricsSource } | { readonly proxy: MetricsSource }) & {
  /** Registry to add the metrics to. @defaultValue a new one that speaks OpenMetrics */
  readonly registry?: Registry
  /** Routes told apart; further ones are counted as `other`. @defaultValue 10000 */
  readonly maxRoutes?: number
}

/** Metrics being taken. */
export interface Metrics {
  /** Where they are; `registry.metrics()` writes them, `registry.contentType` is the type of that text. */
  readonly registry: Registry
  /** Stops taking them, and removes them from the registry. */
  close(): void
}

/** What of a `config` event is counted. */
interface AppliedConfig {
  readonly table: {
    readonly routes: readonly { readonly ref: { readonly namespace: string; readonly name: string } }[]
  }
  readonly problems: readonly ResourceProblem[]
  readonly kept?: readonly ResourceProblem[]
  readonly bindings: readonly { readonly bound: boolean }[]
}

/** What of a `health` event is counted. */
interface HealthChange {
  readonly target: string
  readonly healthy: boolean
}

const PHASE_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const CONNECTION_BUCKETS = [0.01, 0.1, 1, 10, 60, 600, 3600, 86_400]

/**
 * Counts what a gateway or proxy does. Every name begins with `tlsroute_`; times are in seconds, sizes in
 * bytes. docs/observability.md lists them.
 */
export function createMetrics(options: MetricsOptions): Metrics {
  const source = "gateway" in options ? options.gateway : options.proxy
  const registry = options.registry ?? openMetricsRegistry()
  const instruments = new Instruments(registry, source, options.maxRoutes ?? 10_000)
  return { registry, close: () => instruments.close() }
}

function openMetricsRegistry(): Registry {
  const registry = new Registry()
  // prom-client types a registry by one content type for life; this one holds nothing yet.
  ;(registry as unknown as Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>).setContentType(
    Registry.OPENMETRICS_CONTENT_TYPE,
  )
  return registry
}

const TRANSPORTS = ["tcp", "quic"] as const

interface RouteLabels {
  readonly listener: string
  readonly route: string
  readonly transport: (typeof TRANSPORTS)[number]
}

type Bytes = Pick<ConnectionInfo, "bytesFromClient" | "bytesFromBackend">

class Instruments {
  readonly #source: MetricsSource
  readonly #registry: Registry
  readonly #routes: BoundedLabels
  readonly #drops: Counter<"reason">
  readonly #errors: Counter<"code">
  readonly #tallies: Tallies
  readonly #applied: Counter
  readonly #appliedAt: Gauge
  readonly #routeCount: Gauge
  readonly #problems: Gauge<"severity">
  readonly #kept: Gauge
  readonly #bindings: Gauge<"state">
  /** Unhealthy endpoints by target; targets without any are not kept. */
  readonly #unhealthy = new Map<string, number>()
  readonly #names: string[] = []

  constructor(registry: Registry, source: MetricsSource, maxRoutes: number) {
    this.#source = source
    this.#registry = registry
    this.#routes = new BoundedLabels(maxRoutes)
    const registers = [registry]
    const accepted: Counter<"listener" | "transport"> = new Counter({
      name: this.#name("connections_accepted_total"),
      help: "Connections accepted, over TCP or QUIC.",
      labelNames: ["listener", "transport"],
      registers,
      collect: () => {
        accepted.reset()
        for (const [listener, tally] of this.#tallies.listeners) {
          for (const transport of TRANSPORTS) {
            const count = tally.accepted[transport]
            if (count > 0) accepted.inc({ listener, transport }, count)
          }
        }
      },
    })
    const closed: Counter<"listener" | "route" | "transport" | "outcome" | "ended_by"> = new Counter({
      name: this.#name("connections_closed_total"),
      help: "Connections that ended, by how they ended and who ended them.",
      labelNames: ["listener", "route", "transport", "outcome", "ended_by"],
      registers,
      collect: () => {
        closed.reset()
        this.#eachRoute((labels, tally) => {
          for (const [outcome, sides] of tally.closed) {
            for (const [ended_by, count] of sides) closed.inc({ ...labels, outcome, ended_by }, count)
          }
        })
      },
    })
    const active: Gauge<"listener" | "transport" | "state"> = new Gauge({
      name: this.#name("connections_active"),
      help: "Connections that have not ended, by state.",
      labelNames: ["listener", "transport", "state"],
      registers,
      collect: () => countActive(active, source.connections),
    })
    const bytes: Counter<"listener" | "route" | "transport" | "direction"> = new Counter({
      name: this.#name("transferred_bytes_total"),
      help: "Bytes read from the client or from the backend, those of live connections included.",
      labelNames: ["listener", "route", "transport", "direction"],
      registers,
      collect: () => {
        bytes.reset()
        const add = (labels: RouteLabels, { bytesFromClient, bytesFromBackend }: Bytes) => {
          bytes.inc({ ...labels, direction: "from_client" }, bytesFromClient)
          bytes.inc({ ...labels, direction: "from_backend" }, bytesFromBackend)
        }
        this.#eachRoute(add)
        for (const [labels, live] of this.#live()) add(labels, live)
      },
    })
    const datagrams: Counter<"listener" | "route" | "direction"> = new Counter({
      name: this.#name("transferred_datagrams_total"),
      help: "Datagrams of QUIC connections that ended, read from the client or from the backend.",
      labelNames: ["listener", "route", "direction"],
      registers,
      collect: () => {
        datagrams.reset()
        this.#eachRoute(({ listener, route, transport }, tally) => {
          if (transport !== "quic") return
          datagrams.inc({ listener, route, direction: "from_client" }, tally.datagramsFromClient)
          datagrams.inc({ listener, route, direction: "from_backend" }, tally.datagramsFromBackend)
        })
      },
    })
    this.#drops = new Counter({
      name: this.#name("dropped_datagrams_total"),
      help: "Datagrams that came over QUIC and went nowhere, by reason.",
      labelNames: ["reason"],
      registers,
    })
    const dials: Counter<"route"> = new Counter({
      name: this.#name("dial_attempts_total"),
      help: "Endpoints tried.",
      labelNames: ["route"],
      registers,
      collect: () => {
        dials.reset()
        this.#eachRoute(({ route }, tally) => {
          if (tally.dials > 0) dials.inc({ route }, tally.dials)
        })
      },
    })
    const retries: Counter<"route"> = new Counter({
      name: this.#name("dial_retries_total"),
      help: "Endpoints tried after another had failed.",
      labelNames: ["route"],
      registers,
      collect: () => {
        retries.reset()
        this.#eachRoute(({ route }, tally) => {
          if (tally.retries > 0) retries.inc({ route }, tally.retries)
        })
      },
    })
    const starttls: Counter<"listener" | "starttls" | "side" | "code"> = new Counter({
      name: this.#name("starttls_failures_total"),
      help: "Connections that ended before TLS began, by protocol, whose doing it was, and code.",
      labelNames: ["listener", "starttls", "side", "code"],
      registers,
      collect: () => {
        starttls.reset()
        for (const [listener, { starttlsFailures }] of this.#tallies.listeners) {
          for (const { protocol, side, code, count } of starttlsFailures) {
            starttls.inc({ listener, starttls: protocol, side, code }, count)
          }
        }
      },
    })
    new Gauge({
      name: this.#name("build_info"),
      help: "1, for the version of the package and of Node.js.",
      labelNames: ["version", "node"],
      registers,
    }).set({ version, node: process.version }, 1)
    this.#errors = new Counter({
      name: this.#name("errors_total"),
      help: "Failures that no single client caused, by code.",
      labelNames: ["code"],
      registers,
    })
    const hello = new Histogram(
      {
        name: this.#name("hello_duration_seconds"),
        help: "Time from accept to a whole ClientHello.",
        label: "listener",
        buckets: PHASE_BUCKETS,
      },
      registry,
    )
    const dial = new Histogram(
      {
        name: this.#name("dial_duration_seconds"),
        help: "Time from the choice of a route to an established backend connection.",
        label: "route",
        buckets: PHASE_BUCKETS,
      },
      registry,
    )
    const total = new Histogram(
      {
        name: this.#name("connection_duration_seconds"),
        help: "Time from accept to the end.",
        label: "listener",
        buckets: CONNECTION_BUCKETS,
      },
      registry,
    )
    this.#tallies = new Tallies({ hello, dial, total }, this.#routes)
    this.#applied = new Counter({ name: this.#name("config_applied_total"), help: "Snapshots applied.", registers })
    this.#appliedAt = new Gauge({
      name: this.#name("config_applied_timestamp_seconds"),
      help: "When the last snapshot was applied, in seconds since 1970.",
      registers,
    })
    this.#routeCount = new Gauge({ name: this.#name("routes"), help: "Routes in force.", registers })
    this.#problems = new Gauge({
      name: this.#name("config_problems"),
      help: "Problems of the snapshot in force.",
      labelNames: ["severity"],
      registers,
    })
    this.#kept = new Gauge({
      name: this.#name("config_kept_objects"),
      help: "Objects that turned bad and whose last good version stays in force.",
      registers,
    })
    this.#bindings = new Gauge({
      name: this.#name("bindings"),
      help: "Sockets that the configuration asks for, bound or not.",
      labelNames: ["state"],
      registers,
    })
    const unhealthy: Gauge<"target"> = new Gauge({
      name: this.#name("endpoints_unhealthy"),
      help: "Endpoints that active checks find unhealthy.",
      labelNames: ["target"],
      registers,
      collect: () => {
        unhealthy.reset()
        for (const [target, count] of this.#unhealthy) unhealthy.set({ target }, count)
      },
    })
    source.on("health", this.#onHealth)
    source.on("connection", this.#onConnection)
    source.on("close", this.#onClose)
    source.on("drops", this.#onDrops)
    // A listener for "error" would make it look as if someone dealt with errors.
    source.on(errorMonitor, this.#onError)
    source.on("config", this.#onConfig)
  }

  close(): void {
    this.#source.off("health", this.#onHealth)
    this.#source.off("connection", this.#onConnection)
    this.#source.off("close", this.#onClose)
    this.#source.off("drops", this.#onDrops)
    this.#source.off(errorMonitor, this.#onError)
    this.#source.off("config", this.#onConfig)
    for (const name of this.#names) this.#registry.removeSingleMetric(name)
  }

  #name(suffix: string): string {
    const name = `tlsroute_${suffix}`
    this.#names.push(name)
    return name
  }

  readonly #onConnection = (connection: ConnectionInfo): void => {
    this.#tallies.accept(connection)
  }

  readonly #onHealth = ({ target, healthy }: HealthChange): void => {
    const count = (this.#unhealthy.get(target) ?? 0) + (healthy ? -1 : 1)
    if (count > 0) this.#unhealthy.set(target, count)
    else this.#unhealthy.delete(target)
  }

  readonly #onClose = (record: ConnectionRecord): void => {
    this.#tallies.close(record)
  }

  readonly #onDrops = (drops: DropCounts): void => {
    for (const [reason, count] of Object.entries(drops)) this.#drops.inc({ reason }, count)
  }

  readonly #onError = (error: Error & { readonly code?: unknown }): void => {
    this.#errors.inc({ code: typeof error.code === "string" ? error.code : error.name })
  }

  readonly #onConfig = ({ table, problems, kept = [], bindings }: AppliedConfig): void => {
    this.#kept.set(new Set(kept.map(({ object }) => `${object?.kind} ${object?.namespace}/${object?.name}`)).size)
    this.#applied.inc()
    this.#appliedAt.setToCurrentTime()
    this.#routeCount.set(table.routes.length)
    for (const severity of ["error", "warning"] as const) {
      this.#problems.set({ severity }, problems.filter((problem) => problem.severity === severity).length)
    }
    const bound = bindings.filter((binding) => binding.bound).length
    this.#bindings.set({ state: "bound" }, bound)
    this.#bindings.set({ state: "unbound" }, bindings.length - bound)
    this.#forgetRoutes(new Set(table.routes.map(({ ref }) => `${ref.namespace}/${ref.name}`)))
  }

  /** A route that is gone keeps its counts, for it may come back; but not where they take the room of another. */
  #forgetRoutes(present: ReadonlySet<string>): void {
    if (!this.#routes.isFull) return
    const live = new Set(present)
    for (const { route } of this.#source.connections) if (route !== undefined) live.add(route)
    this.#tallies.forget(this.#routes.retain(live))
  }

  /** What live connections of each listener and route have moved so far. */
  #live(): Iterable<readonly [RouteLabels, Bytes]> {
    const sums = new Map<string, [RouteLabels, { bytesFromClient: number; bytesFromBackend: number }]>()
    for (const { listener, route, transport, bytesFromClient, bytesFromBackend } of this.#source.connections) {
      const key = `${listener}\n${transport}\n${route ?? ""}`
      let entry = sums.get(key)
      if (entry === undefined) {
        const label = route === undefined ? "" : this.#routes.admit(route)
        entry = [
          { listener, route: label, transport },
          { bytesFromClient: 0, bytesFromBackend: 0 },
        ]
        sums.set(key, entry)
      }
      entry[1].bytesFromClient += bytesFromClient
      entry[1].bytesFromBackend += bytesFromBackend
    }
    return sums.values()
  }

  #eachRoute(visit: (labels: RouteLabels, tally: RouteTally) => void): void {
    for (const [listener, { routes }] of this.#tallies.listeners) {
      for (const transport of TRANSPORTS) {
        for (const [route, tally] of routes[transport]) visit({ listener, route, transport }, tally)
      }
    }
  }
}

function countActive(gauge: Gauge<"listener" | "transport" | "state">, connections: Iterable<ConnectionInfo>): void {
  gauge.reset()
  for (const { listener, transport, state } of connections) gauge.inc({ listener, transport, state })
}
