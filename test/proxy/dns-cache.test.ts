import { createSocket } from "node:dgram"
import { once } from "node:events"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { type AddressRecord, systemLookup } from "../../src/proxy/backend/address-lookup.ts"
import { DnsCache, type DnsCacheOptions } from "../../src/proxy/backend/dns-cache.ts"

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A DNS whose answers a test changes as it goes. */
function zone(answer: readonly AddressRecord[] | Error, options: DnsCacheOptions = {}) {
  const state = { answer, lookups: 0 }
  const cache = new DnsCache({
    ...options,
    lookup: async () => {
      state.lookups++
      if (state.answer instanceof Error) throw state.answer
      return state.answer
    },
  })
  const addresses = async () => (await cache.resolve("a.example.com", 443)).map(({ address }) => address)
  return { state, cache, addresses }
}

const record = (address: string, ttl = 60): AddressRecord => ({ address, ttl })

test("whoever wants to know is told of lookups that fail, also where an outdated answer makes up for it", async () => {
  const { state, cache, addresses } = zone(Object.assign(new Error("no"), { code: "ETIMEOUT" }))
  const failures: unknown[] = []
  const end = cache.onFailure((failure) => failures.push(failure))
  await expect(addresses()).rejects.toThrow()
  await expect(addresses()).rejects.toThrow()
  expect(failures).toEqual([{ host: "a.example.com", code: "ETIMEOUT", covered: false }])
  vi.advanceTimersByTime(3_000)
  const refusal = state.answer
  state.answer = [record("192.0.2.1", 1)]
  await addresses()
  vi.advanceTimersByTime(3_000)
  state.answer = refusal
  expect(await addresses()).toEqual(["192.0.2.1"])
  expect(failures.slice(1)).toEqual([{ host: "a.example.com", code: "ETIMEOUT", covered: true }])
  end()
  vi.advanceTimersByTime(3_000)
  await addresses()
  expect(failures).toHaveLength(2)
})

function outOfOrder(): never {
  throw new Error("out of order")
}

test.each([
  ["throws", () => outOfOrder()],
  ["rejects", async () => outOfOrder()],
])("a listener of failed lookups that %s is a warning of its own, and fails no lookup", async (_, listener) => {
  const { state, cache, addresses } = zone([record("192.0.2.1", 1)])
  cache.onFailure(listener)
  await addresses()
  vi.advanceTimersByTime(3_000)
  state.answer = Object.assign(new Error("no"), { code: "ETIMEOUT" })
  const warned = once(process, "warning")
  expect(await addresses()).toEqual(["192.0.2.1"])
  expect((await warned)[0]).toMatchObject({
    code: "ERR_TLSROUTE_LISTENER",
    message: "A listener of failed lookups failed: out of order",
  })
})

test("an address is allowed by true alone: an async function, which answers a promise, allows none", async () => {
  const allowAddress = (async () => false) as unknown as (address: string) => boolean
  const cache = new DnsCache({ allowAddress, lookup: async () => [record("192.0.2.1")] })
  await expect(cache.resolve("a.example.com", 443)).rejects.toMatchObject({ code: "ERR_TLSROUTE_FORBIDDEN_ADDRESS" })
})

test("an answer is given without asking again until its time to live is over", async () => {
  const { state, cache, addresses } = zone([record("192.0.2.1", 60)])
  expect(await addresses()).toEqual(["192.0.2.1"])
  const known = cache.resolve("a.example.com", 443)
  expect(known).toEqual([{ address: "192.0.2.1", port: 443 }])
  expect(cache.resolve("a.example.com", 443)).toBe(known)
  vi.advanceTimersByTime(59_000)
  await addresses()
  expect(state.lookups).toBe(1)
})

test("once the time to live is over, the fresh answer is waited for", async () => {
  const { state, addresses } = zone([record("192.0.2.1", 60)])
  await addresses()
  state.answer = [record("192.0.2.2", 60)]
  vi.advanceTimersByTime(61_000)
  expect(await Promise.all([addresses(), addresses()])).toEqual([["192.0.2.2"], ["192.0.2.2"]])
  expect(state.lookups).toBe(2)
})

test("an answer that is long outdated is not used while a new one can be had", async () => {
  const { state, addresses } = zone([record("192.0.2.1", 60)])
  await addresses()
  state.answer = [record("192.0.2.2", 60)]
  vi.advanceTimersByTime(3_600_000)
  expect(await addresses()).toEqual(["192.0.2.2"])
})

/** A cache whose DNS answers once, and then only when the test says so. */
async function heldUp(options: DnsCacheOptions) {
  const answers = [Promise.resolve([record("192.0.2.1", 60)])]
  let tell: (answer: readonly AddressRecord[]) => void = () => {}
  answers.push(new Promise((resolve) => (tell = resolve as typeof tell)))
  const cache = new DnsCache({ ...options, lookup: () => answers.shift() ?? expect.unreachable() })
  await cache.resolve("a.example.com", 443)
  vi.advanceTimersByTime(61_000)
  return { cache, tell }
}

test("a slow DNS is waited for once and for a moment, and then the outdated answer is given at once", async () => {
  const { cache, tell } = await heldUp({ freshWait: 30 })
  const old = [{ address: "192.0.2.1", port: 443 }]
  expect(await cache.resolve("a.example.com", 443)).toEqual(old)
  expect(cache.resolve("a.example.com", 443)).toEqual(old)
  tell([record("192.0.2.2")])
  await expect.poll(() => cache.resolve("a.example.com", 443)).toEqual([{ address: "192.0.2.2", port: 443 }])
})

test("whoever can wait less for a fresh answer is given the outdated one sooner", async () => {
  const { cache } = await heldUp({ freshWait: 2 ** 40 })
  expect(await cache.resolve("a.example.com", 443, false, 20)).toEqual([{ address: "192.0.2.1", port: 443 }])
})

const failure = (code: string) => Object.assign(new Error(code), { code })

test.each(["ESERVFAIL", "ETIMEOUT", "ECONNREFUSED", undefined])(
  "when DNS fails with %s the last good answer stays in use for a day, and DNS is asked again soon",
  async (code) => {
    const { state, addresses } = zone([record("192.0.2.1", 60)])
    await addresses()
    state.answer = code === undefined ? new Error("out of order") : failure(code)
    vi.advanceTimersByTime(3_600_000)
    expect(await addresses()).toEqual(["192.0.2.1"])
    vi.advanceTimersByTime(2_001)
    state.answer = [record("192.0.2.9", 60)]
    expect(await addresses()).toEqual(["192.0.2.9"])
    state.answer = failure("ESERVFAIL")
    vi.advanceTimersByTime(86_460_001)
    await expect(addresses()).rejects.toMatchObject({ code: "ERR_TLSROUTE_NAME" })
  },
)

test.each([["ENOTFOUND"], ["ENODATA"], ["no record"]])(
  "when DNS says that a name has no address any more (%s), the last one is kept for half a minute",
  async (denial) => {
    const { state, addresses } = zone([record("192.0.2.1", 60)])
    await addresses()
    state.answer = denial === "no record" ? [] : failure(denial)
    vi.advanceTimersByTime(60_001)
    expect(await addresses()).toEqual(["192.0.2.1"])
    vi.advanceTimersByTime(29_000)
    expect(await addresses()).toEqual(["192.0.2.1"])
    // The last answer is remembered for two seconds, which keep nothing alive.
    vi.advanceTimersByTime(1_000)
    await expect(addresses()).rejects.toMatchObject({ code: "ERR_TLSROUTE_NAME" })
    state.answer = [record("192.0.2.9", 60)]
    vi.advanceTimersByTime(2_001)
    expect(await addresses()).toEqual(["192.0.2.9"])
  },
)

test("a lookup that fails with nothing at all, or answers nonsense, is a failure like others", async () => {
  for (const lookup of [() => Promise.reject(undefined), async () => undefined as never]) {
    await expect(new DnsCache({ lookup }).resolve("a.example.com", 443)).rejects.toMatchObject({
      code: "ERR_TLSROUTE_NAME",
    })
  }
})

test("a name whose endpoints do not answer is asked for again before its time, once a second at most", async () => {
  const { state, cache, addresses } = zone([record("192.0.2.1", 60)])
  await addresses()
  state.answer = [record("192.0.2.2", 60)]
  const moved = [{ address: "192.0.2.2", port: 443 }]
  expect(await Promise.all([cache.renew("a.example.com", 443), cache.renew("a.example.com", 443)])).toEqual([
    moved,
    moved,
  ])
  expect(cache.renew("a.example.com", 443)).toEqual(moved)
  expect(state.lookups).toBe(2)
  vi.advanceTimersByTime(1_001)
  await cache.renew("a.example.com", 443)
  expect(state.lookups).toBe(3)
})

test("there is nobody to ask again for an override or an IP literal", () => {
  const { cache } = zone([], { overrides: { "a.example.com": "10.0.0.1" } })
  expect(cache.renew("a.example.com", 443)).toBeUndefined()
  expect(cache.renew("192.0.2.7", 443)).toBeUndefined()
})

test("lookups of one name at the same time are one", async () => {
  const { state, addresses } = zone([record("192.0.2.1")])
  await Promise.all(Array.from({ length: 50 }, addresses))
  expect(state.lookups).toBe(1)
})

test("a failure is remembered for a moment, so that a dead name is not a flood of lookups", async () => {
  const { state, addresses } = zone(Object.assign(new Error("no"), { code: "ENOTFOUND" }))
  const failure = { code: "ERR_TLSROUTE_NAME", message: "a.example.com has no address (ENOTFOUND)" }
  await expect(addresses()).rejects.toMatchObject(failure)
  await expect(addresses()).rejects.toMatchObject(failure)
  expect(state.lookups).toBe(1)
  vi.advanceTimersByTime(2_001)
  await expect(addresses()).rejects.toMatchObject(failure)
  expect(state.lookups).toBe(2)
})

test.each([
  ["a time to live of zero", 0, {}, 1_000],
  ["a time to live of a week", 604_800, {}, 300_000],
  ["a time to live below the least set", 1, { minTtl: 10_000 }, 10_000],
  ["a time to live above the most set", 60, { maxTtl: 5_000 }, 5_000],
])("%s is kept within bounds", async (_, ttl, options, kept) => {
  const { state, addresses } = zone([record("192.0.2.1", ttl)], options)
  await addresses()
  vi.advanceTimersByTime(kept - 1)
  await addresses()
  expect(state.lookups).toBe(1)
  vi.advanceTimersByTime(2)
  await addresses()
  expect(state.lookups).toBe(2)
})

test("IPv6 and IPv4 take turns (RFC 8305 section 4)", async () => {
  const { addresses } = zone(["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"].map((address) => record(address)))
  expect(await addresses()).toEqual(["2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"])
})

test("addresses that names may not lead to are left out, and none left is an error", async () => {
  const mixed = zone([record("127.0.0.1"), record("192.0.2.1")])
  expect(await mixed.addresses()).toEqual(["192.0.2.1"])
  const loopback = zone([record("127.0.0.1"), record("::1")])
  await expect(loopback.addresses()).rejects.toMatchObject({ code: "ERR_TLSROUTE_FORBIDDEN_ADDRESS" })
})

test("a name that turns to a forbidden address does not stay at its last good one", async () => {
  const { state, addresses } = zone([record("192.0.2.1")])
  await addresses()
  state.answer = [record("169.254.169.254")]
  vi.advanceTimersByTime(3_600_000)
  await expect(addresses()).rejects.toMatchObject({ code: "ERR_TLSROUTE_FORBIDDEN_ADDRESS" })
})

test("a name that turns to a forbidden address leads nowhere any more, though it is asked for again at once", async () => {
  const { state, cache, addresses } = zone([record("192.0.2.1")])
  await addresses()
  state.answer = [record("169.254.169.254")]
  await expect(cache.renew("a.example.com", 443)).rejects.toMatchObject({ code: "ERR_TLSROUTE_FORBIDDEN_ADDRESS" })
  expect(cache.renew("a.example.com", 443)).toEqual([])
})

test("loopback may be allowed by name", async () => {
  const { addresses } = zone([record("127.0.0.1")], { allowAddress: (_, host) => host === "a.example.com" })
  expect(await addresses()).toEqual(["127.0.0.1"])
})

test("an IP literal is not looked up, but guarded all the same", async () => {
  const { state, cache } = zone([])
  expect(await cache.resolve("192.0.2.7", 443)).toEqual([{ address: "192.0.2.7", port: 443 }])
  await expect(cache.resolve("127.0.0.1", 443)).rejects.toMatchObject({ code: "ERR_TLSROUTE_FORBIDDEN_ADDRESS" })
  expect(state.lookups).toBe(0)
})

test.each([
  ["a.example.com:443", "127.0.0.1:8443", [{ address: "127.0.0.1", port: 8443 }]],
  ["a.example.com", "127.0.0.1", [{ address: "127.0.0.1", port: 443 }]],
  ["A.Example.com", "::1", [{ address: "::1", port: 443 }]],
  ["a.example.com", "[::1]:8443", [{ address: "::1", port: 8443 }]],
  ["a.example.com", "[::1]", [{ address: "::1", port: 443 }]],
  [
    "a.example.com",
    ["10.0.0.1", "10.0.0.2:1"],
    [
      { address: "10.0.0.1", port: 443 },
      { address: "10.0.0.2", port: 1 },
    ],
  ],
])("an override of %s with %s is used as it is", (key, value, expected) => {
  const cache = new DnsCache({ overrides: { [key]: value }, lookup: () => expect.unreachable() })
  expect(cache.resolve("a.example.com", 443)).toEqual(expected)
})

test("an override for another port does not apply", async () => {
  const { cache } = zone([record("192.0.2.1")], { overrides: { "a.example.com:8443": "10.0.0.1" } })
  expect(await cache.resolve("a.example.com", 443)).toEqual([{ address: "192.0.2.1", port: 443 }])
})

test.each(["localhost", "10.0.0.1:0", "10.0.0.1:99999", "", "[::1]:x"])("an override to %j is refused", (value) => {
  expect(() => new DnsCache({ overrides: { "a.example.com": value } })).toThrow(
    expect.objectContaining({ code: "ERR_TLSROUTE_PROXY_USAGE" }),
  )
})

test("no more names are kept than allowed, and the least recently used goes first", async () => {
  const asked: string[] = []
  const cache = new DnsCache({
    maxEntries: 2,
    lookup: async (host) => {
      asked.push(host)
      return [record("192.0.2.1")]
    },
  })
  for (const host of ["a", "b", "a", "c", "a", "b"]) await cache.resolve(host, 443)
  expect(asked).toEqual(["a", "b", "c", "b"])
})

test("the system's own names are found where DNS does not know them", async () => {
  const found = await systemLookup("localhost")
  expect(found.map(({ address }) => address)).toContain("127.0.0.1")
})

/** A name server that has both kinds of address for every name, and tells IPv4 after IPv6, or IPv4 alone. */
async function nameServer(tellsIpv6: boolean): Promise<{ readonly address: string; close(): void }> {
  const A = 1
  const AAAA = 28
  const data = new Map([
    [A, Buffer.from([192, 0, 2, 1])],
    [AAAA, Buffer.from("20010db8000000000000000000000001", "hex")],
  ])
  const socket = createSocket("udp4")
  let answeredIpv6 = false
  let heldIpv4: (() => void) | undefined
  socket.on("message", (query, { address, port }) => {
    // RFC 1035 section 4: a header of 12 bytes, then the name, its type, its class.
    const question = query.subarray(12, query.indexOf(0, 12) + 5)
    const type = question.readUInt16BE(question.length - 4)
    const answer = () => {
      const value = data.get(type) ?? Buffer.alloc(0)
      const header = Buffer.from([...query.subarray(0, 2), 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0])
      const record = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, value.length, ...value])
      socket.send(Buffer.concat([header, question, record]), port, address)
    }
    if (type === AAAA && tellsIpv6) {
      answer()
      answeredIpv6 = true
      heldIpv4?.()
    } else if (type === A && (answeredIpv6 || !tellsIpv6)) answer()
    else if (type === A) heldIpv4 = answer
  })
  socket.bind(0, "127.0.0.1")
  await once(socket, "listening")
  return { address: `127.0.0.1:${socket.address().port}`, close: () => socket.close() }
}

/** A name server that refuses to answer. */
async function brokenServer(): Promise<{ readonly address: string; close(): void }> {
  const socket = createSocket("udp4")
  socket.on("message", (query, { address, port }) => {
    // RFC 1035 section 4.1.1: RCODE 2, SERVFAIL.
    const answer = Buffer.from(query)
    answer[2] = 0x81
    answer[3] = 0x82
    socket.send(answer, port, address)
  })
  socket.bind(0, "127.0.0.1")
  await once(socket, "listening")
  return { address: `127.0.0.1:${socket.address().port}`, close: () => socket.close() }
}

test("a DNS that fails is not taken for one that says there is no such name", async () => {
  const server = await brokenServer()
  await expect(systemLookup("a.example.invalid", [server.address])).rejects.toMatchObject({ code: "ESERVFAIL" })
  server.close()
})

test("DNS is asked for both kinds of address, each kept for its time to live", async () => {
  const server = await nameServer(true)
  expect(await systemLookup("a.example.com", [server.address])).toEqual([
    { address: "2001:db8::1", ttl: 60 },
    { address: "192.0.2.1", ttl: 60 },
  ])
  server.close()
})

test("a name server that never tells IPv6 addresses holds nothing up, and is soon asked again (RFC 4074)", async () => {
  const server = await nameServer(false)
  expect(await systemLookup("a.example.com", [server.address])).toEqual([{ address: "192.0.2.1", ttl: 10 }])
  server.close()
})
