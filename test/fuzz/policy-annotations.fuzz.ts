import { deepStrictEqual, ok } from "node:assert/strict"
import { readAnnotations } from "../../src/gateway/policies/annotations.ts"
import { annotationName, POLICY_FIELDS, POLICY_KEYS, type PolicyKey } from "../../src/gateway/policies/fields.ts"
import type { PolicyLayer } from "../../src/gateway/policies/layer.ts"
import { CidrList } from "../../src/proxy/limits/cidr.ts"

const KINDS = ["Gateway", "ListenerSet", "TLSRoute", "Service"]
const LISTENERS = ["https", "mail.example", ""]
const SECTIONS = ["", "", "", "https.", "mail.example.", "missing.", "."]
const TEXTS = [
  ...["0", "0s", "10s", "1h30m", "500ms", "99999h", "64KiB", "1MB", "65536", "0.5", "20%", "100.5%", "off", "none"],
  ...["10.0.0.0/8", "192.0.2.1, 2001:db8::/32", "::ffff:10.0.0.0/104", "::/0", "0.0.0.0/0", ",", "v2", "required"],
  ...["authority, alpn", "client-hash", "keep", "tls", "a.example"],
]
const CHARACTERS = '0123456789./:, -%hmsKiBv"\\\n\0\xff_aZ'
const CLIENTS = ["0.0.0.0", "10.1.2.3", "192.0.2.1", "255.255.255.255", "::1", "2001:db8::1", "::ffff:10.0.0.1"]

/**
 * Takes the bytes as the recipe of an object's annotations. Each is taken or reported, and none throws; a rule about
 * who may connect that cannot be read lets nobody connect, whatever else is written, and in whatever order.
 */
export function fuzz(data: Buffer): void {
  const { kind, annotations } = recipe(data)
  const object = { group: "", kind, namespace: "default", name: "fuzzed" }
  const read = readAnnotations(object, Object.fromEntries(annotations), LISTENERS)
  const reversed = readAnnotations(object, Object.fromEntries([...annotations].reverse()), LISTENERS)
  deepStrictEqual(plain(reversed.own), plain(read.own))
  for (const [section, layer] of read.sections) {
    deepStrictEqual(plain(reversed.sections.get(section) ?? {}), plain(layer))
  }

  for (const [annotation, text] of annotations) {
    const reported = read.problems.filter(({ path }) => path === `metadata.annotations["${annotation}"]`)
    const name = annotation.slice("tlsroute.dev/".length)
    const dot = name.lastIndexOf(".")
    const layer = dot === -1 ? read.own : read.sections.get(name.slice(0, dot))
    const key = POLICY_KEYS.find((each) => annotationName(each) === name.slice(dot + 1))
    if (reported.length > 0) {
      deepStrictEqual(
        reported.map(({ severity }) => severity),
        ["error"],
      )
      if (reported[0]?.code === "InvalidPolicyValue") expectClosed(key, layer)
      continue
    }
    ok(key !== undefined && layer?.[key] !== undefined, `${annotation} was neither taken nor reported`)
    expectSane(key, layer, text)
  }
}

function recipe(data: Buffer) {
  let at = 0
  const next = () => data[at++] ?? 0
  const kind = KINDS[next() % KINDS.length] ?? ""
  const annotations = new Map<string, string>()
  while (at < data.length && annotations.size < 12) {
    const section = SECTIONS[next() % SECTIONS.length] ?? ""
    const key = POLICY_KEYS[next() % POLICY_KEYS.length] ?? "idleTimeout"
    const name = mutated(annotationName(key), next)
    annotations.set(`tlsroute.dev/${section}${name}`, mutated(TEXTS[next() % TEXTS.length] ?? "", next))
  }
  return { kind, annotations: [...annotations] }
}

/** A text as it is, or with one character put in, put out or changed, or behind bytes of the recipe itself. */
function mutated(text: string, next: () => number): string {
  const change = next()
  if (change < 160) return text
  const place = next() % (text.length + 1)
  const character = CHARACTERS.charAt(next() % CHARACTERS.length)
  if (change < 192) return `${text.slice(0, place)}${character}${text.slice(place)}`
  if (change < 224) return `${text.slice(0, place)}${character}${text.slice(place + 1)}`
  if (change < 240) return text.slice(0, place) + text.slice(place + 1)
  return text.slice(0, place) + Array.from({ length: next() % 40 }, () => String.fromCharCode(next())).join("")
}

function expectClosed(key: PolicyKey | undefined, layer: PolicyLayer | undefined): void {
  if (key === undefined || !("closesWhenMalformed" in POLICY_FIELDS[key])) return
  for (const client of CLIENTS) ok(layer?.allowCidrs?.has(client) === false, `${client} is let in`)
}

/** Values that the gateway can work with, read the same by a program that is given them. */
function expectSane(key: PolicyKey, layer: PolicyLayer, text: string): void {
  const value: unknown = layer[key]
  if (typeof value === "number") {
    ok(value >= 0, `${text} became ${value}`)
    const isShare = text.trim().endsWith("%")
    ok(!isShare || value <= 1, `${text} became ${value}`)
  }
  const isTime = typeof value === "number" && /^(\d+(h|m|s|ms))+$/.test(text.trim())
  // A limit of zero is off.
  if (isTime) deepStrictEqual(value === Number.POSITIVE_INFINITY ? 0 : value, milliseconds(text))
  // An empty list is that of an object that another annotation has closed.
  if (!(value instanceof CidrList) || value.text === "") return
  for (const client of CLIENTS) deepStrictEqual(value.has(client), isIn(client, text), `${client} in ${text}`)
}

/** GEP-2257, plainly. */
function milliseconds(text: string): number {
  const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }
  return Array.from(
    text.matchAll(/(\d+)(h|ms|m|s)/g),
    ([, amount, unit]) => Number(amount) * (units[unit ?? ""] ?? 0),
  ).reduce((sum, part) => sum + part, 0)
}

/** Whether one of the networks holds the address, by the first bits of both. */
function isIn(address: string, networks: string): boolean {
  const client = bits(address)
  return networks.split(",").some((network) => {
    const [base = "", prefix] = network.trim().split("/")
    if (base === "") return false
    const first = bits(base)
    const width = first.length
    const mapped = width === 32 && base.includes(":") ? 96 : 0
    const length = prefix === undefined ? width : Number(prefix) - mapped
    return client.length === width && client.slice(0, length) === first.slice(0, length)
  })
}

/** The bits of an address as text; IPv4-mapped as IPv4. */
function bits(address: string): string {
  if (!address.includes(":")) {
    return address
      .split(".")
      .map((part) => Number(part).toString(2).padStart(8, "0"))
      .join("")
  }
  const quad = /:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1]
  const [a = 0, b = 0, c = 0, d = 0] = quad?.split(".").map(Number) ?? []
  const hex =
    quad === undefined ? address : address.replace(quad, `${(256 * a + b).toString(16)}:${(256 * c + d).toString(16)}`)
  const [head = "", tail] = hex.split("::")
  const groups = (text: string) => (text === "" ? [] : text.split(":"))
  const fill = new Array<string>(tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length).fill("0")
  const all = [...groups(head), ...fill, ...groups(tail ?? "")]
  const binary = all.map((group) => Number.parseInt(group, 16).toString(2).padStart(16, "0")).join("")
  return binary.startsWith("0".repeat(80) + "1".repeat(16)) ? binary.slice(96) : binary
}

function plain(layer: PolicyLayer): unknown {
  return Object.fromEntries(
    Object.entries(layer)
      .map(([key, value]) => [key, value instanceof CidrList ? value.text : value] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}
