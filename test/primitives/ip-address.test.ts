import { isIP as nodeIsIP, SocketAddress } from "node:net"
import fc from "fast-check"
import { describe, expect, it, test } from "vitest"
import {
  canonicalIp,
  formatIp,
  isIP,
  isIPv4,
  isIPv6,
  parseIp,
  toIPv6Bytes,
  unmapped,
  withoutZone,
} from "../../src/primitives/ip-address.ts"

describe("an IP address", () => {
  it.each([
    // RFC 5952 sections 4.2 and 5.
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:DB8::A", "2001:db8::a"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::ffff:c000:201", "192.0.2.1"],
    ["192.0.2.1", "192.0.2.1"],
    ["fe80::1%eth0", undefined],
    ["not an address", undefined],
  ])("has one spelling: %s is %s", (text, canonical) => {
    expect(canonicalIp(text)).toBe(canonical)
  })

  it("is the address that the system reads", () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const canonical = canonicalIp(text)
        fc.pre(canonical?.includes(":") === true)
        const system = (address: string) => new SocketAddress({ address, family: "ipv6" }).address
        expect(system(canonical!)).toBe(system(text))
      }),
    )
  })

  it("is told apart from its zone", () => {
    expect(withoutZone("fe80::1%eth0")).toBe("fe80::1")
    expect(withoutZone("fe80::1")).toBe("fe80::1")
  })

  it("survives bytes and back", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const bytes = parseIp(text)!
        expect(parseIp(formatIp(bytes))).toEqual(unmapped(bytes))
        expect(formatIp(toIPv6Bytes(bytes))).toBe(formatIp(bytes))
      }),
    )
  })
})

test.each(["0.0.0.0", "255.255.255.255", "::", "::1", "1::", "1:2:3:4:5:6:7:8", "::ffff:192.0.2.1", "1::2:3:4:5:6:7"])(
  "%s is an IP address",
  (text) => expect(isIP(text)).toBe(true),
)

test.each([
  ...["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "1..2.3", "a.b.c.d", "0x1.2.3.4", "1e1.2.3.4"],
  ...[":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "1:2:3:4:5:6:7::8:9", "12345::", "::g", "::1%eth0"],
  ...["::1.2.3", "1.2.3.4::", "::1.2.3.4:5", "[::1]", "1:2:3:4::5:6:7:8"],
])("%j is none", (text) => expect(isIP(text)).toBe(false))

test("agrees with Node.js on addresses, and on what is nearly one", () => {
  const soup = fc.string({ unit: fc.constantFrom(..."0123456789abcdefF:::..."), maxLength: 24 })
  const address = fc.oneof(fc.ipV4(), fc.ipV6())
  const broken = fc.tuple(address, fc.nat(40), fc.constantFrom(":", ".", "0", "g", "")).map(([text, at, put]) => {
    return text.slice(0, at) + put + text.slice(at + 1)
  })
  fc.assert(
    fc.property(fc.oneof(address, broken, soup), (text) => {
      expect([isIPv4(text), isIPv6(text)]).toEqual([nodeIsIP(text) === 4, nodeIsIP(text) === 6])
    }),
    { numRuns: 3000 },
  )
})
