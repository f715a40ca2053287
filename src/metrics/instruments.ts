import type { Counts, Observations } from "./observations.ts"
import { CONNECTION_BUCKETS, PHASE_BUCKETS, type Phases } from "./phases.ts"
import type { Reading, Sums } from "./tallies.ts"

/** All that is read at one moment. */
export interface Moment {
  readonly observed: Observations
  readonly carried: Reading
  /** Of live connections too. */
  readonly phases: Phases
}

/** A value and, in the order of the instrument's labels, what it is of; an `undefined` label is left out. */
export type Add = (value: number, ...labels: readonly (string | undefined)[]) => void

/** One measure. Values that are added for the same labels are of one series, and are summed. */
export interface Instrument {
  /** In the way of OpenTelemetry, without its unit. */
  readonly name: string
  /** Whether it only rises. */
  readonly kind: "counter" | "gauge"
  /** As OpenTelemetry has it, in the notation of UCUM. */
  readonly unit: string
  readonly help: string
  readonly labels: readonly string[]
  read(moment: Moment, add: Add): void
}

/** What is measured, each once, whoever it is told to. */
export const INSTRUMENTS: readonly Instrument[] = [
  {
    name: "tlsroute.connections.accepted",
    kind: "counter",
    unit: "{connection}",
    help: "Connections accepted, over TCP or QUIC, or after STARTTLS.",
    labels: ["listener", "transport", "starttls"],
    read({ carried }, add) {
      for (const { listener, way } of carried.ways) {
        if (way.accepted > 0) add(way.accepted, listener, way.transport, way.starttls)
      }
    },
  },
  {
    name: "tlsroute.connections.closed",
    kind: "counter",
    unit: "{connection}",
    help: "Connections that ended, by how they ended and who ended them.",
    labels: ["listener", "route", "transport", "starttls", "outcome", "ended_by"],
    read({ carried }, add) {
      for (const { listener, route, transport, starttls, tally } of carried.rows) {
        for (const [outcome, sides] of tally.closed) {
          for (const [side, count] of sides) add(count, listener, route, transport, starttls, outcome, side)
        }
      }
    },
  },
  {
    name: "tlsroute.connections.active",
    kind: "gauge",
    unit: "{connection}",
    help: "Connections that have not ended, by state.",
    labels: ["listener", "transport", "starttls", "state"],
    read({ carried }, add) {
      for (const { listener, transport, starttls, live } of carried.rows) {
        for (const [state, count] of live?.states ?? []) add(count, listener, transport, starttls, state)
      }
    },
  },
  {
    name: "tlsroute.transferred",
    kind: "counter",
    unit: "By",
    help: "Bytes read from the client or from the backend, those of live connections included.",
    labels: ["listener", "route", "transport", "starttls", "direction"],
    read({ carried }, add) {
      for (const { listener, route, transport, starttls, tally, live } of carried.rows) {
        add(sum("bytesFromClient", tally.ended, live), listener, route, transport, starttls, "from_client")
        add(sum("bytesFromBackend", tally.ended, live), listener, route, transport, starttls, "from_backend")
      }
    },
  },
  {
    name: "tlsroute.transferred_datagrams",
    kind: "counter",
    unit: "{datagram}",
    help: "Datagrams of QUIC connections, read from the client or from the backend, those of live ones included.",
    labels: ["listener", "route", "direction"],
    read({ carried }, add) {
      for (const { listener, route, transport, tally, live } of carried.rows) {
        if (transport !== "quic") continue
        add(sum("datagramsFromClient", tally.ended, live), listener, route, "from_client")
        add(sum("datagramsFromBackend", tally.ended, live), listener, route, "from_backend")
      }
    },
  },
  {
    name: "tlsroute.dropped_datagrams",
    kind: "counter",
    unit: "{datagram}",
    help: "Datagrams that came over QUIC and went nowhere, by reason.",
    labels: ["reason"],
    read: counts(({ dropped }) => dropped),
  },
  {
    name: "tlsroute.dial.attempts",
    kind: "counter",
    unit: "{attempt}",
    help: "Endpoints tried.",
    labels: ["route"],
    read: dials("dialAttempts"),
  },
  {
    name: "tlsroute.dial.retries",
    kind: "counter",
    unit: "{attempt}",
    help: "Endpoints tried after another had failed.",
    labels: ["route"],
    read: dials("dialRetries"),
  },
  {
    name: "tlsroute.starttls.failures",
    kind: "counter",
    unit: "{connection}",
    help: "Connections that ended before TLS began, by protocol, whose doing it was, and code.",
    labels: ["listener", "starttls", "side", "code"],
    read({ carried }, add) {
      for (const { listener, way } of carried.ways) {
        for (const [side, codes] of Object.entries(way.failures)) {
          for (const [code, count] of codes) add(count, listener, way.starttls, side, code)
        }
      }
    },
  },
  {
    name: "tlsroute.endpoint.ejections",
    kind: "counter",
    unit: "{ejection}",
    help: "Endpoints left out for a while, as connects to them had failed.",
    labels: ["target"],
    read: counts(({ ejections }) => ejections),
  },
  {
    name: "tlsroute.endpoints.unhealthy",
    kind: "gauge",
    unit: "{endpoint}",
    help: "Endpoints that active checks find unhealthy.",
    labels: ["target"],
    read: counts(({ unhealthy }) => unhealthy),
  },
  {
    name: "tlsroute.lookup.failures",
    kind: "counter",
    unit: "{lookup}",
    help: "Lookups of a backend's name that failed, whether or not an outdated answer made up for it.",
    labels: ["host"],
    read: counts(({ lookupFailures }) => lookupFailures),
  },
  {
    name: "tlsroute.worker.restarts",
    kind: "counter",
    unit: "{restart}",
    help: "Workers that died and were replaced.",
    labels: [],
    read: ({ observed }, add) => add(observed.workerRestarts),
  },
  {
    name: "tlsroute.errors",
    kind: "counter",
    unit: "{error}",
    help: "Failures that no single client caused, by code.",
    labels: ["code"],
    read: counts(({ errors }) => errors),
  },
  {
    name: "tlsroute.config.applied",
    kind: "counter",
    unit: "{snapshot}",
    help: "Snapshots applied.",
    labels: [],
    read: ({ observed }, add) => add(observed.configsApplied),
  },
  {
    name: "tlsroute.config.applied_timestamp",
    kind: "gauge",
    unit: "s",
    help: "When the last snapshot was applied, in seconds since 1970.",
    labels: [],
    read({ observed: { config } }, add) {
      if (config !== undefined) add(config.appliedAt)
    },
  },
  {
    name: "tlsroute.routes",
    kind: "gauge",
    unit: "{route}",
    help: "Routes in force.",
    labels: [],
    read({ observed: { config } }, add) {
      if (config !== undefined) add(config.routes)
    },
  },
  {
    name: "tlsroute.config.problems",
    kind: "gauge",
    unit: "{problem}",
    help: "Problems of the snapshot in force.",
    labels: ["severity"],
    read({ observed: { config } }, add) {
      if (config === undefined) return
      add(config.errors, "error")
      add(config.warnings, "warning")
    },
  },
  {
    name: "tlsroute.config.kept_objects",
    kind: "gauge",
    unit: "{object}",
    help: "Objects that turned bad and whose last good version stays in force.",
    labels: [],
    read({ observed: { config } }, add) {
      if (config !== undefined) add(config.keptObjects)
    },
  },
  {
    name: "tlsroute.bindings",
    kind: "gauge",
    unit: "{socket}",
    help: "Sockets that the configuration asks for, bound or not.",
    labels: ["state"],
    read({ observed: { config } }, add) {
      if (config === undefined) return
      add(config.bound, "bound")
      add(config.unbound, "unbound")
    },
  },
]

/** Times of connections, in seconds, each by one label. */
export const PHASES = [
  {
    phase: "hello",
    name: "tlsroute.hello.duration",
    label: "listener",
    help: "Time from accept to a whole ClientHello.",
    buckets: PHASE_BUCKETS,
  },
  {
    phase: "dial",
    name: "tlsroute.dial.duration",
    label: "route",
    help: "Time from the choice of a route to an established backend connection.",
    buckets: PHASE_BUCKETS,
  },
  {
    phase: "total",
    name: "tlsroute.connection.duration",
    label: "listener",
    help: "Time from accept to the end.",
    buckets: CONNECTION_BUCKETS,
  },
] as const

/** A value with what it is of. */
export interface Value {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** The series of an instrument. */
export function valuesOf({ labels, read }: Instrument, moment: Moment): readonly Value[] {
  const series = new Map<string, { readonly labels: Record<string, string>; value: number }>()
  read(moment, (value, ...texts) => {
    const key = texts.join("\n")
    const known = series.get(key)
    if (known !== undefined) {
      known.value += value
      return
    }
    const named = labels.flatMap((label, at) => (texts[at] === undefined ? [] : [[label, texts[at]] as const]))
    series.set(key, { labels: Object.fromEntries(named), value })
  })
  return [...series.values()]
}

/** Looks at a gateway or proxy, its live connections among the rest, once for all instruments. */
export function momentOf(observed: Observations): Moment {
  const phases = observed.tallies.phases.copy()
  const carried = observed.tallies.read(({ listener, durations }, route) => phases.add(listener, route, durations))
  return { observed, carried, phases }
}

type Field = keyof { [Name in keyof Sums as Sums[Name] extends number ? Name : never]: number }

function sum(field: Field, ended: Sums, live: Sums | undefined): number {
  return ended[field] + (live?.[field] ?? 0)
}

function dials(field: "dialAttempts" | "dialRetries"): Instrument["read"] {
  return ({ carried }, add) => {
    for (const { route, tally, live } of carried.rows) {
      const value = sum(field, tally.ended, live)
      if (value > 0) add(value, route)
    }
  }
}

function counts(of: (observed: Observations) => Counts): Instrument["read"] {
  return ({ observed }, add) => {
    for (const [label, value] of of(observed)) add(value, label)
  }
}
