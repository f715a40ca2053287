import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  hostnameMatches,
  hostnameSpecificity,
  intersectHostnames,
  isHostname,
  widerHostnames,
} from "../../src/routing/hostnames/hostname.ts"
import { HostnameMap } from "../../src/routing/hostnames/hostname-map.ts"

const label = fc.constantFrom("a", "b", "c", "example", "com")
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."))
const hostname = fc.oneof(
  name,
  name.map((suffix) => `*.${suffix}`),
  fc.constant("*"),
)

describe("matching a name", () => {
  it.each([
    ["example.com", "example.com", true, "GEP-2643: both precise"],
    ["example.com", "www.example.com", false, "GEP-2643: both precise"],
    ["*.example.com", "www.example.com", true, "Hostnames concept: wildcard"],
    ["*.example.com", "sub.domain.example.com", true, "Gateway API types: interpreted as a suffix match"],
    ["*.example.com", "example.com", false, "Hostnames concept: one or more labels"],
    ["*.example.com", "xexample.com", false, "Hostnames concept: whole labels"],
    ["*.com", "abc.example.com", true, "TLSRouteHostnameIntersection"],
    ["*", "anything", true, "Gateway API types: hostname left out"],
  ])("%s and %s: %s (%s)", (pattern, sni, expected) => {
    expect(hostnameMatches(pattern, sni)).toBe(expected)
  })
})

describe("intersection", () => {
  it.each([
    ["abc.example.com", "*.example.com", "abc.example.com"],
    ["*.com", "*.example.com", "*.example.com"],
    ["*.example.com", "*.com", "*.example.com"],
    ["*", "*.com", "*.com"],
    ["*.example.com", "example.com", undefined],
    ["*.a.com", "*.b.com", undefined],
    ["*.xample.com", "*.example.com", undefined],
  ])("of %s and %s is %s (TLSRouteHostnameIntersection, Hostnames concept)", (a, b, expected) => {
    expect(intersectHostnames(a, b)).toBe(expected)
  })

  it("commutes", () => {
    fc.assert(fc.property(hostname, hostname, (a, b) => intersectHostnames(a, b) === intersectHostnames(b, a)))
  })

  it("of a hostname with itself is that hostname", () => {
    fc.assert(fc.property(hostname, (a) => intersectHostnames(a, a) === a))
  })

  it("associates", () => {
    const meet = (a: string | undefined, b: string | undefined) =>
      a === undefined || b === undefined ? undefined : intersectHostnames(a, b)
    fc.assert(
      fc.property(hostname, hostname, hostname, (a, b, c) => {
        expect(meet(meet(a, b), c)).toBe(meet(a, meet(b, c)))
      }),
    )
  })

  it("matches exactly the names that both match", () => {
    fc.assert(
      fc.property(hostname, hostname, name, (a, b, sni) => {
        const both = intersectHostnames(a, b)
        const matched = both !== undefined && hostnameMatches(both, sni)
        expect(matched).toBe(hostnameMatches(a, sni) && hostnameMatches(b, sni))
      }),
    )
  })

  it("is at least as specific as either", () => {
    fc.assert(
      fc.property(hostname, hostname, (a, b) => {
        const both = intersectHostnames(a, b)
        fc.pre(both !== undefined)
        expect(hostnameSpecificity(both!)).toBeGreaterThanOrEqual(
          Math.max(hostnameSpecificity(a), hostnameSpecificity(b)),
        )
      }),
    )
  })
})

describe("wider hostnames", () => {
  it("are those whose intersection with the hostname is the hostname", () => {
    fc.assert(
      fc.property(hostname, hostname, (a, b) => {
        expect(widerHostnames(a).includes(b)).toBe(a !== b && intersectHostnames(a, b) === a)
      }),
    )
  })
})

describe("the lookup by name", () => {
  it("finds the most specific hostname that matches, as a search through all of them does", () => {
    fc.assert(
      fc.property(fc.uniqueArray(hostname), fc.uniqueArray(hostname), name, (kept, removed, sni) => {
        const map = new HostnameMap<{ readonly entry: string }>()
        for (const entry of [...removed, ...kept]) map.set(entry, { entry })
        for (const entry of removed) if (!kept.includes(entry)) map.delete(entry)
        const best = kept
          .filter((entry) => hostnameMatches(entry, sni))
          .sort((a, b) => (hostnameSpecificity(a) > hostnameSpecificity(b) ? -1 : 1))[0]
        expect(map.lookup(sni)?.entry).toBe(best)
        expect(new HostnameMap(map).lookup(sni)?.entry).toBe(best)
        expect(map.size).toBe(kept.length)
        expect(new Map(map.entries())).toEqual(new Map(kept.map((entry) => [entry, { entry }])))
      }),
    )
  })

  it("without a name finds only what takes any", () => {
    const map = new HostnameMap()
    map.set("a.com", { takes: "a.com" })
    map.set("*.com", { takes: "*.com" })
    expect(map.lookup(undefined)).toBeUndefined()
    const any = { takes: "*" }
    map.set("*", any)
    expect(map.lookup(undefined)).toBe(any)
  })
})

describe("hostnames in configuration", () => {
  it.each([
    ["a.example.com", true],
    ["*.example.com", true],
    ["localhost", true],
    ["*", false],
    ["A.example.com", false],
    ["example.com.", false],
    ["under_score.com", false],
    ["1.2.3.4", false],
    ["::1", false],
    ["a.*.com", false],
    ["*a.com", false],
    ["", false],
    [`${"a.".repeat(126)}ab`, false],
  ])("%s: %s (Gateway API Hostname type; TLSRoute: Hostnames cannot contain an IP)", (text, valid) => {
    expect(isHostname(text)).toBe(valid)
  })
})

describe("hostnames that change from copy to copy", () => {
  it("are what was set last, and stay as they were in maps that were copied", () => {
    const many = fc.oneof(
      hostname,
      fc.nat(80).map((number) => `h${number}.example.com`),
      fc.nat(80).map((number) => `*.w${number}.example.com`),
    )
    const change = fc.record({ hostname: many, value: fc.option(fc.record({ entry: fc.nat() }), { nil: undefined }) })
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 40 }), { maxLength: 12 }), (copies) => {
        let map = new HostnameMap<{ readonly entry: number }>()
        let expected = new Map<string, { readonly entry: number }>()
        const all = [{ map, expected }]
        for (const changes of copies) {
          map = new HostnameMap(map)
          expected = new Map(expected)
          for (const { hostname: key, value } of changes) {
            if (value === undefined) {
              map.delete(key)
              expected.delete(key)
            } else {
              map.set(key, value)
              expected.set(key, value)
            }
          }
          all.push({ map, expected })
        }
        for (const each of all) {
          expect(new Map(each.map.entries())).toEqual(each.expected)
          expect(each.map.size).toBe(each.expected.size)
          for (const { hostname: key } of copies.flat()) {
            expect(each.map.get(key)).toBe(each.expected.get(key))
            if (!key.startsWith("*")) {
              const [best] = [key, ...widerHostnames(key)].filter((wider) => each.expected.has(wider))
              expect(each.map.lookup(key)).toBe(best === undefined ? undefined : each.expected.get(best))
            }
          }
        }
      }),
    )
  })

  it("leave the map that was copied free to change too", () => {
    const [one, other] = [{ entry: 1 }, { entry: 2 }]
    const map = new HostnameMap<object>()
    map.set("a.example.com", one)
    const copy = new HostnameMap(map)
    map.set("a.example.com", other)
    map.set("b.example.com", other)
    expect([copy.get("a.example.com"), copy.get("b.example.com")]).toEqual([one, undefined])
    expect([map.get("a.example.com"), map.get("b.example.com")]).toEqual([other, other])
  })
})
