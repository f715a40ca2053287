import { once } from "node:events"
import { connect } from "node:net"
import fc from "fast-check"
import { describe, expect, it, onTestFinished } from "vitest"
import { CidrList } from "../../../src/proxy/limits/cidr.ts"
import { encodeProxyV1, encodeProxyV2 } from "../../../src/proxy/proxy-protocol/encode.ts"
import { outgoingHeader } from "../../../src/proxy/proxy-protocol/outgoing.ts"
import { type ProxyHeaderResult, parseProxyHeader } from "../../../src/proxy/proxy-protocol/parser.ts"
import { backend, client, clientHello, deferred, ending, nextRecord, routerTo, startProxy } from "../harness.ts"
import { connectionPolicy, listenerPolicy, policyRouter, proxyProtocol, scope } from "../policy-harness.ts"

const told = {
  source: { address: "203.0.113.7", port: 40_000 },
  destination: { address: "198.51.100.1", port: 443 },
}

/** The first segment that the backend gets. */
async function firstRead() {
  const read = deferred<Buffer>()
  const endpoint = await backend((socket) => socket.once("data", (chunk: Buffer) => read.resolve(chunk)))
  return { endpoint, read: read.promise }
}

function complete(result: ProxyHeaderResult) {
  if (result.status !== "complete") throw new Error(result.status)
  return result
}

describe("a listener that reads PROXY protocol headers", () => {
  const hello = clientHello("a.example")

  async function listen(policy = listenerPolicy({ proxyProtocol: proxyProtocol("required") })) {
    const { endpoint, read } = await firstRead()
    const started = await startProxy({ router: routerTo(endpoint) }, { policy })
    const closed = nextRecord(started.proxy)
    const socket = connect({ port: started.port, host: "127.0.0.1", noDelay: true }).on("error", () => {})
    onTestFinished(() => void socket.destroy())
    return { ...started, read, socket, closed }
  }

  it.each([
    ["version 1", encodeProxyV1(told)],
    ["version 2", encodeProxyV2(told, { authority: "whatever", crc32c: true })],
  ])("takes the client's address from a trusted proxy: %s", async (_, header) => {
    const { socket, read, closed } = await listen()
    socket.write(Buffer.concat([header, await hello]))
    expect(await read).toEqual(await hello)
    const local = socket.localPort
    socket.resetAndDestroy()
    expect(await closed).toMatchObject({
      clientAddress: "203.0.113.7",
      clientPort: 40_000,
      via: { address: "127.0.0.1", port: local },
      serverName: "a.example",
    })
  })

  it("takes the header and the ClientHello in any pieces", async () => {
    const { socket, read, closed } = await listen()
    for (const byte of [...encodeProxyV2(told, { crc32c: true }), ...(await hello)]) {
      socket.write(Uint8Array.of(byte))
      await new Promise(setImmediate)
    }
    expect(await read).toEqual(await hello)
    socket.resetAndDestroy()
    expect((await closed).clientAddress).toBe("203.0.113.7")
  })

  it("keeps the connection's own address when the proxy speaks for itself", async () => {
    const { socket, read, closed } = await listen()
    socket.write(Buffer.concat([encodeProxyV2(undefined), await hello]))
    await read
    socket.resetAndDestroy()
    expect(await closed).toMatchObject({ clientAddress: "127.0.0.1", via: undefined })
  })

  it.each([
    ["no header where one is required", "required", ["127.0.0.0/8"], "hello", "no-proxy-header", undefined],
    [
      "a malformed header",
      "required",
      ["127.0.0.0/8"],
      "PROXY TCP4 x y 1 2\r\n",
      "invalid-proxy-header",
      "PROXY_ADDRESS",
    ],
    [
      "a malformed header where none is required",
      "optional",
      ["127.0.0.0/8"],
      "PROXY TCP5 \r\n",
      "invalid-proxy-header",
      "PROXY_LINE_SYNTAX",
    ],
    ["a peer that is not trusted", "required", ["10.0.0.0/8"], "PROXY UNKNOWN\r\n", "untrusted-proxy", undefined],
    [
      "a header from a peer that is not trusted",
      "optional",
      ["10.0.0.0/8"],
      "PROXY UNKNOWN\r\n",
      "not-tls",
      "PROXY_PROTOCOL",
    ],
  ] as const)("refuses %s", async (_, mode, trusted, bytes, outcome, detail) => {
    const policy = listenerPolicy({ proxyProtocol: proxyProtocol(mode, [...trusted]) })
    const { socket, closed } = await listen(policy)
    socket.write(bytes === "hello" ? await hello : bytes)
    expect(await closed).toMatchObject({ outcome, detail, endedBy: "proxy" })
  })

  it("takes connections without one where it is optional", async () => {
    const { socket, read } = await listen(listenerPolicy({ proxyProtocol: proxyProtocol("optional") }))
    socket.write(await hello)
    expect(await read).toEqual(await hello)
  })

  it("asks its rules of the client that the header names, not of the proxy", async () => {
    const deny = new CidrList(["203.0.113.0/24"])
    const denied = listenerPolicy({
      proxyProtocol: proxyProtocol("required"),
      scopes: [scope("x", { access: { deny } })],
    })
    const { socket, closed } = await listen(denied)
    socket.write(Buffer.concat([encodeProxyV1(told), await hello]))
    expect(await closed).toMatchObject({ outcome: "denied", detail: "x", clientAddress: "203.0.113.7" })
    const other = await listen(denied)
    other.socket.write(
      Buffer.concat([encodeProxyV1({ ...told, source: { address: "192.0.2.1", port: 1 } }), await hello]),
    )
    expect(await other.read).toEqual(await hello)
  })

  it("has one deadline for header and ClientHello together, whatever trickles in", async () => {
    const policy = listenerPolicy({ proxyProtocol: proxyProtocol("required"), helloTimeout: 300 })
    const { socket, closed } = await listen(policy)
    const bytes = encodeProxyV1(told)
    const drip = setInterval(() => socket.write(bytes.subarray(0, 1)), 50)
    socket.write(bytes.subarray(0, 5))
    const end = ending(socket)
    const record = await closed
    clearInterval(drip)
    expect(record).toMatchObject({ outcome: expect.stringMatching(/hello-timeout|no-proxy-header/) })
    await end
  })
})

describe("a backend that is sent PROXY protocol headers", () => {
  const fields = ["authority", "alpn", "unique-id", "crc32c"] as const
  const subject = {
    addresses: told,
    serverName: "a.example",
    alpnProtocol: "h2",
    uniqueId: "0123456789abcdef-000000000001",
  }

  it("has no field in it unless it is asked for", () => {
    expect(parseProxyHeader(outgoingHeader({ version: 2, fields: [] }, subject))).toMatchObject({
      header: { addresses: told, tlvs: [] },
      bytesConsumed: 28,
    })
  })

  it.each([
    // 28 bytes with addresses of IPv4, then 32 for the id, 12 for the name, 5 for the protocol, 7 for the checksum.
    [84, fields, [0x02, 0x01, 0x05, 0x03]],
    [83, fields, [0x02, 0x01, 0x05]],
    [76, fields, [0x02, 0x01, 0x03]],
    [60, ["unique-id", "authority", "alpn", "crc32c"], [0x05]],
    [52, ["unique-id", "authority", "alpn", "crc32c"], [0x02, 0x01, 0x03]],
    [52, ["unique-id"], []],
  ] as const)("of %i bytes at most has the fields that fit, in the order of %j", (maxBytes, wanted, types) => {
    const bytes = outgoingHeader({ version: 2, fields: wanted, maxBytes }, subject)
    expect(bytes.length).toBeLessThanOrEqual(maxBytes)
    expect(complete(parseProxyHeader(bytes)).header.tlvs.map(({ type }) => type)).toEqual(types)
  })

  it("has fields in full, or not at all, whatever is asked for", () => {
    fc.assert(
      fc.property(
        fc.subarray([...fields]),
        fc.integer({ min: 52, max: 400 }),
        fc.stringMatching(/^[a-z]{1,63}(\.[a-z]{1,63}){0,3}$/),
        fc.constantFrom(told.source.address, "2001:db8::1"),
        (wanted, maxBytes, serverName, address) => {
          const addresses = { ...told, source: { address, port: 1 } }
          const bytes = outgoingHeader({ version: 2, fields: wanted, maxBytes }, { ...subject, addresses, serverName })
          expect(bytes.length).toBeLessThanOrEqual(maxBytes)
          const { header } = complete(parseProxyHeader(bytes))
          expect([undefined, serverName]).toContain(header.authority)
          expect([undefined, subject.uniqueId]).toContain(header.uniqueId && Buffer.from(header.uniqueId).toString())
        },
      ),
    )
  })

  async function send(version: 1 | 2, listener = listenerPolicy(), before: Uint8Array = new Uint8Array(0)) {
    const hello = await clientHello("a.example", { ALPNProtocols: ["h2", "http/1.1"] })
    const { endpoint, read } = await firstRead()
    const policy = connectionPolicy({}, { proxyHeader: { version, fields } })
    const { proxy, port } = await startProxy({ router: policyRouter(policy, endpoint) }, { policy: listener })
    const closed = nextRecord(proxy)
    const socket = await client(port)
    socket.write(Buffer.concat([before, hello]))
    const bytes = await read
    const ends = { local: socket.localPort, port }
    socket.resetAndDestroy()
    return { result: complete(parseProxyHeader(bytes)), hello, ends, record: await closed }
  }

  it("gets client and destination in front of the ClientHello, in one segment", async () => {
    const { result, hello, ends } = await send(1)
    expect(result.header).toMatchObject({
      version: 1,
      addresses: {
        source: { address: "127.0.0.1", port: ends.local },
        destination: { address: "127.0.0.1", port: ends.port },
      },
    })
    expect(Buffer.from(result.rest)).toEqual(hello)
  })

  it("gets name, protocol, id and checksum in version 2", async () => {
    const { result, hello, record } = await send(2)
    expect(result.header).toMatchObject({ version: 2, authority: "a.example" })
    expect(Buffer.from(result.header.alpn!).toString()).toBe("h2")
    expect(Buffer.from(result.header.uniqueId!).toString()).toBe(record.uniqueId)
    expect(record.uniqueId).toMatch(/^[0-9a-f]{16}-[0-9a-f]{12}$/)
    expect(result.header.tlvs.some(({ type }) => type === 3)).toBe(true)
    expect(Buffer.from(result.rest)).toEqual(hello)
  })

  it.each([
    ["resets", 1, 56, "backend-reset"],
    ["resets", 2, 28, "backend-reset"],
    ["ends", 2, 28, "completed"],
  ] as const)(
    "and %s the connection without a byte is told apart, header of version %i",
    async (how, version, longest, outcome) => {
      const endpoint = await backend((socket) =>
        socket.once("data", () => (how === "resets" ? socket.resetAndDestroy() : socket.end())),
      )
      const policy = connectionPolicy({}, { proxyHeader: { version, fields: [] } })
      const { proxy, port } = await startProxy({ router: policyRouter(policy, endpoint) })
      const closed = nextRecord(proxy)
      const socket = await client(port)
      socket.on("end", () => socket.end()).resume()
      socket.write(await clientHello("a.example"))
      const record = await closed
      expect(record).toMatchObject({ outcome, detail: "NOTHING_AFTER_PROXY_HEADER", endedBy: "backend" })
      expect(record.proxyHeaderBytes).toBeLessThanOrEqual(longest)
    },
  )

  it.each([
    ["once it has spoken", { version: 2, fields: [] } as const, "alert"],
    ["without having been sent one", undefined, ""],
  ])("is not when it resets %s", async (_, proxyHeader, word) => {
    const endpoint = await backend((socket) =>
      socket.once("data", () => socket.write(word, () => setTimeout(() => socket.resetAndDestroy(), 50))),
    )
    const { proxy, port } = await startProxy({ router: policyRouter(connectionPolicy({}, { proxyHeader }), endpoint) })
    const closed = nextRecord(proxy)
    const socket = await client(port)
    socket.resume().write(await clientHello("a.example"))
    expect(await closed).toMatchObject({ outcome: "backend-reset", detail: "ECONNRESET" })
  })

  it("gets on what a trusted proxy told", async () => {
    const listener = listenerPolicy({ proxyProtocol: proxyProtocol("required") })
    const { result } = await send(2, listener, encodeProxyV1(told))
    expect(result.header.addresses).toEqual(told)
  })
})

describe("a connection that a proxy opens and leaves", () => {
  it("is recorded as the client's leaving", async () => {
    const { proxy, port } = await startProxy(
      { router: policyRouter(connectionPolicy()) },
      { policy: listenerPolicy({ proxyProtocol: proxyProtocol("required") }) },
    )
    const closed = nextRecord(proxy)
    const socket = await client(port)
    socket.end("PROXY ")
    await once(socket, "close").catch(() => {})
    expect(await closed).toMatchObject({ outcome: "client-gone", endedBy: "client" })
  })
})
