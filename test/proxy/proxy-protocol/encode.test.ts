import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { canonicalIp } from "../../../src/primitives/ip-address.ts"
import { crc32c } from "../../../src/proxy/proxy-protocol/crc32c.ts"
import { encodeProxyV1, encodeProxyV2 } from "../../../src/proxy/proxy-protocol/encode.ts"
import { parseProxyHeader } from "../../../src/proxy/proxy-protocol/parser.ts"

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1")
const ip = fc.oneof(fc.ipV4(), fc.ipV6())
const end = fc.record({ address: ip, port: fc.integer({ min: 0, max: 65535 }) })
const addresses = fc.record({ source: end, destination: end })

describe("encodeProxyV1", () => {
  it("writes one line", () => {
    const ends = { source: { address: "192.0.2.1", port: 1 }, destination: { address: "::ffff:192.0.2.2", port: 443 } }
    expect(text(encodeProxyV1(ends))).toBe("PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n")
    expect(text(encodeProxyV1(undefined))).toBe("PROXY UNKNOWN\r\n")
  })

  it("writes both ends as IPv6 when one is", () => {
    const ends = { source: { address: "192.0.2.1", port: 1 }, destination: { address: "2001:db8::2", port: 443 } }
    expect(text(encodeProxyV1(ends))).toBe("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 443\r\n")
  })

  it.each([
    ["an address that is none", { address: "localhost", port: 1 }, "PROXY_ADDRESS"],
    ["a port out of range", { address: "192.0.2.1", port: 65536 }, "PROXY_PORT"],
  ])("throws for %s", (_, source, code) => {
    const ends = { source, destination: { address: "192.0.2.2", port: 443 } }
    expect(() => encodeProxyV1(ends)).toThrow(expect.objectContaining({ code }))
    expect(() => encodeProxyV2(ends)).toThrow(expect.objectContaining({ code }))
  })
})

describe("encodeProxyV2", () => {
  it("refuses what does not fit", () => {
    expect(() => encodeProxyV2(undefined, { uniqueId: new Uint8Array(129) })).toThrow(/128/)
    expect(() => encodeProxyV2(undefined, { tlvs: [{ type: 0xe0, value: new Uint8Array(65533) }] })).toThrow(/65535/)
  })
})

describe("what is written", () => {
  it("is read back the same", () => {
    const fields = fc.record({
      authority: fc.option(fc.domain(), { nil: undefined }),
      alpn: fc.option(fc.uint8Array({ maxLength: 255 }), { nil: undefined }),
      uniqueId: fc.option(fc.uint8Array({ maxLength: 128 }), { nil: undefined }),
      tlvs: fc.array(fc.record({ type: fc.integer({ min: 0xe0, max: 0xef }), value: fc.uint8Array() }), {
        maxLength: 4,
      }),
      crc32c: fc.boolean(),
    })
    fc.assert(
      fc.property(addresses, fields, fc.constantFrom(1, 2), (ends, sent, version) => {
        const bytes = version === 1 ? encodeProxyV1(ends) : encodeProxyV2(ends, sent)
        const result = parseProxyHeader(bytes)
        if (result.status !== "complete") throw new Error(JSON.stringify(result))
        expect(result.bytesConsumed).toBe(bytes.length)
        expect(result.header.version).toBe(version)
        expect(result.header.addresses).toEqual({
          source: { ...ends.source, address: canonicalIp(ends.source.address) },
          destination: { ...ends.destination, address: canonicalIp(ends.destination.address) },
        })
        if (version === 1) return
        expect(result.header.authority).toBe(sent.authority)
        expect(result.header.alpn).toEqual(sent.alpn)
        expect(result.header.uniqueId).toEqual(sent.uniqueId)
        expect(result.header.tlvs.filter(({ type }) => type >= 0xe0)).toEqual(sent.tlvs)
        expect(result.header.tlvs.some(({ type }) => type === 3)).toBe(sent.crc32c)
      }),
    )
  })
})

describe("crc32c", () => {
  it.each([
    // RFC 3720 appendix B.4.
    ["32 zeros", new Uint8Array(32), 0x8a9136aa],
    ["32 ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ["0 to 31", Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd794e],
    ["nothing", new Uint8Array(0), 0],
  ])("of %s", (_, bytes, sum) => {
    expect(crc32c(bytes)).toBe(sum)
  })
})
