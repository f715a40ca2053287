import { execFile } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:https"
import { connect, createServer as createTcpServer } from "node:net"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { certificateAuthority } from "../support/certificate.ts"
import { missing } from "../support/clients.ts"
import { TestCluster } from "./support/cluster.ts"
import { Controller } from "./support/controller.ts"
import { installCrds } from "./support/crds.ts"
import { SYSTEM } from "./support/install.ts"

const root = resolve(import.meta.dirname, "../..")
const authority = certificateAuthority()
// The load balancer's address: on loopback, and nobody else's.
const LOAD_BALANCER = "127.77.0.1"

let cluster: TestCluster
let directory: string
let controller: Controller | undefined

// httpbin.org, as far as the guide asks of it.
const backend = createServer(authority.issue(["httpbin.org"]), (request, response) => {
  response.setHeader("content-type", "application/json")
  response.end(JSON.stringify({ url: `https://${request.headers.host}${request.url}` }))
})

beforeAll(async () => {
  cluster = await TestCluster.start()
  await installCrds(cluster)
  directory = await mkdtemp(join(tmpdir(), "tlsroute-guide-"))
  await writeFile(join(directory, "ca.pem"), authority.cert)
  backend.listen(0, "127.0.0.1")
  await once(backend, "listening")
})
afterAll(async () => {
  await controller?.[Symbol.asyncDispose]()
  backend.close()
  await cluster?.[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

/** The guide's commands of one kind, as the page has them. */
async function commands(kind: string): Promise<string> {
  const page = await readFile(join(root, "docs/kubernetes.md"), "utf8")
  const blocks = [...page.matchAll(/^```sh (\w+)\n(.*?)^```$/gms)].filter(([, word]) => word === kind)
  expect(blocks.length).toBeGreaterThan(0)
  return blocks.map(([, , text]) => text).join("\n")
}

/** Runs them in a shell where kubectl is the cluster's and the backend's authority is trusted. */
function shell(script: string): Promise<string> {
  const env = {
    ...process.env,
    HOME: directory,
    PATH: `${cluster.binaries}:${process.env["PATH"]}`,
    KUBECONFIG: cluster.kubeconfig,
    CURL_CA_BUNDLE: join(directory, "ca.pem"),
  }
  return new Promise((done, failed) => {
    execFile("bash", ["-euo", "pipefail", "-c", script], { cwd: root, env }, (error, stdout, stderr) => {
      if (error === null) done(stdout)
      else failed(new Error(`${stdout}\n${stderr}`))
    })
  })
}

/** Starts a replica as the Deployment says, with its account's rights. */
async function startReplica(): Promise<Controller> {
  interface Deployment {
    readonly spec: { readonly template: { readonly spec: { readonly containers: readonly { args: string[] }[] } } }
  }
  const { spec } = await cluster.get<Deployment>("deployment", "tlsroute", "--namespace", SYSTEM)
  const [, ...args] = spec.template.spec.containers[0]?.args ?? []
  const { port } = backend.address() as { readonly port: number }
  return Controller.start(
    await cluster.kubeconfigOf(SYSTEM, "tlsroute"),
    ...args,
    ...["--admin", "127.0.0.1:0", "--address", LOAD_BALANCER, "--map-port", "443:443"],
    ...["--resolve", `httpbin.org:443:127.0.0.1:${port}`],
  )
}

/** What keeps port 443 from being bound, if anything. */
async function portTaken(): Promise<string | undefined> {
  const server = createTcpServer()
  const outcome = Promise.race([once(server, "listening").then(() => undefined), once(server, "error")])
  server.listen(443, LOAD_BALANCER)
  const error = await outcome.catch((cause: Error) => [cause])
  server.close()
  return error === undefined ? undefined : `port 443 cannot be bound: ${(error as Error[])[0]?.message}`
}

test("the guide leads from nothing to curl, and the listener goes with its Gateway", async (context) => {
  const obstacle = missing("curl") ?? (await portTaken())
  if (obstacle !== undefined) context.skip(obstacle)

  await shell(await commands("install"))
  controller = await startReplica()
  // The cloud's part: an address for the Service in front.
  const status = { status: { loadBalancer: { ingress: [{ ip: LOAD_BALANCER }] } } }
  await cluster.kubectl([
    ...["patch", "service", "tlsroute", "--namespace", SYSTEM, "--subresource", "status"],
    ...["--type", "merge", "--patch", JSON.stringify(status)],
  ])

  const said = await shell(await commands("use"))
  expect(said).toMatch(new RegExp(`gateway\\S*/tls-passthrough +tlsroute +${LOAD_BALANCER} +True`))
  expect(said.slice(said.lastIndexOf("\n{"))).toContain('{"url":"https://httpbin.org/get"}')

  // The CRDs may be read: the class tells whether their release is supported.
  await cluster.kubectl(["wait", "gatewayclass/tlsroute", "--for=condition=SupportedVersion", "--timeout=60s"])

  const mark = controller.events.length
  await shell(await commands("delete"))
  await controller.after(mark, "config", ({ closed }) => closed !== undefined)
  const socket = connect(443, LOAD_BALANCER)
  expect((await once(socket, "error"))[0]).toMatchObject({ code: "ECONNREFUSED" })
})

test("the controller did with the chart's rights all that it wanted to do", () => {
  const refused = controller?.events.filter(({ event, error }) => {
    return event.startsWith("kubernetes-") && String(error).includes("forbidden")
  })
  expect(refused).toEqual([])
})
