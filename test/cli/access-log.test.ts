import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { accessEvent } from "../../src/cli/log/access-log.ts"
import { jsonLine } from "../../src/cli/log/json-line.ts"
import type { ConnectionRecord } from "../../src/proxy/connection/record.ts"

const record: ConnectionRecord = {
  id: 7,
  uniqueId: "0123456789ab-7",
  via: undefined,
  matchedListener: "Gateway/infra/public/https",
  offered: { alpnProtocols: ["h2"], tlsVersion: "TLS 1.3", echOffered: false, ja4: "t13d" },
  listener: "*:443",
  clientAddress: "192.0.2.1",
  clientPort: 40000,
  since: 1_700_000_000_000,
  serverName: "a.example",
  route: "shop/checkout",
  target: "shop/checkout:443",
  endpoint: { address: "10.0.0.1", port: 8443 },
  bytesFromClient: 517,
  bytesFromBackend: 1200,
  dialAttempts: 1,
  outcome: "completed",
  detail: undefined,
  endedBy: "client",
  durations: { hello: 1, dial: 2, total: 30 },
}

describe("an event of the access log", () => {
  it("has pino's fields, and the record beside them", () => {
    expect(accessEvent(record)).toMatchObject({
      level: 30,
      time: expect.any(Number),
      pid: process.pid,
      hostname: expect.any(String),
      event: "close",
      msg: "connection completed",
      serverName: "a.example",
      endedBy: "client",
    })
  })

  it("warns of what is the configuration's or a backend's doing", () => {
    expect(accessEvent({ ...record, outcome: "dial-failed" })).toMatchObject({ level: 40 })
    expect(accessEvent({ ...record, outcome: "not-tls" })).toMatchObject({ level: 30 })
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
})
