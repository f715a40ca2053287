import { describe, expect, test } from "vitest"
import { applyDefaults, validateObject } from "../../../src/routing/validation/validate.ts"

const route = {
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "TLSRoute",
  metadata: { name: "httpbin", namespace: "apps" },
  spec: {
    parentRefs: [{ name: "gateway" }],
    hostnames: ["httpbin.org"],
    rules: [{ backendRefs: [{ name: "httpbin", port: 443 }] }],
  },
}

describe("validateObject", () => {
  test("finds nothing wrong with a valid route", () => {
    expect(validateObject(route)).toEqual([])
  })

  test("names the object and the field at fault", () => {
    const bad = { ...route, spec: { ...route.spec, rules: [{ backendRefs: [{ name: "httpbin" }] }] } }
    expect(validateObject(bad)).toEqual([
      {
        severity: "error",
        code: "Required",
        object: { group: "gateway.networking.k8s.io", kind: "TLSRoute", namespace: "apps", name: "httpbin" },
        path: "spec.rules[0].backendRefs[0].port",
        message: "must have port for Service reference",
      },
    ])
  })
})

describe("applyDefaults", () => {
  test("fills in what the author left out, and leaves the object given as it was", () => {
    const before = structuredClone(route)
    expect(applyDefaults(route).spec).toEqual({
      parentRefs: [{ group: "gateway.networking.k8s.io", kind: "Gateway", name: "gateway" }],
      hostnames: ["httpbin.org"],
      rules: [{ backendRefs: [{ group: "", kind: "Service", name: "httpbin", port: 443, weight: 1 }] }],
    })
    expect(route).toEqual(before)
  })

  test("returns the same object when there is nothing to fill in", () => {
    const filled = applyDefaults(route)
    expect(applyDefaults(filled)).toBe(filled)
  })
})
