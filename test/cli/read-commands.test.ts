import { afterAll, beforeAll, describe, expect, test } from "vitest"
import packageJson from "../../package.json"
import { Cli } from "./cli.ts"

let cli: Cli

beforeAll(async () => {
  cli = await Cli.build()
})

afterAll(async () => {
  await cli[Symbol.asyncDispose]()
})

const gateway = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  gatewayClassName: any
  listeners:
    - name: tls
      port: 8000
      protocol: TLS
      hostname: "*.example.com"
      tls:
        mode: Passthrough
`

const route = (name: string, hostname: string, backend = "httpbin.org") => `---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata:
  name: ${name}
  namespace: shop
spec:
  parentRefs:
    - name: edge
  hostnames:
    - "${hostname}"
  rules:
    - backendRefs:
        - name: ${backend}
          port: 443
`

describe("tlsroute", () => {
  test("tells its version", async () => {
    expect(await cli.run(["--version"])).toEqual({ code: 0, stdout: `${packageJson.version}\n`, stderr: "" })
  })

  test("tells its commands when asked for help", async () => {
    const { code, stdout } = await cli.run(["--help"])
    expect(code).toBe(0)
    for (const command of ["check", "explain"]) expect(stdout).toContain(`  ${command} `)
    expect((await cli.run(["help"])).stdout).toBe(stdout)
    expect((await cli.run(["top", "--help"])).stdout).toMatch(/--admin <[^(]*\(default:\s+127\.0\.0\.1:9900\)/)
  })

  test.each([
    ["policies", /^idle-timeout\n {4}Time without a byte either way\.\n[\s\S]*Default: 1h\. Annotation of: Gateway/m],
    ["environment", /TLSROUTE_MAP_PORT=443:8443/],
    ["exit-codes", /^ {2}2 +called wrongly/m],
    ["logging", /--access-log all\|failures\|none\|1%/],
    ["refusals", /unrecognized_name where no route has the name/],
    ["signals", /^ {2}TERM, INT, QUIT +stop listening/m],
    ["check", /^Usage: tlsroute check /],
  ])("tells of %s, in lines of a terminal's width", async (topic, told) => {
    const { code, stdout } = await cli.run(["help", topic])
    expect(stdout).toMatch(told)
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80)
    expect(code).toBe(0)
  })

  test.each([
    ["no command", [], "say what to do"],
    ["an unknown command", ["chekc", "x"], "unknown command 'chekc' (Did you mean check?)"],
    ["an unknown flag", ["check", "x", "--jsno"], "unknown option '--jsno' (Did you mean --json?)"],
    ["no file", ["check"], "name files to read, or a cluster with --cluster"],
    ["a file that does not exist", ["check", "/nowhere.yaml"], "/nowhere.yaml: no such file or directory"],
    ["a flag left out that is required", ["explain", "x"], "say which port the connection comes to"],
    ["a port out of range", ["explain", "x", "--port", "65536"], "Expected a port from 1 to 65535"],
    ["a port that is no number", ["explain", "x", "--port", "0x50"], "Expected a port from 1 to 65535"],
    ["a ClientHello's file that does not exist", ["hello", "nofile"], "nofile: no such file or directory"],
    ["help on nothing", ["help", "polcies"], "did you mean policies?"],
    ["a list without values", ["check", "x", "--gateway-class", ","], "Expected one or more values"],
    [
      "a name with a dot at the end",
      ["explain", "x", "--port", "1", "--sni", "a.example."],
      "[SERVER_NAME_TRAILING_DOT]",
    ],
    ["an address for a name", ["explain", "x", "--port", "1", "--sni", "127.1"], "[SERVER_NAME_IP_LITERAL]"],
    ["no letter for a name", ["explain", "x", "--port", "1", "--sni", ""], "[SERVER_NAME_LABEL]"],
    ["an argument that moves the cursor", ["check", "\u001b[2J"], "\\x1b[2J: no such file"],
  ])("given %s, says so in one line and exits with 2", async (_what, args, message) => {
    const { code, stdout, stderr } = await cli.run(args)
    expect(stderr).toContain(message)
    expect(stderr).toMatch(/^tlsroute: [^\n]+\n$/)
    expect(stdout).toBe("")
    expect(code).toBe(2)
  })
})

describe("tlsroute check", () => {
  test("finds nothing wrong in sound manifests", async () => {
    const file = await cli.write("sound.yaml", gateway + route("web", "web.example.com"))
    expect(await cli.run(["check", file])).toEqual({
      code: 0,
      stdout: "0 errors, 0 warnings; 1 listener and 1 route served\n",
      stderr: "",
    })
  })

  test("names file, line and column of what is wrong in an object, and exits with 1", async () => {
    const file = await cli.write(
      "mode.yaml",
      gateway.replace("Passthrough", "Passtrough") + route("web", "a.example.com"),
    )
    const { code, stdout } = await cli.run(["check", file])
    expect(code).toBe(1)
    expect(stdout).toMatch(
      new RegExp(`^${file}:14:15: error: Gateway shop/edge spec\\.listeners\\[0\\]\\.tls\\.mode: .+ \\[\\w+\\]$`, "m"),
    )
  })

  test("names file, line and column of an annotation that is no policy", async () => {
    const annotated = gateway.replace(
      "  name: edge\n",
      '  name: edge\n  annotations:\n    tlsroute.dev/idle-timeot: "10s"\n',
    )
    const file = await cli.write("annotated.yaml", annotated + route("a", "a.example.com"))
    const { code, stdout } = await cli.run(["check", file])
    expect(code).toBe(1)
    expect(stdout).toMatch(/annotated\.yaml:6:31: error: Gateway shop\/edge .*did you mean tlsroute\.dev\/idle-timeout/)
    expect(stdout).toContain("[UnknownPolicy]")
  })

  test("names file, line and column of what is no YAML, with the rest checked all the same", async () => {
    const broken = await cli.write("broken.yaml", `a: 1\nb: "open\n`)
    const file = await cli.write("other.yaml", gateway)
    const { code, stdout } = await cli.run(["check", broken, file])
    expect(code).toBe(1)
    expect(stdout).toContain(`${broken}:3:1: error: Missing closing "quote [InvalidYaml]\n`)
    expect(stdout).toContain("1 listener and 0 routes served")
  })

  test("reads standard input for -", async () => {
    const { code, stdout } = await cli.run(["check", "-"], gateway + route("web", "web.example.com"))
    expect(stdout).toContain("1 listener and 1 route served")
    expect(code).toBe(0)
  })

  test("gives manifests without a namespace the one of -n", async () => {
    const bare = (gateway + route("web", "web.example.com")).replaceAll("  namespace: shop\n", "")
    const file = await cli.write("bare.yaml", bare.replace("Passthrough", "Passtrough"))
    const { stdout } = await cli.run(["check", file, "-n", "httpbin"])
    expect(stdout).toContain(`${file}:13:15: error: Gateway httpbin/edge `)
  })

  test("counts external backends as found unless told otherwise", async () => {
    const file = await cli.write("external.yaml", gateway + route("web", "web.example.com"))
    const without = await cli.run(["check", file, "--no-external-backends"])
    const others = await cli.run(["check", file, "--external-backends", "*.example.org,example.net"])
    for (const { stdout } of [without, others])
      expect(stdout).toMatch(/external\.yaml:\d+:\d+: \w+: TLSRoute shop\/web /)
    expect((await cli.run(["check", file, "--external-backends", "example.net,httpbin.org"])).stdout).toMatch(
      /^0 errors/,
    )
  })

  test("shows warnings, and exits with 0 when there is nothing worse", async () => {
    const unused = route("web", "web.example.com").replace("port: 443", "port: 443\n          weight: 0")
    const file = await cli.write("unused.yaml", gateway + unused)
    const { code, stdout } = await cli.run(["check", file])
    expect(stdout).toMatch(/unused\.yaml:\d+:\d+: warning: TLSRoute shop\/web .+\[\w+\]\n0 errors, 1 warning;/)
    expect(code).toBe(0)
  })

  test("prints one JSON object for machines", async () => {
    const file = await cli.write("json.yaml", gateway.replace("Passthrough", "Passtrough"))
    const { code, stdout } = await cli.run(["check", file, "--json"])
    expect(code).toBe(1)
    const report = JSON.parse(stdout)
    expect(report).toMatchObject({ ok: false, warnings: 0, listeners: 0, routes: 0 })
    expect(report.errors).toBe(report.problems.length)
    expect(report.problems[0].location).toEqual({ file, line: 14, column: 15 })
  })

  test("escapes what a manifest says", async () => {
    const file = await cli.write("escape.yaml", `kind: "\\e[2J\\u202e"\n`)
    const { stdout } = await cli.run([
      "check",
      await cli.write("hostile.yaml", gateway.replace("tls\n", '"\\e[2J"\n')),
      file,
    ])
    expect(stdout).not.toContain("\u001b")
    expect(stdout).not.toContain("\u202e")
  })
})

describe("tlsroute explain", () => {
  test("tells which route a name gets, and what became of the others", async () => {
    const file = await cli.write(
      "explain.yaml",
      gateway + route("wide", "*.example.com") + route("web", "web.example.com"),
    )
    const { code, stdout } = await cli.run(["explain", file, "--port", "8000", "--sni", "WEB.example.com"])
    expect(stdout).toMatch(/^web\.example\.com on port 8000\n/)
    expect(stdout).toMatch(/✓ Gateway\/shop\/edge\/tls \(\*\.example\.com\)/)
    expect(stdout).toMatch(/✓ TLSRoute shop\/web \(web\.example\.com\)/)
    expect(stdout).toMatch(/✗ TLSRoute shop\/wide \(\*\.example\.com\)/)
    expect(stdout).toMatch(/✓ 100 % .* httpbin\.org:443 \(DNS\)/)
    expect(code).toBe(0)
  })

  test.each([
    ["a port nobody listens on", ["--port", "9000", "--sni", "web.example.com"], "NoListener"],
    ["a name no listener has", ["--port", "8000", "--sni", "example.org"], "NoMatchingListener"],
    ["a name no route has", ["--port", "8000", "--sni", "other.example.com"], "NoMatchingRoute"],
    ["no name", ["--port", "8000"], "NoServerName"],
  ])("tells why there is no route for %s, and exits with 1", async (_what, args, reason) => {
    const file = await cli.write("none.yaml", gateway + route("web", "web.example.com"))
    const { code, stdout } = await cli.run(["explain", file, ...args])
    expect(stdout).toContain(`✗ refused: ${reason}\n`)
    expect(code).toBe(1)
  })

  test("tells that names are served over QUIC too, where a listener takes it", async () => {
    const quic = gateway.replace("  name: edge\n", '  name: edge\n  annotations: { tlsroute.dev/quic: "on" }\n')
    const file = await cli.write("quic.yaml", quic + route("web", "web.example.com"))
    const args = ["explain", file, "--port", "8000", "--sni", "web.example.com"]
    expect((await cli.run(args)).stdout).toContain("the same over QUIC, on UDP port 8000 (quic)\n")
    expect(JSON.parse((await cli.run([...args, "--json"])).stdout)).toMatchObject({ quic: true })
    const plain = await cli.write("plain.yaml", gateway + route("web", "web.example.com"))
    expect((await cli.run(["explain", plain, ...args.slice(2)])).stdout).not.toContain("QUIC")
  })

  test("tells what is spoken before TLS", async () => {
    const spoken = gateway.replace("metadata:", 'metadata:\n  annotations: {"tlsroute.dev/starttls": "postgres"}')
    const file = await cli.write("starttls.yaml", spoken + route("web", "web.example.com"))
    const { stdout } = await cli.run(["explain", file, "--port", "8000", "--sni", "web.example.com"])
    expect(stdout).toContain("before TLS, clients and the backend are spoken to in postgres (starttls)\n")
    const asked = ["--port", "8000", "--sni", "web.example.com", "--json"]
    expect(JSON.parse((await cli.run(["explain", file, ...asked])).stdout)).toMatchObject({ starttls: "postgres" })
    const plain = await cli.write("plain.yaml", gateway + route("web", "web.example.com"))
    expect(JSON.parse((await cli.run(["explain", plain, ...asked])).stdout)).not.toHaveProperty("starttls")
  })

  test("tells which ports have listeners, where the one asked for has none", async () => {
    const file = await cli.write("ports.yaml", gateway)
    const { stdout } = await cli.run(["explain", file, "--port", "443", "--sni", "web.example.com"])
    expect(stdout).toBe("web.example.com on port 443\n✗ refused: NoListener\nlisteners are on port 8000\n")
    const none = await cli.write("no-ports.yaml", route("web", "web.example.com"))
    expect((await cli.run(["explain", none, "--port", "443"])).stdout).toContain("no listener is served at all\n")
    const empty = await cli.run(["explain", await cli.write("empty.yaml", ""), "--port", "443"])
    expect(empty.stderr).toMatch(/empty\.yaml: warning: there is no object in it \[EmptyFile\]\n$/)
  })

  test("tells of a backend that is refused, with its share", async () => {
    const file = await cli.write("refused.yaml", gateway + route("web", "web.example.com", "missing"))
    const { stdout } = await cli.run(["explain", file, "--port", "8000", "--sni", "web.example.com"])
    expect(stdout).toMatch(/✗ 100 % Service shop\/missing → refused, BackendNotFound: /)
  })

  test("tells why nothing is served where the Gateway belongs to another controller", async () => {
    const otherClass = `---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata:
  name: any
spec:
  controllerName: example.com/other
`
    const file = await cli.write("other-class.yaml", gateway + route("web", "web.example.com") + otherClass)
    const { code, stdout, stderr } = await cli.run(["explain", file, "--port", "8000", "--sni", "web.example.com"])
    expect(stdout).toContain("✗ refused: NoListener")
    expect(stderr).toMatch(
      /^\S+other-class\.yaml:23:7: warning: TLSRoute shop\/web spec\.parentRefs\[0\]: Gateway shop\/edge is not served here: its GatewayClass any is of the controller example\.com\/other, not of \S+ \[NoParent\]\n$/,
    )
    expect(code).toBe(1)
    const given = await cli.run(["check", file, "--controller-name", "example.com/other"])
    expect(given.stdout).toBe("0 errors, 0 warnings; 1 listener and 1 route served\n")
  })

  test("tells which Gateway a route beside others was probably meant for", async () => {
    const stray = route("stray", "stray.example.com").replace("name: edge", "name: egde")
    const file = await cli.write("near-miss.yaml", gateway + route("web", "web.example.com") + stray)
    const { stderr } = await cli.run(["explain", file, "--port", "8000", "--sni", "web.example.com"])
    expect(stderr).toContain("there is no Gateway shop/egde; did you mean shop/edge? [NoParent]")
  })

  test("has the switch that the message of an ExternalName Service names", async () => {
    const service = `---
apiVersion: v1
kind: Service
metadata: { name: db, namespace: shop }
spec: { type: ExternalName, externalName: db.example.net }
`
    const file = await cli.write("external-name.yaml", gateway + route("web", "web.example.com", "db") + service)
    const query = ["explain", file, "--port", "8000", "--sni", "web.example.com"]
    expect((await cli.run(query)).stdout).toMatch(/name db\.example\.net in the backendRef.*--external-name-services\)/)
    expect((await cli.run([...query, "--external-name-services"])).stdout).toContain("→ db.example.net:443 (DNS)")
  })

  test("prints one JSON object for machines", async () => {
    const file = await cli.write("explain-json.yaml", gateway + route("web", "web.example.com"))
    const { stdout } = await cli.run(["explain", file, "--port", "8000", "--sni", "web.example.com", "--json"])
    expect(JSON.parse(stdout)).toMatchObject({ result: { matched: true, hostname: "web.example.com" } })
  })
})
