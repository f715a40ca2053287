import { describe, expect, test } from "vitest"
import { serviceAddresses } from "../../src/kubernetes/gateway-addresses.ts"
import { watchServiceAddresses } from "../../src/kubernetes/service-addresses.ts"
import { FakeApiServer } from "./fake-api-server.ts"

const metadata = { name: "gateway", namespace: "tlsroute" }
const node = (ready: boolean, ...addresses: readonly { readonly type: string; readonly address: string }[]) => ({
  status: { addresses, conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
})
const internal = (address: string) => ({ type: "InternalIP", address })
const external = (address: string) => ({ type: "ExternalIP", address })

describe("addresses of the Service in front", () => {
  test.each([
    [
      "the cluster IPs",
      { spec: { type: "ClusterIP", clusterIPs: ["10.0.0.1", "fd00::1"] } },
      [],
      ["10.0.0.1", "fd00::1"],
    ],
    ["none of a headless Service", { spec: { clusterIP: "None", clusterIPs: ["None"] } }, [], []],
    [
      "what the load balancer was given",
      {
        spec: { type: "LoadBalancer" },
        status: { loadBalancer: { ingress: [{ ip: "192.0.2.1" }, { hostname: "lb.example.com" }] } },
      },
      [],
      ["192.0.2.1", "lb.example.com"],
    ],
    ["none while the load balancer is pending", { spec: { type: "LoadBalancer", clusterIP: "10.0.0.1" } }, [], []],
    [
      "external addresses of ready nodes",
      { spec: { type: "NodePort" } },
      [node(true, internal("10.1.0.1"), external("198.51.100.1")), node(false, external("198.51.100.2"))],
      ["198.51.100.1"],
    ],
    [
      "internal addresses when nodes have no others",
      { spec: { type: "NodePort" } },
      [node(true, internal("10.1.0.1"))],
      ["10.1.0.1"],
    ],
    [
      "external IPs first, and each once",
      { spec: { clusterIPs: ["10.0.0.1"], externalIPs: ["203.0.113.9", "10.0.0.1"] } },
      [],
      ["203.0.113.9", "10.0.0.1"],
    ],
  ])("are %s", (_, service, nodes, expected) => {
    expect(serviceAddresses({ metadata, ...service }, nodes).map(({ value }) => value)).toEqual(expected)
  })

  test("tell names from IP addresses", () => {
    const ingress = [{ hostname: "lb.example.com" }, { ip: "192.0.2.1" }]
    const service = { metadata, spec: { type: "LoadBalancer" }, status: { loadBalancer: { ingress } } }
    expect(serviceAddresses(service, [])).toEqual([
      { type: "Hostname", value: "lb.example.com" },
      { type: "IPAddress", value: "192.0.2.1" },
    ])
  })

  test("are at most the 16 that a Gateway may carry", () => {
    const nodes = Array.from({ length: 40 }, (_, i) => node(true, internal(`10.1.0.${i}`)))
    expect(serviceAddresses({ metadata, spec: { type: "NodePort" } }, nodes)).toHaveLength(16)
  })
})

describe("watching the Service in front", () => {
  test("tells its addresses, and each change of them", async () => {
    await using api = await FakeApiServer.start()
    const service = (spec: object, ingress: readonly object[] = []) => ({
      metadata,
      spec,
      status: { loadBalancer: { ingress } },
    })
    api.put("services", service({ type: "LoadBalancer" }), { metadata: { namespace: "tlsroute", name: "other" } })
    const told: (readonly string[])[] = []
    const watch = await watchServiceAddresses({
      kubeConfig: api.kubeConfig,
      service: metadata,
      onChange: (addresses) => told.push(addresses.map(({ value }) => value)),
    })
    await expect.poll(() => watch.current).toEqual([])
    api.put("services", service({ type: "LoadBalancer" }, [{ ip: "192.0.2.1" }]))
    await expect.poll(() => told.at(-1)).toEqual(["192.0.2.1"])
    api.put("nodes", { ...node(true, internal("10.1.0.1")), metadata: { name: "one" } })
    api.put("services", service({ type: "NodePort" }))
    await expect.poll(() => told.at(-1)).toEqual(["10.1.0.1"])
    api.put("services", service({ type: "ClusterIP", clusterIPs: ["10.0.0.1"] }))
    await expect.poll(() => told.at(-1)).toEqual(["10.0.0.1"])
    await expect.poll(() => api.watchCount("nodes")).toBe(0)
    api.remove("services", "gateway", "tlsroute")
    await expect.poll(() => told.at(-1)).toEqual([])
    watch.close()
    await expect.poll(() => api.watchCount()).toBe(0)
  })
})
