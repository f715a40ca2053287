import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { type AddressInfo, connect as connectTcp, createServer } from "node:net"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { setTimeout as sleep } from "node:timers/promises"
import { connect, createServer as createTlsServer, type Server, type TLSSocket } from "node:tls"
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest"
import { blackHole } from "../proxy/black-hole.ts"
import { client, clientHello } from "../proxy/harness.ts"
import { type Certificate, selfSigned } from "../support/certificate.ts"
import { freePort } from "../support/free-port.ts"
import { Cli, linesOf } from "./cli.ts"

let cli: Cli
let directory: string
let certificate: Certificate
let backend: Server
const running: ChildProcessWithoutNullStreams[] = []

beforeAll(async () => {
  cli = await Cli.build()
  directory = cli.folder
  certificate = selfSigned(["httpbin.org"])
  // Greets at once, then echoes.
  backend = createTlsServer(certificate, (socket) => {
    socket.on("error", () => {})
    socket.write("hello from the backend\n")
    socket.pipe(socket)
  })
  backend.listen(0, "127.0.0.1")
  await once(backend, "listening")
})

afterEach(async () => {
  await Promise.all(running.splice(0).map((child) => (child.exitCode ?? child.signalCode) === null && stop(child)))
})

afterAll(async () => {
  backend.close()
  await cli[Symbol.asyncDispose]()
})

async function stop(child: ChildProcessWithoutNullStreams): Promise<void> {
  child.kill("SIGKILL")
  await once(child, "close")
}

function manifests(name: string, hostname = "httpbin.org"): Promise<string> {
  const text = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: any
  listeners:
    - {name: tls, port: 8000, protocol: TLS, tls: {mode: Passthrough}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: httpbin}
spec:
  parentRefs: [{name: edge}]
  hostnames: [${hostname}]
  rules: [{backendRefs: [{name: httpbin.org, port: 443}]}]
`
  return cli.write(name, text)
}

const backendPort = () => (backend.address() as AddressInfo).port

/** Finds the next event of a name in what the command prints. */
function eventsOf(child: ChildProcessWithoutNullStreams) {
  const line = linesOf(child.stdout)
  return async (name: string) => {
    for (;;) {
      const parsed = JSON.parse(await line())
      if (parsed.event === name) return parsed
    }
  }
}

/** Starts the gateway for files, and flags, with --json on a port of the system's choice, and waits until it serves. */
const serve = (...files: string[]) => serveTo(backendPort(), ...files)

/** The same, with another backend. */
async function serveTo(port: number, ...files: string[]) {
  const child = cli.start([
    ...["run", ...files, "--json", "--address", "127.0.0.1", "--map-port", "8000:0"],
    ...["--resolve", `httpbin.org:443:127.0.0.1:${port}`],
  ])
  running.push(child)
  const event = eventsOf(child)
  const config = await event("config")
  await event("started")
  return { child, event, config, port: config.bindings[0].port as number }
}

/** Opens a TLS connection through the gateway and waits for the backend's greeting. */
async function greet(port: number, servername = "httpbin.org"): Promise<TLSSocket> {
  const socket = connect({ port, host: "127.0.0.1", servername, ca: certificate.cert })
  await once(socket, "data")
  return socket
}

/** Whether a TCP connection can be made. One that was queued while the port closed is reset, and tells nothing yet. */
async function takesConnections(port: number): Promise<boolean> {
  const socket = connectTcp(port, "127.0.0.1")
  try {
    await once(socket, "connect")
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ECONNREFUSED"
  } finally {
    socket.destroy()
  }
}

/** Waits until it has ended, which may be before anybody asks. */
const exitOf = async (child: ChildProcessWithoutNullStreams) => child.exitCode ?? (await once(child, "close"))[0]

describe("tlsroute run", () => {
  test("serves a route from a file, the backend's certificate seen through it, and reports the connection", async () => {
    const { event, config, port } = await serve(await manifests("serve.yaml"))
    expect(config).toMatchObject({ routes: 1, problems: [], bindings: [{ gatewayPort: 8000, address: "127.0.0.1" }] })
    const socket = await greet(port)
    expect(socket.getPeerCertificate().subject.CN).toBe("httpbin.org")
    socket.end()
    expect(await event("close")).toMatchObject({
      serverName: "httpbin.org",
      route: "default/httpbin",
      outcome: "completed",
      endpoint: { address: "127.0.0.1", port: backendPort() },
      level: 30,
      time: expect.any(Number),
      msg: "connection completed",
    })
  })

  test("with --log-hello tells what a ClientHello offered", async () => {
    const { event, port } = await serve(await manifests("hello.yaml"), "--log-hello")
    ;(await greet(port)).end()
    expect(await event("close")).toMatchObject({
      offered: { tlsVersion: "TLS 1.3", ja4: expect.stringMatching(/^t13d/), echOffered: false },
    })
  })

  test("with --access-log failures tells of refused connections only", async () => {
    const { event, port } = await serve(await manifests("failures.yaml"), "--access-log", "failures")
    const fine = await greet(port)
    fine.end()
    await once(fine, "close")
    connect({ port, host: "127.0.0.1", servername: "other.example.com" }).on("error", () => {})
    expect(await event("close")).toMatchObject({ serverName: "other.example.com", outcome: "refused" })
  })

  test("with --log-level warn tells of connections that a backend's fault ended, and of nothing that is in order", async () => {
    const port = await freePort()
    const child = cli.start([
      ...["run", await manifests("level.yaml"), "--json", "--address", "127.0.0.1", "--map-port", `8000:${port}`],
      ...["--resolve", `httpbin.org:443:127.0.0.1:${await freePort()}`, "--log-level", "warn"],
    ])
    running.push(child)
    while (!(await takesConnections(port)));
    for (const servername of ["other.example.com", "httpbin.org"]) {
      const refused = connect({ port, host: "127.0.0.1", servername }).on("error", () => {})
      await new Promise((resolve) => refused.once("close", resolve))
    }
    expect(JSON.parse(await linesOf(child.stdout)())).toMatchObject({ level: 40, outcome: "dial-failed" })
  })

  test("writes the lines of the last connections before it ends", async () => {
    const { child, event, port } = await serve(await manifests("last.yaml"))
    const live = await Promise.all(Array.from({ length: 5 }, () => greet(port)))
    child.kill("SIGTERM")
    await event("draining")
    for (const socket of live) socket.end()
    for (let line = 0; line < 5; line += 1) expect(await event("close")).toMatchObject({ outcome: "completed" })
    await event("stopped")
    expect(await exitOf(child)).toBe(0)
  })

  test("with --admin tells whether it is ready, and turns that off some time before it stops accepting", async () => {
    const flags = ["--admin", "127.0.0.1:0", "--drain-delay", "4"]
    const child = cli.start([
      ...["run", await manifests("admin.yaml"), "--json", "--address", "127.0.0.1", "--map-port", "8000:0"],
      ...["--resolve", `httpbin.org:443:127.0.0.1:${backendPort()}`, ...flags],
    ])
    running.push(child)
    const event = eventsOf(child)
    const admin = await event("admin")
    const { bindings } = await event("config")
    await event("started")
    const get = (path: string) => fetch(`http://127.0.0.1:${admin.port}${path}`)
    expect((await get("/readyz")).status).toBe(200)
    expect(await (await get("/metrics")).text()).toContain("tlsroute_routes 1\n")
    child.kill("SIGTERM")
    while ((await get("/readyz")).status === 200);
    ;(await greet(bindings[0].port)).end()
    await event("draining")
    expect(await exitOf(child)).toBe(0)
  })

  test("with --policy holds every connection to it", async () => {
    const flags = ["--policy", "deny-cidrs=192.0.2.0/24, 127.0.0.0/8", "--policy", "idle-timeout=1m"]
    const { event, port } = await serve(await manifests("policy.yaml"), ...flags)
    connect({ port, host: "127.0.0.1", servername: "httpbin.org" }).on("error", () => {})
    expect(await event("close")).toMatchObject({ outcome: "denied", detail: "gateway" })
  })

  test("with --workers carries connections in as many threads", async () => {
    const { event, port } = await serve(await manifests("workers.yaml"), "--workers", "2")
    ;(await greet(port)).end()
    expect(await event("close")).toMatchObject({ route: "default/httpbin", outcome: "completed" })
  })

  test.each([["one process"], ["two workers", "--workers", "2"]])(
    "tells of a client that ends its side while its backend answers no dial, in %s",
    async (_, ...workers) => {
      const endpoint = await blackHole()
      const { event, port } = await serveTo(endpoint.port, await manifests("deaf.yaml"), ...workers)
      const socket = await client(port)
      socket.end(await clientHello("httpbin.org"))
      expect(await event("waiting")).toMatchObject({
        level: 40,
        msg: "the client has ended its side, and no backend answers the dial",
        reason: "ended-while-dialing",
        clientAddress: "127.0.0.1",
        clientPort: socket.localPort,
        serverName: "httpbin.org",
        route: "default/httpbin",
        endpoint,
      })
    },
  )

  test("tells a person of a client that ends its side while its backend answers no dial", async () => {
    const [port, { port: deaf }] = [await freePort(), await blackHole()]
    const child = cli.start([
      ...["run", await manifests("deaf.yaml"), "--address", "127.0.0.1", "--map-port", `8000:${port}`],
      ...["--resolve", `httpbin.org:443:127.0.0.1:${deaf}`],
    ])
    running.push(child)
    const line = linesOf(child.stderr)
    while (!(await takesConnections(port)));
    const socket = await client(port)
    socket.end(await clientHello("httpbin.org"))
    expect(await line()).toBe(
      `waiting: 127.0.0.1:${socket.localPort} → httpbin.org → default/httpbin → 127.0.0.1:${deaf}  ` +
        "the client has ended its side, and no backend answers the dial",
    )
  })

  test("reports a connection that no route takes", async () => {
    const { event, port } = await serve(await manifests("refused.yaml"))
    const socket = connect({ port, host: "127.0.0.1", servername: "other.example.com" })
    socket.on("error", () => {})
    expect(await event("close")).toMatchObject({ serverName: "other.example.com", detail: "NoMatchingRoute" })
  })

  test("follows the file: a changed route serves the next connection, and live ones go on", async () => {
    const { event, port } = await serve(await manifests("follow.yaml"))
    const live = await greet(port)
    await manifests("follow.yaml", "renamed.example.com")
    await event("config")
    const renamed = connect({
      port,
      host: "127.0.0.1",
      servername: "renamed.example.com",
      ca: certificate.cert,
      checkServerIdentity: () => undefined,
    })
    await once(renamed, "data")
    live.write("still there?")
    expect(String((await once(live, "data"))[0])).toBe("still there?")
    renamed.destroy()
    live.destroy()
  })

  test("keeps serving while the file is broken, and says where it is", async () => {
    const file = await manifests("break.yaml")
    const { event, port } = await serve(file)
    await cli.write("break.yaml", 'kind: "Gateway\n')
    const { problems } = await event("config")
    expect(problems).toMatchObject([{ code: "InvalidYaml", location: { file, line: 2 } }])
    ;(await greet(port)).destroy()
  })

  test("serves several files and directories as one configuration", async () => {
    const [gateway = "", route = ""] = (await readFile(await manifests("whole.yaml"), "utf8")).split("---\n")
    const file = join(directory, "gateway-alone.yaml")
    const folder = join(directory, "routes")
    await mkdir(folder)
    await writeFile(file, gateway)
    await writeFile(join(folder, "route.yml"), route)
    const { config, port } = await serve(file, folder)
    expect(config).toMatchObject({ routes: 1, problems: [] })
    ;(await greet(port)).destroy()
  })

  test("goes on serving, and drains, when nobody reads its log any more", async () => {
    const { child, port } = await serve(await manifests("unread.yaml"))
    child.stdout.destroy()
    child.stderr.destroy()
    for (let connection = 0; connection < 3; connection += 1) {
      const socket = await greet(port)
      socket.end()
      await once(socket, "close")
    }
    const live = await greet(port)
    child.kill("SIGINT")
    while (await takesConnections(port));
    live.write("last words")
    expect(String((await once(live, "data"))[0])).toBe("last words")
    live.end()
    expect(await exitOf(child)).toBe(0)
  })

  test("tells times in the unit of the flag", async () => {
    expect((await cli.run(["run", "--help"])).stdout.replaceAll(/\s+/g, " ")).toContain(
      "--drain-timeout <seconds> time that connections may take to finish at the end (default: 30)",
    )
  })

  test("drains on the first signal: takes no new connection, lets live ones finish, then exits with 0", async () => {
    const { child, event, port } = await serve(await manifests("drain.yaml"))
    const live = await greet(port)
    child.kill("SIGINT")
    expect(await event("draining")).toMatchObject({ connections: 1 })
    while (await takesConnections(port));
    live.write("last words")
    expect(String((await once(live, "data"))[0])).toBe("last words")
    const code = exitOf(child)
    live.end()
    await event("stopped")
    expect(await code).toBe(0)
  })

  test("ends connections that outlast the drain timeout", async () => {
    const { child, event, port } = await serve(await manifests("timeout.yaml"), "--drain-timeout", "0.1")
    const live = await greet(port)
    live.on("error", () => {})
    child.kill("SIGTERM")
    expect(await event("close")).toMatchObject({ outcome: "drained" })
    expect(await exitOf(child)).toBe(0)
  })

  test("with --workers drains when a terminal signals the whole group, workers included", async () => {
    const child = cli.start(
      [
        ...["run", await manifests("group.yaml"), "--json", "--address", "127.0.0.1", "--map-port", "8000:0"],
        ...["--resolve", `httpbin.org:443:127.0.0.1:${backendPort()}`, "--workers", "2"],
      ],
      {},
      { detached: true },
    )
    running.push(child)
    const event = eventsOf(child)
    const { bindings } = await event("config")
    await event("started")
    const live = await greet(bindings[0].port)
    process.kill(-(child.pid ?? 0), "SIGINT")
    await event("draining")
    while (await takesConnections(bindings[0].port));
    live.write("last words")
    expect(String((await once(live, "data"))[0])).toBe("last words")
    live.end()
    expect(await event("close")).toMatchObject({ outcome: "completed" })
    expect(await exitOf(child)).toBe(0)
  })

  test("drains on QUIT as on TERM and INT", async () => {
    const { child, event, port } = await serve(await manifests("quit.yaml"))
    const live = await greet(port)
    child.kill("SIGQUIT")
    expect(await event("draining")).toMatchObject({ connections: 1 })
    live.end()
    expect(await exitOf(child)).toBe(0)
  })

  test("on HUP reads the files again now, tells what came of it, and goes on", async () => {
    const file = await manifests("hup.yaml")
    const { child, event, port } = await serve(file)
    const live = await greet(port)
    child.kill("SIGHUP")
    await event("reloading")
    await event("unchanged")
    await manifests("hup.yaml", "renamed.example.com")
    child.kill("SIGHUP")
    // Where the signal is late, the file is followed before it comes.
    expect(await event("config")).toMatchObject({ problems: [] })
    live.write("still there?")
    expect(String((await once(live, "data"))[0])).toBe("still there?")
    live.destroy()
  })

  test.each(["SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR"] as const)(
    "lives through %s, and its connections with it",
    async (signal) => {
      const { child, port } = await serve(await manifests(`${signal}.yaml`))
      const live = await greet(port)
      const stderr = text(child.stderr)
      child.kill(signal)
      for (const word of ["first", "second"]) {
        live.write(word)
        expect(String((await once(live, "data"))[0])).toBe(word)
      }
      live.destroy()
      child.kill("SIGTERM")
      expect(await exitOf(child)).toBe(0)
      expect(await stderr).toBe("")
    },
  )

  test("opens the inspector on USR1 only where Node.js was started for it", async () => {
    const flags = [await manifests("inspect.yaml"), "--json", "--address", "127.0.0.1", "--map-port", "8000:0"]
    const child = cli.start(["run", ...flags], { NODE_OPTIONS: "--inspect-port=127.0.0.1:0" })
    running.push(child)
    const line = linesOf(child.stderr)
    await eventsOf(child)("started")
    child.kill("SIGUSR1")
    expect(await line()).toMatch(/^Debugger listening on ws:\/\/127\.0\.0\.1:/)
  })

  test.each([
    ["from standard input", () => "-"],
    [
      "from a pipe that nobody writes to",
      () => {
        const pipe = join(directory, "pipe")
        execFileSync("mkfifo", [pipe])
        return pipe
      },
    ],
  ])("ends on a signal while it still waits for its configuration %s", async (_, path) => {
    const child = cli.start(["run", path(), "--json", "--admin", "127.0.0.1:0"])
    running.push(child)
    await eventsOf(child)("admin")
    child.kill("SIGINT")
    expect(await exitOf(child)).toBe(0)
  })

  test("tells in its help what each signal does", async () => {
    const { stdout } = await cli.run(["run", "--help"])
    for (const signal of ["TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL"]) expect(stdout).toContain(signal)
  })

  test("ends at once on the second signal", async () => {
    const { child, event, port } = await serve(await manifests("twice.yaml"))
    const live = await greet(port)
    live.on("error", () => {})
    child.kill("SIGINT")
    await event("draining")
    await sleep(600)
    child.kill("SIGINT")
    expect(await exitOf(child)).toBe(130)
  })

  test("takes a Ctrl-C that arrives twice, from the terminal and from npm, for one", async () => {
    const { child, event, port } = await serve(await manifests("forwarded.yaml"))
    const live = await greet(port)
    // Within the half second, however late the command hears of either.
    child.kill("SIGINT")
    child.kill("SIGTERM")
    await event("draining")
    live.write("last words")
    expect(String((await once(live, "data"))[0])).toBe("last words")
    live.end()
    expect(await event("close")).toMatchObject({ outcome: "completed" })
    expect(await exitOf(child)).toBe(0)
  })

  test("tells a person what it listens on and what became of each connection", async () => {
    const child = cli.start([
      ...["run", await manifests("person.yaml"), "-n", "demo", "--address", "127.0.0.1", "--map-port", "8000:0"],
      ...["--resolve", `httpbin.org:443:127.0.0.1:${backendPort()}`],
    ])
    running.push(child)
    const line = linesOf(child.stdout)
    const listening = await line()
    expect(listening).toMatch(/^listening on 127\.0\.0\.1:\d+ for Gateway\/demo\/edge\/tls$/)
    expect(await line()).toBe("1 route on 1 port in force")
    expect(await line()).toContain("Ctrl-C")
    const socket = await greet(Number(/:(\d+) /.exec(listening)?.[1]))
    socket.end()
    expect(await line()).toMatch(
      /^\d\d:\d\d:\d\d {2}127\.0\.0\.1:\d+ → httpbin\.org → demo\/httpbin → 127\.0\.0\.1:\d+ {2}completed {2}[\d.]+ (B|KiB) up, /,
    )
    child.kill("SIGTERM")
    expect(await line()).toMatch(/^draining \d connections?$/)
    expect(await line()).toBe("stopped")
  })

  test("tells those who watch that it drains", async () => {
    const child = cli.start([
      ...["run", await manifests("drains.yaml"), "--json", "--address", "127.0.0.1", "--map-port", "8000:0"],
      ...["--admin", "127.0.0.1:0", "--drain-delay", "60"],
    ])
    running.push(child)
    const event = eventsOf(child)
    const { port } = await event("admin")
    await event("started")
    const serving = async () => {
      const { stdout } = await cli.run(["top", "--admin", `127.0.0.1:${port}`, "--json"])
      return JSON.parse(stdout).moment.serving
    }
    expect(await serving()).toBe(true)
    child.kill("SIGTERM")
    await vi.waitUntil(async () => !(await fetch(`http://127.0.0.1:${port}/readyz`)).ok, { timeout: 20_000 })
    expect(await serving()).toBe(false)
  })

  test("tells a person how much is wrong for as long as it is", async () => {
    const file = await manifests("wrong.yaml")
    const child = cli.start(["run", file, "--address", "127.0.0.1", "--map-port", "8000:0"])
    running.push(child)
    const line = linesOf(child.stdout)
    expect(await line()).toContain("listening on")
    expect(await line()).toBe("1 route on 1 port in force")
    expect(await line()).toContain("Ctrl-C")
    await manifests("wrong.yaml", "httpbin..org")
    expect(await line()).toBe("1 route on 1 port in force, 1 error")
    await manifests("wrong.yaml")
    expect(await line()).toBe("1 route on 1 port in force")
  })

  test("tells of the UDP port of a listener that takes QUIC, in its log and in /readyz?verbose", async () => {
    const args = async () => [
      ...["run", await manifests("quic.yaml"), "-n", "demo", "--address", "127.0.0.1"],
      ...["--map-port", `8000:${await freePort()}`, "--policy", "quic=on", "--admin", "127.0.0.1:0"],
    ]
    const person = cli.start(await args())
    running.push(person)
    const line = linesOf(person.stdout)
    const admin = /http:\S+/.exec(await line())?.[0]
    const port = /127\.0\.0\.1:(\d+) for/.exec(await line())?.[1]
    expect(await line()).toBe(`listening on UDP 127.0.0.1:${port}, which takes QUIC, for Gateway/demo/edge/tls`)
    expect(await line()).toBe("1 route on 1 port in force")
    const ready = await fetch(`${admin}/readyz?verbose`)
    expect(await ready.json()).toMatchObject({
      quic: [{ key: "*:8000", bound: true, address: "127.0.0.1", port: Number(port) }],
    })
    const machine = cli.start([...(await args()), "--json"])
    running.push(machine)
    const json = linesOf(machine.stdout)
    await json()
    expect(JSON.parse(await json())).toMatchObject({
      bindings: [{ gatewayPort: 8000, quic: { address: "127.0.0.1", port: expect.any(Number) } }],
    })
  })

  test("explains on its admin server what is spoken before TLS, and over QUIC, as the command does", async () => {
    const file = await manifests("ways.yaml")
    const listeners = ["postgres", "quic"].map((name, at) => {
      return `    - {name: ${name}, port: ${8001 + at}, protocol: TLS, tls: {mode: Passthrough}}`
    })
    const annotations = `{tlsroute.dev/postgres.starttls: postgres, tlsroute.dev/quic.quic: "on"}`
    const manifest = (await readFile(file, "utf8"))
      .replace("metadata: {name: edge}", `metadata: {name: edge, annotations: ${annotations}}`)
      .replace("\n---", `\n${listeners.join("\n")}\n---`)
    await writeFile(file, manifest)
    const ports = ["8000:0", "8001:0", `8002:${await freePort()}`].flatMap((port) => ["--map-port", port])
    const child = cli.start(["run", file, "--json", "--address", "127.0.0.1", ...ports, "--admin", "127.0.0.1:0"])
    running.push(child)
    const event = eventsOf(child)
    const { port: admin } = await event("admin")
    await event("started")
    for (const [port, told] of [
      [8000, { quic: false }],
      [8001, { starttls: "postgres", quic: false }],
      [8002, { quic: true }],
    ] as const) {
      const { stdout } = await cli.run(["explain", file, "--json", "--port", `${port}`, "--sni", "httpbin.org"])
      const asked = await fetch(`http://127.0.0.1:${admin}/explain?port=${port}&sni=httpbin.org`)
      expect(await asked.json()).toEqual(JSON.parse(stdout))
      expect(JSON.parse(stdout)).toMatchObject({ result: { matched: true }, ...told })
    }
  })

  test.runIf(process.platform === "linux")("comes up also where its log is on a disk that is full", async () => {
    const admin = await freePort()
    const command = cli.commandLine([
      ...["run", await manifests("full.yaml"), "--address", "127.0.0.1", "--map-port", "8000:0"],
      ...["--admin", `127.0.0.1:${admin}`],
    ])
    const child = spawn("sh", ["-c", `exec ${command} > /dev/full`])
    running.push(child)
    await vi.waitUntil(
      async () => {
        expect(child.exitCode).toBe(null)
        return (await fetch(`http://127.0.0.1:${admin}/readyz`).catch(() => undefined))?.ok
      },
      { timeout: 20_000, interval: 50 },
    )
    child.kill("SIGTERM")
    expect(await once(child, "exit")).toEqual([0, null])
  })

  test("names the port that is taken, and exits with 1", async () => {
    const taken = createServer().listen(0, "127.0.0.1")
    await once(taken, "listening")
    const { port } = taken.address() as AddressInfo
    const { code, stdout, stderr } = await cli.run([
      ...["run", await manifests("taken.yaml"), "--address", "127.0.0.1", "--map-port", `8000:${port}`],
    ])
    taken.close()
    expect(stdout).toBe("stopped\n")
    expect(stderr).toMatch(new RegExp(`^error: [^\n]*\\b${port}\\b[^\n]*\n$`))
    expect(code).toBe(1)
  })

  test.each([
    ["is empty", "", "the configuration asks for no port"],
    ["is no YAML", 'kind: "Gateway\n', "Missing closing"],
    [
      "is a Gateway without listeners",
      "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: edge}\nspec: {gatewayClassName: any}\n",
      "no port",
    ],
  ])("given a file that %s, does not start, tells why, and exits with 2", async (_what, content, message) => {
    const file = join(directory, "unusable.yaml")
    await writeFile(file, content)
    const { code, stderr } = await cli.run(["run", file])
    expect(stderr).toContain(message)
    expect(stderr.trim().split("\n").at(-1)).toMatch(/^tlsroute: .*--allow-empty starts all the same$/)
    expect(code).toBe(2)
  })

  test("with --allow-empty starts without anything to serve, is not ready, and serves what comes", async () => {
    const folder = join(directory, "filled-later")
    const child = cli.start([
      ...["run", folder, "--json", "--allow-empty", "--address", "127.0.0.1", "--map-port", "8000:0"],
      ...["--resolve", `httpbin.org:443:127.0.0.1:${backendPort()}`, "--admin", "127.0.0.1:0"],
    ])
    running.push(child)
    const event = eventsOf(child)
    const admin = await event("admin")
    await event("started")
    const get = (path: string) => fetch(`http://127.0.0.1:${admin.port}${path}`)
    expect((await get("/readyz")).status).toBe(503)
    const whole = await readFile(await manifests("later.yaml"), "utf8")
    await mkdir(folder)
    await writeFile(join(folder, "all.yaml"), whole)
    let config = await event("config")
    while (config.bindings.length === 0) config = await event("config")
    expect((await get("/readyz")).status).toBe(200)
    ;(await greet(config.bindings[0].port)).destroy()
  })

  test("keeps what was good when an edit makes it bad, unless told to apply it", async () => {
    const file = await manifests("mistyped.yaml")
    const { event, port } = await serve(file)
    await manifests("mistyped.yaml", "httpbin..org")
    const { problems } = await event("config")
    expect(problems).toContainEqual(
      expect.objectContaining({
        message: expect.stringContaining("last good version of this TLSRoute stays in force"),
      }),
    )
    ;(await greet(port)).destroy()
    const sound = await readFile(await manifests("mistyped.yaml"), "utf8")
    await event("config")
    await cli.write("mistyped.yaml", sound.replace("kind: Gateway", "kind: Gatway"))
    expect((await event("config")).problems).toMatchObject([{ code: "UnknownKind", location: { file } }])
    ;(await greet(port)).destroy()
    const applying = await manifests("applied.yaml")
    const other = await serve(applying, "--on-error", "apply")
    await manifests("applied.yaml", "httpbin..org")
    await other.event("config")
    await expect(greet(other.port)).rejects.toThrow()
  })

  test("with --dry-run tells what would change in the gateway behind --admin, and changes nothing", async () => {
    const file = await manifests("dry.yaml")
    const child = cli.start([
      ...["run", file, "--json", "--address", "127.0.0.1", "--map-port", "8000:0", "--admin", "127.0.0.1:0"],
    ])
    running.push(child)
    const event = eventsOf(child)
    const admin = await event("admin")
    await event("started")
    const planned = await manifests("planned.yaml", "renamed.example.com")
    const dry = (...files: string[]) => cli.run(["run", ...files, "--dry-run", "--admin", `127.0.0.1:${admin.port}`])
    expect((await dry(file)).stdout).toBe("nothing would change\n")
    const renamed = await dry(planned)
    expect(renamed).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^~ reroutes default\/httpbin: renamed\.example\.com to /),
    })
    await writeFile(
      planned,
      (await readFile(planned, "utf8"))
        .replaceAll("port: 8000", "port: 9000")
        .replaceAll("name: httpbin\n", "name: other\n"),
    )
    const { stdout } = await dry(planned)
    expect(stdout).toContain("+ opens *:9000\n- closes *:8000\n")
    const alone = await cli.run(["run", file, "--dry-run", "--json"])
    expect(JSON.parse(alone.stdout)).toMatchObject({ opened: ["*:8000"], closed: [], removed: [], rerouted: [] })
    expect(await cli.run(["run", file, "--dry-run", "--admin", "127.0.0.1:1"])).toMatchObject({ code: 2 })
  })

  test.each([
    ["a file that does not exist", ["/nowhere.yaml"], "/nowhere.yaml: no such file or directory"],
    ["a namespace that can be none", ["x", "-n", "Bad Name"], "Expected a DNS label"],
    ["half a port mapping", ["x", "--map-port", "443"], "Expected GATEWAY_PORT:LOCAL_PORT"],
    ["an address that is a name", ["x", "--address", "localhost"], "Expected an IP address"],
    ["a resolve without an address", ["x", "--resolve", "httpbin.org:443"], "Expected HOST:PORT:ADDR[:PORT]"],
    ["a resolve to a name", ["x", "--resolve", "a.example.com:443:b.example.com"], "Expected HOST:PORT:ADDR[:PORT]"],
    ["a policy without a value", ["x", "--policy", "idle-timeout"], "Expected NAME=VALUE"],
    ["a policy that there is not", ["x", "--policy", "idle-timeot=1s"], "did you mean idle-timeout?"],
    [
      "a policy that cannot be read",
      ["x", "--policy", "idle-timeout=soon"],
      "invalid. idle-timeout: expected a duration",
    ],
    ["a drain timeout that is no number", ["x", "--drain-timeout", "soon"], "Expected a number of seconds"],
  ])("given %s, says so in one line and exits with 2", async (_what, args, message) => {
    const { code, stderr } = await cli.run(["run", ...args])
    expect(stderr).toMatch(/^tlsroute: [^\n]+\n$/)
    expect(stderr).toContain(message)
    expect(code).toBe(2)
  })

  test("ends quietly when its reader has gone", async () => {
    const child = cli.start(["--help"])
    child.stdout.destroy()
    const stderr = text(child.stderr)
    expect(await exitOf(child)).toBe(0)
    expect(await stderr).toBe("")
  })
})
