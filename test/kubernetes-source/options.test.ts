import { describe, expect, it } from "vitest"
import {
  ensureGatewayClass,
  kubernetesSource,
  loadClusterAccess,
  readClusterSnapshot,
  startStatusWriter,
  watchServiceAddresses,
} from "../../src/kubernetes/index.ts"

const controllerName = "example.com/gateway-controller"
const nobody = { getCurrentCluster: () => null, applyToHTTPSOptions: async () => undefined }

const refusal = (message: string) =>
  expect.objectContaining({ code: "ERR_TLSROUTE_KUBERNETES_OPTION", message: expect.stringContaining(message) })

describe("kubernetesSource", () => {
  const source = kubernetesSource as (options?: unknown) => unknown

  it.each<[string, unknown, string]>([
    ["nothing", undefined, "kubernetesSource: options are missing, for example { controllerName: "],
    ["no controller", {}, 'the option "controllerName" is missing'],
    ["a misspelt controller", { controlerName: controllerName }, 'did you mean it by "controlerName"?'],
    ["a name without a domain", { controllerName: "mine" }, "a domain and a path"],
    ["one namespace", { controllerName, namespaces: "a" }, 'the option "namespaces" must be a list of names, not "a"'],
    ["a misspelt page size", { controllerName, pagesize: 10 }, 'did you mean "pageSize"?'],
    ["pages of nothing", { controllerName, pageSize: 0 }, 'the option "pageSize" must be a whole number, 1 or more'],
    ["a time as text", { controllerName, stallMs: "1m" }, 'the option "stallMs" must be a number of milliseconds'],
    [
      "the path of a kubeconfig",
      { controllerName, kubeConfig: "~/.kube/config" },
      "an object with getCurrentCluster()",
    ],
  ])("given %s, says what to do before anything is read", (_, options, message) => {
    expect(() => source(options)).toThrow(refusal(message))
  })
})

it.each<[string, (options: never) => Promise<unknown>, unknown, string]>([
  ["loadClusterAccess", loadClusterAccess, { kubeConfig: "x" }, 'did you mean "kubeconfig"?'],
  ["readClusterSnapshot", readClusterSnapshot, { kubeConfig: nobody }, 'the option "controllerName" is missing'],
  ["startStatusWriter", startStatusWriter, { controllerName, lease: { name: "x" } }, '"lease.namespace" is missing'],
  ["startStatusWriter", startStatusWriter, { controllerName, concurrency: 0 }, 'the option "concurrency" must be'],
  ["ensureGatewayClass", ensureGatewayClass, { controllerName }, 'the option "name" is missing'],
  ["watchServiceAddresses", watchServiceAddresses, { service: "x" }, '"service" must be an object of options, not "x"'],
  ["watchServiceAddresses", watchServiceAddresses, {}, 'the option "service" is missing'],
])("%s says what to do about options that cannot be meant", async (name, call, options, message) => {
  await expect(call(options as never)).rejects.toThrow(refusal(`${name}: `))
  await expect(call(options as never)).rejects.toThrow(refusal(message))
})
