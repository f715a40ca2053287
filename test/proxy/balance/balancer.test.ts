import { expect, test, vi } from "vitest"
import type { DialPlan } from "../../../src/proxy/backend/dial.ts"
import { Balancer, type EndpointsTarget } from "../../../src/proxy/balance/balancer.ts"
import type { BalancePolicy } from "../../../src/proxy/balance/policy.ts"
import type { BackendPolicy } from "../../../src/proxy/policy.ts"
import type { DialEndpoint } from "../../../src/proxy/target.ts"
import { backendPolicy } from "../policy-harness.ts"

function target(count: number, id = "target"): EndpointsTarget {
  return { id, endpoints: Array.from({ length: count }, (_, index) => ({ address: `10.0.0.${index}`, port: 443 })) }
}

/** Numbers that look random and are the same in every run. */
function seeded(seed = 1): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** A balancer under one policy. */
class Balanced {
  readonly balancer: Balancer
  readonly #policy: BackendPolicy

  constructor(balance: BalancePolicy, random?: () => number, policy: Partial<BackendPolicy> = {}) {
    this.balancer = new Balancer(random)
    this.#policy = backendPolicy({ balance, ...policy })
  }

  plan(to: EndpointsTarget, client = "192.0.2.1", transport: "tcp" | "quic" = "tcp"): DialPlan {
    const plan = this.balancer.plan(to, client, this.#policy, transport)
    if (typeof plan === "string") throw new Error(plan)
    return plan
  }
}

function first(balancer: Balanced, to: EndpointsTarget, client?: string): DialEndpoint | undefined {
  return balancer.plan(to, client).next()
}

function spread(addresses: readonly (string | undefined)[]): number[] {
  const counts = new Map<string | undefined, number>()
  for (const address of addresses) counts.set(address, (counts.get(address) ?? 0) + 1)
  return [...counts.values()].sort((a, b) => a - b)
}

test("round robin gives each endpoint its turn", () => {
  const balancer = new Balanced("round-robin")
  const to = target(3)
  expect(Array.from({ length: 6 }, () => first(balancer, to)?.address)).toEqual([
    "10.0.0.0",
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.0",
    "10.0.0.1",
    "10.0.0.2",
  ])
})

test("least connections keeps endpoints level while connections stay", () => {
  const balancer = new Balanced("least-connections", seeded())
  const to = target(10)
  const chosen = Array.from({ length: 1_000 }, () => first(balancer, to)?.address)
  const counts = spread(chosen)
  expect(counts.length).toBe(10)
  // Two choices bring the gap down to log log n, where one choice leaves about 4 × sqrt(100) = 40.
  expect(counts.at(-1)! - counts[0]!).toBeLessThanOrEqual(8)
})

test("least connections avoids an endpoint that is slow to finish", () => {
  const balancer = new Balanced("least-connections", seeded())
  const to = target(4)
  const busy = first(balancer, to)
  for (let held = 0; held < 50; held++) {
    const plan = balancer.plan(to)
    if (plan.next() !== busy) plan.release()
  }
  const chosen = Array.from({ length: 200 }, () => {
    const plan = balancer.plan(to)
    const endpoint = plan.next()
    plan.release()
    return endpoint
  })
  expect(chosen.filter((endpoint) => endpoint === busy).length).toBeLessThan(5)
})

test("of two endpoints the one with fewer connections is always taken", () => {
  const balancer = new Balanced("least-connections", seeded())
  const to = target(2)
  expect(spread(Array.from({ length: 100 }, () => first(balancer, to)?.address))).toEqual([50, 50])
})

test("client hash keeps a client to its endpoint and spreads clients", () => {
  const balancer = new Balanced("client-hash")
  const to = target(5)
  const clients = Array.from({ length: 5_000 }, (_, index) => `192.0.${index >> 8}.${index & 255}`)
  const chosen = clients.map((client) => first(balancer, to, client)?.address)
  expect(clients.map((client) => first(balancer, to, client)?.address)).toEqual(chosen)
  expect(spread(chosen)[0]).toBeGreaterThan(850)
  expect(spread(chosen)[4]).toBeLessThan(1_150)
})

test.each(["least-connections", "round-robin", "client-hash"] as const)(
  "%s tries each endpoint once, then has no more",
  (policy) => {
    const plan = new Balanced(policy, undefined, { dialAttempts: 10, retryBudget: 1 }).plan(target(4))
    const tried = new Set<string>()
    while (plan.more) {
      const endpoint = plan.next()
      tried.add(endpoint?.address ?? "none")
      plan.failed(endpoint!)
    }
    expect([...tried].sort()).toEqual(["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3"])
    expect(plan.next()).toBeUndefined()
  },
)

test("what endpoints carry is remembered across configurations", () => {
  const balancer = new Balanced("least-connections", seeded())
  const chosen = Array.from({ length: 100 }, (_, index) => {
    if (index % 10 === 0) balancer.balancer.prune()
    return first(balancer, target(2))?.address
  })
  expect(spread(chosen)).toEqual([50, 50])
})

test("targets that are gone are forgotten once nothing is connected to them", () => {
  vi.useFakeTimers({ toFake: ["performance"] })
  try {
    const balancer = new Balanced("least-connections")
    const held = balancer.plan(target(2, "held"))
    held.next()
    for (let index = 0; index < 100; index++) {
      const plan = balancer.plan(target(2, `old-${index}`))
      plan.next()
      plan.release()
    }
    expect(balancer.balancer.size).toBe(101)
    vi.advanceTimersByTime(61_000)
    balancer.balancer.prune()
    expect(balancer.balancer.size).toBe(1)
    held.release()
    balancer.balancer.prune()
    expect(balancer.balancer.size).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

test("an endpoint listed twice counts once", () => {
  const endpoint = { address: "10.0.0.1", port: 443 }
  const plan = new Balanced("round-robin").plan({ id: "x", endpoints: [endpoint, { ...endpoint }] })
  plan.failed(plan.next()!)
  expect(plan.more).toBe(false)
})

test("an attempt lost by this machine's own fault tries the next endpoint and ejects none", () => {
  const balancer = new Balanced("round-robin", seeded(), { dialAttempts: 2, retryBudget: 1 })
  const to = target(4)
  for (let turn = 0; turn < 20; turn++) {
    const plan = balancer.plan(to)
    const lost = plan.next()
    plan.lost(to.endpoints[0]!)
    const next = plan.next()
    expect(next?.address).not.toBe(lost?.address)
    plan.release()
  }
  expect(spread(Array.from({ length: 40 }, () => first(balancer, to)?.address))).toEqual([10, 10, 10, 10])
})

test("a plan has no more endpoints than retries to reach them by", () => {
  const balancer = new Balanced("round-robin", Math.random, { retryBudget: 0 })
  const to = target(3)
  const plans = Array.from({ length: 30 }, () => balancer.plan(to))
  for (const plan of plans) {
    expect(plan.more).toBe(true)
    plan.next()
  }
  // Within this turn the budget grants a second's worth, and what goes by.
  for (const plan of plans) if (plan.more) expect(plan.next()).toBeDefined()
  expect(plans.filter(({ more }) => more).length).toBe(0)
})

test("an endpoint that fails over QUIC is left out there, and not over TCP", () => {
  const balancer = new Balanced("round-robin")
  const to = target(2)
  for (let turn = 0; turn < 6; turn++) {
    const plan = balancer.plan(to, undefined, "quic")
    plan.next()
    plan.failed({ address: "10.0.0.0", port: 443 })
    plan.release()
  }
  const picks = (transport: "tcp" | "quic") =>
    Array.from({ length: 4 }, () => balancer.plan(to, undefined, transport).next()?.address)
  expect(new Set(picks("quic"))).toEqual(new Set(["10.0.0.1"]))
  expect(spread(picks("tcp"))).toEqual([2, 2])
})

test("what an active check finds counts over TCP and QUIC alike", () => {
  const check = { id: "tcp", kind: "tcp", serverName: undefined, interval: 1, timeout: 1, rise: 1, fall: 1 } as const
  const balancer = new Balanced("round-robin", seeded(), { check })
  const to = target(2)
  balancer.balancer.checked(to.id, { address: "10.0.0.0", port: 443 }, "tcp", false)
  for (const transport of ["tcp", "quic"] as const) {
    expect(balancer.plan(to, undefined, transport).next()?.address).toBe("10.0.0.1")
  }
})
