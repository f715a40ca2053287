import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import { build } from "tsup"
import { afterAll, beforeAll, expect, test } from "vitest"
import { linesOf } from "../cli/cli.ts"
import { FakeApiServer } from "../kubernetes-source/fake-api-server.ts"
import { freePort } from "../support/free-port.ts"

const exec = promisify(execFile)
const root = resolve(import.meta.dirname, "../..")
const MAJOR = Number(process.versions.node.split(".")[0])

// Node's permission model stands in for a root file system that is read-only: nothing may be written.
const READ_ONLY = [
  MAJOR >= 23 ? "--permission" : "--experimental-permission",
  "--allow-fs-read=*",
  ...(MAJOR >= 25 ? ["--allow-net"] : []),
]

const gateway = (port: number) => `
kind: Gateway
apiVersion: gateway.networking.k8s.io/v1
metadata: {name: edge}
spec:
  gatewayClassName: any
  listeners: [{name: tls, port: ${port}, protocol: TLS, tls: {mode: Passthrough}}]
`

let app: string

beforeAll(async () => {
  app = await mkdtemp(join(tmpdir(), "tlsroute-image-"))
  await build({ config: join(root, "tsup.image.config.ts"), outDir: app, silent: true })
  await copyFile(join(root, "package.json"), join(app, "package.json"))
}, 60_000)
afterAll(() => rm(app, { recursive: true, force: true }))

test("the image's program has its dependencies in it", async () => {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"))
  const { stdout } = await exec(process.execPath, [join(app, "tlsroute.js"), "--version"], { cwd: app })
  expect(stdout).toBe(`${version}\n`)
})

test("it serves a cluster, with health and metrics, and writes no file", async () => {
  await using api = await FakeApiServer.start()
  const kubeconfig = join(app, "kubeconfig")
  await writeFile(kubeconfig, api.kubeConfig.exportConfig())
  const child = spawn(
    process.execPath,
    [
      ...READ_ONLY,
      ...[join(app, "tlsroute.js"), "controller", "--json", "--no-lease", "--kubeconfig", kubeconfig],
      ...["--admin", "127.0.0.1:0"],
    ],
    { stdio: ["ignore", "pipe", "inherit"], cwd: app },
  )
  try {
    const line = linesOf(child.stdout)
    const events: { event: string; port?: number }[] = []
    while (events.at(-1)?.event !== "started") events.push(JSON.parse(await line()))
    const port = events.find(({ event }) => event === "admin")?.port
    const answers = await Promise.all(
      ["livez", "readyz", "metrics"].map(async (path) => (await fetch(`http://127.0.0.1:${port}/${path}`)).status),
    )
    expect(answers).toEqual([200, 200, 200])
  } finally {
    child.kill("SIGTERM")
    await once(child, "close")
  }
})

test("it reads manifests too", async () => {
  const file = join(app, "gateway.yaml")
  await writeFile(file, gateway(8443))
  const { stdout } = await exec(process.execPath, [join(app, "tlsroute.js"), "check", "--json", file], { cwd: app })
  expect(JSON.parse(stdout)).toMatchObject({ errors: 0, listeners: 1 })
})

test("it serves manifests with the memory of what it needs: neither TLS nor fetch is loaded, nor text beyond ASCII", async () => {
  const file = join(app, "served.yaml")
  await writeFile(file, gateway(await freePort()))
  const loaded = "data:text/javascript,process.on('exit',()=>console.log(process.moduleLoadList.join()))"
  const child = spawn(
    process.execPath,
    ["--import", loaded, join(app, "tlsroute.js"), "run", "--json", file, "--admin", "127.0.0.1:0"],
    { stdio: ["ignore", "pipe", "inherit"], cwd: app },
  )
  const line = linesOf(child.stdout)
  while (JSON.parse(await line()).event !== "started");
  child.kill("SIGTERM")
  let last = await line()
  while (last.startsWith("{")) last = await line()
  expect(last).toMatch(/NativeModule _http_server\b/)
  expect(last.match(/\b(NativeModule (tls|https|http2|zlib)|undici)\b/)?.[0]).toBeUndefined()
  for (const name of await readdir(app)) {
    if (name.endsWith(".js")) expect(await readFile(join(app, name), "latin1"), name).not.toMatch(/[^\0-\x7f]/)
  }
})

test("the Dockerfile ends as a user that is not root, and copies what is there", async () => {
  const dockerfile = await readFile(join(root, "deploy/Dockerfile"), "utf8")
  const runtime = dockerfile.slice(dockerfile.lastIndexOf("\nFROM "))
  expect(/^USER (\d+):\d+$/m.exec(runtime)?.[1]).not.toBe("0")
  expect(runtime).toMatch(/^ENTRYPOINT \["node", "\/app\/tlsroute.js"\]$/m)
  const ignored = await readFile(join(root, ".dockerignore"), "utf8")
  const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names = ""]) => names.split(" "))
  expect(sources.length).toBeGreaterThan(0)
  for (const source of sources) expect(ignored.split("\n"), source).toContain(`!${source}`)
})
