import { describe, expect, it, vi } from "vitest"
import { Failures } from "../../src/cli/admin/failures.ts"
import { LeftOut } from "../../src/cli/admin/left-out.ts"
import type { ConnectionInfo, ConnectionRecord } from "../../src/proxy/connection/record.ts"
import type { BackendTarget } from "../../src/routing/route-table.ts"

const name = (host: string): BackendTarget =>
  ({ kind: "name", id: `name ${host}`, host, port: 443 }) as unknown as BackendTarget
const refused = (target: BackendTarget, outcome: string, detail?: string): ConnectionRecord =>
  ({ kind: "refused", target: target.id, outcome, detail, since: Date.now() }) as unknown as ConnectionRecord
const spliced = (target: BackendTarget, since: number): ConnectionRecord =>
  ({ kind: "spliced", target: target.id, outcome: "completed", since }) as unknown as ConnectionRecord
const live = (target: BackendTarget, state: string, since: number): ConnectionInfo =>
  ({ target: target.id, state, since }) as unknown as ConnectionInfo

describe("what fails about backends", () => {
  const shop = name("shop.example.com")

  it("is told with the connections in a row that did not reach it, and why the last one did not", () => {
    const failures = new Failures()
    expect(failures.of(shop)).toBeUndefined()
    failures.ended(refused(shop, "unresolved", "ENOTFOUND"))
    failures.ended(refused(shop, "dial-failed", "ECONNREFUSED"))
    expect(failures.of(shop)).toMatchObject({ connections: 2, why: "dial-failed, ECONNREFUSED", covered: false })
    expect(failures.of(name("other.example.com"))).toBeUndefined()
  })

  it.each(["circuit-open", "denied", "refused"])("has nothing of %s, which is not the backend's doing", (outcome) => {
    const failures = new Failures()
    failures.ended(refused(shop, outcome))
    expect(failures.of(shop)).toBeUndefined()
  })

  it("is over once a connection that began later has reached it, live or ended", () => {
    for (const reach of [
      (failures: Failures, since: number) => failures.ended(spliced(shop, since)),
      (failures: Failures, since: number) => failures.see(live(shop, "splicing", since)),
    ]) {
      const failures = new Failures()
      failures.ended(refused(shop, "dial-timeout"))
      const { last } = failures.of(shop) ?? { last: 0 }
      reach(failures, last - 1)
      failures.see(live(shop, "dialing", last + 1))
      expect(failures.of(shop)).toMatchObject({ connections: 1, why: "dial-timeout" })
      reach(failures, last + 1)
      expect(failures.of(shop)).toBeUndefined()
    }
  })

  it("has failed lookups of its name for a minute, and whether an older answer is in use", () => {
    vi.useFakeTimers()
    try {
      const failures = new Failures()
      failures.lookupFailed({ host: "shop.example.com", code: "ETIMEOUT", covered: true })
      expect(failures.of(shop)).toMatchObject({ connections: 0, why: "lookup failed, ETIMEOUT", covered: true })
      vi.advanceTimersByTime(60_000)
      expect(failures.of(shop)).toBeUndefined()
    } finally {
      vi.useRealTimers()
    }
  })

  it("is remembered of a thousand backends", () => {
    const failures = new Failures()
    for (let at = 0; at < 1_100; at++) failures.ended(refused(name(`${at}.example`), "dial-failed"))
    expect(failures.of(name("99.example"))).toBeUndefined()
    expect(failures.of(name("100.example"))).toBeDefined()
  })
})

describe("endpoints that are left out", () => {
  const endpoint = { address: "2001:db8::1", port: 443 }
  const verdict = (check: string, healthy: boolean) => ({ target: "app", endpoint, check, healthy, reason: "timeout" })

  it("are so while any check speaks against them", () => {
    let changes = 0
    const leftOut = new LeftOut(() => changes++)
    leftOut.checked(verdict("a", false))
    leftOut.checked(verdict("b", false))
    leftOut.checked(verdict("a", true))
    expect([...leftOut.of("app")]).toEqual([["[2001:db8::1]:443", "timeout"]])
    leftOut.checked(verdict("b", true))
    expect([...leftOut.of("app")]).toEqual([])
    leftOut.checked(verdict("b", true))
    expect(changes).toBe(4)
  })

  it("are back once the time of their latest ejection is over", () => {
    vi.useFakeTimers()
    try {
      const leftOut = new LeftOut(() => undefined)
      const eject = (duration: number) =>
        leftOut.ejected({ target: "app", endpoint, transport: "tcp", times: 1, duration })
      eject(10_000)
      vi.advanceTimersByTime(5_000)
      eject(20_000)
      vi.advanceTimersByTime(19_000)
      expect([...leftOut.of("app").values()]).toEqual(["connects fail: left out for 20 s"])
      vi.advanceTimersByTime(1_000)
      expect(leftOut.of("app").size).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })
})
