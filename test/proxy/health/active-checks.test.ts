import { once } from "node:events"
import { type AddressInfo, createServer, type Server } from "node:net"
import { describe, expect, it, onTestFinished } from "vitest"
import { type ActiveCheck, ActiveChecks } from "../../../src/proxy/health/active-checks.ts"
import type { ProbeResult } from "../../../src/proxy/health/probe.ts"

function check(key: string, extra: Partial<ActiveCheck> = {}): ActiveCheck {
  return { key, kind: "tcp", address: "127.0.0.1", port: 1, timeout: 1000, interval: 1000, fall: 2, rise: 3, ...extra }
}

function checks(answer: (check: ActiveCheck) => ProbeResult | Promise<ProbeResult>, concurrency = 64) {
  const clock = { now: 0 }
  const changes: string[] = []
  const probed: string[] = []
  const active = new ActiveChecks({
    concurrency,
    now: () => clock.now,
    random: () => 0.5,
    onChange: ({ key }, isHealthy, reason) => changes.push(`${key} ${isHealthy ? "up" : `down: ${reason}`}`),
    probe: async (probe) => {
      probed.push((probe as ActiveCheck).key)
      return answer(probe as ActiveCheck)
    },
  })
  onTestFinished(() => active.stop())
  const run = async (milliseconds: number) => {
    for (let time = 0; time < milliseconds; time += 100) {
      clock.now += 100
      active.tick()
      await new Promise(setImmediate)
    }
  }
  return { active, changes, probed, run }
}

describe("active checks", () => {
  it("probe each endpoint once per interval, the first within one interval", async () => {
    const { active, probed, run } = checks(() => ({ healthy: true }))
    active.update([check("a"), check("b", { interval: 2000 })])
    await run(10_000)
    expect(probed.filter((key) => key === "a")).toHaveLength(10)
    expect(probed.filter((key) => key === "b")).toHaveLength(5)
  })

  it("tell of a change after failures in a row, and of the return after successes in a row", async () => {
    const results = [true, false, true, false, false, true, true, false, true, true, true, true]
    let turn = 0
    const { active, changes, run } = checks(() =>
      results[turn++] ? { healthy: true } : { healthy: false, reason: "ECONNREFUSED" },
    )
    active.update([check("a")])
    await run(4600)
    expect(changes).toEqual(["a down: ECONNREFUSED"])
    await run(7000)
    expect(changes).toEqual(["a down: ECONNREFUSED", "a up"])
  })

  it("keep what they know of a check that stays, and forget one that goes", async () => {
    const { active, changes, run } = checks(() => ({ healthy: false, reason: "x" }))
    active.update([check("a"), check("b")])
    await run(1000)
    active.update([check("a")])
    await run(1000)
    expect(changes).toEqual(["a down: x"])
    active.update([])
    expect(active.size).toBe(0)
  })

  it("say nothing of an endpoint that went while it was probed", async () => {
    let settle: (result: ProbeResult) => void = () => {}
    const { active, changes, run } = checks(() => new Promise<ProbeResult>((resolve) => (settle = resolve)))
    active.update([check("a", { fall: 1 })])
    await run(1000)
    active.update([])
    settle({ healthy: false, reason: "x" })
    await new Promise(setImmediate)
    expect(changes).toEqual([])
  })

  it("run no more at once than allowed, and leave none out", async () => {
    let running = 0
    let most = 0
    const { active, probed, run } = checks(async () => {
      most = Math.max(most, ++running)
      await new Promise(setImmediate)
      running--
      return { healthy: true }
    }, 3)
    active.update(Array.from({ length: 12 }, (_, index) => check(`${index}`)))
    await run(3000)
    expect(most).toBe(3)
    expect(new Set(probed).size).toBe(12)
  })

  it("keep to their intervals where endpoints are many times as many as may be probed at once", async () => {
    const { active, probed, run } = checks(() => ({ healthy: true }), 4)
    active.update(Array.from({ length: 1000 }, (_, index) => check(String(index))))
    await run(5000)
    expect(probed).toHaveLength(5000)
  })

  it("take turns: endpoints that hang, however often they ask, keep none of the others waiting for long", async () => {
    const hanging: ((result: ProbeResult) => void)[] = []
    const { active, probed, run } = checks((probe) => {
      if (probe.address !== "hangs") return Promise.resolve({ healthy: true })
      return new Promise((resolve) => hanging.push(resolve))
    }, 2)
    const impatient = Array.from({ length: 6 }, (_, index) => check(`h${index}`, { address: "hangs", interval: 100 }))
    active.update([...impatient, check("patient", { interval: 1000 })])
    for (let turn = 0; turn < 60; turn += 1) {
      await run(100)
      for (const resolve of hanging.splice(0)) resolve({ healthy: false, reason: "timeout" })
      await new Promise(setImmediate)
    }
    expect(probed.filter((key) => key === "patient").length).toBeGreaterThan(2)
  })

  it("find out by themselves that a real endpoint goes", async () => {
    const server: Server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1")
    await once(server, "listening")
    const { port } = server.address() as AddressInfo
    const down = new Promise<string | undefined>((resolve) => {
      const active = new ActiveChecks({ onChange: (_, __, reason) => resolve(reason) })
      onTestFinished(() => active.stop())
      active.update([check("a", { port, timeout: 20_000, interval: 50, fall: 1 })])
    })
    server.close()
    expect(await down).toBe("ECONNREFUSED")
  })
})
