import { expect, test } from "vitest"
import { SpliceProxy } from "../../src/proxy/proxy.ts"
import type { Router } from "../../src/proxy/router.ts"

const router: Router = { route: () => ({ action: "refuse", reason: "nobody" }) }

test.each([
  ["a deadline that is no number", { deadlines: { hello: Number.NaN } }, "deadlines.hello must be milliseconds"],
  ["a deadline below zero", { deadlines: { idle: -1 } }, "deadlines.idle must be milliseconds"],
  ["a bound of no size", { maxHelloBytes: Number.NaN }, "maxHelloBytes must be a number of bytes"],
  ["a bound of zero", { maxHelloBytes: 0 }, "maxHelloBytes must be a number of bytes"],
])("%s is refused when the proxy is made, not when a client comes", (_what, options, message) => {
  expect(() => new SpliceProxy({ router, ...options })).toThrow(
    expect.objectContaining({ code: "ERR_TLSROUTE_PROXY_USAGE", message: expect.stringContaining(message) }),
  )
})
