import { describe, expect, it } from "vitest"
import { Unproven } from "../../../src/proxy/quic/unproven.ts"

function places(most: number) {
  const evicted: string[] = []
  const unproven = new Unproven<{ evict(): void }>(most)
  const add = (name: string, isKnown = false) => {
    const flow = {
      evict() {
        evicted.push(name)
        unproven.delete(flow)
      },
    }
    unproven.add(flow, isKnown)
    return flow
  }
  return { unproven, evicted, add }
}

describe("connections whose clients have not answered", () => {
  it("give way to new ones, the oldest first", () => {
    const { unproven, evicted, add } = places(2)
    for (const name of ["a", "b", "c", "d"]) add(name)
    expect(evicted).toEqual(["a", "b"])
    expect(unproven.size).toBe(2)
  })

  it("of clients that were here lately give way only when there are no others", () => {
    const { evicted, add } = places(2)
    add("known", true)
    for (const name of ["a", "b", "c"]) add(name)
    expect(evicted).toEqual(["a", "b"])
    add("known too", true)
    add("known as well", true)
    expect(evicted).toEqual(["a", "b", "c", "known"])
  })

  it("leave their place when they answer", () => {
    const { unproven, evicted, add } = places(1)
    unproven.delete(add("a"))
    unproven.delete(add("b", true))
    add("c")
    expect(evicted).toEqual([])
  })
})
