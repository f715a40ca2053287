import { isIP as nodeIsIP } from "node:net"
import fc from "fast-check"
import { expect, test } from "vitest"
import { isIP, isIPv4, isIPv6 } from "../../../src/routing/validation/ip-address.ts"

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
