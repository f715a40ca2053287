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
 * Without `prom-client` the entry cannot be imported: Node.js says `ERR_MODULE_NOT_FOUND`, or `MODULE_NOT_FOUND` to
 * `require`. A program that can do without metrics imports it by `await import("tlsroute/metrics")` and catches that.
 *
 * Labels are bounded: routes and listeners as configured, outcomes from a closed list. What clients send is
 * never a label.
 *
 * @module tlsroute/metrics
 * @packageDocumentation
 */
export { createMetrics, type Metrics, type MetricsOptions } from "./metrics.ts"
export type { MetricsSource } from "./source.ts"
