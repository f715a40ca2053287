import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  choice,
  choices,
  cidrs,
  count,
  delay,
  duration,
  headerSize,
  hostname,
  keepalive,
  period,
  perSecond,
  rate,
  share,
  size,
  type ValueType,
} from "../../../src/gateway/policies/values.ts"

const none = Number.POSITIVE_INFINITY
type AnyType = ValueType<never, unknown>

describe("a policy value", () => {
  it.each<[string, AnyType, string, unknown]>([
    // GEP-2257: up to four parts of up to five digits, each with a unit.
    ["duration", duration, "10s", 10_000],
    ["duration", duration, "500ms", 500],
    ["duration", duration, "1h30m", 5_400_000],
    ["duration", duration, "1h1m1s1ms", 3_661_001],
    ["duration", duration, "0s", none],
    ["delay", delay, "0s", 0],
    ["delay", delay, "2m", 120_000],
    ["period", period, "100ms", 100],
    ["period", period, "1h", 3_600_000],
    ["keepalive", keepalive, "1s", 1_000],
    ["keepalive", keepalive, "9h", 32_400_000],
    ["keepalive", keepalive, "0s", none],
    ["headerSize", headerSize, "107", 107],
    ["headerSize", headerSize, "65551", 65_551],
    ["headerSize", headerSize, "0", none],
    ["size", size, "65536", 65_536],
    ["size", size, "64KiB", 65_536],
    ["size", size, "1MB", 1_000_000],
    ["size", size, "1MiB", 1_048_576],
    ["rate", rate, "10MiB", 10_485_760],
    ["rate", rate, "0", none],
    ["count", count, "100", 100],
    ["count", count, "0", none],
    ["perSecond", perSecond, "0.5", 0.5],
    ["perSecond", perSecond, "0", none],
    ["share", share, "20%", 0.2],
    ["share", share, "0%", 0],
    ["share", share, "100%", 1],
    ["choice", choice("a", "b"), "b", "b"],
    ["choices", choices("a", "b"), "b, a", ["b", "a"]],
    ["choices", choices("a", "b"), "none", []],
    ["hostname", hostname, "Health.Example", "health.example"],
  ])("of type %s is read from %3$j", (_, type, text, value) => {
    expect(type.parse(text)).toEqual(value)
  })

  it.each<[string, AnyType, readonly string[]]>([
    ["duration", duration, ["", "10", "s", "10 s", "-1s", "1.5s", "100000s", "1s1s1s1s1s", "1d", "1S", "١s"]],
    ["period", period, ["", "0s", "99ms", "1h1ms", "99999h"]],
    ["keepalive", keepalive, ["", "999ms", "10h", "60"]],
    ["headerSize", headerSize, ["", "51", "65552", "4KiB", "-1"]],
    ["size", size, ["", "0", "-1", "1.5MiB", "1Kib", "1 MiB", "MiB", "9999999999999999"]],
    ["count", count, ["", "-1", "1e3", "1.5", "9999999999"]],
    ["perSecond", perSecond, ["", "fast", "1e3", "-1", "."]],
    ["share", share, ["", "20", "101%", "-1%", "%"]],
    ["choice", choice("a", "b"), ["", "c", "A"]],
    ["choices", choices("a", "b"), ["c", "a b", "a, none"]],
    ["cidrs", cidrs, ["", ",", "10.0.0.1/8", "10.0.0.0/8 192.0.2.0/24", "example.com"]],
    ["hostname", hostname, ["", "a..b", "192.0.2.1", "a b", "-a", `${"a".repeat(64)}.b`]],
  ])("of type %s is refused when it is written wrongly", (_, type, texts) => {
    for (const text of texts) expect(() => type.parse(text), JSON.stringify(text)).toThrow(/^expected |^".*" (is|has) /)
  })

  it.each<[string, ValueType<number | string, number>, number | string, number]>([
    ["duration", duration, 1500, 1500],
    ["duration", duration, 0, none],
    ["duration", duration, none, none],
    ["duration", duration, "2s", 2000],
    ["delay", delay, 0, 0],
    ["period", period, 100, 100],
    ["size", size, 10, 10],
    ["rate", rate, 0, none],
    ["count", count, 0, none],
    ["count", count, "5", 5],
    ["perSecond", perSecond, 0.1, 0.1],
    ["share", share, 0.2, 0.2],
  ])("of type %s may be %3$j in a program", (_, type, input, value) => {
    expect(type.accept(input)).toBe(value)
  })

  it.each<[string, ValueType<number | string, number>, readonly unknown[]]>([
    ["duration", duration, [-1, Number.NaN, null, {}]],
    ["delay", delay, [none, -1]],
    ["period", period, [0, none, -1, 99, 3_600_001, Number.NaN]],
    ["size", size, [0, -1, Number.NaN]],
    ["count", count, [1.5, -1, true]],
    ["perSecond", perSecond, [-1, Number.NaN]],
    ["share", share, [1.01, -0.1, Number.NaN]],
  ])("of type %s is refused from a program when it cannot be", (_, type, inputs) => {
    for (const input of inputs) expect(() => type.accept(input as number), String(input)).toThrow(RangeError)
  })

  it("of any text is read or refused, and nothing else", () => {
    const types: AnyType[] = [
      duration,
      delay,
      period,
      size,
      rate,
      count,
      perSecond,
      share,
      choice("a"),
      choices("a"),
      cidrs,
      hostname,
    ]
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(...types), (text, type) => {
        try {
          expect(type.parse(text)).toBeDefined()
        } catch (error) {
          expect(error).toBeInstanceOf(type === cidrs ? Error : RangeError)
        }
      }),
    )
  })
})
