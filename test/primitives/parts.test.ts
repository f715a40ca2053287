import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { oncePerPart, partsOf, unshared } from "../../src/primitives/parts.ts"

const numbered = (length: number): readonly object[] => Array.from({ length }, (_, number) => ({ number }))

/** One of several edits of a list: elements taken out, and others put in their place. */
const anyEdit = fc.record({
  at: fc.nat(1500),
  out: fc.oneof(fc.nat(3), fc.nat(700)),
  come: fc.oneof(fc.nat(3), fc.nat(700)),
})

const edited = (list: readonly object[], { at, out, come }: { at: number; out: number; come: number }) => {
  const next = [...list]
  next.splice(at % (list.length + 1), out, ...numbered(come))
  return next
}

describe("a list in parts", () => {
  it("has the list's elements in their order, however it came about", () => {
    fc.assert(
      fc.property(fc.nat(1500), fc.array(anyEdit, { maxLength: 8 }), (length, edits) => {
        let list = numbered(length)
        let parts = partsOf(list)
        for (const edit of edits) {
          list = edited(list, edit)
          parts = partsOf(list, parts)
          const flat = parts.flat()
          expect(flat.length === list.length && flat.every((element, at) => element === list[at])).toBe(true)
          expect(parts.every((part) => part.length > 0 && part.length <= 256)).toBe(true)
        }
      }),
    )
  })

  it.each([
    ["one that is changed", { out: 1, come: 1 }],
    ["one that comes", { out: 0, come: 1 }],
    ["one that goes", { out: 1, come: 0 }],
    ["hundreds that change", { out: 700, come: 700 }],
    ["a hundred that go", { out: 100, come: 0 }],
  ])("shares with the list before it all but what is near %s", (_, edit) => {
    const list = numbered(10_000)
    const before = partsOf(list)
    const after = partsOf(edited(list, { at: 5000, ...edit }), before)
    const differing = unshared(before, after)
    expect(differing.before.length).toBeLessThanOrEqual(edit.out + 512)
    expect(differing.after.length).toBeLessThanOrEqual(edit.come + 512)
  })

  it("shares every part with a copy of the list", () => {
    const list = numbered(1000)
    const before = partsOf(list)
    expect(unshared(before, partsOf([...list], before))).toEqual({ before: [], after: [] })
  })

  it("is in parts that do not crumble while it grows one by one", () => {
    let list = numbered(1000)
    let parts = partsOf(list)
    for (let at = 0; at < 1000; at++) {
      list = edited(list, { at: (at * 7919) % list.length, out: 0, come: 1 })
      parts = partsOf(list, parts)
    }
    expect(parts.length).toBeLessThan(32)
  })
})

describe("what is made of a part", () => {
  it("is made once", () => {
    let asked = 0
    const count = oncePerPart((part: readonly object[]) => {
      asked++
      return part.length
    })
    const list = numbered(10_000)
    const before = partsOf(list)
    const all = before.map(count)
    expect(all.reduce((sum, length) => sum + length)).toBe(10_000)
    expect(asked).toBe(before.length)
    partsOf(edited(list, { at: 5000, out: 1, come: 1 }), before).map(count)
    expect(asked).toBe(before.length + 1)
  })
})
