import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { FakeApiServer } from "../kubernetes-source/fake-api-server.ts"
import { Cli } from "./cli.ts"

let cli: Cli
let directory: string
let api: FakeApiServer
let kubeconfig: string

beforeAll(async () => {
  cli = await Cli.build()
  directory = cli.folder
  api = await FakeApiServer.start()
  kubeconfig = join(directory, "kubeconfig")
  await writeFile(kubeconfig, api.kubeConfig.exportConfig())
  api.put("gatewayclasses", { metadata: { name: "edge" }, spec: { controllerName: "example.com/edge" } })
  api.put("namespaces", { metadata: { name: "shop" } })
  api.put("gateways", {
    metadata: { namespace: "shop", name: "gateway" },
    spec: {
      gatewayClassName: "edge",
      listeners: [{ name: "tls", port: 443, protocol: "TLS", tls: { mode: "Passthrough" } }],
    },
  })
  // As a server of today gives what was written as v1alpha2.
  for (const [name, backend] of [
    ["open", "web"],
    ["outside", "httpbin.org"],
  ] as const) {
    api.put("tlsroutes", {
      metadata: { namespace: "shop", name },
      spec: {
        parentRefs: [{ name: "gateway" }],
        ...(name === "open" ? {} : { hostnames: ["httpbin.org"] }),
        rules: [{ backendRefs: [{ name: backend, port: 443 }] }],
      },
    })
  }
  api.put("services", {
    metadata: { namespace: "shop", name: "web" },
    spec: { clusterIP: "192.0.2.1", ports: [{ port: 443 }] },
  })
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
  await cli[Symbol.asyncDispose]()
})

const edge = ["--controller-name", "example.com/edge"]

describe("a live cluster", () => {
  test("is explained as its gateway would have it, before there is one", async () => {
    const args = ["explain", "--kubeconfig", kubeconfig, ...edge, "--port", "443", "--sni", "any.example.com"]
    const { code, stdout } = await cli.run(args)
    expect(stdout).toContain("shop/open")
    expect(code).toBe(0)
  })

  test("is checked, and names outside of it are off as they are for the controller", async () => {
    const { code, stdout } = await cli.run(["check", "--kubeconfig", kubeconfig, ...edge, "--json"])
    const { routes, listeners, problems } = JSON.parse(stdout)
    expect({ code, routes, listeners }).toEqual({ code: 1, routes: 2, listeners: 1 })
    expect(problems).toContainEqual(
      expect.objectContaining({ code: "BackendNotFound", object: expect.objectContaining({ name: "outside" }) }),
    )
    const allowed = await cli.run([
      ...["check", "--kubeconfig", kubeconfig, ...edge, "--json", "--external-backends", "httpbin.org"],
    ])
    expect(JSON.parse(allowed.stdout).errors).toBe(0)
  })

  test("is read in one namespace, where that is what one may read", async () => {
    const before = api.requests.length
    await cli.run(["check", "--kubeconfig", kubeconfig, ...edge, "-n", "shop"])
    const asked = api.requests.slice(before).filter((request) => request.includes("tlsroutes?"))
    expect(asked).toEqual([expect.stringContaining("/namespaces/shop/tlsroutes")])
  })

  test("without a class of the controller says so, and which controllers there are", async () => {
    const { stdout } = await cli.run(["check", "--kubeconfig", kubeconfig])
    expect(stdout).toMatch(/no GatewayClass is of the controller tlsroute\.dev\S+, .* example\.com\/edge/)
  })

  test.each([
    ["and files", ["--kubeconfig", "KUBECONFIG", "gateway.yaml"], "name files or a cluster, not both"],
    ["nor files", [], "name files to read, or a cluster with --cluster"],
    ["of a context that is not there", ["--kubeconfig", "KUBECONFIG", "--context", "none"], 'no context "none"'],
    ["of a kubeconfig that is not there", ["--kubeconfig", "/nowhere/config"], "cannot read /nowhere/config"],
  ])("%s is a mistake that is told in one line", async (_, flags, message) => {
    const given = flags.map((flag) => (flag === "KUBECONFIG" ? kubeconfig : flag))
    const { code, stderr } = await cli.run(["check", ...given])
    expect(code).toBe(2)
    expect(stderr).toContain(message)
    expect(stderr.trim().split("\n")).toHaveLength(1)
  })

  test("that is away is told of in one line", async () => {
    await api.crash()
    const { code, stderr } = await cli.run(["check", "--kubeconfig", kubeconfig])
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringMatching(/^\S+ cannot read the cluster: /) })
    await api.listen()
  })
})
