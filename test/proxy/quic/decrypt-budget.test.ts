import { describe, expect, it } from "vitest"
import { ALONE } from "../../../src/proxy/limits/sharing.ts"
import { DecryptBudget } from "../../../src/proxy/quic/decrypt-budget.ts"

function budget(perSecond: number, perClient = perSecond, ofStrangers = perSecond) {
  let now = 0
  const held = new DecryptBudget(ALONE, { perSecond, ofStrangers, perClient }, () => now)
  return {
    held,
    pass: (milliseconds: number) => {
      now += milliseconds
    },
    taken: (count: number, take: () => boolean) => Array.from({ length: count }, take).filter(Boolean).length,
  }
}

describe("the packets that may be opened", () => {
  it("are bounded for all clients together, whatever addresses they claim to have", () => {
    const { held, pass, taken } = budget(100)
    let client = 0
    const flood = () => held.takeForNew(`10.0.${client++ >> 8}.${client & 255}`, false, 1)
    expect(taken(10_000, flood)).toBeLessThanOrEqual(100)
    pass(1_000)
    expect(taken(10_000, flood)).toBeLessThanOrEqual(100)
  })

  it("go to connections that have begun first: a flood of newcomers leaves them a quarter", () => {
    const { held, taken } = budget(100)
    let client = 0
    expect(taken(10_000, () => held.takeForNew(`192.0.2.${client++ & 255}`, false, 1))).toBe(75)
    expect(taken(100, () => held.takeForKnown(1))).toBe(25)
  })

  it("are kept from a flood of strangers for clients that have lately been here", () => {
    const { held, taken } = budget(100, 100, 20)
    let client = 0
    expect(taken(10_000, () => held.takeForNew(`192.0.2.${client++ & 255}`, false, 1))).toBe(20)
    expect(taken(100, () => held.takeForNew("198.51.100.1", true, 1))).toBe(55)
    expect(taken(100, () => held.takeForKnown(1))).toBe(25)
  })

  it("are bounded for each client, and the others have theirs", () => {
    const { held, taken } = budget(1_000, 10)
    expect(taken(100, () => held.takeForNew("192.0.2.1", false, 1))).toBe(10)
    expect(taken(100, () => held.takeForNew("192.0.2.2", false, 1))).toBe(10)
  })

  it("count one by one, however many a datagram holds", () => {
    const { held, taken } = budget(100)
    expect(taken(100, () => held.takeForKnown(25))).toBe(4)
  })
})
