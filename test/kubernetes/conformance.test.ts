import { once } from "node:events"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { createServer as createTcpServer } from "node:net"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { parse, stringify } from "yaml"
import { DEFAULT_SUPPORTED_FEATURES } from "../../src/routing/options.ts"
import { TestCluster } from "./support/cluster.ts"
import { FIRST_ADDRESS, GATEWAY_ADDRESSES, runConformance } from "./support/conformance.ts"
import { Controller } from "./support/controller.ts"
import { installTlsroute } from "./support/install.ts"

const root = resolve(import.meta.dirname, "../..")
const folder = join(root, "docs/conformance/v1.7.0/tlsroute")

// Core tests that ask for what this gateway does not do. Why is in the report's README.
const SKIPPED = [
  "GatewayInvalidRouteKind",
  "GatewayInvalidTLSConfiguration",
  "GatewayListenerUnsupportedProtocol",
  "GatewayModifyListeners",
  "GatewayObservedGenerationBump",
  "GatewayPreserveForeignConditions",
  "GatewaySecretInvalidReferenceGrant",
  "GatewaySecretMissingReferenceGrant",
  "GatewaySecretReferenceGrantAllInNamespace",
  "GatewaySecretReferenceGrantSpecific",
  "TLSRouteInvalidNoMatchingListener",
]
const CORE = ["Gateway", "ReferenceGrant", "TLSRoute"]

interface Outcome {
  readonly result: string
  readonly statistics: { readonly Passed: number; readonly Failed: number; readonly Skipped: number }
  readonly skippedTests?: readonly string[]
  readonly failedTests?: readonly string[]
  readonly supportedFeatures?: readonly string[]
}
interface Report {
  readonly date: string
  readonly implementation: { readonly version: string; readonly url?: string; readonly contact?: readonly string[] }
  readonly profiles: readonly { readonly name: string; readonly core: Outcome; readonly extended?: Outcome }[]
}

let directory: string
let cluster: TestCluster
let controller: Controller
let obstacle: string | undefined
let version: string
let output = ""
let report: Report

async function portObstacle(): Promise<string | undefined> {
  const server = createTcpServer()
  const outcome = Promise.race([once(server, "listening").then(() => undefined), once(server, "error")])
  server.listen(443, FIRST_ADDRESS)
  const error = await outcome.catch((cause: Error) => [cause])
  server.close()
  return error === undefined ? undefined : `port 443 cannot be bound: ${(error as Error[])[0]?.message}`
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "tlsroute-conformance-"))
  obstacle = await portObstacle()
  if (obstacle !== undefined) return
  version = JSON.parse(await readFile(join(root, "package.json"), "utf8")).version
  cluster = await TestCluster.start()
  controller = await Controller.start(
    await installTlsroute(cluster),
    ...["--address", FIRST_ADDRESS, "--map-port", "443:443", ...GATEWAY_ADDRESSES],
  )
})
afterAll(async () => {
  await controller?.[Symbol.asyncDispose]()
  await cluster?.[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

/** The lines `--- PASS`, `--- FAIL` and `--- SKIP` of whole tests, by name. */
function outcomes(): ReadonlyMap<string, string> {
  const lines = output.matchAll(/^ +--- (PASS|FAIL|SKIP): Conformance\/Run\/(\w+) \(/gm)
  return new Map([...lines].map(([, outcome = "", name = ""]) => [name, outcome]))
}

/** What of a report stays the same from run to run. */
const lasting = ({ date: _, implementation, ...rest }: Report) => ({
  ...rest,
  implementation: { ...withoutAddresses(implementation), version: "" },
})

/** The suite asks for an address of the project and for a contact, which the project does not have. */
const withoutAddresses = ({ url: _, contact: __, ...rest }: Report["implementation"]) => rest

describe("the Gateway API's conformance suite, with tlsroute controller under test", () => {
  test("runs to its end, and no test fails", async (context) => {
    if (obstacle !== undefined) context.skip(obstacle)
    const file = join(directory, "report.yaml")
    const features = DEFAULT_SUPPORTED_FEATURES.filter((feature) => !CORE.includes(feature))
    output = await runConformance(cluster, { features, skip: SKIPPED, report: file, version })
    expect(
      [...outcomes()].filter(([, outcome]) => outcome === "FAIL"),
      output,
    ).toEqual([])
    report = parse(await readFile(file, "utf8"))
    if (process.env["UPDATE_GOLDEN"] === "1") {
      const published = { ...report, implementation: withoutAddresses(report.implementation) }
      await writeFile(join(folder, `standard-${version}-default-report.yaml`), stringify(published))
    }
  }, 900_000)

  test("reports as passed what printed that it passed, and nothing else", (context) => {
    if (obstacle !== undefined) context.skip(obstacle)
    const [profile] = report.profiles
    const passed = [...outcomes()].filter(([, outcome]) => outcome === "PASS")
    const counted = (profile?.core.statistics.Passed ?? 0) + (profile?.extended?.statistics.Passed ?? 0)
    expect(counted).toBe(passed.length)
    expect(counted).toBeGreaterThan(9)
    expect(profile?.core.skippedTests).toEqual(SKIPPED)
    for (const name of SKIPPED) expect(outcomes().get(name)).toBe("SKIP")
  })

  test("reports what the report in docs/conformance says", async (context) => {
    if (obstacle !== undefined) context.skip(obstacle)
    const readme = await readFile(join(folder, "README.md"), "utf8")
    const [, name = "", mentioned = ""] = /\[(\S+) report\]\(\.\/(\S+\.yaml)\)/.exec(readme) ?? []
    const published: Report = parse(await readFile(join(folder, mentioned), "utf8"))
    expect(lasting(report)).toEqual(lasting(published))
    expect(published.implementation).toEqual({ organization: "tlsroute", project: "tlsroute", version: name })
    expect(published.profiles).toMatchObject([
      { name: "GATEWAY-TLS", core: { result: "partial" }, extended: { result: "success" } },
    ])
  })

  test("skips no test whose reason the README does not tell", async () => {
    const readme = await readFile(join(folder, "README.md"), "utf8")
    const told = [...readme.matchAll(/^\| `(\w+)` +\| (\S.*?) +\|$/gm)].map(([, name]) => name)
    expect(told).toEqual(SKIPPED)
  })
})
