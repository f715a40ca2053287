import type { OneOf } from "../../primitives/one-of.ts"
import { CidrList } from "../../proxy/limits/cidr.ts"

/**
 * How one kind of policy value is read: from the text of an annotation, or from what a program gives. Both
 * throw an error that says what was expected: a RangeError, or that of who reads it.
 */
export interface ValueType<Input, Value> {
  /** For the documentation: what the text looks like. */
  readonly syntax: string
  /** Reads an annotation. */
  parse(text: string): Value
  /** Reads an option of a program: the text of an annotation, or the value itself. */
  accept(input: Input): Value
}

const DURATION_UNITS = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const

/**
 * Milliseconds. Text is a Gateway API duration (GEP-2257), where zero turns a limit off (GEP-1742); numbers
 * are milliseconds, and `Infinity` turns a limit off as well.
 */
export const duration: ValueType<number | string, number> = {
  syntax: "Gateway API duration, for example `10s` or `1h30m`; `0s` turns the limit off",
  parse(text) {
    if (!/^(\d{1,5}(h|ms|m|s)){1,4}$/.test(text)) throw expected("a duration such as 10s, 500ms or 1h30m", text)
    let total = 0
    for (const [, amount = "", unit = "s"] of text.matchAll(/(\d+)(h|ms|m|s)/g)) {
      total += Number(amount) * DURATION_UNITS[unit as keyof typeof DURATION_UNITS]
    }
    return total === 0 ? Number.POSITIVE_INFINITY : total
  },
  accept(input) {
    if (typeof input === "string") return duration.parse(input)
    if (typeof input !== "number" || !(input >= 0)) throw expected("milliseconds, 0 or more, or a duration", input)
    return input === 0 ? Number.POSITIVE_INFINITY : input
  },
}

/** Milliseconds that are waited for, not a limit: zero is no wait. */
export const delay: ValueType<number | string, number> = {
  syntax: "Gateway API duration, for example `10s`; `0s` is none",
  parse: (text) => none(duration.parse(text)),
  accept(input) {
    if (input === Number.POSITIVE_INFINITY) throw expected("a finite time", input)
    return none(duration.accept(input))
  },
}

function none(milliseconds: number): number {
  return milliseconds === Number.POSITIVE_INFINITY ? 0 : milliseconds
}

const SHORTEST_PERIOD = 100
const LONGEST_PERIOD = 3_600_000

/** Milliseconds of something that the gateway does over and over for one backend, which must not keep it from others. */
export const period: ValueType<number | string, number> = {
  syntax: "Gateway API duration from `100ms` to `1h`",
  parse: (text) => within(duration.parse(text), text),
  accept: (input) => within(duration.accept(input), input),
}

function within(milliseconds: number, input: unknown): number {
  if (milliseconds < SHORTEST_PERIOD || milliseconds > LONGEST_PERIOD) throw expected("from 100ms to 1h", input)
  return milliseconds
}

const SHORTEST_KEEPALIVE = 1_000
/** What Linux takes for `TCP_KEEPIDLE`: 32 767 seconds. */
const LONGEST_KEEPALIVE = 32_767_000

/** Milliseconds of silence before TCP asks the peer whether it is there; zero is never. */
export const keepalive: ValueType<number | string, number> = {
  syntax: "Gateway API duration from `1s` to `9h`; `0s` turns it off",
  parse: (text) => asked(duration.parse(text), text),
  accept: (input) => asked(duration.accept(input), input),
}

function asked(milliseconds: number, input: unknown): number {
  if (milliseconds === Number.POSITIVE_INFINITY) return milliseconds
  if (milliseconds < SHORTEST_KEEPALIVE || milliseconds > LONGEST_KEEPALIVE)
    throw expected("from 1s to 9h, or 0s", input)
  return milliseconds
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
}

/** Bytes, at least one. */
export const size: ValueType<number | string, number> = {
  syntax: "bytes, for example `65536`, `64KiB` or `1MB`",
  parse(text) {
    const [, amount, unit = ""] = /^(\d{1,15})([A-Za-z]*)$/.exec(text) ?? []
    const factor = SIZE_UNITS[unit]
    const bytes = amount === undefined || factor === undefined ? 0 : Number(amount) * factor
    if (!(bytes >= 1 && bytes <= Number.MAX_SAFE_INTEGER)) throw expected("a size such as 65536, 64KiB or 1MB", text)
    return bytes
  },
  accept(input) {
    if (typeof input === "string") return size.parse(input)
    if (typeof input !== "number" || !(input >= 1)) throw expected("bytes, 1 or more, or a size such as 64KiB", input)
    return input
  },
}

const SHORTEST_HEADER = 52
const LONGEST_HEADER = 65_551

/** Bytes that a PROXY protocol header may have, which must have room for the addresses of IPv6; zero is no limit. */
export const headerSize: ValueType<number | string, number> = {
  syntax: "whole number from `52` to `65551`; `0` is no limit",
  parse(text) {
    if (!/^\d{1,5}$/.test(text)) throw expected("a number of bytes from 52 to 65551, or 0", text)
    return headerSize.accept(Number(text))
  },
  accept(input) {
    if (typeof input === "string") return headerSize.parse(input)
    if (input === 0 || input === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    if (Number.isInteger(input) && input >= SHORTEST_HEADER && input <= LONGEST_HEADER) return input
    throw expected("a number of bytes from 52 to 65551, or 0", input)
  },
}

/** Bytes per second; `Infinity` is no cap. */
export const rate: ValueType<number | string, number> = {
  syntax: "bytes per second, for example `10MiB`; `0` is no cap",
  parse: (text) => (text === "0" ? Number.POSITIVE_INFINITY : size.parse(text)),
  accept: (input) => (input === 0 || input === "0" ? Number.POSITIVE_INFINITY : size.accept(input)),
}

/** A whole number; zero, which would admit nothing, stands for no limit. */
export const count: ValueType<number | string, number> = {
  syntax: "whole number; `0` is no limit",
  parse(text) {
    if (!/^\d{1,9}$/.test(text)) throw expected("a whole number of up to 9 digits", text)
    return count.accept(Number(text))
  },
  accept(input) {
    if (typeof input === "string") return count.parse(input)
    if (input === 0 || input === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    if (!Number.isSafeInteger(input) || input < 0) throw expected("a whole number, 0 or more", input)
    return input
  },
}

/** A number per second, with decimals; zero stands for no limit. */
export const perSecond: ValueType<number | string, number> = {
  syntax: "number per second, for example `20` or `0.5`; `0` is no limit",
  parse(text) {
    if (!/^\d{1,9}(\.\d{1,3})?$/.test(text)) throw expected("a number per second such as 20 or 0.5", text)
    return perSecond.accept(Number(text))
  },
  accept(input) {
    if (typeof input === "string") return perSecond.parse(input)
    if (typeof input !== "number" || !(input >= 0)) throw expected("a number per second, 0 or more", input)
    return input === 0 ? Number.POSITIVE_INFINITY : input
  },
}

/** A share from 0 to 1, written as a percentage. */
export const share: ValueType<number | string, number> = {
  syntax: "percentage, for example `20%`",
  parse(text) {
    const percent = /^(\d{1,3}(?:\.\d{1,3})?)%$/.exec(text)?.[1]
    if (percent === undefined || Number(percent) > 100) throw expected("a percentage from 0% to 100%", text)
    return Number(percent) / 100
  },
  accept(input) {
    if (typeof input === "string") return share.parse(input)
    if (typeof input !== "number" || !(input >= 0 && input <= 1)) throw expected("a share from 0 to 1", input)
    return input
  },
}

/** One of a few words. */
export function choice<const Word extends string>(...words: readonly Word[]): ValueType<OneOf<Word>, Word> {
  const read = (input: unknown): Word => {
    const word = words.find((each) => each === input)
    if (word === undefined) throw expected(`one of ${words.join(", ")}`, input)
    return word
  }
  return { syntax: words.map((word) => `\`${word}\``).join(", "), parse: read, accept: read }
}

/** Some of a few words, or `none`. */
export function choices<const Word extends string>(
  ...words: readonly Word[]
): ValueType<readonly OneOf<Word>[] | string, readonly Word[]> {
  const one = choice(...words)
  const parse = (text: string): readonly Word[] => (text === "none" ? [] : list(text).map((word) => one.parse(word)))
  return {
    syntax: `comma-separated list of ${one.syntax}, or \`none\``,
    parse,
    accept(input) {
      if (typeof input === "string") return parse(input)
      if (!Array.isArray(input)) throw expected("a list", input)
      return input.map((word) => one.accept(word))
    },
  }
}

/** Networks. An empty list is refused: as an allow list it would lock everyone out. */
export const cidrs: ValueType<readonly string[] | string, CidrList> = {
  syntax: "comma-separated list of addresses and networks, for example `10.0.0.0/8, 2001:db8::/32`",
  parse: (text) => cidrs.accept(text),
  accept(input) {
    const networks = typeof input === "string" ? list(input) : input
    if (!Array.isArray(networks) || networks.length === 0) throw expected("a list of one or more networks", input)
    return new CidrList(networks)
  },
}

/** A DNS name to send. */
export const hostname: ValueType<string, string> = {
  syntax: "DNS name",
  parse: (text) => hostname.accept(text),
  accept(input) {
    const isName =
      typeof input === "string" && input.length <= 253 && /^(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/i.test(input)
    if (!isName || /^[\d.]+$/.test(input)) throw expected("a DNS name", input)
    return input.toLowerCase()
  },
}

function list(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "")
}

function expected(what: string, got: unknown): RangeError {
  return new RangeError(`expected ${what}, got ${JSON.stringify(got) ?? String(got)}`)
}
