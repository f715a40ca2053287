import { Socket } from "node:net"
import { describe, expect, test } from "vitest"
import { DnsCache, type DnsCacheOptions } from "../../src/proxy/backend/dns-cache.ts"
import { WeightedRoundRobin } from "../../src/proxy/balance/weighted-round-robin.ts"
import type { ListenOptions, SpliceProxyOptions } from "../../src/proxy/options.ts"
import type { ListenerPolicy } from "../../src/proxy/policy.ts"
import { SpliceProxy } from "../../src/proxy/proxy.ts"
import { ProxyHeaderParser, parseProxyHeader } from "../../src/proxy/proxy-protocol/parser.ts"
import type { Router } from "../../src/proxy/router.ts"
import { spliceSockets } from "../../src/proxy/splice/splice-sockets.ts"
import { client, clientHello, nextRecord, startProxy } from "./harness.ts"
import { listenerPolicy, scope } from "./policy-harness.ts"

const router: Router = { route: () => ({ action: "refuse", reason: "nobody" }) }

test.each([
  [
    "a deadline that is no number",
    { deadlines: { hello: Number.NaN } },
    'the option "deadlines.hello" must be a number of milliseconds, 0 or more, not NaN',
  ],
  [
    "a deadline below zero",
    { deadlines: { idle: -1 } },
    'the option "deadlines.idle" must be a number of milliseconds',
  ],
  ["a bound of no size", { maxHelloBytes: Number.NaN }, 'the option "maxHelloBytes" must be a number of bytes'],
  [
    "a deadline that there is not",
    { deadlines: { halfclosed: 1 } },
    'there is no option "deadlines.halfclosed"; did you mean "halfClosed"?',
  ],
  ["an option that there is not", { refusals: "alert" }, 'there is no option "refusals"; did you mean "refusal"?'],
  [
    "a refusal that there is not",
    { refusal: "drop" },
    'the option "refusal" must be one of "close", "reset", "alert", not "drop"',
  ],
  ["a resolver that cannot resolve", { names: {} }, 'the option "names" must be an object with resolve()'],
  ["no router", { router: undefined }, 'the option "router" is missing'],
  ["a bound of zero", { maxHelloBytes: 0 }, 'the option "maxHelloBytes" must be a number of bytes'],
])("%s is refused when the proxy is made, not when a client comes", (_what, options, message) => {
  expect(() => new SpliceProxy({ router, ...options } as SpliceProxyOptions)).toThrow(
    expect.objectContaining({ code: "ERR_TLSROUTE_PROXY_USAGE", message: expect.stringContaining(message) }),
  )
})

describe("a listener's policy", () => {
  test.each<[string, object, string]>([
    [
      "a time that is no number",
      { helloTimeout: Number.NaN },
      'the option "helloTimeout" must be a number of milliseconds',
    ],
    [
      "a time below zero",
      { keepalive: -1 },
      'the option "keepalive" must be a number of milliseconds, 0 or more, not -1',
    ],
    [
      "a time that is left out",
      { keepalive: undefined },
      'the option "keepalive" is missing, for example keepalive: 60_000',
    ],
    ["no room for a hello", { maxHelloBytes: 0 }, 'the option "maxHelloBytes" must be a number of bytes, 1 or more'],
    ["no scopes", { scopes: undefined }, 'the option "scopes" is missing'],
    ["a scope without a key", { scopes: [{ ...scope("x"), key: undefined }] }, 'the option "scopes[0].key" is missing'],
    [
      "a rate of a word",
      { scopes: [scope("x", { rate: { perSecond: "1" } as never })] },
      'the option "scopes[0].rate.burst" is missing',
    ],
    [
      "proxies in a list of text",
      { proxyProtocol: { mode: "required", trusted: ["10.0.0.0/8"] } },
      'the option "proxyProtocol.trusted" must be an object with has()',
    ],
    [
      "proxies of another mode",
      { proxyProtocol: { mode: "on", trusted: { has() {} } } },
      'must be one of "optional", "required"',
    ],
    [
      "a protocol by its name",
      { starttls: { protocol: "smtp", greetingName: "a" } },
      'the option "starttls.protocol" must be an object',
    ],
    ["a refusal that there is not", { refusal: "drop" }, 'must be one of "close", "reset", "alert", not "drop"'],
    ["QUIC by a word", { quic: "on" }, 'the option "quic" must be true or false, not "on"'],
    ["a field that there is not", { helloTimout: 1 }, 'did you mean "helloTimeout"?'],
  ])("with %s is refused when it is given, and the one before stays in force", async (_what, part, message) => {
    const { proxy, records } = await startProxy({ router })
    const policy = { ...listenerPolicy(), ...part } as ListenerPolicy
    const fault = { code: "ERR_TLSROUTE_PROXY_USAGE", message: expect.stringContaining(message) }
    await expect(proxy.listen({ key: "other", port: 0, policy })).rejects.toMatchObject(fault)
    expect(proxy.address("other")).toBeUndefined()
    expect(() => proxy.setListenerPolicy("test", policy)).toThrow(expect.objectContaining(fault))
    const closed = nextRecord(proxy)
    const socket = await client(proxy.address("test")?.port ?? 0)
    socket.end(await clientHello("example.com"))
    await closed
    expect(records).toMatchObject([{ outcome: "refused", detail: "nobody" }])
  })
})

const proxy = new SpliceProxy({ router })
const usage = (message: string) =>
  expect.objectContaining({ code: "ERR_TLSROUTE_PROXY_USAGE", message: expect.stringContaining(message) })

test.each<[string, unknown, string]>([
  ["nothing", undefined, "listen: options are missing"],
  ["no key", { port: 0 }, 'the option "key" is missing'],
  ["a port as text", { key: "a", port: "443" }, 'the option "port" must be a port, from 0 to 65535, not "443"'],
  ["a misspelt host", { key: "a", port: 0, hots: "127.0.0.1" }, 'there is no option "hots"; did you mean "host"?'],
  [
    "a policy that is none",
    { key: "a", port: 0, policy: {} },
    'Policy of listener "a": the option "scopes" is missing',
  ],
])("a port is not bound, given %s", async (_what, options, message) => {
  await expect(proxy.listen(options as ListenOptions)).rejects.toThrow(usage(message))
})

test("nothing is closed by options that cannot be meant", async () => {
  await expect(proxy.close({ drainTimeout: "30s" } as object)).rejects.toThrow(usage('the option "drainTimeout"'))
  await proxy.listen({ key: "still open", host: "127.0.0.1", port: 0 })
  await proxy.close({ drainTimeout: 0 })
})

test.each<[string, unknown, string]>([
  ["a misspelt time", { minTTL: 1 }, 'there is no option "minTTL"; did you mean "minTtl"?'],
  ["a time as text", { maxTtl: "5m" }, 'the option "maxTtl" must be a number of milliseconds'],
  ["no room", { maxEntries: 0 }, 'the option "maxEntries" must be a whole number, 1 or more, not 0'],
  ["an address that is none", { overrides: { "a.example": 7 } }, 'the option "overrides.a.example"'],
  ["a lookup that is no function", { lookup: "1.1.1.1" }, 'the option "lookup" must be a function'],
])("a cache of names is not made with %s", (_what, options, message) => {
  expect(() => new DnsCache(options as DnsCacheOptions)).toThrow(usage(message))
})

test("two sockets are not spliced by a limit that is none", async () => {
  await expect(spliceSockets(new Socket(), new Socket(), { idle: Number.NaN })).rejects.toThrow(usage('"idle"'))
})

test("a PROXY header is not read within bounds that are none", () => {
  expect(() => new ProxyHeaderParser({ maxBytes: 0 })).toThrow(usage('"maxBytes" must be a number of bytes above 0'))
  expect(() => parseProxyHeader(new Uint8Array(), { max: 1 } as object)).toThrow(usage('there is no option "max"'))
})

test.each([-1, 0.5, Number.NaN, "3"])("a weight of %s is no share", (weight) => {
  const choices = [{ id: "a", weight: weight as number }]
  expect(() => new WeightedRoundRobin(choices)).toThrow(usage('the weight of "a" must be a whole number, 0 or more'))
})
