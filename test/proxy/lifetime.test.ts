import { describe, expect, it } from "vitest"
import { Lifetime } from "../../src/proxy/connection/lifetime.ts"
import { connectionPolicy } from "./policy-harness.ts"

const limited = (maxDuration: number) => connectionPolicy({ maxDuration, maxDurationJitter: 0 })

describe("when a connection is ended whatever happens", () => {
  it("is never, before anything is known of it", () => {
    expect(new Lifetime().endsAt).toBe(Number.POSITIVE_INFINITY)
  })

  it("is the end of its drain, where that comes before its longest duration", () => {
    const lifetime = new Lifetime()
    lifetime.limit(performance.now(), limited(60_000))
    lifetime.drain(0, "route-removed")
    expect(lifetime.outcome).toBe("route-removed")
    expect(lifetime.endsAt).toBeLessThanOrEqual(performance.now())
  })

  it("is its longest duration, where that comes first, also when it drained before it was connected", () => {
    const [before, after] = [new Lifetime(), new Lifetime()]
    before.limit(0, limited(1))
    before.drain(60_000, "drained")
    after.drain(60_000, "drained")
    after.limit(0, limited(1))
    for (const { endsAt, outcome } of [before, after]) expect([endsAt, outcome]).toEqual([1, "max-duration"])
  })

  it("is the first drain it was told of", () => {
    const lifetime = new Lifetime()
    lifetime.drain(60_000, "endpoint-removed")
    lifetime.drain(0, "drained")
    expect(lifetime.outcome).toBe("endpoint-removed")
  })
})
