import { join, resolve } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { parseAllDocuments } from "yaml"
import { TestCluster } from "./support/cluster.ts"
import { installCrds } from "./support/crds.ts"

const deploy = resolve(import.meta.dirname, "../../deploy")
const CHART = join(deploy, "helm/tlsroute")
const MANIFESTS = join(deploy, "manifests/tlsroute.yaml")
const NAMESPACE = "tlsroute-system"

interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  // biome-ignore lint/suspicious/noExplicitAny: manifests of every kind
  readonly spec: any
}

/** Values under which the chart is checked, besides its own. */
const VARIANTS: Readonly<Record<string, readonly string[]>> = {
  "as it is": [],
  "in two namespaces": ["--set", "watchNamespaces={shop,blog}"],
  "on the nodes' network": ["--set", "hostNetwork=true,publishAddresses={192.0.2.1}"],
  "behind node ports": ["--set", "service.type=NodePort,ports[0].nodePort=30443,ports[0].name=tls,ports[0].port=443"],
  "with QUIC beside TLS": ["--set", "quic=true,service.type=NodePort"],
  "with everything set": [
    ...["--set", "autoscaling.enabled=false,podDisruptionBudget.enabled=false,replicas=3,gatewayClass.name=edge"],
    ...["--set", "externalBackends={httpbin.org,*.example.com},extraArgs={--gateway-class=edge}"],
    ...["--set", "service.annotations.a=b,service.loadBalancerClass=x/y,service.loadBalancerSourceRanges={10.0.0.0/8}"],
    ...["--set", "podAnnotations.a=b,podLabels.a=b,nodeSelector.a=b,priorityClassName=system-cluster-critical"],
    ...["--set", "tolerations[0].operator=Exists,imagePullSecrets[0].name=pull,image.tag=1.2.3"],
    ...["--set", "namespace.create=false,topologySpreadConstraints=null"],
  ],
}

let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start()
  await installCrds(cluster)
  for (const name of ["shop", "blog"]) await cluster.kubectl(["create", "namespace", name])
})
afterAll(async () => cluster[Symbol.asyncDispose]())

const render = (...values: readonly string[]): Promise<string> =>
  cluster.helm("template", "tlsroute", CHART, "--namespace", NAMESPACE, "--set", "namespace.create=true", ...values)

const parse = (text: string): readonly Manifest[] =>
  parseAllDocuments(text).flatMap((document) => (document.contents === null ? [] : [document.toJS() as Manifest]))

test("the plain manifests are what the chart renders", async () => {
  await expect(await render()).toMatchFileSnapshot(MANIFESTS)
})

test("the chart is what helm asks of one", async () => {
  await expect(cluster.helm("lint", "--strict", CHART)).resolves.toContain("0 chart(s) failed")
})

test("values that mean nothing are refused by name", async () => {
  await expect(render("--set", "replica=3")).rejects.toThrow(/replica/)
  await expect(render("--set", "controllerName=tlsroute")).rejects.toThrow(/controllerName/)
})

describe.each(Object.entries(VARIANTS))("the chart %s", (_name, values) => {
  test("is taken by the API server, object by object", async () => {
    const manifests = parse(await render(...values))
    const namespaces = manifests.filter(({ kind }) => kind === "Namespace")
    // The rest cannot be tried in a namespace that is not there.
    if (namespaces.length > 0) await cluster.apply(namespaces)
    else await cluster.kubectl(["get", "namespace", NAMESPACE])
    const said = await cluster.apply(manifests, "--server-side", "--dry-run=server", "--validate=strict")
    expect(said.trim().split("\n")).toHaveLength(manifests.length)
    expect(manifests.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(["Deployment", "Service", "ServiceAccount", "ClusterRole", "Role", "GatewayClass"]),
    )
  })

  test("makes pods that the namespace's security level admits", async () => {
    const manifests = parse(await render(...values))
    const namespace = manifests.find(({ kind }) => kind === "Namespace")
    if (namespace !== undefined) await cluster.apply([namespace])
    const { metadata, spec } = manifests.find(({ kind }) => kind === "Deployment")?.spec.template ?? {}
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { ...metadata, name: "one", namespace: NAMESPACE }, spec }
    const said = await cluster.kubectl(["create", "--dry-run=server", "-f", "-"], JSON.stringify(pod))
    expect(said).toBe("pod/one created (server dry run)\n")
  })
})

test("pods that may write files or gain rights would not be admitted", async () => {
  const manifests = parse(await render())
  await cluster.apply(manifests.filter(({ kind }) => kind === "Namespace"))
  const { spec } = manifests.find(({ kind }) => kind === "Deployment")?.spec.template ?? {}
  const [container] = spec.containers
  const loose = { ...spec, containers: [{ ...container, securityContext: { allowPrivilegeEscalation: true } }] }
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "two", namespace: NAMESPACE }, spec: loose }
  await expect(cluster.kubectl(["create", "--dry-run=server", "-f", "-"], JSON.stringify(pod))).rejects.toThrow(
    /violates PodSecurity "restricted/,
  )
})

test("helm installs it, and installs it away", async () => {
  await cluster.helm("install", "edge", CHART, "--namespace", "shop", "--set", "gatewayClass.name=edge")
  const deployment = await cluster.get<Manifest>("deployment", "edge-tlsroute", "--namespace", "shop")
  expect(deployment.spec.template.spec.containers[0].args).toContain("--lease=shop/edge-tlsroute")
  await cluster.helm("uninstall", "edge", "--namespace", "shop")
  await expect(cluster.kubectl(["get", "gatewayclass", "edge"])).rejects.toThrow(/not found/)
})
