import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { applyDefaults, type ValidateOptions, validateObject } from "../../../src/routing/validation/validate.ts"
import { valid } from "./objects.ts"

const KINDS = [
  "GatewayClass",
  "Gateway",
  "ListenerSet",
  "TLSRoute",
  "ReferenceGrant",
  "Service",
  "EndpointSlice",
  "Namespace",
] as const

const summary = (object: unknown, options?: ValidateOptions): readonly string[] =>
  validateObject(object, options).map(({ severity, code, path, message }) => `${severity} ${code} ${path}: ${message}`)

describe("validateObject", () => {
  test.each(KINDS)("finds nothing wrong with a valid %s", (kind) => {
    expect(validateObject(valid(kind))).toEqual([])
  })

  test("names the object and the field at fault", () => {
    expect(validateObject(valid("TLSRoute", { "spec.rules[0].backendRefs[0].port": undefined }))).toEqual([
      {
        severity: "error",
        code: "Required",
        object: { group: "gateway.networking.k8s.io", kind: "TLSRoute", namespace: "apps", name: "example" },
        path: "spec.rules[0].backendRefs[0].port",
        message: "must have port for Service reference",
      },
    ])
  })

  test("reports everything that is wrong at once, and not more than 100 times", () => {
    const object = valid("TLSRoute", { "spec.hostnames": ["A", "b", "C"], "spec.rules": [{}] })
    expect(validateObject(object).map(({ path }) => path)).toEqual([
      "spec.hostnames[0]",
      "spec.hostnames[2]",
      "spec.rules[0].backendRefs",
    ])
    const hopeless = valid("TLSRoute", { "spec.hostnames": Array.from({ length: 1024 }, () => "A") })
    expect(validateObject(hopeless)).toHaveLength(100)
  })

  test("warns of fields that the API server would drop, and guesses what was meant", () => {
    expect(summary(valid("TLSRoute", { "spec.hostname": "a.example", "spec.frobnicate": null, extra: 1 }))).toEqual([
      "warning UnknownField spec.hostname: is not a field here, and has no effect; did you mean hostnames?",
      "warning UnknownField spec.frobnicate: is not a field here, and has no effect",
      "warning UnknownField extra: is not a field here, and has no effect",
    ])
  })

  test("reports a field that is needed and misspelt once, as the error that it is", () => {
    const misspelt = valid("TLSRoute", {
      "spec.hostnames": undefined,
      "spec.hostname": ["a.example"],
      "spec.rules": [{ backendRef: [{ name: "app", port: 443 }] }],
    })
    expect(summary(misspelt)).toEqual([
      "error UnknownField spec.rules[0].backendRef: is not a field here; did you mean backendRefs, which is required?",
      "error UnknownField spec.hostname: is not a field here; did you mean hostnames, which is required?",
    ])
  })

  test("tells of two names for one field that is needed, and of a status that lacks one", () => {
    const twice = valid("Gateway", { "spec.gatewayClassName": undefined, "spec.gatewayClasName": "a" })
    ;(twice as { spec: Record<string, unknown> }).spec["gatewayClassNam"] = "b"
    expect(summary(twice)).toEqual([
      "error UnknownField spec.gatewayClasName: is not a field here; did you mean gatewayClassName, which is required?",
      "warning UnknownField spec.gatewayClassNam: is not a field here, and has no effect; did you mean gatewayClassName?",
    ])
    expect(summary(valid("TLSRoute", { "status.parent": [] }))).toEqual([
      "warning UnknownField status.parent: is not a field here, and has no effect; did you mean parents?",
      "warning Required status.parents: is required",
    ])
  })

  test("takes experimental fields for unknown in the standard channel", () => {
    const options = { channel: "standard" } as const
    expect(summary(valid("Gateway", { "spec.defaultScope": "All" }), options)).toEqual([
      "warning UnknownField spec.defaultScope: is not a field here, and has no effect",
    ])
    expect(summary(valid("TLSRoute", { "spec.useDefaultGateways": "All" }), options)).toEqual([
      "warning UnknownField spec.useDefaultGateways: is not a field here, and has no effect",
    ])
  })

  test("warns of what is wrong in a status, which the API server ignores", () => {
    const problems = summary(valid("TLSRoute", { "status.parents": [{ controllerName: "example.com/a" }] }))
    expect(problems).toEqual([
      "warning Required status.parents[0].parentRef: is required",
      "warning Required status.parents[0].conditions: is required",
    ])
  })

  test.each([
    [{ from: "Selector" }, "Required", "selector"],
    [
      { from: "Selector", selector: { matchExpressions: [{ key: "a", operator: "in", values: ["b"] }] } },
      "NotSupported",
      "selector.matchExpressions[0].operator",
    ],
    [
      { from: "Selector", selector: { matchExpressions: [{ key: "a", operator: "In" }] } },
      "Required",
      "selector.matchExpressions[0].values",
    ],
    [
      { from: "Selector", selector: { matchExpressions: [{ key: "a", operator: "Exists", values: ["b"] }] } },
      "Forbidden",
      "selector.matchExpressions[0].values",
    ],
  ])("warns of a selector that selects nothing: %j", (namespaces, code, path) => {
    const problems = validateObject(valid("Gateway", { "spec.listeners[0].allowedRoutes": { namespaces } }))
    expect(problems).toMatchObject([
      { severity: "warning", code, path: `spec.listeners[0].allowedRoutes.namespaces.${path}` },
    ])
  })
})

describe("the kind and version of an object", () => {
  test.each([
    [7, {}, "error InvalidType : must be an object, not a number"],
    [null, {}, "error InvalidType : must be an object, not null"],
    [[], {}, "error InvalidType : must be an object, not a list"],
    [{}, {}, "error Required kind: is required"],
    [{ kind: 1 }, {}, "error InvalidType kind: must be a string, not a number"],
    [{ kind: "TLSRoute" }, {}, "error Required apiVersion: is required"],
    [{ kind: "TLSRoutes" }, {}, 'error NotSupported kind: kind "TLSRoutes" is not known here; did you mean TLSRoute?'],
    [
      { kind: "Pod" },
      {},
      'error NotSupported kind: kind "Pod" is not known here; one of GatewayClass, Gateway, ListenerSet, TLSRoute, ReferenceGrant, Service, EndpointSlice, Namespace',
    ],
    [{ kind: "Gateway" }, { kind: "TLSRoute" }, "error NotSupported kind: must be TLSRoute, not Gateway"],
    [
      { kind: "ReferenceGrant", apiVersion: "gateway.networking.k8s.io/v1alpha2" },
      {},
      'error NotSupported apiVersion: "gateway.networking.k8s.io/v1alpha2" is not served for ReferenceGrant; served versions are gateway.networking.k8s.io/v1, gateway.networking.k8s.io/v1beta1',
    ],
    [
      { kind: "TLSRoute", apiVersion: "gateway.networking.k8s.io/v1alpha2" },
      { channel: "standard" },
      'error NotSupported apiVersion: "gateway.networking.k8s.io/v1alpha2" is not served for TLSRoute by the standard channel; served versions are gateway.networking.k8s.io/v1',
    ],
    [
      { kind: "Service", apiVersion: "core/v1" },
      {},
      'error NotSupported apiVersion: "core/v1" is not served for Service; served versions are v1',
    ],
  ] as const)("%j with %j", (object, options, problem) => {
    expect(summary(object, options)).toEqual([problem])
  })

  test("may be left out where the caller knows the kind, as in the items of a list", () => {
    const object = valid("TLSRoute", { apiVersion: undefined, kind: undefined, "spec.hostnames": undefined })
    expect(summary(object, { kind: "TLSRoute" })).toEqual(["error Required spec.hostnames: is required"])
  })

  test("a version on its way out is a warning", () => {
    expect(summary(valid("TLSRoute", {}, "v1alpha3"))).toEqual([
      "warning Deprecated apiVersion: this version of TLSRoute is deprecated: write gateway.networking.k8s.io/v1 instead",
    ])
  })
})

describe("applyDefaults", () => {
  test("fills in what the author left out, and leaves the object given as it was", () => {
    const object = valid("TLSRoute")
    const before = structuredClone(object)
    expect(applyDefaults(object)).toMatchObject({
      spec: {
        parentRefs: [{ group: "gateway.networking.k8s.io", kind: "Gateway", name: "gateway" }],
        rules: [{ backendRefs: [{ group: "", kind: "Service", name: "app", port: 443, weight: 1 }] }],
      },
    })
    expect(object).toEqual(before)
  })

  test("fills in nested defaults of listeners and the conditions of an object that no controller has seen", () => {
    const filled = applyDefaults(valid("Gateway", { "spec.allowedListeners": {} }))
    expect(filled).toMatchObject({
      spec: {
        allowedListeners: { namespaces: { from: "None" } },
        listeners: [{ allowedRoutes: { namespaces: { from: "Same" } } }],
      },
      status: { conditions: [{ type: "Accepted", status: "Unknown", reason: "Pending" }, { type: "Programmed" }] },
    })
  })

  test.each(KINDS)("returns the same %s when there is nothing to fill in", (kind) => {
    const filled = applyDefaults(valid(kind))
    expect(applyDefaults(filled)).toBe(filled)
  })

  test("takes out nulls, which the API server reads as left out", () => {
    const object = valid("TLSRoute", { "metadata.creationTimestamp": null, "metadata.labels": { a: null, b: "c" } })
    expect(applyDefaults(object)).toMatchObject({ metadata: { labels: { b: "c" } } })
    expect(applyDefaults(object)).not.toHaveProperty("metadata.creationTimestamp")
  })

  test("drops a status that cannot be read, and keeps one that is only odd", () => {
    const unreadable = applyDefaults(valid("TLSRoute", { "status.parents": "none" }))
    expect(unreadable).not.toHaveProperty("status")
    const odd = valid("TLSRoute", { "status.parents": Array.from({ length: 33 }, () => parentStatus) })
    expect(applyDefaults(odd)).toHaveProperty("status.parents.length", 33)
  })

  test("returns objects of other kinds as they are", () => {
    for (const object of [null, 7, "x", [], {}, { kind: "Pod", spec: null }]) expect(applyDefaults(object)).toBe(object)
  })
})

const parentStatus = {
  parentRef: { group: "gateway.networking.k8s.io", kind: "Gateway", name: "gateway" },
  controllerName: "example.com/controller",
  conditions: [],
}

describe("hostile objects", () => {
  test("no JSON makes validation or defaulting throw", () => {
    const anywhere = fc.constantFrom("spec", "metadata", "status", "spec.listeners", "spec.rules", "endpoints", "x")
    fc.assert(
      fc.property(fc.constantFrom(...KINDS), anywhere, fc.jsonValue(), fc.jsonValue(), (kind, path, inside, whole) => {
        const object = valid(kind, { [path]: inside })
        for (const value of [object, whole]) {
          expect(Array.isArray(validateObject(value))).toBe(true)
          const filled = applyDefaults(value)
          expect(applyDefaults(filled)).toEqual(filled)
        }
      }),
      { numRuns: 500 },
    )
  })

  test("keys that JavaScript holds special are keys like others", () => {
    const labels = JSON.parse('{"__proto__": {"polluted": true}, "constructor": "a"}') as object
    const object = valid("TLSRoute", { "metadata.labels": labels, "spec.useDefaultGateways": null })
    expect(summary(object)).toEqual([
      "error InvalidValue metadata.labels.__proto__: key must be a name of up to 63 letters, digits, '-', '_' and '.', after an optional domain name and a slash",
      "error InvalidType metadata.labels.__proto__: must be a string, not an object",
    ])
    const filled = applyDefaults(object) as { readonly metadata: { readonly labels: object } }
    expect(Object.getPrototypeOf(filled.metadata.labels)).toBe(Object.prototype)
    expect({}).not.toHaveProperty("polluted")
    const proto = JSON.parse('{"__proto__": {"kind": "TLSRoute"}}') as object
    expect(summary(proto)).toEqual(["error Required kind: is required"])
    expect(applyDefaults(proto)).toBe(proto)
  })

  test("an object may refer to itself", () => {
    const object = valid("TLSRoute") as { spec: Record<string, unknown> }
    object.spec["extra"] = object
    expect(validateObject(object).map(({ path }) => path)).toEqual(["spec.extra"])
    object.spec["hostnames"] = object.spec
    expect(validateObject(object)).toContainEqual(expect.objectContaining({ code: "InvalidType" }))
  })

  test("a message never repeats more than a little of what it is about", () => {
    const long = "x".repeat(100_000)
    const object = valid("TLSRoute", { kind: long, "spec.hostnames": [long], [`spec.${long}`]: 1, apiVersion: long })
    const route = valid("TLSRoute", { "spec.hostnames": [long], [`spec.${long}`]: 1 })
    for (const problem of [...validateObject(object), ...validateObject(route)]) {
      expect(problem.message.length + problem.path.length).toBeLessThan(600)
    }
  })
})
