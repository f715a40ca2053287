/** Values by the bucket that they fall into. Whoever counts holds it: a value costs a few additions. */
export class Histogram {
  /** Upper bounds, ascending. */
  readonly bounds: readonly number[]
  /** Values by bucket, the last being those above every bound. */
  readonly counts: number[]
  sum = 0
  count = 0

  /** @param bounds - upper bounds, ascending */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Array(bounds.length + 1).fill(0)
  }

  /** Counts a value. */
  observe(value: number): void {
    let bucket = 0
    for (const bound of this.bounds) {
      if (value <= bound) break
      bucket += 1
    }
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1
    this.sum += value
    this.count += 1
  }

  /** One that goes on by itself. */
  copy(): Histogram {
    const copy = new Histogram(this.bounds)
    copy.counts.splice(0, copy.counts.length, ...this.counts)
    copy.sum = this.sum
    copy.count = this.count
    return copy
  }
}
