import { expect, test } from "vitest"
import type { SpliceProxyOptions } from "../../src/proxy/options.ts"
import { SpliceProxy } from "../../src/proxy/proxy.ts"
import type { Router } from "../../src/proxy/router.ts"

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
