import fc from "fast-check"
import {
  alpn,
  body,
  bytes,
  type Extension,
  handshake,
  inRecords,
  serverName,
  u16,
  vector8,
  vector16,
  versions,
} from "./build.ts"

const uint16 = fc.oneof(
  fc.nat(0xffff),
  fc.nat(15).map((nibble) => nibble * 0x1010 + 0x0a0a),
)
const data = (maxLength: number) => fc.uint8Array({ maxLength })
const list16 = fc.array(uint16, { maxLength: 12 }).map((list) => vector16(bytes(...list.map(u16))))
const label = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/)

function mostly<T>(right: fc.Arbitrary<T>, wrong: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 30, arbitrary: right }, { weight: 1, arbitrary: wrong })
}

const name = fc.oneof(
  { weight: 16, arbitrary: fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => labels.join(".")) },
  { weight: 1, arbitrary: fc.string({ maxLength: 30, unit: fc.constantFrom(..."aZ09-_.:[]% \0\n\u00e9*fx") }) },
  { weight: 1, arbitrary: fc.ipV4() },
  { weight: 1, arbitrary: fc.ipV6() },
  { weight: 1, arbitrary: fc.integer({ min: 60, max: 260 }).map((length) => "a".repeat(length)) },
  { weight: 1, arbitrary: fc.integer({ min: 120, max: 128 }).map((length) => "a.".repeat(length)) },
)

const protocol = mostly(
  fc.oneof(fc.constantFrom("h2", "http/1.1", "h3", "\n\n"), fc.string({ minLength: 1, maxLength: 20 })),
  fc.constant(""),
)
const keyShare = fc.tuple(uint16, data(40)).map(([group, key]) => bytes(u16(group), vector16(key)))

/** One extension, mostly well formed. */
const extension: fc.Arbitrary<Extension> = fc.oneof(
  { weight: 6, arbitrary: name.map((host) => serverName(host)) },
  { weight: 1, arbitrary: fc.array(name, { maxLength: 3 }).map((names) => serverName(...names)) },
  { weight: 3, arbitrary: fc.array(protocol, { minLength: 1, maxLength: 4 }).map((list) => alpn(...list)) },
  { weight: 3, arbitrary: fc.array(uint16, { minLength: 1, maxLength: 6 }).map((list) => versions(...list)) },
  { weight: 2, arbitrary: fc.constantFrom(10, 13).chain((type) => list16.map((list) => ({ type, data: list }))) },
  { weight: 1, arbitrary: data(4).map((list) => ({ type: 11, data: vector8(list) })) },
  {
    weight: 2,
    arbitrary: fc.array(keyShare, { maxLength: 4 }).map((list) => ({ type: 51, data: vector16(bytes(...list)) })),
  },
  { weight: 6, arbitrary: fc.record({ type: uint16, data: data(30) }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constantFrom(0, 10, 11, 13, 16, 43, 51, 0xfe0d), data: data(12) }),
  },
)

/** The body of a ClientHello, from well formed to odd in places. */
export const helloBody: fc.Arbitrary<Uint8Array> = fc
  .record({
    legacyVersion: mostly(fc.constantFrom(0x0300, 0x0301, 0x0303, 0x0304), fc.constant(0x0203)),
    sessionId: mostly(data(32), fc.constant(new Uint8Array(33))),
    cipherSuites: mostly<readonly number[]>(fc.array(uint16, { minLength: 1, maxLength: 110 }), fc.constant([])),
    compressionMethods: mostly<readonly number[]>(fc.constantFrom([0], [1, 0]), fc.constantFrom([1], [])),
    extensions: fc.oneof(
      { weight: 9, arbitrary: fc.uniqueArray(extension, { maxLength: 14, selector: ({ type }) => type }) },
      { weight: 2, arbitrary: fc.array(extension, { maxLength: 14 }) },
      { weight: 1, arbitrary: fc.constant(null) },
    ),
  })
  .map(body)

/** A change to one place of some bytes. */
const mutation = fc.record({
  at: fc.nat(2000),
  kind: fc.constantFrom("set", "set", "remove", "insert", "cut", "repeat"),
  value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 2, 3, 20, 22, 127, 128, 255)),
})

/** Mutations in a row, applied. */
export const mutate: fc.Arbitrary<(input: Uint8Array) => Uint8Array> = fc
  .array(mutation, { maxLength: 3 })
  .map((mutations) => (input) => {
    const list = [...input]
    for (const { at, kind, value } of mutations) {
      const where = list.length === 0 ? 0 : at % list.length
      if (kind === "set") list[where] = value
      if (kind === "remove") list.splice(where, 1 + (value >> 5))
      if (kind === "insert") list.splice(where, 0, value)
      if (kind === "cut") list.length = where
      if (kind === "repeat") list.splice(where, 0, ...list.slice(where, where + value))
    }
    return Uint8Array.from(list)
  })

/** Sizes of the pieces in a cut; the last piece takes what is left. */
export const sizes: fc.Arbitrary<readonly number[]> = fc.oneof(
  fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 40 }),
  fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 2000 }),
  fc.constant(new Array<number>(4000).fill(1)),
)

/** What a client may send first: a ClientHello in records, the same with faults on either layer, or noise. */
export const clientBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(helloBody, sizes).map(([hello, cut]) => inRecords(handshake(hello), cut)) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(helloBody, mutate, sizes)
      .map(([hello, change, cut]) => inRecords(handshake(change(hello)), cut)),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(helloBody, sizes, mutate)
      .map(([hello, cut, change]) => change(inRecords(handshake(hello), cut))),
  },
  { weight: 1, arbitrary: data(64) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom("GET ", "POST", "CONN", "PRI * HTTP/2.0", "SSH-2.0-", "\x80\x2e\x01", "\x16\x03"), data(8))
      .map(([start, rest]) => bytes(start, rest)),
  },
)

/** The same bytes in pieces of these sizes. */
export function pieces(input: Uint8Array, cut: readonly number[]): readonly Uint8Array[] {
  const parts: Uint8Array[] = []
  let at = 0
  for (const size of cut) {
    if (at >= input.length) break
    parts.push(input.subarray(at, at + size))
    at += size
  }
  if (at < input.length) parts.push(input.subarray(at))
  return parts
}
