import type { Attributes, BatchObservableResult, Meter, Observable } from "@opentelemetry/api"
import { checkMetricsOptions } from "../metrics/check-options.ts"
import { INSTRUMENTS, type Instrument, momentOf, PHASES, type Value, valuesOf } from "../metrics/instruments.ts"
import { Observations } from "../metrics/observations.ts"
import type { MetricsSource } from "../metrics/source.ts"
import { having } from "../primitives/option-checks.ts"
import type { ConnectionOutcome, ConnectionRecord } from "../proxy/connection/record.ts"
import { UNREMARKABLE } from "../proxy/connection/unremarkable.ts"

/** Options of {@link measure}: one of `gateway` and `proxy`, and where the instruments are made. */
export type MeasureOptions = ({ readonly gateway: MetricsSource } | { readonly proxy: MetricsSource }) & {
  /** A meter of `@opentelemetry/api`, for example `metrics.getMeter("tlsroute")`. */
  readonly meter: Meter
  /** Routes told apart; further ones are counted as `other`. @defaultValue 10000 */
  readonly maxRoutes?: number | undefined
}

/** Measures being taken. */
export interface Measures {
  /** Stops taking them. */
  close(): void
}

/**
 * Measures what a gateway or proxy does, with OpenTelemetry. The instruments are those of `tlsroute/metrics`, and have the
 * same names in Prometheus. Attributes that the stable semantic conventions have a name for are called so:
 * `network.transport`, and `error.type` for connections that something went wrong with.
 *
 * @throws `GatewayError` `ERR_TLSROUTE_OPTION` when an option cannot be used
 */
export function measure(options: MeasureOptions): Measures {
  const needed = { meter: 'metrics.getMeter("tlsroute")' }
  checkMetricsOptions("measure", options, { meter: having("createHistogram", "addBatchObservableCallback") }, needed)
  const { meter, maxRoutes } = options
  const source = "gateway" in options ? options.gateway : options.proxy
  const observed = new Observations(source, maxRoutes)
  const instruments = INSTRUMENTS.map((instrument) => ({ instrument, observable: observableOf(meter, instrument) }))
  const observables = instruments.map(({ observable }) => observable)
  const observe = (result: BatchObservableResult): void => {
    const moment = momentOf(observed)
    for (const { instrument, observable } of instruments) {
      for (const { labels, value } of valuesOf(instrument, moment))
        result.observe(observable, value, attributes(labels))
    }
  }
  meter.addBatchObservableCallback(observe, observables)

  const histograms = PHASES.map(({ phase, name, label, help, buckets }) => {
    const advice = { explicitBucketBoundaries: [...buckets] }
    return { phase, label, histogram: meter.createHistogram(name, { unit: "s", description: help, advice }) }
  })
  // A histogram of OpenTelemetry takes its values one by one, when they are known to be final.
  const onClose = (record: ConnectionRecord): void => {
    for (const { phase, label, histogram } of histograms) {
      const duration = record.durations[phase]
      const of = label === "route" ? observed.tallies.label(record) : record.listener
      if (duration !== undefined) histogram.record(duration / 1_000, { [label]: of })
    }
  }
  source.on("close", onClose)
  const close = (): void => {
    meter.removeBatchObservableCallback(observe, observables)
    source.off("close", onClose)
    observed.close()
  }
  return { close }
}

function observableOf(meter: Meter, { name, kind, unit, help }: Instrument): Observable {
  const options = { unit, description: help }
  if (kind === "counter") return meter.createObservableCounter(name, options)
  // What counts things adds up over instances, and a point in time does not.
  return unit.startsWith("{")
    ? meter.createObservableUpDownCounter(name, options)
    : meter.createObservableGauge(name, options)
}

/** Labels, by the names that the stable semantic conventions have for them. */
function attributes({ transport, ...labels }: Value["labels"]): Attributes {
  const { outcome } = labels
  const isFailure = outcome !== undefined && !UNREMARKABLE.has(outcome as ConnectionOutcome)
  return {
    ...labels,
    ...(transport === undefined ? {} : { "network.transport": transport }),
    ...(isFailure ? { "error.type": outcome } : {}),
  }
}
