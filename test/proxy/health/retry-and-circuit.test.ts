import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Circuit } from "../../../src/proxy/health/circuit.ts"
import { RetryBudget, retryDelay } from "../../../src/proxy/health/retry-budget.ts"

describe("RetryBudget", () => {
  it("keeps retries to its share of the connections, with a floor per second", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3000 }),
        fc.constantFrom(0, 0.1, 0.2, 1),
        fc.integer({ min: 0, max: 20 }),
        (connections, ratio, minPerSecond) => {
          const clock = { now: 0 }
          const budget = new RetryBudget({ minPerSecond, now: () => clock.now })
          let retries = 0
          for (let turn = 0; turn < connections; turn++) {
            clock.now += 1
            budget.deposit(ratio)
            while (budget.withdraw()) retries++
          }
          const allowed = connections * ratio + minPerSecond * (1 + connections / 1000)
          expect(retries).toBeLessThanOrEqual(allowed + 1e-6)
          expect(retries).toBeGreaterThan(allowed - 3)
        },
      ),
    )
  })

  it("saves up no more than ten seconds of its floor", () => {
    const clock = { now: 0 }
    const budget = new RetryBudget({ minPerSecond: 5, now: () => clock.now })
    clock.now = 3_600_000
    let retries = 0
    while (budget.withdraw()) retries++
    expect(retries).toBe(50)
  })
})

describe("retryDelay", () => {
  it("goes to the next endpoint at once, then waits longer and longer up to a limit", () => {
    expect([1, 2, 3, 4, 5].map((attempt) => retryDelay(attempt, 25, 150, () => 1))).toEqual([0, 25, 50, 100, 150])
    expect(retryDelay(4, 25, 150, () => 0)).toBe(0)
  })
})

describe("Circuit", () => {
  it("bounds what is dialled and what is live", () => {
    const circuit = new Circuit()
    const limits = { maxConnections: 3, maxPending: 2 }
    expect([circuit.enter(limits), circuit.enter(limits), circuit.enter(limits)]).toEqual([
      undefined,
      undefined,
      "max-pending",
    ])
    circuit.connected()
    expect(circuit.enter(limits)).toBeUndefined()
    expect(circuit.enter(limits)).toBe("max-connections")
    circuit.gaveUp()
    circuit.connected()
    circuit.ended()
    circuit.ended()
    expect([circuit.pending, circuit.established]).toEqual([0, 0])
  })
})
