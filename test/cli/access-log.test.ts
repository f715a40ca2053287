import fc from "fast-check"
import { describe, expect, it, test } from "vitest"
import { accessLevel, accessLine } from "../../src/cli/log/access-log.ts"
import { isSelected, parseAccessSelection } from "../../src/cli/log/access-selection.ts"
import { jsonLine, jsonText } from "../../src/cli/log/json-line.ts"
import type {
  ConnectionOutcome,
  ConnectionRecord,
  RefusedRecord,
  SplicedRecord,
} from "../../src/proxy/connection/record.ts"

const record: Required<SplicedRecord> = {
  kind: "spliced",
  id: 7,
  uniqueId: "0123456789ab-7",
  transport: "quic",
  datagramsFromClient: 3,
  datagramsFromBackend: 4,
  via: { address: "2001:db8::7", port: 7 },
  starttls: "postgres",
  matchedListener: "Gateway/infra/public/https",
  offeredName: "127.0.0.1",
  proxyHeaderBytes: 28,
  offered: { alpnProtocols: ["h2", "\u0001"], tlsVersion: "TLS 1.3", echOffered: false, ja4: "t13d" },
  listener: "*:443",
  clientAddress: "192.0.2.1",
  clientPort: 40000,
  since: 1_700_000_000_000.25,
  serverName: "a.example",
  route: "shop/checkout",
  target: "shop/checkout:443",
  endpoint: { address: "10.0.0.1", port: 8443 },
  bytesFromClient: 517,
  bytesFromBackend: 1200,
  dialAttempts: 1,
  outcome: "completed",
  detail: "ECONNRESET",
  endedBy: "client",
  durations: { hello: 1, dial: 2.5, total: 30.125 },
}

const head = {
  level: 30,
  time: expect.any(Number),
  pid: process.pid,
  hostname: expect.any(String),
  event: "close",
  msg: "connection completed",
}

describe("a line of the access log", () => {
  it("has pino's fields, and every field of the record beside them", () => {
    expect(JSON.parse(accessLine(record))).toEqual({ ...head, ...record })
  })

  it("tells of no datagrams over TCP", () => {
    const { datagramsFromClient: _, datagramsFromBackend: __, ...rest } = record
    const tcp: ConnectionRecord = { ...record, transport: "tcp" }
    expect(JSON.parse(accessLine(tcp))).toEqual({ ...head, ...rest, transport: "tcp" })
  })

  it("leaves out what a connection did not come to", () => {
    const turnedAway: RefusedRecord = {
      ...record,
      kind: "refused",
      outcome: "denied",
      via: undefined,
      starttls: undefined,
      matchedListener: undefined,
      offered: undefined,
      offeredName: undefined,
      proxyHeaderBytes: undefined,
      serverName: undefined,
      route: undefined,
      target: undefined,
      endpoint: undefined,
      detail: undefined,
      durations: { hello: undefined, dial: undefined, total: 3 },
    }
    expect(JSON.parse(accessLine(turnedAway))).toEqual({
      ...head,
      msg: "connection denied",
      ...JSON.parse(JSON.stringify(turnedAway)),
    })
  })

  it("warns of what is the configuration's or a backend's doing", () => {
    expect(accessLevel({ outcome: "dial-failed", detail: undefined })).toBe("warn")
    expect(accessLevel({ outcome: "not-tls", detail: "NOT_TLS" })).toBe("info")
    expect(JSON.parse(accessLine({ ...record, kind: "refused", outcome: "dial-failed" }))).toMatchObject({ level: 40 })
  })

  it("warns of a backend that cannot do with its PROXY protocol header, and says what to do", () => {
    const reset: SplicedRecord = { ...record, outcome: "backend-reset", detail: "NOTHING_AFTER_PROXY_HEADER" }
    expect(accessLevel(reset)).toBe("warn")
    expect(JSON.parse(accessLine(reset))).toMatchObject({
      level: 40,
      msg: expect.stringContaining("send-proxy-protocol-max-bytes"),
    })
    expect(accessLevel({ ...reset, detail: "ECONNRESET" })).toBe("info")
  })

  it("is one line of printable ASCII, and reads back as what was meant, whatever is in the record", () => {
    const text = fc.string({ unit: "binary" })
    fc.assert(
      fc.property(text, text, text, (serverName, route, detail) => {
        const line = accessLine({ ...record, serverName, route, detail })
        expect(line).toMatch(/^[\x20-\x7e]*$/)
        expect(JSON.parse(line)).toMatchObject({ serverName, route, detail })
      }),
    )
  })

  it("tells times to the nearest microsecond", () => {
    const time = fc.double({ min: 0, max: 2 ** 42, noNaN: true })
    fc.assert(
      fc.property(time, time, (since, total) => {
        const line = JSON.parse(accessLine({ ...record, since, durations: { ...record.durations, total } }))
        expect(line.since).toBe(Math.round(since * 1_000) / 1_000)
        expect(line.durations.total).toBe(Math.round(total * 1_000) / 1_000)
      }),
    )
  })
})

describe("which connections have a line", () => {
  const lines = (text: string, outcome: ConnectionOutcome, connections = 1000) => {
    const selection = parseAccessSelection(text)
    if (selection === undefined) throw new Error(`${text} is not read`)
    return Array.from({ length: connections }, () =>
      isSelected(selection, { ...record, outcome } as ConnectionRecord),
    ).filter(Boolean).length
  }

  test.each([
    ["all", "completed", 1000],
    ["all", "refused", 1000],
    ["none", "refused", 0],
    ["failures", "completed", 0],
    ["all", "probe", 0],
    ["failures", "probe", 0],
    ["100%", "probe", 0],
    ["failures", "client-gone", 0],
    ["failures", "drained", 0],
    ["failures", "refused", 1000],
    ["failures", "dial-timeout", 1000],
    ["failures", "backend-reset", 1000],
    ["0%", "completed", 0],
    ["100%", "completed", 1000],
    ["0.1%", "denied", 1000],
  ] as const)("%s: of a thousand that end as %s, %i", (text, outcome, expected) => {
    expect(lines(text, outcome)).toBe(expected)
  })

  test("probes have one when they are asked for, unless nobody knows who it was", () => {
    expect(isSelected("all", { ...record, outcome: "probe" }, true)).toBe(true)
    expect(isSelected("all", { ...record, outcome: "probe", clientAddress: "" }, true)).toBe(false)
    expect(isSelected("none", { ...record, outcome: "probe" }, true)).toBe(false)
  })

  test("clients over QUIC that never answered have one only when probes have: a flood has thousands", () => {
    const unproven = { ...record, transport: "quic", outcome: "idle-timeout", detail: "UNPROVEN_CLIENT" } as const
    expect(isSelected("all", unproven)).toBe(false)
    expect(isSelected({ shareOfOthers: 0 }, unproven)).toBe(false)
    expect(isSelected("all", unproven, true)).toBe(true)
  })

  test("a share of those that did not fail is drawn", () => {
    const drawn = lines("10%", "completed", 10_000)
    expect(drawn).toBeGreaterThan(700)
    expect(drawn).toBeLessThan(1300)
  })

  test.each(["", "some", "1", "101%", "-1%", "1.%", "%", "1e1%"])("%j is refused", (text) => {
    expect(parseAccessSelection(text)).toBeUndefined()
  })
})

describe("a line of JSON", () => {
  it("is printable ASCII on one line, and reads back as what was written, whatever clients send", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "binary" }), (value) => {
        const line = jsonLine(value)
        expect(line).toMatch(/^[\x20-\x7e]*$/)
        expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it("writes a text alone as it does inside a value", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(jsonText(text)).toBe(jsonLine(text))
      }),
    )
  })
})
