import { afterAll, beforeAll, expect, test } from "vitest"
import { TestCluster } from "./support/cluster.ts"
import { installCrds } from "./support/crds.ts"

let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start()
})
afterAll(async () => cluster[Symbol.asyncDispose]())

test("a cluster keeps its objects over a crash of the API server", async () => {
  await installCrds(cluster)
  await cluster.kubectl(["create", "namespace", "httpbin"])
  await cluster.kill()
  await expect(cluster.kubectl(["get", "namespaces"])).rejects.toThrow(/refused/)
  await cluster.resume()
  expect(await cluster.kubectl(["get", "namespace", "httpbin", "-o", "name"])).toBe("namespace/httpbin\n")
  const { items } = await cluster.get<{ items: readonly unknown[] }>("tlsroutes", "--all-namespaces")
  expect(items).toEqual([])
})
