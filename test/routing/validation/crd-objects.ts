import fc from "fast-check"
import type { Schema } from "./crds.ts"

/** Words of every form that some field of the API takes, and near misses; each field draws those that fit it. */
const WORDS = [
  ..."a b tls app default 0 a-b a.b a.example.com *.example.com *.com * *a a.*.b A.example a_b a. .a -a a-".split(" "),
  ..."Gateway ListenerSet Service Secret TLSRoute gateway.networking.k8s.io example.com/controller a/b /a a/".split(
    " ",
  ),
  ..."HTTP HTTPS TLS TCP UDP Terminate Passthrough All Same Selector None IPAddress Hostname NamedAddress".split(" "),
  ..."xIPAddressx Hostnamex 1.2.3.4 01.2.3.4 1.2.3 ::1 fe80::1%eth0 ::ffff:1.2.3.4 1:2:3:4:5:6:7:8 1::2::3".split(" "),
  ..."True False Unknown Accepted Pending 2025-01-31T12:00:00Z 2025-02-30T12:00:00Z example.com/Accepted".split(" "),
  ...["", "ä", "💥", "a b", "a\n", "constructor", "__proto__", "toString"],
]

/** Values that few fields take. */
const JUNK: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  65536,
  2 ** 31,
  1e20,
  "",
  "x",
  [],
  [null],
  ["x"],
  {},
  { x: 1 },
]

const hostile = JSON.parse('{"__proto__": {"name": "x"}, "constructor": {"prototype": 1}}') as unknown

/**
 * Objects grown from a schema. Most fields are good, some stand on a boundary, and about one an object is bad: wrong
 * types, enums, patterns, lengths and counts, fields left out and fields made up.
 */
export function objectsOf(schema: Schema): fc.Arbitrary<unknown> {
  const rarity = 2 * countFields(schema)
  const sometimes = (good: fc.Arbitrary<unknown>, bad: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
    fc.oneof({ weight: rarity, arbitrary: good }, { weight: 1, arbitrary: bad })
  const junk = fc.constantFrom(...JUNK, hostile)

  const grow = (node: Schema): fc.Arbitrary<unknown> => {
    if (node.enum !== undefined) return sometimes(fc.constantFrom(...node.enum), fc.oneof(junk, fc.constant("Nope")))
    if (node.type === "string") return sometimes(goodText(node), fc.oneof(badText(node), junk))
    if (node.type === "integer") return sometimes(goodInteger(node), fc.oneof(badInteger(node), junk))
    if (node.type === "boolean") return sometimes(fc.boolean(), junk)
    if (node.type === "array") return sometimes(goodList(node), fc.oneof(badList(node), junk))
    if (node.additionalProperties) return sometimes(mapOf(node, node.additionalProperties), junk)
    return sometimes(recordOf(node), junk)
  }

  const goodList = (node: Schema): fc.Arbitrary<unknown> => {
    const item = grow(node.items ?? {})
    const min = node.minItems ?? 0
    return fc.array(item, { minLength: min, maxLength: Math.max(min, Math.min(3, node.maxItems ?? 3)) })
  }

  // Whole lists of one item stand on the boundary of the count without growing a thousand items.
  const badList = (node: Schema): fc.Arbitrary<unknown> => {
    const item = grow(node.items ?? {})
    const most = node.maxItems ?? 4
    const lengths = fc.constantFrom(0, (node.minItems ?? 0) + 1, most, most + 1)
    return fc.tuple(item, lengths).map(([value, length]) => Array.from({ length }, () => value))
  }

  const mapOf = (node: Schema, item: Schema): fc.Arbitrary<unknown> => {
    const most = node.maxProperties ?? 4
    const words = fc.dictionary(fc.constantFrom(...WORDS), grow(item), { maxKeys: 3, noNullPrototype: true })
    const goodWords = fc.dictionary(fc.constantFrom("a", "example.com/a", "B_c"), grow(item), { noNullPrototype: true })
    const whole = fc
      .constantFrom(most, most + 1)
      .map((count) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, "v"])))
    return sometimes(goodWords, fc.oneof(words, whole))
  }

  const recordOf = (node: Schema): fc.Arbitrary<unknown> => {
    const properties = Object.entries(node.properties ?? {})
    const required = new Set(node.required)
    const present = fc.record(Object.fromEntries(properties.map(([name, property]) => [name, grow(property)])), {
      requiredKeys: properties.flatMap(([name]) => (required.has(name) ? [name] : [])),
      noNullPrototype: true,
    })
    const mutated = fc
      .tuple(present, fc.constantFrom(...properties.map(([name]) => name), "x"), fc.constantFrom(null, undefined, 1))
      .map(([value, name, mutation]) => {
        const { [name]: _, ...others } = value as Record<string, unknown>
        return mutation === undefined ? others : { ...others, [mutation === 1 ? `${name}x` : name]: mutation }
      })
    return properties.length === 0 ? fc.constant({}) : sometimes(present, mutated)
  }

  return grow(schema)
}

/**
 * Every value that differs from a sample in one field, for each value of that field that a limit of the schema tells
 * from its neighbour: lengths, counts and numbers on both sides of a bound, every word and every wrong type.
 */
export function* variantsOf(schema: Schema, sample: unknown = least(schema)): Generator<unknown> {
  yield* JUNK
  yield hostile
  if (schema.enum !== undefined) yield* [...schema.enum, "Nope"]
  else if (schema.type === "string") yield* textsAround(schema)
  else if (schema.type === "integer") yield* numbersAround(schema)
  else if (schema.type === "array") yield* listsAround(schema, sample)
  else if (schema.additionalProperties) yield* mapsAround(schema, schema.additionalProperties)
  else yield* recordsAround(schema, sample)
}

function* textsAround({ minLength = 0, maxLength = 300 }: Schema): Generator<string> {
  yield* WORDS
  for (const length of [minLength, maxLength, maxLength + 1]) yield* ["a".repeat(length), "💥".repeat(length)]
  yield `a/${"b".repeat(maxLength - 2)}`
}

function* numbersAround({ minimum = 0, maximum = 2 ** 31 - 1 }: Schema): Generator<number> {
  yield* [
    minimum - 1,
    minimum,
    minimum + 0.5,
    maximum,
    maximum + 1,
    -(2 ** 31),
    -(2 ** 31) - 1,
    2 ** 63 - 1024,
    2 ** 63,
  ]
}

function* listsAround({ items = {}, minItems = 0, maxItems = 4 }: Schema, sample: unknown): Generator<unknown[]> {
  const item = Array.isArray(sample) && sample.length > 0 ? (sample[0] as unknown) : least(items)
  for (const length of [0, minItems, maxItems, maxItems + 1]) {
    yield Array.from({ length }, (_, index) => distinct(item, items, index))
  }
  for (const variant of variantsOf(items, item)) yield [variant]
  yield [item, item]
}

function* mapsAround({ maxProperties = 4 }: Schema, values: Schema): Generator<object> {
  for (const count of [maxProperties, maxProperties + 1]) {
    yield Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, least(values)]))
  }
  for (const word of WORDS) yield Object.fromEntries([[word, least(values)]])
  for (const variant of variantsOf(values)) yield { a: variant }
}

function* recordsAround({ properties = {} }: Schema, sample: unknown): Generator<object> {
  const whole = sample as Parts
  yield { ...whole, x: null }
  for (const [name, property] of Object.entries(properties)) {
    const { [name]: present, ...others } = whole
    yield others
    for (const variant of variantsOf(property, present)) yield { ...others, [name]: variant }
  }
}

/** The shortest valid value. */
function least(node: Schema): unknown {
  if (node.enum !== undefined) return node.enum[0]
  if (node.type === "string") return WORDS.find((word) => fits(node, word))
  if (node.type === "integer") return node.minimum ?? 0
  if (node.type === "boolean") return false
  if (node.type === "array") return Array.from({ length: node.minItems ?? 0 }, () => least(node.items ?? {}))
  return Object.fromEntries((node.required ?? []).map((name) => [name, least(node.properties?.[name] ?? {})]))
}

/** Copies of one item that no rule on unique names, types or ports objects to. */
function distinct(item: unknown, { properties = {} }: Schema, index: number): unknown {
  if (!isParts(item)) return item
  const type = "lastTransitionTime" in properties && { type: `Type${index}` }
  return {
    ...item,
    ...("name" in properties && { name: `n${index}` }),
    ...type,
    ...("port" in properties && { port: index + 1 }),
  }
}

function countFields({ properties = {}, items, additionalProperties }: Schema): number {
  const below = [...Object.values(properties), items ?? [], additionalProperties ?? []].flat()
  return below.reduce((count, field) => count + countFields(field), 1)
}

type Parts = Record<string, unknown>

/**
 * Makes most cross-field rules hold. Grown fields know nothing of each other, so that hardly an object would be valid
 * otherwise. What is not of the right shape is left alone.
 */
export function mend(object: unknown): unknown {
  const copy = structuredClone(object) as Parts
  const spec = part(copy, "spec")
  for (const [index, listener] of parts(spec, "listeners").entries()) {
    if (typeof listener["name"] === "string") listener["name"] = `l${index}`
    if (listener["protocol"] === "TLS") listener["tls"] ??= { mode: "Passthrough" }
    else delete listener["tls"]
    if (listener["tls"] !== undefined) part(listener, "tls")["mode"] = "Passthrough"
    if (listener["protocol"] === "TCP" || listener["protocol"] === "UDP") delete listener["hostname"]
    if (listener["protocol"] !== "HTTP" && listener["protocol"] !== "HTTPS") delete listener["filters"]
    spread(listener, index)
  }
  for (const [index, settings] of parts(part(part(spec, "tls"), "frontend"), "perPort").entries()) {
    spread(settings, index)
  }
  const addresses = [...parts(spec, "addresses"), ...parts(part(copy, "status"), "addresses")]
  for (const [index, address] of addresses.entries()) {
    if ((address["type"] ?? "IPAddress") === "IPAddress") address["value"] = `10.0.0.${index}`
    else if (address["value"] !== undefined) address["value"] = `a${index}`
    if (address["routability"] !== "example.com/controller") delete address["routability"]
  }
  for (const [index, parent] of parts(spec, "parentRefs").entries()) {
    parent["kind"] = `Kind${index}`
  }
  for (const backend of parts(spec, "rules").flatMap((rule) => parts(rule, "backendRefs"))) backend["port"] ??= 443
  return copy
}

/** Makes ports differ where they are ports at all. */
function spread(owner: Parts, index: number): void {
  const port = owner["port"]
  if (typeof port === "number") owner["port"] = port === 65535 ? port - index : port + index
}

/** The object at a field, or an empty one that is thrown away. */
function part(owner: Parts, field: string): Parts {
  const value = owner[field]
  return isParts(value) ? value : {}
}

function parts(owner: Parts, field: string): readonly Parts[] {
  const list = owner[field]
  return Array.isArray(list) ? list.filter(isParts) : []
}

function isParts(value: unknown): value is Parts {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function fits(node: Schema, word: string): boolean {
  const length = [...word].length
  return (
    (node.format !== "date-time" || word === "2025-01-31T12:00:00Z") &&
    (node.pattern === undefined || new RegExp(node.pattern).test(word)) &&
    length >= (node.minLength ?? 0) &&
    length <= (node.maxLength ?? 1000)
  )
}

function goodText(node: Schema): fc.Arbitrary<unknown> {
  const max = node.maxLength ?? 300
  const longest = ["a", "💥"].map((letter) => letter.repeat(max))
  const fitting = [...WORDS, ...longest, `a.example/${"x".repeat(max - 10)}`].filter((word) => fits(node, word))
  if (node.format === "date-time") return fc.constantFrom("2025-01-31T12:00:00Z", "2024-02-29T23:59:59.5+01:00")
  const drawn = fc.constantFrom(...fitting)
  if (node.pattern === undefined) return drawn
  const matching = fc.stringMatching(new RegExp(node.pattern), { size: "-1" }).filter((word) => fits(node, word))
  return fc.oneof({ weight: 4, arbitrary: drawn }, { weight: 1, arbitrary: matching })
}

function badText(node: Schema): fc.Arbitrary<unknown> {
  const max = node.maxLength ?? 300
  return fc.constantFrom(...WORDS, "a".repeat(max + 1), "💥".repeat(max + 1), "💥".repeat(max))
}

function goodInteger(node: Schema): fc.Arbitrary<unknown> {
  const min = node.minimum ?? 0
  const max = node.maximum ?? 2 ** 31 - 1
  // Few values, so that ports collide.
  return fc.constantFrom(min, max, min + 1, 443, 8443).filter((value) => value >= min && value <= max)
}

function badInteger(node: Schema): fc.Arbitrary<unknown> {
  return fc.constantFrom((node.minimum ?? 0) - 1, (node.maximum ?? 2 ** 31 - 1) + 1, -(2 ** 31) - 1, 2 ** 63)
}
