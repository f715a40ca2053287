import { SocketAddress } from "node:net"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { canonicalIpAddress, formatIpAddress, parseIpAddress, toIPv6Bytes } from "../../src/proxy/ip-address.ts"

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
    ["fe80::1%eth0", "fe80::1"],
    ["192.0.2.1", "192.0.2.1"],
    ["not an address", "not an address"],
  ])("has one spelling: %s is %s", (text, canonical) => {
    expect(canonicalIpAddress(text)).toBe(canonical)
  })

  it("is the address that the system reads", () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const canonical = canonicalIpAddress(text)
        fc.pre(canonical.includes(":"))
        const system = (address: string) => new SocketAddress({ address, family: "ipv6" }).address
        expect(system(canonical)).toBe(system(text))
      }),
    )
  })

  it("survives bytes and back", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const bytes = parseIpAddress(text)!
        expect(parseIpAddress(formatIpAddress(bytes))).toEqual(bytes)
        expect(formatIpAddress(toIPv6Bytes(bytes))).toBe(formatIpAddress(bytes))
      }),
    )
  })
})
