import { execFile, spawnSync } from "node:child_process"
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { connect } from "node:tls"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { PassthroughGateway } from "../../../src/gateway/gateway.ts"
import { objectSource } from "../../../src/index.ts"
import { launchChromium, missingChromium } from "../../support/chromium.ts"
import { freePort } from "../../support/free-port.ts"
import { localPort, startGateway } from "../../support/gateway.ts"
import { gateway as gatewayObject, listener, resources, route, service } from "../../support/resources.ts"
import { folder, missing, titled } from "../programs.ts"

// What clients say when they are refused, in their own words, as docs/observability.md has them.

const documentation = readFileSync(join(import.meta.dirname, "../../../docs/observability.md"), "utf8")

/** A connection to make, and the refusal that it meets. */
interface Target {
  readonly name: string
  readonly port: number
}

/** Makes those connections, and tells of each what the client said. */
type Client = (targets: readonly Target[]) => Promise<readonly string[]>

let gateway: PassthroughGateway
let targets: readonly Target[]
const temporary = folder()

beforeAll(async () => {
  const refusals = { alert: 1, close: 2, reset: 3 }
  const listeners = Object.entries(refusals).map(([name, port]) => listener(name, port))
  const backend = [{ name: "app", port: 443 }]
  const source = objectSource(
    resources(
      {
        gateways: [gatewayObject(listeners)],
        tlsRoutes: [route("dead", ["dead.example.com"], backend), route("denied", ["denied.example.com"], backend)],
      },
      service("app", [await freePort()]),
    ),
  )
  const started = await startGateway({
    source,
    policies: {
      listeners: Object.fromEntries(
        listeners.map(({ name }) => [`default/gateway/${name}`, { refusal: name as keyof typeof refusals }]),
      ),
      routes: { "default/denied": { denyCidrs: "127.0.0.0/8" } },
    },
  })
  gateway = started.gateway
  const at = (name: string, refusal: keyof typeof refusals) => ({
    name: `${name}.example.com`,
    port: localPort(gateway, refusals[refusal]),
  })
  targets = [at("none", "alert"), at("dead", "alert"), at("denied", "alert"), at("none", "close"), at("none", "reset")]
})

afterAll(() => gateway.close({ drainTimeout: 0 }))

/** What a program prints. */
function said(program: string, args: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { timeout: 60_000 }, (_, stdout, stderr) => resolve(`${stdout}${stderr}`))
    child.stdin?.on("error", () => undefined).end(input)
  })
}

/** A program that is run once for each connection. */
const each =
  (program: string, args: (target: Target) => readonly string[]): Client =>
  (all) =>
    Promise.all(all.map((target) => said(program, args(target))))

/** A program that makes all of them, and prints a line for each. */
const together =
  (program: string, ...args: readonly string[]): Client =>
  async (all) =>
    (await said(program, [...args, ...all.map(({ name, port }) => `${name}:${port}`)])).trim().split("\n")

const node: Client = (all) =>
  Promise.all(
    all.map(async ({ name, port }) => {
      const socket = connect({ host: "127.0.0.1", port, servername: name })
      const [error] = await once(socket, "error")
      return `${error.code} ${error.message}`
    }),
  )

const chromium: Client = async (all) => {
  const browser = await launchChromium(["--host-resolver-rules=MAP * 127.0.0.1"])
  const page = await browser.newPage()
  const words: string[] = []
  for (const { name, port } of all) {
    words.push(
      await page.goto(`https://${name}:${port}/`).then(
        () => "connected",
        (error: Error) => error.message,
      ),
    )
  }
  await browser.close()
  return words
}

const java: Client = (all) => {
  const hosts = join(temporary, "hosts")
  writeFileSync(hosts, `127.0.0.1 ${[...new Set(all.map(({ name }) => name))].join(" ")}\n`)
  return together("java", `-Djdk.net.hosts.file=${hosts}`, join(import.meta.dirname, "Client.java"))(all)
}

/** CI without Go does without what is written in it. */
const missingGo = spawnSync("go", ["version"]).status === 0 ? undefined : "Go is not installed"

const clients: readonly [string, Client, string | undefined][] = [
  [
    "curl",
    each("curl", ({ name, port }) => ["-sS", "--resolve", `${name}:${port}:127.0.0.1`, `https://${name}:${port}/`]),
    missing("curl"),
  ],
  [
    "openssl s_client",
    each("openssl", ({ name, port }) => ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", name]),
    missing("openssl"),
  ],
  [
    "gnutls-cli",
    each("gnutls-cli", ({ name, port }) => ["--sni-hostname", name, "-p", String(port), "127.0.0.1"]),
    missing("gnutls-cli"),
  ],
  [
    "git",
    each("git", ({ name, port }) => [
      ...["-c", `http.curloptResolve=${name}:${port}:127.0.0.1`],
      ...["ls-remote", `https://${name}:${port}/repository`],
    ]),
    missing("git"),
  ],
  ["Node.js", node, undefined],
  ["Python", together("python3", join(import.meta.dirname, "client.py")), missing("python3")],
  ["Go", together("go", "run", join(import.meta.dirname, "client.go")), missingGo],
  ["Java", java, missing("java")],
  ["Chromium", chromium, missingChromium()],
]

/** What the documentation has for a client: for each connection, one or more ways to put it. */
function documented(client: string): readonly (readonly string[])[] {
  const row = documentation.split("\n").find((line) => line.startsWith(`| ${client} `))
  const cells = (row ?? "").split("|").slice(2, -1)
  return cells.map((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, words = ""]) => words))
}

test("the documentation tells of these clients and no others", () => {
  const table = documentation.split(/^(?=\| client +\| no route )/m)[1] ?? ""
  const rows = table.split("\n\n")[0]?.split("\n").slice(2) ?? []
  const named = rows.map((row) => row.split("|")[1]?.trim())
  expect(named).toEqual(clients.map(([name]) => name))
})

describe("a client that is refused says why, in the words that the documentation has", () => {
  for (const [name, client, reason] of clients) {
    test.skipIf(reason !== undefined)(titled(name, reason), async () => {
      const words = await client(targets)
      const expected = documented(name)
      expect(expected).toHaveLength(targets.length)
      for (const [at, ways] of expected.entries()) {
        expect(
          ways.find((way) => words[at]?.includes(way)),
          `${ways} in: ${words[at]}`,
        ).toBeDefined()
      }
    })
  }
})
