/**
 * Metrics of a gateway or a proxy, for Prometheus and OpenMetrics, on the optional peer `prom-client`.
 *
 * ```ts
 * import { createPassthroughGateway, fileSource } from "tlsroute"
 * import { createMetrics } from "tlsroute/metrics"
 *
 * const gateway = createPassthroughGateway({ source: fileSource("gateway.yaml") })
 * const metrics = createMetrics({ gateway })
 * console.log(await metrics.registry.metrics())
 * ```
 *
 * Labels are bounded: routes and listeners as configured, outcomes from a closed list. What clients send is
 * never a label.
 *
 * @module tlsroute/metrics
 * @packageDocumentation
 */
export { createMetrics, type Metrics, type MetricsOptions } from "./metrics.ts"
export type { MetricsSource } from "./source.ts"
