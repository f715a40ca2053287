import { once } from "node:events"
import { describe, expect, it } from "vitest"
import { GatewayError } from "../../src/gateway/errors.ts"
import { TableServer } from "../../src/gateway/table-server.ts"
import { createPassthroughGateway } from "../../src/index.ts"
import { fileSource, readResources } from "../../src/sources/file-source.ts"

const create = createPassthroughGateway as (options?: unknown) => unknown

const refusal = (message: string) =>
  expect.objectContaining({ code: "ERR_TLSROUTE_OPTION", message: expect.stringContaining(message) })

describe("createPassthroughGateway", () => {
  it.each<[string, unknown, string]>([
    ["nothing", undefined, 'options are missing, for example { source: fileSource("gateway.yaml") }'],
    ["null", null, "options must be an object, for example"],
    ["a path", "gateway.yaml", 'not "gateway.yaml"'],
    ["no source", {}, 'the option "source" is missing, for example source: fileSource("gateway.yaml")'],
    ["a misspelt source", { sourc: {} }, 'the option "source" is missing'],
    [
      "a misspelt option",
      { source: {}, externalBackend: ["*"] },
      'there is no option "externalBackend"; did you mean "externalBackends"?',
    ],
    [
      "a Map of ports, which would map none",
      { source: {}, mapPort: new Map([[443, 8443]]) },
      'the option "mapPort" must be a function, or an object of local ports by the Gateway\'s port, such as { 443: 8443 }',
    ],
    ["a port by another name", { source: {}, mapPort: { https: 8443 } }, "such as { 443: 8443 }, not an object"],
    ["an option far from any", { source: {}, colour: 1 }, 'there is no option "colour"; there are '],
    ["a method's name", { source: {}, toString: 1 }, 'there is no option "toString"'],
    [
      "one word for a list",
      { source: {}, externalBackends: "*" },
      'the option "externalBackends" must be a list of DNS names, not "*"',
    ],
    [
      "a list of numbers",
      { source: {}, gatewayClassNames: [7] },
      'the option "gatewayClassNames[0]" must be text that is not empty, not 7',
    ],
    [
      "a name for an address",
      { source: {}, address: "localhost" },
      'the option "address" must be an IP address, not "localhost"',
    ],
    [
      "ports as text",
      { source: {}, mapPort: { 443: "8443" } },
      'the option "mapPort.443" must be a whole number from 0 to 65535, not "8443"',
    ],
    ["a port that can be none", { source: {}, mapPort: { 443: 70_000 } }, 'the option "mapPort.443" must be'],
    [
      "a word for a flag",
      { source: {}, describeHello: "yes" },
      'the option "describeHello" must be true or false, not "yes"',
    ],
    ["a refusal that there is not", { source: {}, refusal: "drop" }, 'the option "refusal" must be one of'],
    [
      "no workers",
      { source: {}, workers: 0 },
      'the option "workers" must be one of "auto", or a whole number from 1 to 1024, not 0',
    ],
    [
      "a limit that there is not",
      { source: {}, limits: { maxConnections: 1 } },
      'there is no option "limits.maxConnections"',
    ],
    [
      "a limit of no size",
      { source: {}, limits: { maxHelloMemory: 0 } },
      'the option "limits.maxHelloMemory" must be a whole number',
    ],
    [
      "addresses that are none",
      { source: {}, resolve: { "a.example": 7 } },
      'the option "resolve.a.example" must be text that is not empty, or a list of addresses, not 7',
    ],
    [
      "a resolver that is no function",
      { source: {}, backendResolvers: { "x/Y": {} } },
      'the option "backendResolvers.x/Y" must be a function, not an object',
    ],
    ["a time for onError", { source: {}, onError: "later" }, 'the option "onError" must be one of "keep", "apply"'],
    [
      "a URL for a backend",
      { source: {}, externalBackends: ["https://a.example"] },
      'the option "externalBackends[0]" must be a DNS name',
    ],
    ["a name with a port", { source: {}, externalBackends: ["a.example:443"] }, "externalBackends[0]"],
    ["a star within a name", { source: {}, externalBackends: ["*", "a.*.example"] }, "externalBackends[1]"],
    ["a controller's name without a domain", { source: {}, controllerName: "mine" }, "a domain and a path, such as"],
    [
      "a number for policies",
      { source: {}, policies: 7 },
      'the option "policies" must be an object of policies, not 7',
    ],
  ])("given %s, says what to do", (_, options, message) => {
    expect(() => create(options)).toThrow(GatewayError)
    expect(() => create(options)).toThrow(refusal(message))
  })

  it("takes options that are undefined as left out", () => {
    const gateway = createPassthroughGateway({ source: {}, address: undefined, workers: undefined, limits: undefined })
    expect(gateway.addresses()).toEqual([])
  })
})

it.each<[string, unknown, string]>([
  ["a list for policies by route", { routes: [] }, "policies.routes: expected an object by namespace/name"],
  ["null for policies by route", { routes: null }, "policies.routes: expected an object by namespace/name"],
  [
    "null for the policies of a route",
    { routes: { "a/b": null } },
    'policies.routes["a/b"]: expected an object of policies',
  ],
  ["a number for those of a listener", { listeners: { "a/b": 7 } }, 'policies.listeners["a/b"]: expected an object of'],
])("%s is refused by the path to it", (_, policies, message) => {
  expect(() => create({ source: {}, policies })).toThrow(
    expect.objectContaining({ code: "ERR_TLSROUTE_POLICY", message: expect.stringContaining(message) }),
  )
})

it("policies for objects that are not served are told with the configuration's problems", async () => {
  const policies = { routes: { "a/b": { idleTimeout: "10s" } }, listeners: { "a/edge/tsl": { maxConnections: 5 } } }
  const gateway = createPassthroughGateway({ source: {}, policies })
  const told = once(gateway, "config")
  await gateway.start({ unusable: "serve" })
  const [{ problems }] = await told
  await gateway.close()
  expect(problems).toMatchObject([
    { code: "PolicyWithoutObject", path: 'policies.listeners["a/edge/tsl"]' },
    { code: "PolicyWithoutObject", path: 'policies.routes["a/b"]' },
  ])
})

it("policies of a route that are undefined are left out", () => {
  expect(() => create({ source: {}, policies: { routes: { "a/b": undefined } } })).not.toThrow()
})

it("a table server refuses what it cannot use, too", () => {
  const TableServerOf = TableServer as new (options: unknown) => unknown
  expect(() => new TableServerOf({ adress: "127.0.0.1" })).toThrow(refusal('did you mean "address"?'))
  expect(() => new TableServerOf({ names: true })).toThrow(refusal('the option "names"'))
})

describe("a gateway", () => {
  it("does not start as it was not meant to", async () => {
    const gateway = createPassthroughGateway({ source: {} })
    await expect(gateway.start({ tolerateBindError: true } as object)).rejects.toThrow(
      refusal('start: there is no option "tolerateBindError"; did you mean "tolerateBindErrors"?'),
    )
    await expect(gateway.start({ unusable: "serve" })).resolves.toBeUndefined()
    await gateway.close({ drainTimeout: 0 })
  })

  it.each([{ drainTimeout: "30s" }, { draintimeout: 5 }, { spread: -1 }])(
    "closes nothing when told %j",
    async (options) => {
      const gateway = createPassthroughGateway({ source: {} })
      await expect(gateway.close(options as object)).rejects.toThrow(refusal("close: "))
      await gateway.start({ unusable: "serve" })
      await gateway.close({ drainTimeout: 0 })
    },
  )

  it("explains nothing by an option that it does not know", () => {
    const gateway = createPassthroughGateway({ source: {} })
    const query = { port: 443, servername: "a.example" } as unknown as Parameters<typeof gateway.explain>[0]
    expect(() => gateway.explain(query)).toThrow(refusal('did you mean "serverName"?'))
  })
})

describe("fileSource", () => {
  const source = fileSource as (paths?: unknown, options?: unknown) => unknown

  it.each<[string, unknown, unknown, string]>([
    ["no path", undefined, {}, "fileSource: it must be given a path, or a list of paths"],
    ["a number for a path", [7], {}, "fileSource: it must be given a path, or a list of paths"],
    ["a misspelt option", "x", { debouce: 1 }, 'did you mean "debounce"?'],
    ["time that runs backwards", "x", { debounce: -1 }, 'the option "debounce" must be a number of milliseconds'],
    ["no bytes at all", "x", { maxFileBytes: 0 }, 'the option "maxFileBytes" must be a whole number'],
  ])("given %s, says what to do", (_, paths, options, message) => {
    const refused = { code: "ERR_TLSROUTE_SOURCE_OPTION", message: expect.stringContaining(message) }
    expect(() => source(paths, options)).toThrow(expect.objectContaining(refused))
  })

  it("reads once by the same rules", async () => {
    const options = { maxFileByte: 1 } as object
    await expect(readResources("x", options)).rejects.toMatchObject({ code: "ERR_TLSROUTE_SOURCE_OPTION" })
  })
})
