import { Histogram as PromHistogram, Registry } from "prom-client"
import { describe, expect, it } from "vitest"
import { Histogram } from "../../src/metrics/histogram.ts"

const buckets = [0.001, 0.1, 1]
const values = [0, 0.001, 0.0010001, 0.05, 0.1, 0.9, 1, 1.5, 86_400]

describe("a histogram", () => {
  it("is written as prom-client writes its own, in text and in JSON", async () => {
    const ours = new Registry()
    const theirs = new Registry()
    const histogram = new Histogram({ name: "a_seconds", help: "A.", label: "route", buckets }, ours)
    const reference = new PromHistogram({
      name: "a_seconds",
      help: "A.",
      labelNames: ["route"],
      buckets,
      registers: [theirs],
    })
    for (const route of ["a/b", 'with "quotes"']) {
      for (const value of values) {
        histogram.series(route).observe(value)
        reference.observe({ route }, value)
      }
    }
    expect(await ours.metrics()).toBe(await theirs.metrics())
    expect(await ours.getMetricsAsJSON()).toEqual(
      (await theirs.getMetricsAsJSON()).map((metric) => ({
        ...metric,
        values: (metric.values as readonly object[]).map((value) => ({ ...value, exemplar: undefined })),
      })),
    )
  })

  it("forgets a series that is removed, and no other when the registry is reset", async () => {
    const registry = new Registry()
    const histogram = new Histogram({ name: "a_seconds", help: "A.", label: "route", buckets }, registry)
    histogram.series("a").observe(1)
    histogram.series("b").observe(1)
    histogram.remove("a")
    registry.resetMetrics()
    expect(await registry.metrics()).not.toContain('route="a"')
    expect(await registry.metrics()).toContain('a_seconds_count{route="b"} 1')
  })
})
