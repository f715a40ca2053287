import assert from "node:assert"
import { describe, expect, it } from "vitest"
import {
  buildRouteTable,
  createRouteTableBuilder,
  DEFAULT_CONTROLLER_NAME,
  type GatewayResources,
  type RouteTable,
  type RouteTableOptions,
} from "../../src/routing/index.ts"
import { gateway, listener, route, service } from "./world.ts"

const now = "2026-01-01T00:00:00Z"
const later = "2026-02-02T00:00:00Z"

/** The world as it is after every status was written. */
function written(world: GatewayResources, table: RouteTable, time: string): GatewayResources {
  const { gateways, tlsRoutes } = table.statuses({ now: time })
  return {
    ...world,
    gateways: gateways.map(({ object, status }) => ({ ...object, status })),
    tlsRoutes: tlsRoutes.map(({ object, status }) => ({ ...object, status })),
  }
}

describe("statuses once written", () => {
  it("are not written again while nothing changes, and keep their transition times when they are", () => {
    const world = {
      gateways: [gateway("gateway")],
      tlsRoutes: [route("a"), route("b")],
      services: [service("backend")],
    }
    const first = written(world, buildRouteTable(world), now)
    const again = buildRouteTable(first).statuses({ now: later })
    for (const status of [...again.gateways, ...again.tlsRoutes]) expect(status.changed).toBe(false)

    const third = buildRouteTable({ ...first, services: [] }).statuses({ now: later })
    const [changed] = third.tlsRoutes
    expect(changed).toMatchObject({
      changed: true,
      status: {
        parents: [
          {
            conditions: [
              { type: "Accepted", status: "True", lastTransitionTime: now },
              { type: "ResolvedRefs", status: "False", reason: "BackendNotFound", lastTransitionTime: later },
            ],
          },
        ],
      },
    })
  })

  it("are computed from the newest form of an object, where the source knows a newer one", () => {
    const old = { gateways: [gateway("gateway")], tlsRoutes: [route("a")], services: [service("backend")] }
    const newer = written(old, buildRouteTable(old), now)
    const latest = <T extends object>(object: T): T => {
      const all = [...newer.gateways!, ...newer.tlsRoutes!] as { readonly metadata: object }[]
      const { metadata } = object as unknown as { readonly metadata: object }
      return (all.find((candidate) => candidate.metadata === metadata) ?? object) as unknown as T
    }
    const builder = createRouteTableBuilder()
    const statuses = builder.build({ ...old, latest }).statuses({ now: later })
    for (const status of [...statuses.gateways, ...statuses.tlsRoutes]) expect(status.changed).toBe(false)
    expect(statuses.tlsRoutes[0]?.object).toBe(newer.tlsRoutes?.[0])

    // The very status of the old form: compared with that, nothing would be to do.
    const without = builder.build({ ...old, services: [], latest }).statuses({ now: later })
    expect(without.tlsRoutes).toMatchObject([{ changed: true }])
  })

  it.each([
    ["throws", () => assert.fail("no")],
    ["gives no object", () => undefined],
  ])("are computed from the objects themselves where the source's own knowledge %s", (_, latest) => {
    const world = { gateways: [gateway("gateway")], tlsRoutes: [route("a")] }
    const { tlsRoutes } = buildRouteTable({ ...world, latest: latest as never }).statuses({ now })
    expect(tlsRoutes[0]?.object).toBe(world.tlsRoutes[0])
  })

  it("tell which policies are refused, on the object and on routes to a Service that says them, as long as they are", () => {
    const world = { gateways: [gateway("gateway")], tlsRoutes: [route("a")], services: [service("backend")] }
    const table = buildRouteTable(world)
    const problem = (group: string, kind: string, name: string) => ({
      severity: "error" as const,
      code: "InvalidPolicy",
      object: { group, kind, namespace: route("a").metadata.namespace ?? "default", name },
      path: "metadata.annotations",
      message: `${kind} wrong`,
    })
    const conditionIn = (conditions: readonly { readonly type: string; readonly message: string }[] | undefined) =>
      conditions?.find(({ type }) => type === "tlsroute.dev/PoliciesAccepted")
    const refused = table.statuses({
      now,
      policyProblems: [
        problem("gateway.networking.k8s.io", "Gateway", "gateway"),
        problem("gateway.networking.k8s.io", "TLSRoute", "a"),
        problem("", "Service", "backend"),
      ],
    })
    expect(conditionIn(refused.gateways[0]?.status.conditions)).toMatchObject({
      status: "False",
      reason: "InvalidPolicies",
      message: "metadata.annotations: Gateway wrong",
    })
    const [written] = refused.tlsRoutes
    expect(conditionIn(written?.status.parents?.[0]?.conditions)?.message).toMatch(
      /^metadata\.annotations: TLSRoute wrong; Service \S+\/backend: metadata\.annotations: Service wrong$/,
    )
    // Once written, and repaired, the condition goes.
    const after = buildRouteTable({ ...world, tlsRoutes: [{ ...written!.object, status: written!.status }] })
    const [repaired] = after.statuses({ now: later }).tlsRoutes
    expect(repaired?.changed).toBe(true)
    expect(conditionIn(repaired?.status.parents?.[0]?.conditions)).toBeUndefined()
  })

  it("carry the new generation on every condition after the spec changed (GatewayObservedGenerationBump)", () => {
    const world = { gateways: [gateway("gateway")], tlsRoutes: [route("a")] }
    const [object] = written(world, buildRouteTable(world), now).gateways!
    const bumped = { ...object!, metadata: { ...object!.metadata, generation: 2 } }
    const [status] = buildRouteTable({ ...world, gateways: [bumped] }).statuses({ now: later }).gateways
    const conditions = [
      ...status!.status.conditions!,
      ...status!.status.listeners!.flatMap((entry) => entry.conditions),
    ]
    expect(conditions.length).toBeGreaterThan(4)
    for (const condition of conditions)
      expect(condition).toMatchObject({ observedGeneration: 2, lastTransitionTime: now })
  })
})

describe("a Gateway with the longest name there is", () => {
  it("is accepted (GatewayNameMaximumLength)", () => {
    const [status] = buildRouteTable({ gateways: [gateway("a".repeat(253))] }).statuses({ now }).gateways
    expect(status?.status.conditions).toMatchObject([
      { type: "Accepted", status: "True", observedGeneration: 1 },
      { type: "Programmed", status: "True", observedGeneration: 1 },
    ])
  })
})

describe("SupportedVersion of a GatewayClass (annotation gateway.networking.k8s.io/bundle-version of the CRDs)", () => {
  const conditions = (bundleVersions?: readonly string[]) => {
    const gatewayClass = { metadata: { name: "ours" }, spec: { controllerName: DEFAULT_CONTROLLER_NAME } }
    const world = { gatewayClasses: [gatewayClass], ...(bundleVersions === undefined ? {} : { bundleVersions }) }
    const [status] = buildRouteTable(world).statuses({ now }).gatewayClasses
    return status!.status.conditions!.flatMap(({ type, status: is, reason, message }) =>
      type === "SupportedVersion" ? [`${is} ${reason}: ${message}`] : [],
    )
  }
  const yes = "True SupportedVersion: Gateway API CRDs"
  const no = "False UnsupportedVersion: Gateway API CRDs"
  const asFarAsRead = "Gateways are served as far as they can be read; install those of v1.7"
  const newest =
    "newer than v1.7, the newest that is known here: Gateways are served, and what is new in them is not read"
  const older = "are older than v1.6, by whose rules objects are checked, and mean what they meant then"

  it.each([
    ["of a release that is known", ["v1.6.1"], [`${yes} v1.6.1 are supported`]],
    ["of two of them", ["v1.7.0", "v1.6.1", "v1.7.0"], [`${yes} v1.7.0, v1.6.1 are supported`]],
    ["of a patch of one", ["v1.7.3"], [`${yes} v1.7.3 are supported`]],
    ["of a candidate of one", ["v1.7.0-rc.1"], [`${yes} v1.7.0-rc.1 are supported`]],
    ["of an older release", ["v1.4.0"], [`${yes} v1.4.0 are supported; v1.4.0 ${older}`]],
    ["partly of an older one", ["v1.5.0", "v1.7.0"], [`${yes} v1.5.0, v1.7.0 are supported; v1.5.0 ${older}`]],
    ["of a newer release", ["v1.8.0", "v1.7.0"], [`${no} v1.8.0 are ${newest}`]],
    ["of another major version", ["v1.6.1", "v2.0.0"], [`${no} v2.0.0 are ${newest}`]],
    ["of before v1", ["v0.8.1"], [`${no} v0.8.1 are older than v1.0: ${asFarAsRead}`]],
    ["of no release", ["v0.0.0-dev"], [`${no} v0.0.0-dev are of no release that is known here: ${asFarAsRead}`]],
    [
      "without the annotation",
      ["v1.6.1", ""],
      [`${no} without a version are of no release that is known here: ${asFarAsRead}`],
    ],
    ["nobody can tell of", undefined, []],
  ])("with CRDs %s: %j", (_, versions, expected) => {
    expect(conditions(versions)).toEqual(expected)
  })

  it("is a warning of lint where they are not supported", () => {
    const gatewayClass = { metadata: { name: "ours" }, spec: { controllerName: DEFAULT_CONTROLLER_NAME } }
    const found = (bundleVersions: readonly string[]) =>
      buildRouteTable({ gatewayClasses: [gatewayClass], bundleVersions })
        .lint()
        .map(({ severity, code, object, message }) => `${severity} ${code} ${object?.kind}/${object?.name}: ${message}`)
    expect(found(["v1.8.0"])).toEqual([
      `warning UnsupportedVersion GatewayClass/ours: Gateway API CRDs v1.8.0 are ${newest}`,
    ])
    expect(found(["v1.4.0", "v1.7.0"])).toEqual([])
  })
})

describe("Programmed", () => {
  const world = {
    gateways: [
      gateway("gateway", { addresses: [{ value: "10.0.0.1" }], listeners: [listener("a", 443), listener("b", 444)] }),
    ],
  }
  const programmed = (
    bound: ReadonlyMap<string, { bound: true } | { bound: false; message: string; code?: string }>,
  ) => {
    const { status } = buildRouteTable(world).statuses({ now, bound }).gateways[0]!
    const of = (conditions: readonly { type: string; status: string; reason: string }[] | undefined) => {
      const condition = conditions?.find(({ type }) => type === "Programmed")
      return `${condition?.status} ${condition?.reason}`
    }
    return [of(status.conditions), ...status.listeners!.map((entry) => of(entry.conditions))]
  }
  const bound = { bound: true } as const
  const busy = { bound: false, message: "port 444 is taken", code: "EADDRINUSE" } as const
  const absent = { bound: false, message: "no such address", code: "EADDRNOTAVAIL" } as const

  it.each([
    [
      "every port is bound",
      { "10.0.0.1:443": bound, "10.0.0.1:444": bound },
      ["True Programmed", "True Programmed", "True Programmed"],
    ],
    [
      "one port is taken",
      { "10.0.0.1:443": bound, "10.0.0.1:444": busy },
      ["True Programmed", "True Programmed", "False Pending"],
    ],
    ["nothing is bound yet", {}, ["False Pending", "False Pending", "False Pending"]],
    [
      "the address is not there (GatewayStaticAddresses)",
      { "10.0.0.1:443": absent, "10.0.0.1:444": absent },
      ["False AddressNotUsable", "False Pending", "False Pending"],
    ],
  ])("tells the truth when %s", (_, reports, expected) => {
    expect(programmed(new Map(Object.entries(reports)))).toEqual(expected)
  })

  it("is AddressNotAssigned when the host has no address to publish", () => {
    const anywhere = { gateways: [gateway("gateway")] }
    const [status] = buildRouteTable(anywhere).statuses({ now, addresses: [] }).gateways
    expect(status!.status.conditions).toContainEqual(
      expect.objectContaining({ type: "Programmed", reason: "AddressNotAssigned" }),
    )
  })
})

describe("a Gateway with an address that its host assigns", () => {
  it("is bound there, apart from other Gateways on the same port", () => {
    const table = buildRouteTable(
      { gateways: [gateway("one"), gateway("two")], tlsRoutes: [route("a", { parentRefs: [{ name: "two" }] })] },
      { gatewayAddresses: ({ name }) => [name === "one" ? "127.0.1.1" : "127.0.1.2"] },
    )
    expect(table.listeners.map(({ key }) => key)).toEqual(["127.0.1.1:443", "127.0.1.2:443"])
    expect(table.match({ port: 443, address: "127.0.1.1", serverName: "a.example.com" }).matched).toBe(false)
    expect(table.match({ port: 443, address: "127.0.1.3", serverName: "a.example.com" })).toMatchObject({
      reason: "NoListener",
    })
    expect(table.match({ port: 443, address: "::ffff:127.0.1.2", serverName: "a.example.com" }).matched).toBe(true)
  })
})

describe("a host that assigns what is no address", () => {
  it.each<[string, () => unknown, RegExp]>([
    [
      "a text",
      () => "127.0.0.1",
      /must answer a list of IP addresses or undefined, and did not for Gateway default\/one/,
    ],
    ["a name", () => ["localhost"], /must answer a list of IP addresses/],
    ["a number", () => [5], /must answer a list of IP addresses/],
    ["a promise that rejects", () => Promise.reject(new Error("out of order")), /must answer a list of IP addresses/],
    [
      "an error",
      () => {
        throw new Error("out of order")
      },
      /the option "gatewayAddresses" failed for Gateway default\/one: out of order/,
    ],
  ])("as %s gets no table, and is told which option it is", (_, answer, message) => {
    const gatewayAddresses = answer as NonNullable<RouteTableOptions["gatewayAddresses"]>
    expect(() => buildRouteTable({ gateways: [gateway("one")] }, { gatewayAddresses })).toThrow(
      expect.objectContaining({ code: "ERR_TLSROUTE_OPTION", message: expect.stringMatching(message) }),
    )
  })
})

describe("the API's limits", () => {
  it("hold for entries of others too: 32 parents, 8 conditions", () => {
    const theirs = Array.from({ length: 32 }, (_, at) => ({
      parentRef: { name: `theirs-${at}` },
      controllerName: "example.com/other",
      conditions: [],
    }))
    const conditions = Array.from({ length: 8 }, (_, at) => ({
      type: `example.com/T${at}`,
      status: "True" as const,
      reason: "R",
      message: "",
      lastTransitionTime: now,
    }))
    const { gateways, tlsRoutes } = buildRouteTable({
      gateways: [{ ...gateway("gateway"), status: { conditions } }],
      tlsRoutes: [{ ...route("a"), status: { parents: theirs } }],
    }).statuses({ now: later })
    expect(tlsRoutes).toMatchObject([{ changed: false }])
    expect(gateways[0]!.status.conditions).toEqual(conditions)
  })
})
