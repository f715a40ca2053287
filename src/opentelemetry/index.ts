/**
 * Metrics of a gateway or a proxy, for OpenTelemetry, on the optional peer `@opentelemetry/api`.
 *
 * ```ts
 * import { metrics } from "@opentelemetry/api"
 * import { createPassthroughGateway, fileSource } from "tlsroute"
 * import { measure } from "tlsroute/opentelemetry"
 *
 * const gateway = createPassthroughGateway({ source: fileSource("gateway.yaml") })
 * measure({ gateway, meter: metrics.getMeter("tlsroute") })
 * await gateway.start()
 * ```
 *
 * Attributes are bounded: routes and listeners as configured, outcomes from a closed list. What clients send is
 * never an attribute.
 *
 * @module tlsroute/opentelemetry
 * @packageDocumentation
 */
export type { MetricsSource } from "../metrics/source.ts"
export { type MeasureOptions, type Measures, measure } from "./measure.ts"
