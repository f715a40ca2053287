import { describe, expect, it } from "vitest"
import { QuicHelloReader } from "../../src/quic/hello-reader.ts"
import { initialKeys } from "../../src/quic/initial-keys.ts"
import { readLongPacket } from "../../src/quic/packet.ts"
import { InitialProtection, packetNumber } from "../../src/quic/protection.ts"
import { QUIC_V1, QUIC_V2 } from "../../src/quic/versions.ts"
import { bytes } from "../client-hello/build.ts"
import { hex } from "./build.ts"

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const DESTINATION = hex("8394c8f03e515708")

/** The CRYPTO frame of RFC 9001 appendix A.2, with the PADDING behind it. */
const CLIENT_FRAMES = bytes(
  hex(`060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868
    04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578
    616d706c652e636f6dff01000100000a00080006001d00170018001000070005
    04616c706e000500050100000000003300260024001d00209370b2c9caa47fba
    baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400
    0d0010000e0403050306030203080408050806002d00020101001c0002400100
    3900320408ffffffffffffffff05048000ffff07048000ffff08011001048000
    75300901100f088394c8f03e51570806048000ffff`),
  new Uint8Array(917),
)

const SERVER_FRAMES = hex(`02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf739
    88cfc79825df566dc5430b9a045a1200130100002e00330024001d00209d3c94
    0d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00
    020304`)

describe.each([
  {
    rfc: "RFC 9001 appendix A",
    version: QUIC_V1,
    client: ["1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2"],
    server: ["cf3a5331653c364c88f0f379b6067e37", "0ac1493ca1905853b0bba03e", "c206b8d9b9f0f37644430b490eeaa314"],
    clientHeader: "c300000001088394c8f03e5157080000449e00000002",
    clientStart: "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d92ec356c",
    clientEnd: "e221af44860018ab0856972e194cd934",
    serverHeader: "c1000000010008f067a5502a4262b50040750001",
    serverPacket: `cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a
      5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3
      dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84
      022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc4
      2158407dd074ee`,
  },
  {
    rfc: "RFC 9369 appendix A",
    version: QUIC_V2,
    client: ["8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9"],
    server: ["82db637861d55e1d011f19ea71d5d2a7", "dd13c276499c0249d3310652", "edf6d05c83121201b436e16877593c3a"],
    clientHeader: "d36b3343cf088394c8f03e5157080000449e00000002",
    clientStart: "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071bf03dceebfa162e75d6c",
    clientEnd: "a18b2faa745b6fe189cf772a9f84cbfc",
    serverHeader: "d16b3343cf0008f067a5502a4262b50040750001",
    serverPacket: `dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698
      baeea26b91eb761d9b89237bbf87263017915358230035f7fd3945d88965cf17
      f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16a393e42757507698075b2
      c984c707f0a0812d8cd5a6881eaf21ceda98f4bd23f6fe1a3e2c43edd9ce7ca8
      4bed8521e2e140`,
  },
])("$rfc", ({ version, client, server, clientHeader, clientStart, clientEnd, serverHeader, serverPacket }) => {
  const clientKeys = initialKeys(version, DESTINATION, "client")
  const serverKeys = initialKeys(version, DESTINATION, "server")
  const clientPacket = new InitialProtection(clientKeys).seal(hex(clientHeader), 4, 2, CLIENT_FRAMES)

  it("gives the keys of both sides", () => {
    expect([clientKeys.key, clientKeys.iv, clientKeys.hp].map(text)).toEqual(client)
    expect([serverKeys.key, serverKeys.iv, serverKeys.hp].map(text)).toEqual(server)
  })

  it("gives the client's Initial packet, whose tag stands for every byte before it", () => {
    expect(clientPacket).toHaveLength(1200)
    expect(text(clientPacket).slice(0, clientStart.length)).toBe(clientStart)
    expect(text(clientPacket).slice(-32)).toBe(clientEnd)
  })

  it("gives the server's Initial packet, and its frames again", () => {
    const sealed = new InitialProtection(serverKeys).seal(hex(serverHeader), 2, 1, SERVER_FRAMES)
    expect(text(sealed)).toBe(text(hex(serverPacket)))
    const packet = readLongPacket(sealed)
    expect(packet).toMatchObject({ version, type: "initial", start: 0, end: sealed.length })
    if (packet === undefined) return
    const opened = new InitialProtection(serverKeys).open(sealed, packet, 0)
    expect(opened).toMatchObject({ number: 1, isPlain: true })
    expect(text(opened?.payload ?? bytes())).toBe(text(SERVER_FRAMES))
  })

  it("asks for example.com", () => {
    const result = new QuicHelloReader().push(clientPacket)
    expect(result).toMatchObject({
      status: "complete",
      hello: { serverName: "example.com", alpnProtocols: ["alpn"], transport: "quic", highestVersion: 0x0304 },
    })
    if (result.status === "complete") expect(result.hello.ja4).toMatch(/^q13d0211an_[0-9a-f]{12}_[0-9a-f]{12}$/)
  })
})

describe("a packet number", () => {
  it("is the one closest to what is expected (RFC 9000 appendix A.3)", () => {
    expect(packetNumber(0x9b32, 2, 0xa82f30ea)).toBe(0xa82f9b32)
  })

  it.each([
    [0, 1, -1, 0],
    [255, 1, -1, 255],
    [2, 1, 255, 258],
    [254, 1, 256, 254],
    [0xffffffff, 4, 0x1_0000_0002, 0xffffffff],
    [1, 4, 0xffffffff, 0x1_0000_0001],
  ])("%i in %i bytes after %i is %i", (truncated, size, largest, number) => {
    expect(packetNumber(truncated, size, largest)).toBe(number)
  })
})
