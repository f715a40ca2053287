import type { ConnectionDurations } from "../proxy/connection/record.ts"
import { Histogram } from "./histogram.ts"

/** Upper bounds for what is over in seconds. */
export const PHASE_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const
/** Upper bounds for whole connections. */
export const CONNECTION_BUCKETS = [0.01, 0.1, 1, 10, 60, 600, 3600, 86_400] as const

type ByLabel = Map<string, Histogram>

/** How long connections take, phase by phase, in seconds. */
export class Phases {
  /** Accept to a whole ClientHello, by listener. */
  readonly hello: ByLabel = new Map()
  /** Choice of a route to an established backend connection, by route. */
  readonly dial: ByLabel = new Map()
  /** Accept to the end, by listener. */
  readonly total: ByLabel = new Map()

  /** Counts what is known of a connection's times: of a live one, not the last. */
  add(listener: string, route: string, durations: Partial<ConnectionDurations>): void {
    observe(this.hello, listener, PHASE_BUCKETS, durations.hello)
    observe(this.dial, route, PHASE_BUCKETS, durations.dial)
    observe(this.total, listener, CONNECTION_BUCKETS, durations.total)
  }

  /** One that goes on by itself. */
  copy(): Phases {
    const copy = new Phases()
    for (const phase of ["hello", "dial", "total"] as const) {
      for (const [label, histogram] of this[phase]) copy[phase].set(label, histogram.copy())
    }
    return copy
  }
}

function observe(
  histograms: ByLabel,
  label: string,
  bounds: readonly number[],
  milliseconds: number | undefined,
): void {
  if (milliseconds === undefined) return
  let histogram = histograms.get(label)
  if (histogram === undefined) {
    histogram = new Histogram(bounds)
    histograms.set(label, histogram)
  }
  histogram.observe(milliseconds / 1000)
}
