import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { DEFAULT_HEALTH_POLICY, type HealthPolicy, TargetHealth } from "../../../src/proxy/health/endpoint-health.ts"

const endpoint = (index: number) => ({ address: `10.0.0.${index}`, port: 443 })
const endpoints = [1, 2, 3, 4].map(endpoint)
const [first, second, third] = endpoints as [ReturnType<typeof endpoint>, ...ReturnType<typeof endpoint>[]] & {
  1: ReturnType<typeof endpoint>
  2: ReturnType<typeof endpoint>
}

function target(policy: Partial<HealthPolicy> = {}, random = () => 0.5) {
  const clock = { now: 1_000_000 }
  const whole = { ...DEFAULT_HEALTH_POLICY, ...policy }
  const health = new TargetHealth(whole, () => clock.now, random)
  health.update(whole, endpoints)
  return { clock, health, policy: whole }
}

function fail(health: TargetHealth, at = first, times = 3) {
  for (let turn = 0; turn < times; turn++) health.failed(at)
}

describe("an endpoint", () => {
  it("in full health costs nothing: the very list comes back", () => {
    const { health } = target()
    health.succeeded(first)
    expect(health.candidates(endpoints)).toBe(endpoints)
  })

  it("is left out after failures in a row, and not before", () => {
    const { health } = target()
    fail(health, first, 2)
    health.succeeded(first)
    fail(health, first, 2)
    expect(health.candidates(endpoints)).toEqual(endpoints)
    health.failed(first)
    expect(health.candidates(endpoints)).toEqual(endpoints.slice(1))
    expect(health.share(first)).toBe(0)
  })

  it("is left out twice as long each time it fails on its return, up to a limit", () => {
    const { clock, health } = target({ ejectionTime: 1000, maxEjectionTime: 5000 })
    fail(health)
    for (const time of [1000, 2000, 4000, 5000, 5000]) {
      clock.now += time - 1
      expect(health.share(first)).toBe(0)
      clock.now += 1
      expect(health.share(first)).toBe(1)
      health.failed(first)
    }
  })

  it("is forgiven once it has been well for as long as it was left out", () => {
    const { clock, health } = target({ ejectionTime: 1000 })
    fail(health)
    clock.now += 1000
    health.failed(first)
    clock.now += 2000 + 2001
    health.succeeded(first)
    expect(health.candidates(endpoints)).toBe(endpoints)
    fail(health)
    clock.now += 1000
    expect(health.share(first)).toBe(1)
  })

  it("comes back gradually with a slow start", () => {
    const { clock, health } = target({ ejectionTime: 1000, slowStart: 10_000 })
    fail(health)
    clock.now += 1000
    expect(health.share(first)).toBeCloseTo(0.1)
    clock.now += 5000
    expect(health.share(first)).toBeCloseTo(0.5)
    clock.now += 5000
    expect(health.share(first)).toBe(1)
  })

  it("that is new starts slowly, and on the first list of a target none is", () => {
    const { clock, health, policy } = target({ slowStart: 1000 })
    expect(health.share(first)).toBe(1)
    health.update(policy, [...endpoints, endpoint(5)])
    expect(health.share(endpoint(5))).toBeCloseTo(0.1)
    clock.now += 500
    expect(health.share(endpoint(5))).toBeCloseTo(0.5)
  })

  it("is drawn in proportion to its share while it starts slowly", () => {
    let seed = 1
    const random = () => {
      seed = (seed * 48271) % 2147483647
      return seed / 2147483647
    }
    const { clock, health } = target({ ejectionTime: 1000, slowStart: 10_000 }, random)
    fail(health)
    clock.now += 1000 + 3000
    let drawn = 0
    for (let turn = 0; turn < 10_000; turn++) if (health.candidates(endpoints).includes(first)) drawn++
    expect(drawn / 10_000).toBeCloseTo(0.3, 1)
  })

  it("that fails its checks is left out until it passes them", () => {
    const { health } = target()
    health.checked(first, "tcp", false)
    expect(health.candidates(endpoints, "tcp")).toEqual(endpoints.slice(1))
    health.succeeded(first)
    expect(health.share(first, "tcp")).toBe(0)
    health.checked(first, "tcp", true)
    expect(health.candidates(endpoints, "tcp")).toBe(endpoints)
  })

  it("that fails the check of one route stays in for routes that check it otherwise, or not at all", () => {
    const { health } = target()
    health.checked(first, "tls a.example", false)
    expect(health.share(first, "tls a.example")).toBe(0)
    expect(health.share(first, "tls b.example")).toBe(1)
    expect(health.share(first)).toBe(1)
  })

  it("of a name comes last while it is left out", () => {
    const { health } = target()
    fail(health)
    expect(health.inOrder(endpoints)).toEqual([...endpoints.slice(1), first])
  })

  it("that is gone is forgotten", () => {
    const { health, policy } = target()
    fail(health)
    health.update(policy, endpoints.slice(1))
    health.update(policy, endpoints)
    expect(health.candidates(endpoints)).toBe(endpoints)
  })
})

describe("a target", () => {
  it("uses all its endpoints when too few are healthy", () => {
    const { health } = target({ panicThreshold: 0.5 })
    fail(health, first)
    fail(health, second)
    expect(health.candidates(endpoints)).toEqual(endpoints.slice(2))
    fail(health, third)
    expect(health.candidates(endpoints)).toBe(endpoints)
  })

  it("uses all its endpoints when none is healthy, whatever the threshold", () => {
    const { health } = target({ panicThreshold: 0 })
    for (const each of endpoints) fail(health, each)
    expect(health.candidates(endpoints)).toBe(endpoints)
  })

  it("always has a candidate, each of them from its list, and never an ejected one outside panic", () => {
    const step = fc.tuple(fc.constantFrom("fail", "succeed", "up", "down", "wait"), fc.integer({ min: 0, max: 3 }))
    const policies = fc.record({
      ejectAfter: fc.integer({ min: 1, max: 4 }),
      slowStart: fc.constantFrom(0, 1000),
      panicThreshold: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        policies,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (steps, policy, random) => {
          const { clock, health } = target(policy, () => random)
          for (const [what, index] of steps) {
            const at = endpoints[index] ?? first
            if (what === "fail") health.failed(at)
            else if (what === "succeed") health.succeeded(at)
            else if (what === "wait") clock.now += 3000
            else health.checked(at, "tcp", what === "up")
            const candidates = health.candidates(endpoints, "tcp")
            const out = endpoints.filter((each) => health.share(each, "tcp") === 0)
            expect(candidates.length).toBeGreaterThan(0)
            expect(candidates.every((each) => endpoints.includes(each))).toBe(true)
            const isPanic = out.length === 4 || 4 - out.length < 4 * policy.panicThreshold
            expect(candidates.some((each) => out.includes(each))).toBe(isPanic && out.length > 0)
          }
        },
      ),
    )
  })
})
