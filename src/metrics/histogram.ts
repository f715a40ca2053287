import type { Metric, Registry } from "prom-client"

/** What a {@link Histogram} is made of. */
export interface HistogramOptions<L extends string> {
  readonly name: string
  readonly help: string
  /** The one label that its series differ in. */
  readonly label: L
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[]
}

/** Values observed for one value of the label. */
export class HistogramSeries {
  /** Values by the bucket they fall into, the last being those above every bound. */
  readonly counts: number[]
  sum = 0
  count = 0
  readonly #buckets: readonly number[]

  /** @param buckets - upper bounds, ascending */
  constructor(buckets: readonly number[]) {
    this.#buckets = buckets
    this.counts = new Array(buckets.length + 1).fill(0)
  }

  /** Counts a value. */
  observe(value: number): void {
    let bucket = 0
    for (const bound of this.#buckets) {
      if (value <= bound) break
      bucket += 1
    }
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1
    this.sum += value
    this.count += 1
  }
}

/**
 * A histogram for a registry of `prom-client`, whose series are held by who observes. `prom-client`'s own puts labels
 * into words and looks them up at every value, which costs ten times what counting does.
 */
export class Histogram<L extends string> {
  readonly name: string
  readonly help: string
  readonly type = "histogram"
  readonly aggregator = "sum"
  readonly labelNames: readonly L[]
  readonly #label: L
  readonly #buckets: readonly number[]
  readonly #series = new Map<string, HistogramSeries>()

  /** Makes it and adds it to a registry. */
  constructor({ name, help, label, buckets }: HistogramOptions<L>, registry: Registry) {
    this.name = name
    this.help = help
    this.labelNames = [label]
    this.#label = label
    this.#buckets = buckets
    // A registry asks no more of a metric than this has; its type names its own classes.
    registry.registerMetric(this as unknown as Metric<L>)
  }

  /** The series of a value of the label. */
  series(value: string): HistogramSeries {
    let series = this.#series.get(value)
    if (series === undefined) {
      series = new HistogramSeries(this.#buckets)
      this.#series.set(value, series)
    }
    return series
  }

  /** Forgets a series. */
  remove(value: string): void {
    this.#series.delete(value)
  }

  /** Does nothing, asked by a registry to reset: it tells of all that has been, like the counters beside it. */
  reset(): void {}

  /** What a registry reads. */
  async get() {
    const values = [...this.#series].flatMap(([value, series]) => this.#values({ [this.#label]: value }, series))
    return { name: this.name, help: this.help, type: this.type, aggregator: this.aggregator, values }
  }

  #values(labels: Readonly<Record<string, string>>, { counts, sum, count }: HistogramSeries) {
    let below = 0
    const bounds = [...this.#buckets, "+Inf"]
    return [
      ...bounds.map((le, bucket) => {
        below += counts[bucket] ?? 0
        return { metricName: `${this.name}_bucket`, labels: { le, ...labels }, value: below }
      }),
      { metricName: `${this.name}_sum`, labels, value: sum },
      { metricName: `${this.name}_count`, labels, value: count },
    ]
  }
}
