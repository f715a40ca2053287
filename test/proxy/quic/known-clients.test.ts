import { describe, expect, it } from "vitest"
import { KnownClients } from "../../../src/proxy/quic/known-clients.ts"

const MINUTE = 60_000

function memory() {
  let now = 0
  const clients = new KnownClients(() => now)
  return {
    clients,
    pass: (milliseconds: number) => {
      now += milliseconds
    },
  }
}

describe("a client that has been here", () => {
  it("is known for half an hour at least, and for an hour at most", () => {
    const { clients, pass } = memory()
    pass(29 * MINUTE)
    clients.add("192.0.2.1")
    pass(30 * MINUTE)
    expect(clients.has("192.0.2.1")).toBe(true)
    pass(31 * MINUTE)
    expect(clients.has("192.0.2.1")).toBe(false)
    expect(clients.has("192.0.2.2")).toBe(false)
  })

  it("is not known any more when nobody was asked about for long", () => {
    const { clients, pass } = memory()
    clients.add("192.0.2.1")
    pass(61 * MINUTE)
    expect(clients.has("192.0.2.1")).toBe(false)
  })

  it("is forgotten for others that came later, so that memory is bounded", () => {
    const { clients } = memory()
    for (let client = 0; client < 40_000; client++) clients.add(String(client))
    const known = Array.from({ length: 40_000 }, (_, client) => String(client)).filter((each) => clients.has(each))
    expect(known.length).toBeLessThanOrEqual(32_768)
    expect(known).toContain("39999")
    expect(known).not.toContain("0")
  })
})
