import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type FlowEntry, FlowTable } from "../../../src/proxy/quic/flow-table.ts"
import { playTable } from "./table-reference.ts"

const A = "192.0.2.1 1000"
const B = "192.0.2.2 2000"

const short = (id: string) => Buffer.from(`@${id}secret`, "latin1")
const flows = (found: readonly FlowEntry<string>[]) => found.map(({ flow }) => flow)

function table() {
  const flowTable = new FlowTable<string>()
  const add = (flow: string, client: string, original: string, source = "") =>
    flowTable.add(flow, client, original, source)
  const long = (client: string, destination: string, source = "", begins = false) =>
    flows(flowTable.findLong(client, destination, source, begins))
  return {
    table: flowTable,
    add,
    long,
    short: (client: string, id: string) => flows(flowTable.findShort(client, short(id))),
  }
}

describe("a flow is found", () => {
  it("by the id that its client made up, from the same address only", () => {
    const { add, long } = table()
    add("one", A, "original")
    expect(long(A, "original", "", true)).toEqual(["one"])
    expect(long(B, "original", "", true)).toEqual([])
    expect(long(A, "another1", "", true)).toEqual([])
  })

  it("by the id that its server told, from any address", () => {
    const { table: it, add, long, short } = table()
    it.told(add("one", A, "original"), "server-1")
    expect(long(A, "server-1")).toEqual(["one"])
    expect(short(A, "server-1")).toEqual(["one"])
    expect(long(B, "server-1")).toEqual(["one"])
    expect(short(B, "server-1")).toEqual(["one"])
  })

  it("by its address, once its server tells of no id", () => {
    const { table: it, add, long, short } = table()
    it.told(add("one", A, "original"), "")
    expect(short(A, "whatever")).toEqual(["one"])
    expect(long(A, "", "")).toEqual(["one"])
    expect(short(B, "whatever")).toEqual([])
  })

  it("by an id that its client used before from the address that is known, though it was told in secret", () => {
    const { table: it, add, short } = table()
    it.told(add("one", A, "original"), "server-1")
    expect(short(B, "secret-1")).toEqual([])
    expect(short(A, "secret-1")).toEqual(["one"])
    expect(short(B, "secret-1")).toEqual(["one"])
  })

  it("by its client's id when a further id is used before the handshake is over", () => {
    const { table: it, add, long, short } = table()
    it.told(add("one", A, "original", "client-1"), "server-1")
    it.told(add("two", A, "origin-2", "client-2"), "server-2")
    expect(long(A, "secret-1", "client-1")).toEqual(["one"])
    expect(short(B, "secret-1")).toEqual(["one"])
    expect(long(A, "secret-2", "nobody")).toEqual([])
  })

  it("as one of several from an address, or as each of them when nothing tells", () => {
    const { table: it, add, short } = table()
    it.told(add("one", A, "original"), "server-1")
    it.told(add("two", A, "origin-2"), "server-2")
    add("unanswered", A, "origin-3")
    expect(short(A, "server-1")).toEqual(["one"])
    expect(short(A, "server-2")).toEqual(["two"])
    expect(short(A, "secret-1")).toEqual(["one", "two"])
    // And it is nobody's after that.
    expect(short(B, "secret-1")).toEqual([])
  })

  it("where it has gone, and where it came from until it left there", () => {
    const { table: it, add, short } = table()
    const one = add("one", A, "original")
    it.told(one, "server-1")
    it.join(one, B)
    expect(short(B, "secret-1")).toEqual(["one"])
    expect(short(A, "secret-2")).toEqual(["one"])
    it.leave(one, A)
    expect(short(A, "secret-3")).toEqual([])
  })
})

describe("a flow is not found", () => {
  it("when it is gone, by anything that was known of it", () => {
    const { table: it, add, long, short } = table()
    const one = add("one", A, "original", "client-1")
    it.told(one, "server-1")
    short(A, "secret-1")
    it.remove(one)
    expect(it.size).toBe(0)
    expect([long(A, "original"), long(A, "server-1"), long(A, "x", "client-1"), short(A, "secret-1")]).toEqual([
      [],
      [],
      [],
      [],
    ])
  })

  it("by an id that two servers have told, except from its own address", () => {
    const { table: it, add, short } = table()
    it.told(add("one", A, "original"), "same-id1")
    const two = add("two", B, "origin-2")
    it.told(two, "same-id1")
    expect(short("192.0.2.3 3", "same-id1")).toEqual([])
    expect(short(A, "same-id1")).toEqual(["one"])
    expect(short(B, "same-id1")).toEqual(["two"])
    it.remove(two)
    expect(short(B, "same-id1")).toEqual([])
  })

  it("by an id of three bytes or less, from elsewhere", () => {
    const { table: it, add, short } = table()
    it.told(add("one", A, "original"), "abc")
    expect(short(A, "abc")).toEqual(["one"])
    expect(short(B, "abc")).toEqual([])
  })

  it("by a short header before its server has answered, nor by a datagram too short for an id", () => {
    const { table: it, add } = table()
    const one = add("one", A, "original")
    expect(it.findShort(A, short("anything"))).toEqual([])
    it.told(one, "server-1")
    expect(flows(it.findShort(B, Buffer.from("@server-")))).toEqual([])
    expect(flows(it.findShort(A, Buffer.from("@")))).toEqual(["one"])
  })

  it("by ids older than the last few, however many its client makes up", () => {
    const { table: it, add, short } = table()
    it.told(add("one", A, "original"), "server-1")
    for (let id = 10_000_000; id < 10_001_000; id++) expect(short(A, String(id))).toEqual(["one"])
    expect(short(B, "10000990")).toEqual([])
    expect(short(B, "10000999")).toEqual(["one"])
    expect(short(B, "server-1")).toEqual(["one"])
  })
})

describe("any coming and going of flows, addresses and ids", () => {
  it("finds the flows that a plain list of them does", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 400, size: "max" }), (steps) => {
        expect(playTable(steps)).toBeGreaterThan(0)
      }),
      { numRuns: 1500 },
    )
  })
})
