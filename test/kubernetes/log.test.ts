import { afterAll, beforeAll, expect, test } from "vitest"
import { TestCluster } from "./support/cluster.ts"
import { Controller } from "./support/controller.ts"
import { installTlsroute } from "./support/install.ts"
import { gatewayObject, routeObject } from "./support/traffic.ts"

const ROUTES = 200
const EDITS = 20

let cluster: TestCluster
let controller: Controller

// No backend is there: every route is a problem as long as it lives.
const route = (at: number, hostname = `route-${at}.example.com`) =>
  routeObject("shop", `route-${at}`, [hostname], { name: "missing" })
const routeNames = Array.from({ length: ROUTES }, (_, at) => `route-${at}`)

beforeAll(async () => {
  cluster = await TestCluster.start()
  const kubeconfig = await installTlsroute(cluster)
  await cluster.kubectl(["create", "namespace", "shop"])
  await cluster.apply([gatewayObject("shop", "gateway"), ...routeNames.map((_, at) => route(at))])
  controller = await Controller.start(kubeconfig)
})
afterAll(async () => {
  await controller?.[Symbol.asyncDispose]()
  await cluster?.[Symbol.asyncDispose]()
})

const configLines = (from: number): number =>
  controller.events.slice(from).filter(({ event }) => event === "config").length

/** Waits until the status of every one of these routes has been written since the first `mark` events. */
async function written(mark: number, names: readonly string[]): Promise<void> {
  for (const name of names) await controller.after(mark, "kubernetes-status-written", (event) => event["name"] === name)
}

test("statuses that it writes itself are no new configuration", async () => {
  await written(0, routeNames)
  const lines = configLines(0)
  // The next change of configuration comes after the echo of all of them.
  const mark = controller.events.length
  await cluster.apply([route(0, "renamed.example.com")])
  await controller.after(mark, "config")
  console.info(`${lines} configurations told of for ${ROUTES} routes and as many statuses`)
  expect(lines).toBeLessThan(20)
})

test("nor are those that others write, and theirs stay while ours are repaired", async () => {
  await written(0, routeNames)
  const mark = controller.events.length
  const foreign = { type: "example.com/Seen", status: "True", reason: "Seen", message: "" }
  const status = { conditions: [{ ...foreign, lastTransitionTime: "2026-01-01T00:00:00Z" }] }
  await cluster.kubectl([
    ...["patch", "gateway", "gateway", "--namespace", "shop", "--subresource", "status", "--type", "merge"],
    ...["--patch", JSON.stringify({ status })],
  ])
  await controller.after(mark, "kubernetes-status-written", ({ kind }) => kind === "Gateway")
  await cluster.kubectl([
    ...["wait", "gateway/gateway", "--namespace", "shop", "--for=condition=Programmed", "--timeout=60s"],
  ])
  expect(await cluster.kubectl(["get", "gateway", "gateway", "--namespace", "shop", "-o", "json"])).toContain(
    foreign.type,
  )
  expect(configLines(mark)).toBe(0)
})

test(`a change among ${ROUTES} routes with a problem each costs a few lines of log, not all of them`, async () => {
  const before = controller.logged
  for (let edit = 0; edit < EDITS; edit++) {
    const mark = controller.events.length
    await cluster.apply([route(edit + 1, `edit-${edit}.example.com`)])
    await controller.after(mark, "config", ({ changed, problems }) => changed !== undefined || problems !== undefined)
    await written(mark, [`route-${edit + 1}`])
  }
  const perChange = (controller.logged - before) / EDITS
  console.info(`${Math.round(perChange)} bytes of log for each change among ${ROUTES} routes`)
  expect(perChange).toBeLessThan(3000)
})
