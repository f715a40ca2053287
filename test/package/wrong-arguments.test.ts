import { describe, expect, it } from "vitest"
import * as clientHello from "../../src/client-hello/index.ts"
import * as main from "../../src/index.ts"
import * as kubernetes from "../../src/kubernetes/index.ts"
import * as metrics from "../../src/metrics/index.ts"
import * as opentelemetry from "../../src/opentelemetry/index.ts"
import * as proxy from "../../src/proxy/index.ts"
import * as quic from "../../src/quic/index.ts"
import * as routing from "../../src/routing/index.ts"
import * as sources from "../../src/sources/index.ts"

type Callable = (...args: readonly unknown[]) => unknown

const entries = { tlsroute: main, clientHello, quic, routing, proxy, sources, kubernetes, metrics, opentelemetry }

/** What a program in JavaScript may give by a slip: made anew for each call, some functions keep what they get. */
const slips: readonly (() => readonly unknown[])[] = [
  () => [],
  () => [null],
  () => [42],
  () => ["x"],
  () => [{}],
  () => [{ optoin: 1 }],
  () => [[]],
  () => [[null]],
  () => [{}, null],
  () => [{}, 42],
  () => ["x", null],
  () => ["x", { optoin: 1 }],
  () => [["x"], { optoin: 1 }],
  () => [new Uint8Array(3), null],
  () => [new Uint8Array(3), { optoin: 1 }],
  () => [Symbol("x")],
  () => [() => undefined],
]

const isError = (value: Callable) => value.prototype instanceof Error
const isClass = (value: Callable) => /^class\b/.test(Function.prototype.toString.call(value))
// Asks the system for the name that it is given.
const notCalled: readonly unknown[] = [proxy.systemLookup]

const exported = Object.entries(entries).flatMap(([entry, names]) =>
  Object.entries(names as Readonly<Record<string, unknown>>)
    .filter((pair): pair is [string, Callable] => typeof pair[1] === "function")
    .filter(([, value]) => !isError(value) && !notCalled.includes(value))
    .map(([name, value]): [string, Callable] => [
      `${entry}: ${name}`,
      isClass(value) ? (...args) => Reflect.construct(value, args) : value,
    ]),
)

const router = { route: () => ({ action: "refuse", reason: "no" }) as const }
const table = routing.buildRouteTable({})
const gateway = () => main.createPassthroughGateway({ source: main.objectSource({}) })
const splicing = () => new proxy.SpliceProxy({ router })

/** Objects, each made anew for each call, and the methods of theirs that take something. */
const called: readonly (readonly [make: () => object, ...names: readonly string[]])[] = [
  [gateway, "start", "close", "explain"],
  [() => new main.TableServer(), "apply"],
  [splicing, "listen", "close", "unlisten", "setRouter", "setListenerPolicy", "setEndpointHealth", "drainRemoved"],
  [() => new proxy.DnsCache(), "onFailure"],
  [() => new proxy.CidrList([]), "has"],
  [() => new proxy.ProxyHeaderParser(), "push"],
  [() => new clientHello.ClientHelloParser(), "push"],
  [() => new quic.QuicHelloReader(), "push", "agrees", "retried"],
  [() => table, "match", "explain", "hostnamesOf", "statuses"],
  [() => routing.routeTableFromData(table.toData()), "match"],
]

const methods = called.flatMap(([make, ...names]) =>
  names.map((name): [string, Callable] => {
    const call = (...args: readonly unknown[]): unknown => {
      const object = make()
      return Reflect.apply(Reflect.get(object, name), object, args)
    }
    return [`${make().constructor.name}.${name}`, call]
  }),
)

/** What came of it, thrown or rejected. */
async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await Promise.race([call(), undefined])
    return undefined
  } catch (error) {
    return error
  }
}

describe("a slip in JavaScript is told by an error that has a code", () => {
  it.each([...exported, ...methods])("%s", async (_, call) => {
    for (const slip of slips) {
      const error = await errorOf(() => call(...slip()))
      if (error === undefined) continue
      expect(error, `${String(error)} for ${String(call)}`).toMatchObject({
        code: expect.stringMatching(/^(ERR_TLSROUTE|PROXY)_/),
        message: expect.stringMatching(/\w \w/),
      })
    }
  })
})

describe("what would quietly mean something else is refused", () => {
  const deny = new proxy.CidrList(["192.0.2.0/24"])
  const line = () => ({ status: "more" }) as const

  it.each<[string, () => unknown, RegExp]>([
    [
      "a list of networks by another name, which would let everybody in",
      () => proxy.admits({ denny: deny } as object, "192.0.2.1"),
      /no option "denny"; did you mean "deny"/,
    ],
    [
      "networks that are not read, which would let everybody in",
      () => proxy.admits({ deny: ["192.0.2.0/24"] } as object, "192.0.2.1"),
      /"deny" must be an object with has\(\)/,
    ],
    [
      "an address with bits beyond its prefix",
      () => proxy.parseCidr("10.0.0.1/8"),
      /the network is 10\.0\.0\.0\/8, the address alone 10\.0\.0\.1/,
    ],
    [
      "a bound by another name, which would bound nothing",
      () => new proxy.LinePrelude({ maxLineBytes: 512, maxLine: 20, allows8bit: false, line } as never),
      /"maxLines" is missing/,
    ],
    [
      "a server name by another name, which would ask for none",
      () => table.match({ port: 443, servername: "a.example" } as never),
      /no option "servername"; did you mean "serverName"/,
    ],
    [
      "text of a socket that has an encoding, which would be no TLS",
      () => new clientHello.ClientHelloParser().push("\u0016\u0003\u0001" as never),
      /push: it must be given bytes, as a socket gives them that has no encoding/,
    ],
    [
      "the same before a PROXY header, which would be absent",
      () => new proxy.ProxyHeaderParser().push("PROXY TCP4" as never),
      /push: it must be given bytes/,
    ],
    [
      "a field of a header by another name, which would not be sent",
      () => proxy.encodeProxyV2(undefined, { authorty: "a.example" } as object),
      /no option "authorty"; did you mean "authority"/,
    ],
    [
      "a list of objects for an object of lists",
      () => sources.objectSource([{ kind: "Gateway" }] as never),
      /objectSource: it must be given an object of lists, for example \{ gateways/,
    ],
    [
      "no path at all",
      () => sources.fileSource([]),
      /fileSource: it must be given a path, or a list of paths, not an empty list/,
    ],
    [
      "a time by another name",
      () => table.statuses({ noww: "2026-01-01T00:00:00Z" } as object),
      /no option "noww"; did you mean "now"/,
    ],
    [
      "what is no router, which would refuse every connection",
      () => new proxy.SpliceProxy({ router }).setRouter({} as never),
      /setRouter: it must be given an object with route\(\)/,
    ],
  ])("%s", (_, call, message) => {
    expect(call).toThrow(message)
  })

  it("a name is no address that is safe to dial", () => {
    expect(proxy.isSafeDestination("localhost")).toBe(false)
    expect(proxy.isSafeDestination("192.0.2.1")).toBe(true)
  })

  it("bytes of another realm are bytes, as a test runner's are", async () => {
    const { runInNewContext } = await import("node:vm")
    const result = clientHello.parseClientHello(runInNewContext("Uint8Array.of(22, 3, 1)"))
    expect(result).toEqual({ status: "incomplete" })
  })
})
