import type { Server } from "node:net"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { TestCluster } from "./support/cluster.ts"
import { Controller } from "./support/controller.ts"
import { installCrds, KINDS, serveTlsRoutesIn } from "./support/crds.ts"
import { installTlsroute } from "./support/install.ts"
import { gatewayObject, reached, routeObject, startService, Traffic } from "./support/traffic.ts"

const VERSIONS = ["v1alpha2", "v1alpha3", "v1"] as const
const GROUP = "gateway.networking.k8s.io"

let cluster: TestCluster
let kubeconfig: string
let controller: Controller
let backend: Server
let port: number
let traffic: Traffic | undefined

const serve = (...versions: readonly string[]): Promise<void> => serveTlsRoutesIn(cluster, ...versions)

const route = (version: string, name: string) => {
  const object = routeObject("shop", name, [`${name}.example.com`], { name: "web" })
  return { ...object, apiVersion: `${GROUP}/${version}` }
}

/** Applies an object of a version that the server may have begun to serve a moment ago. */
async function applyOnceServed(object: object): Promise<void> {
  await expect.poll(() => cluster.apply([object]).then(() => "applied", String), { timeout: 60_000 }).toBe("applied")
}

beforeAll(async () => {
  cluster = await TestCluster.start()
  kubeconfig = await installTlsroute(cluster)
  await installCrds(cluster, "experimental")
  await serve("v1alpha2")
  await cluster.kubectl(["create", "namespace", "shop"])
  backend = await startService(cluster, "shop", "web", ["*.example.com"])
  await cluster.apply([gatewayObject("shop", "gateway")])
  controller = await Controller.start(kubeconfig)
  port = await controller.port("Gateway/shop/gateway/tls")
})
afterAll(async () => {
  await controller?.[Symbol.asyncDispose]()
  backend?.close()
  await cluster?.[Symbol.asyncDispose]()
})

// One controller lives through all of them, as through an upgrade of the CRDs.
describe.each(VERSIONS)("a server that serves TLSRoute in %s only", (version) => {
  test("is read in it, and statuses are written in it", async () => {
    await serve(version)
    await applyOnceServed(route(version, version))
    expect(await reached(port, `${version}.example.com`)).toBe("web")
    await controller.until(
      "kubernetes-discovered",
      (event) => event["kind"] === "TLSRoute" && event["version"] === version,
    )
    const accepted = '--for=jsonpath={.status.parents[0].conditions[?(@.type=="Accepted")].status}=True'
    const resource = `tlsroutes.${version}.${GROUP}/${version}`
    await cluster.kubectl(["wait", accepted, resource, "--namespace", "shop", "--timeout=60s"])
  })

  test("serves what routes of other versions said all along", async () => {
    traffic ??= await Traffic.start(port, `${VERSIONS[0]}.example.com`)
    expect(await reached(port, `${VERSIONS[0]}.example.com`)).toBe("web")
    expect(traffic.failures).toEqual([])
  })
})

test("no connection was lost on the way", async () => {
  await traffic?.stop()
  expect(traffic?.failures).toEqual([])
})

test("a route of v1alpha2 without hostnames takes every name", async () => {
  await serve("v1alpha2")
  const { spec, ...rest } = route("v1alpha2", "any")
  const { hostnames: _, ...open } = spec
  await applyOnceServed({ ...rest, spec: open })
  expect(await reached(port, "whatever.example.com")).toBe("web")
})

test("kinds that are installed later are found", async () => {
  await using bare = await TestCluster.start()
  const installedFirst = KINDS.filter((kind) => !["tlsroutes", "referencegrants"].includes(kind))
  const account = await installTlsroute(bare, undefined, installedFirst)
  await bare.kubectl(["create", "namespace", "shop"])
  const early = await Controller.start(account)
  const web = await startService(bare, "shop", "web", ["*.example.com"])
  try {
    await early.until("kubernetes-discovered", ({ kind, version }) => kind === "TLSRoute" && version === undefined)
    await installCrds(bare)
    await bare.apply([gatewayObject("shop", "gateway")])
    await bare.apply([route("v1", "late")])
    expect(await reached(await early.port("Gateway/shop/gateway/tls"), "late.example.com")).toBe("web")
  } finally {
    await early.kill()
    web.close()
  }
})
