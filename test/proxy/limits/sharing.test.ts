import fc from "fast-check"
import { describe, expect, it, vi } from "vitest"
import { Circuit } from "../../../src/proxy/health/circuit.ts"
import { ConnectionCounts } from "../../../src/proxy/limits/connection-counts.ts"
import { forgetProxy, limitMemory, sharedLimits } from "../../../src/proxy/limits/shared-memory.ts"
import { equalShares } from "../../../src/proxy/limits/sharing.ts"

/** Counts of so many threads that share limits. */
function threads(count: number) {
  const memory = limitMemory(count)
  const sharings = Array.from({ length: count }, (_, proxy) => sharedLimits(memory, proxy))
  return { memory, sharings, counts: sharings.map((sharing) => new ConnectionCounts(sharing)) }
}

describe("threads that share limits", () => {
  it("let in exactly as many as one proxy would, whichever they come to, whatever has left", () => {
    const step = fc.record({
      thread: fc.nat({ max: 3 }),
      key: fc.constantFrom("listener", "route", "client 192.0.2.1", "client 192.0.2.2"),
      leaves: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 6 }), (steps, max) => {
        const { counts } = threads(4)
        const live = new Map<string, number[]>()
        for (const { thread, key, leaves } of steps) {
          const there = live.get(key) ?? []
          live.set(key, there)
          if (leaves) {
            const from = there.shift()
            if (from !== undefined) counts[from]?.release(key)
          } else if (counts[thread]?.acquire(key, max)) {
            there.push(thread)
          } else {
            expect(there.length).toBe(max)
          }
          expect(there.length).toBeLessThanOrEqual(max)
        }
      }),
      { numRuns: 60 },
    )
  })

  it("have the places of one that died again", () => {
    const { memory, sharings, counts } = threads(3)
    const [first, second, third] = counts
    for (let live = 0; live < 4; live++) first?.acquire("listener", 6)
    second?.acquire("listener", 6)
    expect([1, 2].map(() => third?.acquire("listener", 6))).toEqual([true, false])
    forgetProxy(memory, 0)
    const replacement = new ConnectionCounts(sharings[0])
    expect([1, 2, 3, 4, 5].map(() => replacement.acquire("listener", 6))).toEqual([true, true, true, true, false])
  })

  it("bound what one target is given, dialling and live", () => {
    const { sharings } = threads(2)
    const [first, second] = sharings.map((sharing) => new Circuit("target", sharing))
    const limits = { maxConnections: 3, maxPending: 2 }
    expect([first?.enter(limits), second?.enter(limits), first?.enter(limits)]).toEqual([
      undefined,
      undefined,
      "max-pending",
    ])
    first?.connected()
    expect(second?.enter(limits)).toBeUndefined()
    expect(first?.enter(limits)).toBe("max-connections")
    second?.gaveUp()
    second?.connected()
    second?.ended()
    first?.ended()
    expect([1, 2, 3].map(() => second?.enter({ maxConnections: 2, maxPending: 9 }))).toEqual([
      undefined,
      undefined,
      "max-connections",
    ])
  })

  it("keep one client to one rate", () => {
    const clock = vi.spyOn(process.hrtime, "bigint")
    const at = (milliseconds: number) => clock.mockReturnValue(BigInt(milliseconds) * 1_000_000n)
    try {
      at(50)
      const rate = { perSecond: 10, burst: 3 }
      const [first, second] = threads(2).sharings.map((sharing) => sharing.rateLimiter("listener", rate))
      expect([first?.take("a"), second?.take("a"), first?.take("a"), second?.take("a")]).toEqual([
        true,
        true,
        true,
        false,
      ])
      expect(second?.take("b")).toBe(true)
      at(149)
      expect(first?.take("a")).toBe(false)
      at(150)
      expect([second?.take("a"), first?.take("a")]).toEqual([true, false])
      at(10_000)
      expect([1, 2, 3, 4].map(() => second?.take("a"))).toEqual([true, true, true, false])
    } finally {
      clock.mockRestore()
    }
  })

  it("let a client without a bound on its burst come at any rate", () => {
    const [sharing] = threads(1).sharings
    const limiter = sharing?.rateLimiter("listener", { perSecond: 1, burst: Number.POSITIVE_INFINITY })
    expect(Array.from({ length: 50 }, () => limiter?.take("a"))).not.toContain(false)
  })

  it("take limits as they change for what is live already", () => {
    const { counts } = threads(2)
    const [first, second] = counts
    for (let live = 0; live < 5; live++) first?.acquire("route", Number.POSITIVE_INFINITY)
    expect(second?.acquire("route", 5)).toBe(false)
    expect(second?.acquire("route", 6)).toBe(true)
  })
})

describe("processes that share limits", () => {
  it.each([
    [10, 4, 2],
    [4, 4, 1],
    [1, 4, 1],
    [Number.POSITIVE_INFINITY, 4, Number.POSITIVE_INFINITY],
  ])("have of a limit of %d, with %d of them, %d each", (max, processes, share) => {
    expect(equalShares(processes).count("listener").allowance(max)).toBe(share)
  })

  it("have a share of every rate", () => {
    const limiter = equalShares(2).rateLimiter("listener", { perSecond: 4, burst: 6 })
    expect([1, 2, 3, 4].map(() => limiter.take("a"))).toEqual([true, true, true, false])
  })
})
