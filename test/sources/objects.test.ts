import { describe, expect, test } from "vitest"
import { resourcesFromObjects } from "../../src/sources/objects.ts"

const named = (apiVersion: string, kind: string) => ({ apiVersion, kind, metadata: { name: "x" } })

describe("resourcesFromObjects", () => {
  test.each([
    ["gateway.networking.k8s.io/v1", "GatewayClass", "gatewayClasses"],
    ["gateway.networking.k8s.io/v1beta1", "Gateway", "gateways"],
    ["gateway.networking.k8s.io/v1", "ListenerSet", "listenerSets"],
    ["gateway.networking.k8s.io/v1", "TLSRoute", "tlsRoutes"],
    ["gateway.networking.k8s.io/v1alpha2", "TLSRoute", "tlsRoutes"],
    ["gateway.networking.k8s.io/v1beta1", "ReferenceGrant", "referenceGrants"],
    ["v1", "Namespace", "namespaces"],
    ["v1", "Service", "services"],
    ["discovery.k8s.io/v1", "EndpointSlice", "endpointSlices"],
    ["gateway.networking.k8s.io/v1", "HTTPRoute", "others"],
    ["serving.knative.dev/v1", "Service", "others"],
  ] as const)("puts %s %s into %s", (apiVersion, kind, list) => {
    const object = named(apiVersion, kind)
    expect(resourcesFromObjects([object])).toEqual({ [list]: [object] })
  })

  test("unwraps a List of mixed kinds and lists within lists", () => {
    const service = named("v1", "Service")
    const namespace = named("v1", "Namespace")
    const inner = { apiVersion: "v1", kind: "List", items: [namespace] }
    const resources = resourcesFromObjects([{ apiVersion: "v1", kind: "List", items: [service, inner] }])
    expect(resources).toEqual({ services: [service], namespaces: [namespace] })
  })

  test("gives the items of a typed list the kind and version of the list", () => {
    const list = {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "TLSRouteList",
      items: [{ metadata: { name: "a" } }],
    }
    expect(resourcesFromObjects([list]).tlsRoutes).toEqual([
      { apiVersion: "gateway.networking.k8s.io/v1", kind: "TLSRoute", metadata: { name: "a" } },
    ])
  })

  test("makes up no namespace", () => {
    expect(resourcesFromObjects([named("v1", "Service")]).services?.[0]?.metadata).toEqual({ name: "x" })
  })

  test.each([
    ["a string", "text", "object 1: not a Kubernetes object"],
    ["a list of items", [], "object 1: not a Kubernetes object"],
    ["no kind", { apiVersion: "v1", metadata: { name: "x" } }, "object 1: kind is missing"],
    ["a kind that is a number", { apiVersion: "v1", kind: 7, metadata: { name: "x" } }, "object 1: kind is missing"],
    ["no apiVersion", { kind: "Service", metadata: { name: "x" } }, "object 1: apiVersion is missing"],
    ["no metadata", { apiVersion: "v1", kind: "Service" }, "object 1: metadata is missing"],
    ["no name", { apiVersion: "v1", kind: "Service", metadata: {} }, "object 1: metadata.name is missing"],
    [
      "a namespace that is a list",
      { apiVersion: "v1", kind: "Service", metadata: { name: "x", namespace: [] } },
      "object 1: metadata.namespace is not a string",
    ],
    ["an item that is null", { apiVersion: "v1", kind: "List", items: [null] }, "object 1, items[0]: not a Kubernetes"],
  ])("reports a value with %s and takes the others", (_what, value, message) => {
    const service = named("v1", "Service")
    const { services, problems } = resourcesFromObjects([service, value])
    expect(services).toEqual([service])
    expect(problems).toMatchObject([{ severity: "error", code: "InvalidObject" }])
    expect(problems?.[0]?.message).toContain(message)
  })
})
