import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { Cli } from "./cli.ts"

const guide = readFileSync(resolve(import.meta.dirname, "../../docs/databases.md"), "utf8")
const [files = "", cloudNativePg = "", ...others] = [...guide.matchAll(/^```yaml\n(.*?)^```$/gms)].map(
  ([, text = ""]) => text,
)

let cli: Cli

beforeAll(async () => {
  cli = await Cli.build()
})

afterAll(async () => {
  await cli[Symbol.asyncDispose]()
})

/**
 * A Service that CloudNativePG makes for a Cluster (its documentation, "Service Management"; `specs/services.go`), with
 * the EndpointSlice that Kubernetes makes for it.
 */
function clusterService(name: string, role: "primary" | "replica", addresses: readonly string[]): string {
  const metadata = { namespace: "databases", name, labels: { "cnpg.io/cluster": "orders" } }
  const selector = { "cnpg.io/cluster": "orders", "cnpg.io/instanceRole": role }
  const port = { name: "postgres", port: 5432, protocol: "TCP" }
  const service = { ports: [{ ...port, targetPort: 5432 }], selector, type: "ClusterIP", sessionAffinity: "None" }
  const slice = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { ...metadata, name: `${name}-x7k2p`, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    ports: [port],
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
  }
  const objects = [{ apiVersion: "v1", kind: "Service", metadata, spec: service }, slice]
  return objects.map((object) => `---\n${JSON.stringify(object)}\n`).join("")
}

describe("the guide to databases", () => {
  test("has an example for files and one for CloudNativePG", () => {
    expect(files).toContain("kind: EndpointSlice")
    expect(cloudNativePg).toContain("kind: Cluster")
    expect(others).toEqual([])
  })

  test.each([
    ["files", () => files, { "orders.db.example.com": "10.0.0.11:5432" }],
    [
      "CloudNativePG, with the Services that it makes",
      () =>
        cloudNativePg +
        clusterService("orders-rw", "primary", ["10.244.0.11"]) +
        clusterService("orders-ro", "replica", ["10.244.1.12", "10.244.2.13"]),
      { "orders.db.example.com": "10.244.0.11:5432", "orders-ro.db.example.com": "10.244.1.12:5432" },
    ],
  ])(
    "has manifests for %s that check finds nothing wrong with, and that lead each name to its server",
    async (what, text, names) => {
      const file = await cli.write(`${what.slice(0, 5)}.yaml`, text())
      expect(await cli.run(["check", "--strict", file])).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("0 errors, 0 warnings; 1 listener and"),
      })
      for (const [name, endpoint] of Object.entries(names)) {
        const { code, stdout } = await cli.run(["explain", file, "--port", "5432", "--sni", name])
        expect([code, stdout]).toEqual([0, expect.stringContaining(endpoint)])
        expect(stdout).toContain("before TLS, clients and the backend are spoken to in postgres (starttls)")
      }
    },
  )
})
