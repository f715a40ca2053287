import { describe, expect, it } from "vitest"
import { HelloMemory } from "../../src/cli/admin/hello-memory.ts"
import { LiveRates } from "../../src/cli/admin/live-rates.ts"
import { Refusals } from "../../src/cli/admin/refusals.ts"
import type { Steps } from "../../src/cli/admin/steps.ts"
import type { ClientHello } from "../../src/client-hello/hello.ts"
import type { ConnectionInfo, ConnectionRecord } from "../../src/proxy/connection/record.ts"

interface Bytes {
  bytesFromBackend: number
}

function connection(id: number, name = `${id}.example`): ConnectionInfo & Bytes {
  return {
    id,
    uniqueId: `p-${id}`,
    clientAddress: "192.0.2.7",
    clientPort: 1000 + id,
    serverName: name,
    route: "shop/checkout",
    endpoint: { address: "2001:db8::1", port: 443 },
    state: "splicing",
    since: id,
    bytesFromClient: 0,
    bytesFromBackend: 0,
  } as unknown as ConnectionInfo & Bytes
}

/** What comes of steps that are taken all at once. */
function whole<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

describe("the list of live connections", () => {
  function look(rates: LiveRates, all: readonly ConnectionInfo[], ...filters: string[]) {
    rates.begin(all.length, 2, filters)
    for (const each of all) rates.see(each)
    return whole(rates.end())
  }

  it("has the hundred busiest, each with its bytes per second", () => {
    const rates = new LiveRates()
    const all = Array.from({ length: 1_000 }, (_, id) => connection(id))
    look(rates, all, "")
    for (const [id, each] of all.entries()) each.bytesFromBackend = id * 10
    const [rows = []] = look(rates, all, "")
    expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, at) => `p-${999 - at}`))
    expect(rows[0]).toMatchObject({
      downRate: 4_995,
      upRate: 0,
      endpoint: "[2001:db8::1]:443",
      client: "192.0.2.7:1999",
    })
  })

  it("has the newest where none is busy, and a new one without a rate", () => {
    const [rows = []] = look(
      new LiveRates(),
      Array.from({ length: 500 }, (_, id) => connection(id)),
      "",
    )
    expect(rows[0]).toMatchObject({ id: "p-499", downRate: 0 })
    expect(rows).toHaveLength(100)
  })

  it.each([
    ["shop.example", 1],
    ["SHOP.example", 1],
    ["checkout", 3],
    ["192.0.2", 3],
    ["db8::1", 3],
    ["splicing", 3],
    ["half-closed", 0],
    ["nothing", 0],
  ])("has those that %j is part of: %i", (filter, count) => {
    const all = [connection(1, "shop.example"), connection(2), connection(3)]
    expect(look(new LiveRates(), all, filter)[0]).toHaveLength(count)
  })

  it("gives each who watches a list of their own", () => {
    const all = [connection(1, "a.example"), connection(2, "b.example")]
    expect(look(new LiveRates(), all, "a.", "", "b.").map((rows) => rows.length)).toEqual([1, 2, 1])
  })

  it("looks at some of them only when there are too many", () => {
    let looks = 0
    const all = Array.from({ length: 50_000 }, (_, id) => {
      const each = connection(id)
      Object.defineProperty(each, "bytesFromClient", { get: () => looks++ })
      return each
    })
    const rates = new LiveRates()
    rates.begin(all.length, 1, [""])
    for (const each of all) rates.see(each)
    expect(looks).toBeLessThanOrEqual(20_000)
    expect(whole(rates.end())[0]).toHaveLength(100)
  })
})

describe("the list of refusals", () => {
  const refusal = (serverName: string, kind = "refused") =>
    ({ kind, serverName, outcome: "refused", detail: "NoMatchingRoute" }) as unknown as ConnectionRecord

  it("has the most frequent first, and nobody who was served", () => {
    const refusals = new Refusals()
    for (const name of ["a", "b", "b"]) refusals.add(refusal(name))
    refusals.add(refusal("served", "spliced"))
    expect(refusals.top(10).map(({ serverName, count }) => [serverName, count])).toEqual([
      ["b", 2],
      ["a", 1],
    ])
  })

  it("stays small whatever number of names clients make up", () => {
    const refusals = new Refusals()
    for (let at = 0; at < 10_000; at++) refusals.add(refusal(`${at}.example`))
    expect(refusals.top(100_000).length).toBe(500)
    expect(refusals.top(1_000).some(({ serverName }) => serverName === "9999.example")).toBe(true)
  })
})

describe("the memory of ClientHellos", () => {
  const hello = {} as ClientHello

  it("has the latest five hundred", () => {
    const memory = new HelloMemory()
    for (let id = 0; id < 600; id++) memory.add(id, hello, 500)
    expect([memory.get(99), memory.get(100), memory.get(599)]).toEqual([undefined, hello, hello])
  })

  it("has fewer where they are large", () => {
    const memory = new HelloMemory()
    for (let id = 0; id < 100; id++) memory.add(id, hello, 65_536)
    expect([memory.get(67), memory.get(68), memory.get(99)]).toEqual([undefined, hello, hello])
  })

  it("has none of a connection that is over, and its room for others", () => {
    const memory = new HelloMemory()
    for (let id = 0; id < 100; id++) {
      memory.add(id, hello, 65_536)
      if (id > 0) memory.forget(id)
    }
    expect([memory.get(0), memory.get(99)]).toEqual([hello, undefined])
  })
})
