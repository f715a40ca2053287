import type { ConnectionPolicy, DrainPolicy } from "../policy.ts"
import type { Removal } from "./record.ts"

/** Why a connection is ended though nothing is wrong with it. */
export type DrainOutcome = "drained" | "route-removed" | "endpoint-removed"

/** When a connection is ended whatever happens on it, and what for: the earliest of all reasons counts. */
export class Lifetime {
  #endsAt = Number.POSITIVE_INFINITY
  #outcome: "max-duration" | DrainOutcome = "max-duration"

  /** The moment, on the clock of `performance.now()`. */
  get endsAt(): number {
    return this.#endsAt
  }

  /** How it ends then. */
  get outcome(): "max-duration" | DrainOutcome {
    return this.#outcome
  }

  /** It was routed: its policy bounds how long it may be, less a part drawn at random. */
  limit(acceptedAt: number, { maxDuration, maxDurationJitter }: ConnectionPolicy): void {
    this.#end(acceptedAt + maxDuration * (1 - maxDurationJitter * Math.random()), "max-duration")
  }

  /** Ends it at a moment drawn from the next `window` milliseconds. A second call changes nothing. */
  drain(window: number, outcome: DrainOutcome): void {
    if (this.#outcome === "max-duration") this.#end(performance.now() + window * Math.random(), outcome)
  }

  /** What it was routed by is there no longer: that ends it within its window, if its policy says so. */
  removed(removal: Removal | undefined, { onRemoval, onEndpointRemoval, window }: DrainPolicy): void {
    if (removal === "route" && onRemoval === "drain") this.drain(window, "route-removed")
    if (removal === "endpoint" && onEndpointRemoval === "drain") this.drain(window, "endpoint-removed")
  }

  #end(at: number, outcome: "max-duration" | DrainOutcome): void {
    if (at >= this.#endsAt) return
    this.#endsAt = at
    this.#outcome = outcome
  }
}

/** Whether a policy ends a connection when what it was routed by goes. */
export function drainsOnRemoval({ onRemoval, onEndpointRemoval }: DrainPolicy): boolean {
  return onRemoval === "drain" || onEndpointRemoval === "drain"
}
