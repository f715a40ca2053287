import { describe, expect, test } from "vitest"
import type { SpliceProxyOptions } from "../../src/proxy/options.ts"
import type { ListenerPolicy } from "../../src/proxy/policy.ts"
import { SpliceProxy } from "../../src/proxy/proxy.ts"
import type { Router } from "../../src/proxy/router.ts"
import { client, clientHello, nextRecord, startProxy } from "./harness.ts"
import { listenerPolicy, scope } from "./policy-harness.ts"

const router: Router = { route: () => ({ action: "refuse", reason: "nobody" }) }

test.each([
  ["a deadline that is no number", { deadlines: { hello: Number.NaN } }, "deadlines.hello must be milliseconds"],
  ["a deadline below zero", { deadlines: { idle: -1 } }, "deadlines.idle must be milliseconds"],
  ["a bound of no size", { maxHelloBytes: Number.NaN }, "maxHelloBytes must be a number of bytes"],
  [
    "a deadline that there is not",
    { deadlines: { halfclosed: 1 } },
    'there is no option "halfclosed"; did you mean "halfClosed"?',
  ],
  ["an option that there is not", { refusals: "alert" }, 'there is no option "refusals"; did you mean "refusal"?'],
  [
    "a refusal that there is not",
    { refusal: "drop" },
    'the option "refusal" must be one of "close", "reset", "alert", not "drop"',
  ],
  ["a resolver that cannot resolve", { names: {} }, 'the option "names" must be an object with resolve()'],
  ["no router", { router: undefined }, 'the option "router" is missing'],
  ["a bound of zero", { maxHelloBytes: 0 }, "maxHelloBytes must be a number of bytes"],
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
    [
      "a scope without a key",
      { scopes: [{ ...scope("x"), key: undefined }] },
      'the option "scopes" must be a list of scopes',
    ],
    [
      "a rate of a word",
      { scopes: [scope("x", { rate: { perSecond: "1" } as never })] },
      'the option "scopes" must be',
    ],
    [
      "proxies in a list of text",
      { proxyProtocol: { mode: "required", trusted: ["10.0.0.0/8"] } },
      'the option "trusted" must be an object with has()',
    ],
    [
      "proxies of another mode",
      { proxyProtocol: { mode: "on", trusted: { has() {} } } },
      'must be one of "optional", "required"',
    ],
    [
      "a protocol by its name",
      { starttls: { protocol: "smtp", greetingName: "a" } },
      'the option "protocol" must be an object',
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
