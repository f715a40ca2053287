import { closeSync, openSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { ByteBudget } from "../../../src/proxy/limits/byte-budget.ts"
import { ByteRate } from "../../../src/proxy/limits/byte-rate.ts"
import { admits, CidrList, parseCidr } from "../../../src/proxy/limits/cidr.ts"
import { clientKey } from "../../../src/proxy/limits/client-key.ts"
import { ClientRateLimiter } from "../../../src/proxy/limits/client-rate-limiter.ts"
import { ConnectionCounts } from "../../../src/proxy/limits/connection-counts.ts"
import { countDescriptors, DescriptorHeadroom, parseDescriptorLimit } from "../../../src/proxy/limits/descriptors.ts"

describe("a client is counted", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::", "2001:db8:1:2::/64"],
    ["::1", "::/64"],
  ])("%s as %s", (address, key) => {
    expect(clientKey(address)).toBe(key)
  })
})

describe("ClientRateLimiter", () => {
  function limiter(options: { perSecond: number; burst: number; maxClients?: number }) {
    const clock = { now: 0 }
    return { clock, limiter: new ClientRateLimiter({ ...options, now: () => clock.now }) }
  }

  it("lets a burst through, then one each interval", () => {
    const { clock, limiter: rate } = limiter({ perSecond: 10, burst: 3 })
    expect([1, 2, 3, 4].map(() => rate.take("a"))).toEqual([true, true, true, false])
    expect(rate.take("b")).toBe(true)
    clock.now = 99
    expect(rate.take("a")).toBe(false)
    clock.now = 100
    expect([rate.take("a"), rate.take("a")]).toEqual([true, false])
    clock.now = 10_000
    expect([1, 2, 3, 4].map(() => rate.take("a"))).toEqual([true, true, true, false])
  })

  it("never lets a client have more than its burst and rate, whoever else comes and however many", () => {
    const arrivals = fc.array(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 12 })), {
      maxLength: 300,
    })
    fc.assert(
      fc.property(
        arrivals,
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 5 }),
        (steps, perSecond, burst) => {
          const { clock, limiter: rate } = limiter({ perSecond, burst, maxClients: 4 })
          const taken = new Map<number, number[]>()
          for (const [wait, client] of steps) {
            clock.now += wait
            if (rate.take(`client ${client}`)) taken.set(client, [...(taken.get(client) ?? []), clock.now])
          }
          expect(rate.size).toBeLessThanOrEqual(4)
          for (const times of taken.values()) {
            times.forEach((start, first) => {
              times.slice(first).forEach((end, count) => {
                expect(count + 1).toBeLessThanOrEqual(burst + ((end - start) * perSecond) / 1000 + 1e-6)
              })
            })
          }
        },
      ),
    )
  })

  it("remembers an offender while a flood of other addresses passes through a full table", () => {
    const { limiter: rate } = limiter({ perSecond: 1, burst: 2, maxClients: 10 })
    rate.take("offender")
    rate.take("offender")
    for (let other = 0; other < 10_000; other++) rate.take(`other ${other}`)
    expect(rate.size).toBe(10)
    expect(rate.take("offender")).toBe(false)
  })

  it("forgets clients whose buckets are full again", () => {
    const { clock, limiter: rate } = limiter({ perSecond: 10, burst: 2, maxClients: 1000 })
    for (let other = 0; other < 1000; other++) rate.take(`other ${other}`)
    expect(rate.size).toBe(1000)
    clock.now = 1000
    for (let turn = 0; turn < 1000; turn++) rate.take("a")
    expect(rate.size).toBe(1)
  })
})

describe("ByteRate", () => {
  it("keeps a stream to its rate over time, whatever the chunks", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 50 }), (chunks) => {
        const bytesPerSecond = 1_000_000
        let now = 0
        const rate = new ByteRate(bytesPerSecond, now)
        let total = 0
        for (const chunk of chunks) {
          total += chunk
          now += rate.spend(chunk, now)
        }
        // All but the burst and a debt under one pause has been waited for.
        expect(now).toBeGreaterThanOrEqual((1000 * (total - 100_000)) / bytesPerSecond - 10)
        expect(now).toBeLessThanOrEqual((1000 * total) / bytesPerSecond)
      }),
    )
  })
})

describe("a CIDR", () => {
  it.each([
    ["10.0.0.0/8", { address: "10.0.0.0", prefix: 8, family: "ipv4" }],
    ["192.0.2.7", { address: "192.0.2.7", prefix: 32, family: "ipv4" }],
    ["0.0.0.0/0", { address: "0.0.0.0", prefix: 0, family: "ipv4" }],
    ["2001:DB8::/32", { address: "2001:db8::", prefix: 32, family: "ipv6" }],
    ["::/0", { address: "::", prefix: 0, family: "ipv6" }],
    ["::ffff:10.0.0.0/104", { address: "10.0.0.0", prefix: 8, family: "ipv4" }],
  ])("is read: %s", (text, cidr) => {
    expect(parseCidr(text)).toEqual(cidr)
  })

  it.each([
    "",
    "10.0.0.0/33",
    "10.0.0.0/08",
    "10.0.0.0/-1",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0/8",
    "example.com",
    "fe80::%1/64",
    "::/129",
    "::ffff:10.0.0.0/8",
  ])("is refused: %j", (text) => {
    expect(() => parseCidr(text)).toThrow(expect.objectContaining({ code: "ERR_TLSROUTE_PROXY_USAGE" }))
  })

  it("with bits beyond its prefix is refused, and told what the network is", () => {
    expect(() => parseCidr("10.1.2.3/8")).toThrow("10.0.0.0/8")
  })

  it("holds exactly the addresses that share its first bits", () => {
    const toNumber = (address: string) => address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0)
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.ipV4(), (network, prefix, address) => {
        const size = 2 ** (32 - prefix)
        const first = Math.floor(toNumber(network) / size) * size
        const text = [24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join(".")
        const list = new CidrList([`${text}/${prefix}`])
        const inside = Math.floor(toNumber(address) / size) * size === first
        expect(list.has(address)).toBe(inside)
        expect(list.has(`::ffff:${address}`)).toBe(inside)
      }),
    )
  })
})

describe("an access list", () => {
  const allow = new CidrList(["10.0.0.0/8", "2001:db8::/32"])
  const deny = new CidrList(["10.1.0.0/16"])
  const ipv6 = new CidrList(["::/0"])
  const ipv4 = new CidrList(["0.0.0.0/0"])
  it.each([
    [{}, "192.0.2.1", true],
    [{ allow }, "192.0.2.1", false],
    [{ allow }, "10.1.0.1", true],
    [{ allow, deny }, "10.1.0.1", false],
    [{ allow, deny }, "10.2.0.1", true],
    [{ deny }, "192.0.2.1", true],
    [{ deny }, "::ffff:10.1.0.1", false],
    [{ allow }, "2001:db8::1", true],
    [{ allow }, "no address", false],
    // Neither family holds the other's addresses, however short the prefix.
    [{ allow: ipv6 }, "192.0.2.1", false],
    [{ allow: ipv6 }, "::ffff:192.0.2.1", false],
    [{ allow: ipv6 }, "2001:db8::1", true],
    [{ deny: ipv6 }, "192.0.2.1", true],
    [{ allow: ipv4 }, "2001:db8::1", false],
    [{ allow: ipv4 }, "::ffff:192.0.2.1", true],
  ])("%o admits %s: %s", (access, address, expected) => {
    expect(admits(access, address)).toBe(expected)
  })
})

describe("ConnectionCounts", () => {
  it("admits up to the limit and keeps nothing for keys at rest", () => {
    const counts = new ConnectionCounts()
    expect([1, 2, 3].map(() => counts.acquire("a", 2))).toEqual([true, true, false])
    expect(counts.acquire("b", 2)).toBe(true)
    counts.release("a")
    expect(counts.acquire("a", 2)).toBe(true)
    for (const key of ["a", "a", "b"]) counts.release(key)
    expect([counts.size, counts.get("a")]).toEqual([0, 0])
  })
})

describe("ByteBudget", () => {
  it("gives all or nothing", () => {
    const budget = new ByteBudget(100)
    expect([budget.take(60), budget.take(60), budget.take(40), budget.take(1)]).toEqual([true, false, true, false])
    budget.give(60)
    expect(budget.used).toBe(40)
  })
})

describe("DescriptorHeadroom", () => {
  it("sheds near the limit and recovers", () => {
    const state = { open: 10, now: 0 }
    const headroom = new DescriptorHeadroom({ limit: 100, reserve: 20, count: () => state.open, now: () => state.now })
    let taken = 0
    while (headroom.take(0)) {
      taken++
      state.open += 2
    }
    expect(state.open).toBeLessThanOrEqual(80)
    expect(taken).toBeGreaterThan(30)
    expect(headroom.take(0)).toBe(false)
    state.open = 50
    state.now = 50
    expect(headroom.take(0)).toBe(true)
  })

  it("does not count for each connection of a flood that it sheds", () => {
    const state = { counted: 0, now: 0 }
    const count = () => {
      state.counted++
      return 90
    }
    const headroom = new DescriptorHeadroom({ limit: 100, reserve: 20, count, now: () => state.now })
    for (let refused = 0; refused < 10_000; refused++) {
      expect(headroom.take(0)).toBe(false)
      state.now += 0.1
    }
    expect(state.counted).toBeLessThanOrEqual(20)
  })

  it("keeps room for connections that have yet to dial", () => {
    const takes = (undialed: number) =>
      new DescriptorHeadroom({ limit: 100, reserve: 20, count: () => 50 }).take(undialed)
    expect(takes(14)).toBe(false)
    expect(takes(13)).toBe(true)
  })

  it("counts again when its sample is old", () => {
    const state = { open: 10, now: 0 }
    const headroom = new DescriptorHeadroom({ limit: 100, reserve: 20, count: () => state.open, now: () => state.now })
    expect(headroom.take(0)).toBe(true)
    state.open = 99
    expect(headroom.take(0)).toBe(true)
    state.now = 1001
    expect(headroom.take(0)).toBe(false)
  })

  it("lets everything through where the system tells no limit or no count", () => {
    expect(new DescriptorHeadroom({ limit: undefined }).take(1e9)).toBe(true)
    expect(new DescriptorHeadroom({ limit: 10, count: () => undefined }).take(1e9)).toBe(true)
  })

  it("reads the soft limit", () => {
    const text =
      "Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 524288               files\n"
    expect(parseDescriptorLimit(text)).toBe(1024)
    expect(
      parseDescriptorLimit("Max open files            unlimited            unlimited            files"),
    ).toBeUndefined()
  })

  it.skipIf(process.platform !== "linux")("counts what is open, as Linux tells it in /proc", () => {
    const before = countDescriptors()!
    const descriptors = Array.from({ length: 10 }, () => openSync("/dev/null", "r"))
    const after = countDescriptors()!
    for (const descriptor of descriptors) closeSync(descriptor)
    expect(after - before).toBe(10)
  })
})
