import { once } from "node:events"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { Cli } from "./cli.ts"

let cli: Cli
let directory: string
let file: string

beforeAll(async () => {
  cli = await Cli.build()
  directory = cli.folder
  file = join(directory, "gateway.yaml")
  await writeFile(
    file,
    `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: edge }
spec:
  gatewayClassName: any
  listeners: [{ name: tls, port: 8000, protocol: TLS, tls: { mode: Passthrough } }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: { name: web }
spec:
  parentRefs: [{ name: edge }]
  hostnames: [web.example.com]
  rules: [{ backendRefs: [{ name: app.example.net, port: 443 }] }]
`,
  )
})

afterAll(async () => {
  await cli[Symbol.asyncDispose]()
})

/** Runs a command with variables and with a file of flags; what it says is in lines. */
async function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}, settings?: string) {
  const config = join(directory, "flags.yaml")
  if (settings !== undefined) await writeFile(config, settings)
  const child = cli.start([...args, ...(settings === undefined ? [] : ["--config", config])], environment)
  child.stdin.end()
  const [[code], stdout, stderr] = await Promise.all([once(child, "close"), text(child.stdout), text(child.stderr)])
  return { code, stdout, stderr: stderr.replaceAll(`${directory}/`, "") }
}

/** What `run` binds, and in which form it says so, before it is ended. */
async function served(args: readonly string[], environment: NodeJS.ProcessEnv = {}, settings?: string) {
  const config = join(directory, "flags.yaml")
  if (settings !== undefined) await writeFile(config, settings)
  const child = cli.start(
    ["run", file, "-n", "edge", ...args, ...(settings === undefined ? [] : ["--config", config])],
    environment,
  )
  let said = ""
  for await (const chunk of child.stdout) {
    said += chunk
    // Both forms of the log tell of it once all is bound.
    if (/"event":"started"|Ctrl-C/.test(said)) child.kill("SIGTERM")
  }
  return said
}

const sound = /1 listener and 1 route served/

describe("flags", () => {
  test("come from the command line first, then from the environment, then from a file", async () => {
    const settings = "address: 127.0.0.3\nmap-port: [8000:0]\njson: true\n"
    expect(await served([], {}, settings)).toContain('"address":"127.0.0.3"')
    const environment = { TLSROUTE_ADDRESS: "127.0.0.2", TLSROUTE_JSON: "no" }
    expect(await served([], environment, settings)).toMatch(/^listening on 127\.0\.0\.2:/)
    expect(await served(["--address", "127.0.0.1"], environment, settings)).toMatch(/^listening on 127\.0\.0\.1:/)
  })

  test("of one command count more than those for all, and those of other commands are left to them", async () => {
    const settings = "namespace: other\nmap-port: { 8000: 0 }\ncheck: { namespace: edge, strict: true }\n"
    expect(await run(["check", file], {}, settings)).toMatchObject({ code: 0, stdout: expect.stringMatching(sound) })
    expect(await run(["check", file], {}, "namespace: other\nrun: { namespace: edge }\n")).not.toMatchObject({
      stdout: expect.stringMatching(sound),
    })
  })

  test("may be none, for a command whose flags are all comments", async () => {
    const none = "namespace: edge\ncheck:\n  # strict: true\n"
    expect(await run(["check", file], {}, none)).toMatchObject({ code: 0, stdout: expect.stringMatching(sound) })
  })

  test.each([
    ["a variable, with commas", { TLSROUTE_MAP_PORT: "9000:9001,8000:0" }, undefined],
    ["a variable, in lines", { TLSROUTE_MAP_PORT: "9000:9001\n8000:0\n" }, undefined],
    ["a list", {}, "map-port: [9000:9001, '8000:0']"],
    ["a mapping", {}, "map-port: { 9000: 9001, 8000: 0 }"],
    ["a file of JSON that a variable names", { TLSROUTE_CONFIG: "flags.json" }, undefined],
  ])("may have several values in %s", async (_what, environment: NodeJS.ProcessEnv, settings) => {
    const json = join(directory, "flags.json")
    await writeFile(json, '{ "map-port": { "9000": 9001, "8000": 0 } }')
    const config = environment["TLSROUTE_CONFIG"] === undefined ? {} : { TLSROUTE_CONFIG: json }
    const said = await served(["--address", "127.0.0.1", "--json"], { ...environment, ...config }, settings)
    expect(said).not.toContain('"port":8000')
    expect(said).toContain('"event":"started"')
  })

  test.each([
    ["a variable", { TLSROUTE_POLICY: "deny-cidrs=192.0.2.0/24, 127.0.0.0/8,idle-timeout=1m" }, undefined],
    ["a mapping", {}, "policy: { deny-cidrs: [192.0.2.0/24, 127.0.0.0/8], idle-timeout: 1m }"],
  ])("may have commas in the values of policies, in %s", async (_what, environment, settings) => {
    expect(await served(["--address", "127.0.0.1", "--map-port", "8000:0"], environment, settings)).toContain("Ctrl-C")
    const wrong = settings?.replace("127.0.0.0/8", "nowhere")
    const words = { TLSROUTE_POLICY: "deny-cidrs=192.0.2.0/24, nowhere,idle-timeout=1m" }
    expect(await run(["run", file], settings === undefined ? words : {}, wrong)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^tlsroute: (TLSROUTE_POLICY|flags\.yaml: policy): deny-cidrs: .*"nowhere"/),
    })
  })

  test("of a switch that is on by itself are turned off by its name alone", async () => {
    // A controller without a kubeconfig ends before it reads a flag's meaning: what cannot be read is told first.
    const refused = await run(["controller"], { TLSROUTE_EVENTS: "perhaps" })
    expect(refused).toMatchObject({ code: 2, stderr: "tlsroute: TLSROUTE_EVENTS: Expected true or false.\n" })
    const missing = { TLSROUTE_EVENTS: "no", TLSROUTE_LEASE: "off", TLSROUTE_KUBECONFIG: "/nowhere" }
    expect((await run(["controller"], missing)).stderr).toContain("/nowhere")
    expect((await run(["controller"], {}, "events: false\nlease: false\nkubeconfig: /nowhere")).stderr).toContain(
      "/nowhere",
    )
  })

  test("are not read from what Kubernetes sets for a Service called tlsroute", async () => {
    const links = {
      TLSROUTE_PORT: "tcp://10.96.0.7:443",
      TLSROUTE_SERVICE_HOST: "10.96.0.7",
      TLSROUTE_SERVICE_PORT_HTTPS: "443",
      TLSROUTE_ADMIN_PORT: "tcp://10.96.0.8:9900",
      TLSROUTE_ADMIN_PORT_9900_TCP_ADDR: "10.96.0.8",
      TLSROUTE_MAP_PORT: "tcp://10.96.0.9:443",
    }
    const explained = await run(["explain", file, "-n", "edge", "--port", "8000", "--sni", "web.example.com"], links)
    expect(explained).toMatchObject({ code: 0, stderr: "" })
  })
})

describe("a setting that cannot be used", () => {
  test.each<[string, NodeJS.ProcessEnv, string | undefined, string]>([
    ["a flag that there is not", {}, "map-prot: x", "flags.yaml: there is no flag map-prot; did you mean map-port?"],
    ["a flag in another spelling", {}, "mapPort: x", "flags.yaml: there is no flag mapPort; did you mean map-port?"],
    ["a command that there is not", {}, "rum: {}", "flags.yaml: there is no flag rum; did you mean run?"],
    ["a flag of one command", {}, "run: { strict: true }", "flags.yaml: run: there is no flag strict"],
    [
      "a wrong flag of another command",
      {},
      "check: { strct: true }",
      "check: there is no flag strct; did you mean strict?",
    ],
    ["a command without flags", {}, "run: true", "flags.yaml: run: expected flags of run by their names"],
    ["a file in a file", {}, "config: other.yaml", "flags.yaml: config names this file, and has no place in it\n"],
    ["a flag without a value", {}, "workers:", "flags.yaml: workers: It has no value: give it one, or leave it out.\n"],
    ["several documents", {}, "json: true\n---\njson: false", "flags.yaml: expected one document, not several\n"],
    ["a flag twice", {}, "json: true\njson: true", "flags.yaml: Map keys must be unique at line 2, column 1\n"],
    [
      "a policy that there is not",
      {},
      "policy: { idle-timeot: 1m }",
      "policy: No such policy; did you mean idle-timeout?\n",
    ],
    [
      "a policy by its annotation",
      { TLSROUTE_POLICY: "tlsroute.dev/idle-timeout=1m" },
      undefined,
      "TLSROUTE_POLICY: No such policy; did you mean idle-timeout?\n",
    ],
    ["a value that cannot be", {}, "map-port: 443", "flags.yaml: map-port: Expected GATEWAY_PORT:LOCAL_PORT"],
    ["a word for a flag without one", {}, "json: maybe", "flags.yaml: json: Expected true or false."],
    ["a list of lists", {}, "map-port: [[1]]", "flags.yaml: map-port: Expected text, or a list of texts."],
    ["no flags at all", {}, "[1, 2]", "flags.yaml: expected flags by their names"],
    ["what is no YAML", {}, "a: [", "flags.yaml: "],
    [
      "a file that is not there",
      { TLSROUTE_CONFIG: "/nowhere.yaml" },
      undefined,
      "/nowhere.yaml: no such file or directory",
    ],
    ["a variable that is nearly one", { TLSROUTE_MAP_PROT: "1:1" }, undefined, "did you mean TLSROUTE_MAP_PORT?"],
    [
      "a variable that names its command",
      { TLSROUTE_RUN_ADMIN: "127.0.0.1:9900" },
      undefined,
      "TLSROUTE_RUN_ADMIN stands for no flag; did you mean TLSROUTE_ADMIN?",
    ],
    ["a variable in the plural", { TLSROUTE_POLICIES: "a=b" }, undefined, "did you mean TLSROUTE_POLICY?"],
    [
      "a word for one of some",
      { TLSROUTE_LOG_LEVEL: "loud" },
      undefined,
      "TLSROUTE_LOG_LEVEL: Allowed choices are error,",
    ],
    ["a word for on or off", { TLSROUTE_JSON: "maybe" }, undefined, "TLSROUTE_JSON: Expected true or false."],
  ])("is told in one line that ends the command: %s", async (_what, environment, settings, message) => {
    const { code, stderr } = await run(["run", file], environment, settings)
    expect(stderr).toMatch(/^tlsroute: [^\n]+\n$/)
    expect(stderr).toContain(message)
    expect(code).toBe(2)
  })
})
