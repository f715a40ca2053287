import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer, type RequestListener } from "node:http"
import { type AddressInfo, createServer as createTcpServer } from "node:net"
import { text } from "node:stream/consumers"
import { connect, createServer as createTlsServer } from "node:tls"
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import type { Flow } from "../../src/cli/admin/flows.ts"
import type { Moment, Scene } from "../../src/cli/admin/overview.ts"
import { draw, type Size } from "../../src/cli/top/draw.ts"
import { EventParser, readEvent } from "../../src/cli/top/events.ts"
import { bytes, duration, type Line, share } from "../../src/cli/top/text.ts"
import { type Key, press, type View } from "../../src/cli/top/view.ts"
import { createPassthroughGateway } from "../../src/gateway/gateway.ts"
import { objectSource } from "../../src/sources/object-source.ts"
import { startPage } from "../support/admin.ts"
import { selfSigned } from "../support/certificate.ts"
import { freePort } from "../support/free-port.ts"
import { oneRoute } from "../support/resources.ts"
import { Cli } from "./cli.ts"

const HOSTILE = "\u001b]0;owned\u0007\u001b[2J\u009b31m\r\n\u202eevil\u2028\ud800漢字🐈"

const flow = (values: Partial<Flow>): Flow => ({
  live: 0,
  connections: 0,
  refused: 0,
  rate: 0,
  refusedRate: 0,
  up: 0,
  down: 0,
  ...values,
})

const scene: Scene = {
  version: "1.2.3",
  started: 1_000_000,
  listeners: [
    {
      key: "*:443",
      port: 443,
      bound: "0.0.0.0:8443",
      error: undefined,
      starttls: undefined,
      quic: undefined,
      listeners: [{ id: "shop/edge/tls", hostname: "*" }],
    },
    {
      key: "*:444",
      port: 444,
      bound: undefined,
      error: "EADDRINUSE",
      starttls: undefined,
      quic: undefined,
      listeners: [],
    },
  ],
  routes: {
    total: 2,
    list: [
      {
        name: "shop/checkout",
        hostnames: ["checkout.example.com"],
        backends: [
          {
            name: "shop/checkout:443",
            weight: 3,
            target: "shop/checkout:443",
            error: undefined,
            endpoints: {
              total: 2,
              leftOut: 1,
              list: [
                { where: "10.0.0.1:443", isName: false, unhealthy: undefined },
                { where: "10.0.0.2:443", isName: false, unhealthy: "connection refused" },
              ],
            },
          },
        ],
      },
      {
        name: "shop/broken",
        hostnames: ["broken.example.com"],
        backends: [
          {
            name: "shop/gone",
            weight: 1,
            target: "x",
            error: "BackendNotFound: no Service",
            endpoints: { total: 0, leftOut: 0, list: [] },
          },
        ],
      },
    ],
  },
  problems: { total: 1, list: [] },
  timeline: [],
}

function moment(live: number, name = (at: number) => `${at}.example.com`): Moment {
  return {
    at: 8_201_000,
    live,
    serving: true,
    loopDelay: 1.4,
    listeners: { "*:443": flow({ live, rate: 3.25, refusedRate: 1, up: 1_234, down: 5_600_000 }) },
    routes: { "shop/checkout": flow({ live }) },
    endpoints: { "shop/checkout:443": live },
    failures: {
      "shop/checkout:443": { connections: 2, why: "dial-timeout, ETIMEDOUT", last: 8_198_000, covered: false },
    },
    refusals: [{ serverName: "nobody.example", outcome: "no-route", detail: "NO_ROUTE", count: 17, last: 8_190_000 }],
    connections: Array.from({ length: live }, (_, at) => ({
      id: String(at),
      client: `192.0.2.7:${1000 + at}`,
      serverName: name(at),
      route: "shop/checkout",
      endpoint: "10.0.0.1:443",
      state: "splicing",
      since: 8_000_000,
      fromClient: 1,
      fromBackend: 1,
      upRate: 10,
      downRate: 2_000,
    })),
  }
}

const view = (changes: Partial<View> = {}): View => ({
  address: "127.0.0.1:9900",
  scene,
  moment: moment(3),
  lost: undefined,
  filter: "",
  typing: undefined,
  isPaused: false,
  scroll: 0,
  ...changes,
})

const plain = (lines: readonly Line[]) => lines.map((line) => line.map(({ text }) => text).join(""))
const drawn = (changes: Partial<View>, size: Size) => plain(draw(view(changes), size).lines)

describe("the screen of tlsroute top", () => {
  it("shows, on a wide one, what the live page shows", () => {
    const lines = drawn({}, { columns: 140, rows: 40 })
    const all = lines.join("\n")
    expect(lines[0]).toBe("tlsroute 1.2.3 at 127.0.0.1:9900  1 port not bound  up 2h 0m  1 problem")
    expect(lines[1]).toBe("live 3  new 3.3/s  refused 1/s  up 1.23 kB/s  down 5.6 MB/s  loop delay 1 ms")
    expect(all).toMatch(/^0\.0\.0\.0:8443 +shop\/edge\/tls \(\*\) +3 +3\.3 +1 +1\.23 kB +5\.6 MB$/m)
    expect(all).toMatch(/^\*:444 not bound +0 .*\n +EADDRINUSE$/m)
    expect(all).toMatch(/^shop\/checkout +checkout\.example\.com +3 /m)
    expect(all).toContain("  -> shop/checkout:443  3 live, weight 3, 1 of 2 endpoints healthy")
    expect(all).toContain("     unhealthy 10.0.0.2:443  connection refused")
    expect(all).toContain("     2 connections in a row did not reach it: dial-timeout, ETIMEDOUT, 3s ago")
    expect(all).not.toContain("10.0.0.1:443  connection refused")
    expect(all).toContain("  -> shop/gone  0 live, weight 1, 0 endpoints  BackendNotFound: no Service")
    expect(all).toMatch(/^nobody\.example +no-route: NO_ROUTE +17 +11s$/m)
    expect(all).toMatch(
      /^2\.example\.com +192\.0\.2\.7:1002 +shop\/checkout +10\.0\.0\.1:443 +splicing +3m 21s +10 B +2 kB$/m,
    )
  })

  it("says that a gateway that starts or drains is not ready", () => {
    const [head] = drawn({ moment: { ...moment(3), serving: false } }, { columns: 140, rows: 40 })
    expect(head).toContain("127.0.0.1:9900  not ready  up 2h 0m")
  })

  it.each(
    [1, 2, 10, 20, 40, 60, 80, 133, 300].flatMap((columns) =>
      [1, 2, 3, 5, 8, 12, 16, 24, 50, 200].map((rows) => ({ columns, rows })),
    ),
  )("fills $columns x $rows and nothing beyond", (size) => {
    for (const live of [0, 3, 100]) {
      for (const name of [(at: number) => `${at}.example.com`, () => HOSTILE, () => "x".repeat(70_000)]) {
        const lines = drawn({ moment: moment(live, name), scroll: 7 }, size)
        expect(lines).toHaveLength(size.rows)
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(size.columns)
      }
    }
  })

  it("tells what is spoken before TLS, and of QUIC, at the listener", () => {
    const [bound] = scene.listeners
    const speaking = [
      { ...bound!, starttls: "postgres" },
      { ...bound!, quic: { error: undefined } },
      { ...bound!, quic: { error: "EACCES" } },
    ]
    const all = drawn({ scene: { ...scene, listeners: speaking } }, { columns: 140, rows: 40 }).join("\n")
    expect(all).toMatch(/^0\.0\.0\.0:8443 postgres, then TLS +shop\/edge\/tls/m)
    expect(all).toMatch(/^0\.0\.0\.0:8443 and QUIC +shop\/edge\/tls/m)
    expect(all).toMatch(/^0\.0\.0\.0:8443 +shop\/edge\/tls.*\n +no QUIC: EACCES$/m)
  })

  it("keeps, on a narrow one, names and what they move", () => {
    const lines = drawn({}, { columns: 44, rows: 60 })
    expect(lines).toContainEqual(expect.stringMatching(/^2\.example\.com +192\.0\.2\.7:1002 +10 B +2 kB$/))
    expect(lines).toContainEqual(expect.stringMatching(/^shop\/checkout +3 +0 +0 B +0 B$/))
  })

  it("shows connections where nothing else has room", () => {
    expect(drawn({}, { columns: 80, rows: 8 }).join("\n")).toContain("2 below")
    expect(drawn({ moment: moment(100) }, { columns: 80, rows: 14 }).join("\n")).toMatch(/^0\.example\.com/m)
  })

  it.each([
    ["a server name", { moment: moment(3, () => HOSTILE) }],
    ["a refused name", { moment: { ...moment(0), refusals: [{ ...moment(0).refusals[0]!, serverName: HOSTILE }] } }],
    ["a reason", { moment: { ...moment(0), refusals: [{ ...moment(0).refusals[0]!, detail: HOSTILE }] } }],
    [
      "a hostname",
      { scene: { ...scene, routes: { total: 1, list: [{ ...scene.routes.list[0]!, hostnames: [HOSTILE] }] } } },
    ],
    ["a message", { scene: { ...scene, listeners: [{ ...scene.listeners[1]!, error: HOSTILE }] } }],
    ["a version", { scene: { ...scene, version: HOSTILE } }],
    ["a filter", { filter: HOSTILE }],
    ["a filter being typed", { typing: HOSTILE }],
    ["a failure", { lost: HOSTILE }],
  ] as const)("writes control characters in %s as escapes", (_, changes) => {
    for (const columns of [40, 400, Number.POSITIVE_INFINITY]) {
      for (const rows of [30, Number.POSITIVE_INFINITY]) {
        const lines = drawn(changes, { columns, rows })
        expect(lines.filter((line) => /[^\x20-\x7e]/.test(line))).toEqual([])
        if (columns > 40 && (Number.isFinite(rows) || !("typing" in changes)))
          expect(lines.join("\n")).toMatch(/\\+x1b\]0;owned|\\+u001b\]0;owned/)
      }
    }
  })

  it("scrolls connections no further than to the last", () => {
    const size = { columns: 100, rows: 50 }
    const { lines, scroll } = draw(view({ moment: moment(100), scroll: Number.POSITIVE_INFINITY }), size)
    expect(plain(lines).join("\n")).toMatch(/^99\.example\.com/m)
    expect(scroll).toBeGreaterThan(50)
    expect(scroll).toBeLessThan(100)
    expect(plain(lines)).toContain(`  ${scroll} above`)
    expect(drawn({ moment: moment(100), scroll: 5 }, size).join("\n")).not.toMatch(/^4\.example\.com/m)
  })

  it("says that it is paused, and why it is old", () => {
    expect(drawn({ isPaused: true }, { columns: 120, rows: 24 })[0]).toContain("paused")
    expect(drawn({ lost: "the admin server is gone" }, { columns: 120, rows: 24 })[0]).toContain("is gone")
    expect(drawn({ moment: undefined }, { columns: 120, rows: 24 })[1]).toContain("waiting")
    expect(drawn({ typing: "shop" }, { columns: 120, rows: 24 }).at(-1)).toBe("/shop_  Enter filters, Esc leaves")
  })
})

describe("the keys of tlsroute top", () => {
  const pressing = (start: View, ...keys: readonly Key[]) =>
    keys.reduce<View | undefined>((now, key) => now && press(now, key), start)
  const typed = (text: string): readonly Key[] => [...text].map((each) => ({ name: each, sequence: each }))

  it.each([
    [{ name: "q", sequence: "q" }],
    [{ name: "c", sequence: "\u0003", ctrl: true }],
    [{ name: "d", sequence: "\u0004", ctrl: true }],
  ])("quits with %j", (key) => {
    expect(pressing(view(), key)).toBeUndefined()
  })

  it("types a filter, in which q is a letter", () => {
    const typing = pressing(view({ isPaused: true, scroll: 4 }), ...typed("/query "), {
      name: "backspace",
      sequence: "\x7f",
    })
    expect(typing).toMatchObject({ typing: "query", filter: "" })
    expect(pressing(typing!, { name: "return", sequence: "\r" })).toMatchObject({
      typing: undefined,
      filter: "query",
      scroll: 0,
      isPaused: false,
    })
    expect(pressing(typing!, { name: "escape", sequence: "\x1b" })).toMatchObject({ typing: undefined, filter: "" })
    expect(pressing(typing!, { name: "up", sequence: "\x1b[A" })).toMatchObject({ typing: "query" })
  })

  it("pauses, goes on, scrolls, and drops the filter", () => {
    expect(pressing(view(), ...typed("p"))).toMatchObject({ isPaused: true })
    expect(pressing(view(), ...typed("pp"))).toMatchObject({ isPaused: false })
    expect(pressing(view(), ...typed("jj"), { name: "down" }, { name: "up" })).toMatchObject({ scroll: 2 })
    expect(pressing(view(), ...typed("kk"))).toMatchObject({ scroll: 0 })
    expect(pressing(view(), { name: "g", sequence: "G" })).toMatchObject({ scroll: Number.POSITIVE_INFINITY })
    expect(pressing(view({ scroll: 9 }), ...typed("g"))).toMatchObject({ scroll: 0 })
    expect(pressing(view({ filter: "x" }), { name: "escape", sequence: "\x1b" })).toMatchObject({ filter: "" })
    expect(pressing(view(), { sequence: "\x1b[99~" })).toEqual(view())
  })
})

describe("what tlsroute top reads", () => {
  const stream = `event: scene\ndata: ${JSON.stringify(scene)}\n\nevent: moment\ndata: ${JSON.stringify(moment(2))}\n\n`

  it.each([1, 2, 7, 100, 100_000])("is the same in pieces of %i characters", (size) => {
    const parser = new EventParser()
    const events = []
    for (let at = 0; at < stream.length; at += size) events.push(...parser.push(stream.slice(at, at + size)))
    expect(events.map(({ name, data }) => readEvent(name, data)?.kind)).toEqual(["scene", "moment"])
    expect(parser.waiting).toBe(0)
  })

  it.each([
    ["scene", "{"],
    ["scene", "null"],
    ["scene", JSON.stringify({ ...scene, routes: { total: 1, list: [{ name: "x" }] } })],
    ["moment", JSON.stringify({ ...moment(1), connections: [null] })],
    ["moment", JSON.stringify({ ...moment(1), listeners: { a: { live: "1" } } })],
    ["news", JSON.stringify(scene)],
  ])("is no %s that says %s", (name, data) => {
    expect(readEvent(name, data)).toBeUndefined()
  })

  it("is told in words of few characters", () => {
    expect([0, 999, 1_000, 12_345, 5.6e9].map(bytes)).toEqual(["0 B", "999 B", "1 kB", "12.3 kB", "5.6 GB"])
    expect([-1, 59_000, 61_000, 7_260_000, 90_000_000].map(duration)).toEqual(["0s", "59s", "1m 1s", "2h 1m", "1d 1h"])
    expect(share(10, [2, 20, 20])).toEqual([2, 4, 4])
    expect(share(10, [1, 2, 3])).toEqual([1, 2, 3])
  })
})

const hasTmux = (() => {
  try {
    execFileSync("tmux", ["-V"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})()

describe("tlsroute top", () => {
  let cli: Cli

  beforeAll(async () => {
    cli = await Cli.build()
  })

  afterAll(() => cli[Symbol.asyncDispose]())

  /** A gateway with one live connection and one refused one, and its admin server. */
  async function running(port = 0) {
    const backend = createTlsServer(selfSigned(["checkout.example.com"]), (socket) => {
      socket.on("error", () => {}).pipe(socket)
    })
    backend.listen(0, "127.0.0.1")
    await once(backend, "listening")
    const gateway = createPassthroughGateway({
      source: objectSource(oneRoute("checkout", "checkout.example.com", "origin.example.com")),
      address: "127.0.0.1",
      mapPort: () => 0,
      externalBackends: ["origin.example.com"],
      resolve: { "origin.example.com": `127.0.0.1:${(backend.address() as AddressInfo).port}` },
    })
    const admin = await startPage(gateway, port)
    await gateway.start()
    const [listener] = gateway.addresses()
    if (!listener?.bound) throw new Error("not bound")
    const dial = (servername: string) =>
      connect({ port: listener.port, host: "127.0.0.1", servername, rejectUnauthorized: false })
    const client = dial("checkout.example.com")
    await once(client, "secureConnect")
    const refused = dial("nobody.example.com").on("error", () => {})
    await new Promise((resolve) => refused.once("close", resolve))
    const close = async () => {
      client.destroy()
      await admin.close()
      await gateway.close({ drainTimeout: 0 })
      backend.close()
    }
    return { port: admin.port, client, close }
  }

  it("prints, where nobody looks at a terminal, what there is, once", async () => {
    const { port, close } = await running()
    onTestFinished(close)
    const { code, stdout, stderr } = await cli.run(["top", "--admin", `127.0.0.1:${port}`])
    expect(stderr).toBe("")
    expect(code).toBe(0)
    expect(stdout).toMatch(/^live 1 /m)
    expect(stdout).toMatch(/^default\/checkout +checkout\.example\.com +1 /m)
    expect(stdout).toContain("-> default/origin.example.com:443  1 live, weight 1, 1 endpoint\n")
    expect(stdout).toMatch(/^nobody\.example\.com +refused: NoMatchingRoute/m)
    expect(stdout).toMatch(/^checkout\.example\.com +127\.0\.0\.1:\d+ +default\/checkout /m)
    expect(stdout).not.toContain("\x1b")
  })

  it("prints one second as JSON, of the connections that a filter asks for", async () => {
    const { port, client, close } = await running()
    onTestFinished(close)
    const flood = setInterval(() => client.write(Buffer.alloc(10_000)), 20)
    onTestFinished(() => clearInterval(flood))
    client.resume()
    const { stdout } = await cli.run(["top", "--json", "--admin", `:${port}`])
    const told = JSON.parse(stdout) as { scene: Scene; moment: Moment }
    expect(told.scene.routes.list[0]?.name).toBe("default/checkout")
    expect(told.moment.connections).toMatchObject([{ serverName: "checkout.example.com" }])
    // The first second that anybody looks at has its rates already.
    expect(told.moment.connections[0]?.upRate).toBeGreaterThan(1_000)
    const other = await cli.run(["top", "--json", "--filter", "other", "--admin", `:${port}`])
    expect(JSON.parse(other.stdout).moment).toMatchObject({ live: 1, connections: [] })
  })

  it.each<[string, RequestListener, string]>([
    ["a 404", (_, response) => response.writeHead(404).end(), "is not the admin server of a gateway (it answers 404)"],
    ["a web page", (_, response) => response.end("<html>"), "is not the admin server of a gateway (it answers 200)"],
    ["too many watchers", (_, response) => response.writeHead(503).end(), "too many watch"],
    [
      "other events",
      (_, response) => response.setHeader("content-type", "text/event-stream").end("event: news\ndata: {}\n\n"),
      "what it tells is not what this version reads",
    ],
    ["nothing further", (_, response) => response.setHeader("content-type", "text/event-stream").end(), "is gone"],
  ])("says in one line what to do about %s", async (_, listener, words) => {
    const server = createServer(listener).listen(0, "127.0.0.1")
    onTestFinished(() => void server.close())
    await once(server, "listening")
    const { code, stdout, stderr } = await cli.run([
      "top",
      "--admin",
      `127.0.0.1:${(server.address() as AddressInfo).port}`,
    ])
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
    expect(stderr).toContain(words)
    expect(stderr.trimEnd().split("\n")).toHaveLength(1)
  })

  it("says in one line what to do where nobody listens, and where something speaks no HTTP", async () => {
    const server = createTcpServer((socket) =>
      socket
        .on("error", () => {})
        .resume()
        .end("220 mail.example ESMTP\r\n"),
    )
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    const { port } = server.address() as AddressInfo
    const mail = await cli.run(["top", "--admin", `127.0.0.1:${port}`])
    expect(mail).toMatchObject({ code: 2, stdout: "" })
    expect(mail.stderr).toContain("(it speaks no HTTP): name its address with --admin")
    server.close()
    await once(server, "close")
    const free = await freePort()
    const nobody = await cli.run(["top", "--admin", `127.0.0.1:${free}`])
    expect(nobody).toEqual({
      code: 2,
      stdout: "",
      stderr: `tlsroute: no admin server answers at 127.0.0.1:${free} (ECONNREFUSED): start the gateway with --admin, or name its address here\n`,
    })
    expect(await cli.run(["top", "--admin", "9900"])).toMatchObject({ code: 2 })
  })

  describe.skipIf(!hasTmux)("in a terminal (of tmux)", () => {
    /** A terminal of 100 columns and 30 rows, in a server of tmux of its own. */
    async function terminal(command: string) {
      const socket = `tlsroute-${process.pid}-${Math.random().toString(36).slice(2)}`
      const tmux = async (...args: string[]) => {
        const child = spawn("tmux", ["-L", socket, "-f", "/dev/null", ...args], {
          env: { ...process.env, TERM: "xterm" },
        })
        return text(child.stdout)
      }
      await tmux("new-session", "-d", "-x", "100", "-y", "30", "env PS1='$ ' sh")
      onTestFinished(() => void tmux("kill-server"))
      const screen = () => tmux("capture-pane", "-p")
      const shows = (what: RegExp) => expect.poll(screen, { interval: 100 }).toMatch(what)
      const keys = (...names: string[]) => tmux("send-keys", ...names)
      await shows(/\$/)
      await tmux("send-keys", "-l", command)
      await keys("Enter")
      const isAlternate = async () => (await tmux("display-message", "-p", "#{alternate_on}")).trim()
      return { shows, keys, tmux, isAlternate, screen }
    }

    it("shows the gateway, filters, pauses, outlives a restart, fits, and gives the screen back", async () => {
      const first = await running(await freePort())
      let close = first.close
      onTestFinished(() => close())
      const { shows, keys, tmux, isAlternate, screen } = await terminal(
        `echo before; ${cli.commandLine(["top", "--admin", `127.0.0.1:${first.port}`])}; echo left with $?`,
      )
      await shows(/^live 1 [\s\S]*^checkout\./m)
      expect(await isAlternate()).toBe("1")
      await keys("/", "o", "t", "h", "e", "r")
      await shows(/^\/other_/m)
      await keys("Enter")
      await shows(/Connections \(0 of 1 with "other"\)/)
      await keys("Escape")
      await shows(/^checkout\./m)
      await keys("p")
      await shows(/ paused/)
      await keys("p")
      await tmux("resize-window", "-x", "60", "-y", "12")
      await shows(/^q quit/m)
      expect((await screen()).trimEnd().split("\n")).toHaveLength(12)
      await tmux("resize-window", "-x", "100", "-y", "30")
      await first.close()
      close = async () => {}
      await shows(/is gone|no admin server answers/)
      const second = await running(first.port)
      close = second.close
      await shows(/serving[\s\S]*^live 1 /m)
      await keys("q")
      await shows(/before\nleft with 0/)
      expect(await isAlternate()).toBe("0")
    }, 60_000)

    it.each(["TERM", "HUP", "INT", "QUIT"])("gives the screen back on SIG%s", async (signal) => {
      const { port, close } = await running()
      onTestFinished(close)
      const { shows, tmux, isAlternate } = await terminal(
        `${cli.commandLine(["top", "--admin", `127.0.0.1:${port}`])}; echo left with $?`,
      )
      await shows(/^live 1 /m)
      const shell = (await tmux("display-message", "-p", "#{pane_pid}")).trim()
      const child = execFileSync("ps", ["-o", "pid=", "--ppid", shell]).toString().trim()
      process.kill(Number(child), `SIG${signal}`)
      await shows(/left with 1\d\d/)
      expect(await isAlternate()).toBe("0")
    })
  })
})
