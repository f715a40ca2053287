import { Registry } from "prom-client"
import { having } from "../primitives/option-checks.ts"
import { checkMetricsOptions } from "./check-options.ts"
import { Observations } from "./observations.ts"
import { openMetricsRegistry, publish } from "./publish.ts"
import type { MetricsSource } from "./source.ts"

/** Options of {@link createMetrics}: one of `gateway` and `proxy`. */
export type MetricsOptions = ({ readonly gateway: MetricsSource } | { readonly proxy: MetricsSource }) & {
  /** Registry to add the metrics to. @defaultValue a new one that speaks OpenMetrics */
  readonly registry?: Registry | undefined
  /** Routes told apart; further ones are counted as `other`. @defaultValue 10000 */
  readonly maxRoutes?: number | undefined
}

/** Metrics being taken. */
export interface Metrics {
  /** Where they are; `registry.metrics()` writes them, `registry.contentType` is the type of that text. */
  readonly registry: Registry
  /** Stops taking them, and removes them from the registry. */
  close(): void
}

/**
 * Counts what a gateway or proxy does. Every name begins with `tlsroute_`; times are in seconds, sizes in
 * bytes. docs/observability.md lists them.
 *
 * @throws `GatewayError` `ERR_TLSROUTE_OPTION` when an option cannot be used
 */
export function createMetrics(options: MetricsOptions): Metrics {
  checkMetricsOptions("createMetrics", options, { registry: having("registerMetric", "metrics") })
  const observed = new Observations("gateway" in options ? options.gateway : options.proxy, options.maxRoutes)
  const registry = options.registry ?? openMetricsRegistry(Registry)
  const names = publish(observed, registry)
  const close = () => {
    observed.close()
    for (const name of names) registry.removeSingleMetric(name)
  }
  return { registry, close }
}
