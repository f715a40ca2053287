import fc from "fast-check"
import { expect, test } from "vitest"
import { extendHash, finishHash, hashText, startHash } from "../../src/primitives/string-hash.ts"

test("addresses next to each other hash far apart", () => {
  const buckets = new Array<number>(16).fill(0)
  for (let index = 0; index < 16_000; index++) buckets[hashText(`192.168.${index >> 8}.${index & 255}`) % 16]!++
  expect(Math.min(...buckets)).toBeGreaterThan(850)
  expect(Math.max(...buckets)).toBeLessThan(1_150)
})

test("the hash of a text is that of its characters one by one", () => {
  fc.assert(
    fc.property(fc.string(), fc.integer(), (text, seed) => {
      let state = startHash(seed)
      for (let at = 0; at < text.length; at++) state = extendHash(state, text.charCodeAt(at))
      expect(finishHash(state) >>> 0).toBe(hashText(text, seed))
    }),
  )
})

test("texts that differ in one character, or in the seed, differ in about half of the bits", () => {
  let bits = 0
  for (let index = 0; index < 1_000; index++) {
    const text = `shop-${index}.example.com`
    const changed = hashText(text) ^ hashText(`T${text.slice(1)}`)
    for (const difference of [changed, hashText(text, 1) ^ hashText(text, 2)]) {
      for (let bit = 0; bit < 32; bit++) bits += (difference >>> bit) & 1
    }
  }
  expect(bits / 2_000).toBeGreaterThan(15)
  expect(bits / 2_000).toBeLessThan(17)
})
