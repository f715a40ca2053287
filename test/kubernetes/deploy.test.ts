import { join, resolve } from "node:path"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
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
  readonly rules?: readonly { readonly resources: readonly string[] }[]
}

/** Values under which the chart is checked, besides its own. */
const VARIANTS: Readonly<Record<string, readonly string[]>> = {
  "as it is": [],
  "in two namespaces": ["--set", "watchNamespaces={shop,blog}"],
  "on the nodes' network": ["--set", "hostNetwork=true,publishAddresses={192.0.2.1}"],
  "behind node ports": ["--set", "service.type=NodePort,ports[0].nodePort=30443,ports[0].name=tls,ports[0].port=443"],
  "with the zone of its node": ["--set", "zoneFromNode=true"],
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

const rulesOf = (manifests: readonly Manifest[], resource: string): readonly object[] =>
  manifests.flatMap(({ rules = [] }) => rules).filter(({ resources }) => resources.includes(resource))

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

test("a pod is told its node and its zone, without a right to read nodes", async () => {
  const zone = "topology.kubernetes.io/zone"
  const manifests = parse(await render())
  await cluster.apply(manifests.filter(({ kind }) => kind === "Namespace"))
  await cluster.apply([{ apiVersion: "v1", kind: "Node", metadata: { name: "node-1", labels: { [zone]: "zone-a" } } }])
  const { metadata, spec } = manifests.find(({ kind }) => kind === "Deployment")?.spec.template ?? {}
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { ...metadata, name: "three", namespace: NAMESPACE }, spec }
  await cluster.apply([pod])
  // As the scheduler does.
  const binding = {
    apiVersion: "v1",
    kind: "Binding",
    metadata: { name: "three" },
    target: { kind: "Node", name: "node-1" },
  }
  const path = `/api/v1/namespaces/${NAMESPACE}/pods/three/binding`
  await cluster.kubectl(["create", "--raw", path, "-f", "-"], JSON.stringify(binding))
  interface Pod {
    readonly metadata: { readonly labels: Readonly<Record<string, string>> }
    readonly spec: { readonly nodeName: string }
  }
  const bound = await cluster.get<Pod>("pod", "three", "--namespace", NAMESPACE)
  // What the kubelet reads of a pod when it starts a container.
  expect(bound.spec.nodeName).toBe("node-1")
  expect(bound.metadata.labels[zone]).toBe("zone-a")
  const { env } = spec.containers[0]
  expect(env).toContainEqual({ name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } })
  const fieldPath = `metadata.labels['${zone}']`
  expect(env).toContainEqual({ name: "NODE_ZONE", valueFrom: { fieldRef: { fieldPath } } })
  expect(rulesOf(manifests, "nodes")).toEqual([])
})

test("where the zone is read from the node, nodes may be read one by one and no more", async () => {
  const manifests = parse(await render("--set", "zoneFromNode=true"))
  expect(rulesOf(manifests, "nodes")).toEqual([{ apiGroups: [""], resources: ["nodes"], verbs: ["get"] }])
  const { spec } = manifests.find(({ kind }) => kind === "Deployment")?.spec.template ?? {}
  expect(spec.containers[0].args).toContain("--zone-from-node")
})

test("helm installs it, and installs it away", async () => {
  await cluster.helm("install", "edge", CHART, "--namespace", "shop", "--set", "gatewayClass.name=edge")
  const deployment = await cluster.get<Manifest>("deployment", "edge-tlsroute", "--namespace", "shop")
  expect(deployment.spec.template.spec.containers[0].args).toContain("--lease=shop/edge-tlsroute")
  await cluster.helm("uninstall", "edge", "--namespace", "shop")
  await expect(cluster.kubectl(["get", "gatewayclass", "edge"])).rejects.toThrow(/not found/)
})

describe("QUIC turned on in what is installed, and off again,", () => {
  const twins = "ports[0].name=tls,ports[0].port=443,ports[0].nodePort=30443,ports[1].name=tls-alt,ports[1].port=8443"
  const values = (quic: boolean): readonly string[] => [
    ...[
      "--namespace",
      "blog",
      "--set",
      `gatewayClass.create=false,controllerName=example.com/quic,quic=${quic},${twins}`,
    ],
  ]
  const portsOf = async (): Promise<readonly string[]> => {
    interface Port {
      readonly protocol: string
      readonly port: number
      readonly targetPort: number
      readonly nodePort: number
    }
    const { spec } = await cluster.get<Manifest>("service", "quic-tlsroute", "--namespace", "blog")
    return (spec.ports as readonly Port[]).map(
      ({ protocol, port, targetPort, nodePort }) =>
        `${protocol} ${port} to ${targetPort}${nodePort === 30443 ? " at 30443" : ""}`,
    )
  }
  const tcp = ["TCP 443 to 443 at 30443", "TCP 8443 to 8443"]
  const both = [...["TCP 443 to 443 at 30443", "UDP 443 to 443 at 30443"], ...["TCP 8443 to 8443", "UDP 8443 to 8443"]]
  const rendered = (quic: boolean): Promise<string> => cluster.helm("template", "quic", CHART, ...values(quic))
  afterEach(() => cluster.kubectl(["delete", "service,deployment", "quic-tlsroute", "--namespace", "blog"]))

  test.each<[string, (quic: boolean) => Promise<string>]>([
    ["by helm", (quic) => cluster.helm("upgrade", "--install", "quic", CHART, ...values(quic))],
    [
      "by kubectl apply --server-side",
      async (quic) => cluster.apply(await rendered(quic), "--server-side", "--force-conflicts"),
    ],
  ])("%s, gives each port its twin, takes it away, and replaces no pod", async (_, install) => {
    const generations = new Set<string>()
    for (const [quic, ports] of [
      [false, tcp],
      [true, both],
      [false, tcp],
    ] as const) {
      await install(quic)
      expect(await portsOf()).toEqual(ports)
      const { spec } = await cluster.get<Manifest>("deployment", "quic-tlsroute", "--namespace", "blog")
      generations.add(JSON.stringify(spec.template))
    }
    expect(generations.size).toBe(1)
  })

  // Kubernetes merges a Service's ports by their number alone there: what docs/http3.md warns of.
  test("by kubectl apply without it, takes TCP away", async () => {
    await cluster.apply(await rendered(false))
    await cluster.apply(await rendered(true))
    expect(await portsOf()).not.toContain("TCP 443 to 443 at 30443")
  })
})
