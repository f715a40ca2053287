import type { Server } from "node:net"
import { afterAll, beforeAll, expect, test } from "vitest"
import { ApiLink } from "./support/api-link.ts"
import { TestCluster } from "./support/cluster.ts"
import { Controller } from "./support/controller.ts"
import { installTlsroute } from "./support/install.ts"
import { gatewayObject, reached, refused, routeObject, startService, Traffic } from "./support/traffic.ts"

interface Routes {
  readonly problems: readonly { readonly code: string }[]
}

let cluster: TestCluster
let link: ApiLink
let controller: Controller
let backend: Server
let port: number
let traffic: Traffic

const route = (name: string) => routeObject("shop", name, [`${name}.example.com`], { name: "web" })
const problems = async (): Promise<readonly string[]> =>
  (await controller.admin<Routes>("/routes")).problems.map(({ code }) => code)

// Traffic starts here and ends with the last test: whatever happens in between, none of it may be lost.
beforeAll(async () => {
  cluster = await TestCluster.start()
  link = await ApiLink.to(cluster.port)
  const kubeconfig = await installTlsroute(cluster, link.url)
  await cluster.kubectl(["create", "namespace", "shop"])
  backend = await startService(cluster, "shop", "web", ["*.example.com"])
  await cluster.apply([gatewayObject("shop", "gateway"), route("one")])
  controller = await Controller.start(kubeconfig)
  port = await controller.port("Gateway/shop/gateway/tls")
  await reached(port, "one.example.com")
  traffic = await Traffic.start(port, "one.example.com")
})
afterAll(async () => {
  await controller?.[Symbol.asyncDispose]()
  backend?.close()
  await link?.[Symbol.asyncDispose]()
  await cluster?.[Symbol.asyncDispose]()
})

test("watches that are cut go on where they were", async () => {
  const mark = controller.events.length
  link.cut()
  await cluster.apply([route("two")])
  expect(await reached(port, "two.example.com")).toBe("web")
  expect(controller.events.slice(mark).filter(({ event }) => event === "kubernetes-relisted")).toEqual([])
})

test("what happened in a history that the server has forgotten is caught up with", async () => {
  const mark = controller.events.length
  link.block()
  await cluster.apply([route("three")])
  await cluster.kubectl(["delete", "tlsroute", "two", "--namespace", "shop"])
  // A server that starts knows no history from before.
  await cluster.kill()
  await cluster.resume()
  link.unblock()
  await controller.after(mark, "kubernetes-relisted", ({ kind }) => kind === "TLSRoute")
  expect(await reached(port, "three.example.com")).toBe("web")
  await refused(port, "two.example.com")
})

test("while the API server is away the gateway serves, and says so", async () => {
  const mark = controller.events.length
  await cluster.kill()
  await controller.after(mark, "config", ({ problems }) => {
    return (problems as Routes["problems"]).some(({ code }) => code === "WatchFailing")
  })
  expect(await problems()).toContain("WatchFailing")
  expect(await reached(port, "three.example.com")).toBe("web")
  await cluster.resume()
  await cluster.apply([route("four")])
  expect(await reached(port, "four.example.com")).toBe("web")
  await controller.after(mark, "kubernetes-recovered", ({ kind }) => kind === "TLSRoute")
  await expect.poll(problems, { timeout: 60_000 }).toEqual([])
})

test("statuses are written again once it is back", async () => {
  const accepted = '--for=jsonpath={.status.parents[0].conditions[?(@.type=="Accepted")].status}=True'
  await cluster.kubectl(["wait", accepted, "tlsroute/four", "--namespace", "shop", "--timeout=60s"])
})

test("no connection was lost through all of it", async () => {
  await traffic.stop()
  expect(traffic.failures).toEqual([])
  expect(traffic.connections).toBeGreaterThan(100)
})
