import type { Metric, Registry } from "prom-client"
import { version } from "../../package.json"
import type { Histogram } from "./histogram.ts"
import { INSTRUMENTS, type Instrument, type Moment, momentOf, PHASES, valuesOf } from "./instruments.ts"
import type { Observations } from "./observations.ts"

// Nothing here loads `prom-client`: the command does without it where it is not installed.
type RegistryClass = typeof import("prom-client").Registry

/** A registry that speaks OpenMetrics, made by the class of `prom-client` that the caller has loaded. */
export function openMetricsRegistry(Registry: RegistryClass): Registry {
  const registry = new Registry()
  // prom-client types a registry by one content type for life; this one holds nothing yet.
  ;(registry as unknown as Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>).setContentType(
    Registry.OPENMETRICS_CONTENT_TYPE,
  )
  return registry
}

/** Adds what is observed to a registry. @returns the names of what was added */
export function publish(observed: Observations, registry: Registry): readonly string[] {
  let moment: Moment | undefined
  // A registry asks all of its metrics in one turn: they tell of one moment.
  const now = (): Moment => {
    if (moment === undefined) queueMicrotask(() => (moment = undefined))
    moment ??= momentOf(observed)
    return moment
  }
  const families = [
    ...INSTRUMENTS.map((instrument) => instrumentFamily(instrument, now)),
    ...PHASES.map(({ phase, name, label, help }) => ({
      ...describe({ name, unit: "s", help, labels: [label] }),
      type: "histogram",
      values: () =>
        [...now().phases[phase]].flatMap(([value, histogram]) => bucketsOf(name, { [label]: value }, histogram)),
    })),
    BUILD_INFO,
  ]
  for (const family of families) registry.registerMetric(asMetric(family))
  return families.map(({ name }) => name)
}

interface Sample {
  /** Where it is not the family's. */
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/** What a registry writes about one name. */
interface Family {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly labelNames: readonly string[]
  values(): readonly Sample[]
}

const BUILD_INFO: Family = {
  name: "tlsroute_build_info",
  help: "1, for the version of the package and of Node.js.",
  type: "gauge",
  labelNames: ["version", "node"],
  values: () => [{ labels: { version, node: process.version }, value: 1 }],
}

function instrumentFamily(instrument: Instrument, now: () => Moment): Family {
  const { kind } = instrument
  const { name, ...rest } = describe(instrument)
  return {
    ...rest,
    name: kind === "counter" ? `${name}_total` : name,
    type: kind,
    values: () => valuesOf(instrument, now()),
  }
}

/** The words of Prometheus for what is described in those of OpenTelemetry. */
function describe({ name, unit, help, labels }: Pick<Instrument, "name" | "unit" | "help" | "labels">) {
  return { name: `${name.replaceAll(".", "_")}${UNITS[unit] ?? ""}`, help, labelNames: labels }
}

const UNITS: Readonly<Record<string, string>> = { s: "_seconds", By: "_bytes" }

function bucketsOf(
  name: string,
  labels: Sample["labels"],
  { bounds, counts, sum, count }: Histogram,
): readonly Sample[] {
  const { name: family } = describe({ name, unit: "s", help: "", labels: [] })
  let below = 0
  return [
    ...[...bounds, "+Inf"].map((le, bucket) => {
      below += counts[bucket] ?? 0
      return { metricName: `${family}_bucket`, labels: { le, ...labels }, value: below }
    }),
    { metricName: `${family}_sum`, labels, value: sum },
    { metricName: `${family}_count`, labels, value: count },
  ]
}

/**
 * What `prom-client` asks of a metric. Its own counters put labels into words and look them up at every value, which
 * costs ten times what counting does; here that is done when somebody reads.
 */
function asMetric({ values, ...family }: Family): Metric {
  const metric = {
    ...family,
    aggregator: "sum",
    // A registry may rename what it holds.
    get: async () => ({ name: metric.name, help: metric.help, type: metric.type, aggregator: "sum", values: values() }),
    // It tells of all that has been.
    reset: () => undefined,
  }
  // Its type names its own classes.
  return metric as unknown as Metric
}
