import { describe, expect, it } from "vitest"
import { connectionClose } from "../../src/quic/connection-close.ts"
import { initialKeys } from "../../src/quic/initial-keys.ts"
import { hasLongHeader, type LongPacket, readLongPacket } from "../../src/quic/packet.ts"
import { InitialProtection } from "../../src/quic/protection.ts"
import { versionNegotiation } from "../../src/quic/version-negotiation.ts"
import { QUIC_VERSIONS } from "../../src/quic/versions.ts"
import { bytes } from "../client-hello/build.ts"
import { datagram, hex, packet, varint } from "./build.ts"

function header(datagram: Uint8Array): LongPacket {
  const packet = readLongPacket(datagram)
  if (packet === undefined) throw new Error("the datagram has no long header")
  return packet
}

describe("a connection is closed", () => {
  it.each(QUIC_VERSIONS)("by an Initial packet of version $number that the client can open", (version) => {
    const source = hex("0102030405")
    const close = connectionClose(header(datagram(bytes(1), { version, source })), 112)
    if (close === undefined) throw new Error("no answer")
    const answer = header(close)
    expect(answer).toMatchObject({ version, type: "initial", end: close.length })
    expect(answer.token).toHaveLength(0)
    expect(Buffer.from(answer.destination)).toEqual(Buffer.from(source))
    const keys = initialKeys(version, hex("8394c8f03e515708"), "server")
    const opened = new InitialProtection(keys).open(close, answer, -1)
    // CONNECTION_CLOSE, 0x0100 + unrecognized_name (RFC 9001 section 4.8), no frame type, no reason.
    expect(opened).toMatchObject({ number: 0, isPlain: true })
    expect(Buffer.from(opened?.payload ?? "")).toEqual(Buffer.from(bytes(0x1c, varint(0x0170), 0, 0)))
  })

  it("in a sixteenth of the bytes that it answers", () => {
    expect(connectionClose(header(datagram(bytes(1), { source: new Uint8Array(20) })), 112)?.length).toBeLessThan(75)
  })

  it("not in a version that cannot be written", () => {
    const unknown = datagram(bytes(1))
    unknown.set(hex("ff00001d"), 1)
    expect(connectionClose(header(unknown), 112)).toBeUndefined()
  })
})

describe("a version is negotiated", () => {
  it("with the ids exchanged, and with the versions that can be read and one that nobody speaks", () => {
    const unknown = datagram(bytes(1), { source: hex("aabbcc") })
    unknown.set(hex("0badcafe"), 1)
    const answer = versionNegotiation(header(unknown))
    expect(Buffer.from(answer).toString("hex")).toBe(
      "c000000000" + "03aabbcc" + "088394c8f03e515708" + "1a2a3a4a" + "00000001" + "6b3343cf",
    )
    expect(header(answer)).toMatchObject({ versionNumber: 0, version: undefined })
  })

  it("with another version that nobody speaks, where the client came with that one (RFC 9000 section 6.2)", () => {
    const reserved = datagram(bytes(1))
    reserved.set(hex("1a2a3a4a"), 1)
    const answer = Buffer.from(versionNegotiation(header(reserved))).toString("hex")
    expect(answer).toMatch(/2a3a4a5a000000016b3343cf$/)
    expect(answer).not.toContain("1a2a3a4a")
  })

  it("with ids of 255 bytes, which other versions may have (RFC 8999 section 5.1)", () => {
    const ids = bytes(255, new Uint8Array(255).fill(1), 255, new Uint8Array(255).fill(2))
    const answer = versionNegotiation(header(bytes(0x80, 1, 2, 3, 4, ids, new Uint8Array(900))), [1])
    expect(answer).toHaveLength(5 + 512 + 8)
  })
})

describe("a header", () => {
  it("is long or short by its first bit", () => {
    expect(hasLongHeader(packet(bytes(1)))).toBe(true)
    expect(hasLongHeader(bytes(0x7f))).toBe(false)
    expect(hasLongHeader(bytes())).toBe(false)
  })

  it("that is cut anywhere is none", () => {
    const whole = packet(bytes(1), { source: hex("0102"), token: hex("030405") })
    for (let length = 0; length < whole.length; length += 1) {
      expect(readLongPacket(whole.subarray(0, length))).toBeUndefined()
    }
    expect(readLongPacket(whole)).toMatchObject({ type: "initial", end: whole.length })
  })
})
