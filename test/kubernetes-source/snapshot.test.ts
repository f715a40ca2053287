import { afterEach, beforeEach, expect, test } from "vitest"
import { readClusterSnapshot } from "../../src/kubernetes/snapshot.ts"
import type { KubernetesObject } from "../../src/routing/resources.ts"
import { FakeApiServer } from "./fake-api-server.ts"

const CONTROLLER = "tlsroute.dev/gateway"

let api: FakeApiServer

const route = (namespace: string, name: string) => ({
  metadata: { namespace, name },
  spec: {
    parentRefs: [{ name: "gateway" }],
    hostnames: [`${name}.example.com`],
    rules: [{ backendRefs: [{ name: "web", port: 443 }] }],
  },
})

beforeEach(async () => {
  api = await FakeApiServer.start()
  api.put("gatewayclasses", { metadata: { name: "tlsroute" }, spec: { controllerName: CONTROLLER } })
  api.put("namespaces", { metadata: { name: "shop" } })
  for (const namespace of ["shop", "other"]) {
    api.put("gateways", {
      metadata: { namespace, name: "gateway" },
      spec: { gatewayClassName: namespace === "shop" ? "tlsroute" : "another", listeners: [] },
    })
    api.put("tlsroutes", route(namespace, "one"), route(namespace, "two"))
    api.put("services", { metadata: { namespace, name: "web" }, spec: {} })
  }
})
afterEach(async () => api[Symbol.asyncDispose]())

const read = (options: object = {}) =>
  readClusterSnapshot({ kubeConfig: api.kubeConfig, controllerName: CONTROLLER, ...options })
const namesOf = (objects: readonly KubernetesObject[] | undefined) =>
  objects?.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort()

test("holds what a gateway would follow, and no backends but those of its own routes", async () => {
  const snapshot = await read({ pageSize: 1 })
  expect(namesOf(snapshot.tlsRoutes)).toEqual(["other/one", "other/two", "shop/one", "shop/two"])
  expect(namesOf(snapshot.services)).toEqual(["shop/web"])
  expect(snapshot).toMatchObject({ admitted: true, problems: [] })
  expect(snapshot.tlsRoutes?.[0]).toMatchObject({ apiVersion: "gateway.networking.k8s.io/v1", kind: "TLSRoute" })
  expect(api.requests.some((request) => request.includes("watch="))).toBe(false)
})

test("is of the namespaces that are asked for", async () => {
  const snapshot = await read({ namespaces: ["shop"] })
  expect(namesOf(snapshot.tlsRoutes)).toEqual(["shop/one", "shop/two"])
  expect(snapshot.namespaces?.map(({ metadata }) => metadata.name)).toEqual(["shop"])
})

test("tells which kinds are not there, and which may not be read", async () => {
  api.served.get("gateway.networking.k8s.io/v1")?.delete("listenersets")
  api.fault = (request) => (request.includes("/referencegrants") ? 403 : undefined)
  const { problems, tlsRoutes } = await read()
  expect(problems).toMatchObject([
    { code: "KindNotServed", message: expect.stringContaining("ListenerSet") },
    { code: "NotReadable", severity: "error", message: expect.stringContaining("ReferenceGrant") },
  ])
  expect(tlsRoutes).toHaveLength(4)
})

test("of a cluster where nothing may be read is none", async () => {
  api.fault = (request) => (/\/apis?\/[^/]*v1\/|io\/v1\//.test(request) ? 403 : undefined)
  await expect(read()).rejects.toMatchObject({ code: "ERR_TLSROUTE_KUBERNETES_API", status: 403 })
})

test("of a server that is away is none", async () => {
  await api.crash()
  await expect(read()).rejects.toMatchObject({ code: "ERR_TLSROUTE_KUBERNETES_UNREACHABLE" })
  await api.listen()
})
