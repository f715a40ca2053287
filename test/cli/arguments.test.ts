import { beforeAll, describe, expect, test } from "vitest"
import { parseList, parsePortMapping, parseResolve, parseSeconds } from "../../src/cli/shared/arguments.ts"
import { loadCommander } from "../../src/cli/shared/commander.ts"
import { printable } from "../../src/cli/shared/terminal.ts"

beforeAll(loadCommander)

describe("parseResolve", () => {
  test.each([
    ["httpbin.org:443:127.0.0.1", { "httpbin.org:443": ["127.0.0.1"] }],
    ["httpbin.org:443:127.0.0.1:8443", { "httpbin.org:443": ["127.0.0.1:8443"] }],
    ["HTTPBIN.org:443:127.0.0.1", { "httpbin.org:443": ["127.0.0.1"] }],
    ["httpbin.org:443:[::1]", { "httpbin.org:443": ["::1"] }],
    ["httpbin.org:443:[::1]:8443", { "httpbin.org:443": ["[::1]:8443"] }],
  ])("reads %s", (text, expected) => {
    expect(parseResolve(text)).toEqual(expected)
  })

  test("adds to what was given before", () => {
    const first = parseResolve("a.example.com:443:192.0.2.1")
    expect(parseResolve("a.example.com:443:192.0.2.2", first)).toEqual({
      "a.example.com:443": ["192.0.2.1", "192.0.2.2"],
    })
    expect(Object.keys(parseResolve("b.example.com:443:192.0.2.2", first))).toHaveLength(2)
  })

  test.each([
    "",
    "a.example.com",
    "a.example.com:443",
    "a.example.com:443:",
    "a.example.com:0:192.0.2.1",
    "a.example.com:65536:192.0.2.1",
    "a.example.com:443:192.0.2.1:0",
    "a.example.com:443:192.0.2.1:65536",
    "a.example.com:443:192.0.2.256",
    "a.example.com:443:::1",
    "a.example.com:443:[192.0.2.1]",
    "a.example.com:443:[::1",
    "a.example.com:443:192.0.2.1:1:2",
  ])("refuses %j", (text) => {
    expect(() => parseResolve(text)).toThrow(/HOST:PORT:ADDR/)
  })
})

test("parsePortMapping collects pairs, 0 standing for any local port", () => {
  expect(parsePortMapping("80:0", parsePortMapping("443:8443"))).toEqual({ 443: 8443, 80: 0 })
  for (const text of ["443", "443:", ":1", "0:1", "443:65536", "a:b", "1:2:3"]) {
    expect(() => parsePortMapping(text)).toThrow(/GATEWAY_PORT:LOCAL_PORT/)
  }
})

test("parseSeconds reads fractions into milliseconds", () => {
  expect(parseSeconds("1.5")).toBe(1_500)
  for (const text of ["", "-1", "1e3", "NaN", "Infinity"]) expect(() => parseSeconds(text)).toThrow(/seconds/)
})

test("parseList takes commas and repeats", () => {
  expect(parseList("b, c", parseList("a"))).toEqual(["a", "b", "c"])
})

test("printable leaves text alone and writes what could deceive as escapes", () => {
  expect(printable("grüße → 名前 ✓")).toBe("grüße → 名前 ✓")
  expect(printable("\u001b[2J\r\n\0\u202e\u200b\u2028\ud800\\")).toBe(
    "\\x1b[2J\\x0d\\x0a\\x00\\u{202e}\\u{200b}\\u{2028}\\u{d800}\\\\",
  )
})
