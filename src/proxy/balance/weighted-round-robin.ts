import { holding } from "../../primitives/option-checks.ts"
import { ProxyError, refuseArgument } from "../errors.ts"

const CHOICES = holding("a list of { id, weight }", (value) => Array.isArray(value))

/** One of several targets that share connections by weight. */
export interface WeightedChoice {
  /** Identity across configurations, for example the target's id. */
  readonly id: string
  /** Share, a whole number; 0 is never chosen. */
  readonly weight: number
}

/**
 * Smooth weighted round robin: of any run of `sum(weights)` picks each choice gets exactly its weight, evenly
 * spread instead of in bursts. Each pick raises every choice by its weight, takes the highest, and lowers
 * that one by the sum.
 *
 * ```ts
 * const turns = new WeightedRoundRobin([{ id: "a", weight: 3 }, { id: "b", weight: 1 }])
 * turns.next() // 0, 0, 1, 0, and again
 * ```
 */
export class WeightedRoundRobin {
  readonly #choices: readonly WeightedChoice[]
  readonly #current: number[]
  readonly #total: number

  /**
   * @param choices - who shares; invalid targets included, so that their share is refused and not spread
   * @param previous - the turns so far: choices with the same id go on where they stood
   * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE` when it is given no list, or a weight is no share
   */
  constructor(choices: readonly WeightedChoice[], previous?: WeightedRoundRobin) {
    refuseArgument("WeightedRoundRobin", choices, CHOICES)
    for (const choice of choices) {
      const { id, weight } = Object(choice) as WeightedChoice
      if (Number.isSafeInteger(weight) && weight >= 0) continue
      const message = `the weight of ${JSON.stringify(id)} must be a whole number, 0 or more, not ${String(weight)}`
      throw new ProxyError("ERR_TLSROUTE_PROXY_USAGE", message)
    }
    this.#choices = choices
    this.#total = choices.reduce((sum, choice) => sum + choice.weight, 0)
    const standings = previous?.standings()
    this.#current = choices.map(({ id, weight }) => bounded(standings?.get(id)?.shift() ?? 0, weight, this.#total))
  }

  /** Index of the next choice in the list given; -1 when all weights are zero. */
  next(): number {
    let best = -1
    let highest = Number.NEGATIVE_INFINITY
    for (let index = 0; index < this.#choices.length; index++) {
      const weight = this.#choices[index]?.weight ?? 0
      if (weight === 0) continue
      const raised = (this.#current[index] ?? 0) + weight
      this.#current[index] = raised
      if (raised > highest) {
        highest = raised
        best = index
      }
    }
    if (best !== -1) this.#current[best] = highest - this.#total
    return best
  }

  /** @internal Standing of each choice by id, in order where an id occurs more than once. */
  standings(): Map<string, number[]> {
    const standings = new Map<string, number[]>()
    this.#choices.forEach(({ id }, index) => {
      const standing = this.#current[index] ?? 0
      const same = standings.get(id)
      if (same === undefined) standings.set(id, [standing])
      else same.push(standing)
    })
    return standings
  }
}

/** Standings stay within the sum of the weights; under smaller weights an old one must not rule for many turns. */
function bounded(standing: number, weight: number, total: number): number {
  if (weight === 0) return 0
  return Math.max(-total, Math.min(total, standing))
}
