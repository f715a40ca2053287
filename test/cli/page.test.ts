import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { connect, createServer, type Server, type TLSSocket } from "node:tls"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest"
import type { Admin } from "../../src/cli/admin/server.ts"
import { createPassthroughGateway, type PassthroughGateway } from "../../src/gateway/gateway.ts"
import { objectSource } from "../../src/sources/object-source.ts"
import { startPage } from "../support/admin.ts"
import { selfSigned } from "../support/certificate.ts"
import { launchChromium, missingChromium } from "../support/chromium.ts"
import { freePort } from "../support/free-port.ts"
import { listener, oneRoute, route } from "../support/resources.ts"

const HOSTILE = '<img src=x onerror="window.hacked=1">.example'

const { gateways = [], tlsRoutes = [] } = oneRoute("checkout", "checkout.example.com", "origin.example.com")

describe.skipIf(missingChromium() !== undefined)("the live page (in Debian's Chromium)", () => {
  const source = objectSource({ gateways, tlsRoutes })
  let backend: Server
  /** Listens only when it is told to. */
  let lostBackend: Server
  let lostPort: number
  let gateway: PassthroughGateway
  let admin: Admin
  let browser: Browser

  beforeAll(async () => {
    backend = createServer({ ...selfSigned(["checkout.example.com"]), ALPNProtocols: ["h2"] }, (socket) => {
      socket.on("error", () => {})
      socket.pipe(socket)
    })
    lostBackend = createServer(selfSigned(["lost.example.com"]), (socket) => void socket.on("error", () => {}))
    lostPort = await freePort()
    backend.listen(0, "127.0.0.1")
    await once(backend, "listening")
    gateway = createPassthroughGateway({
      source,
      address: "127.0.0.1",
      mapPort: () => 0,
      externalBackends: ["origin.example.com", "lost.example.net"],
      resolve: {
        "origin.example.com": `127.0.0.1:${(backend.address() as AddressInfo).port}`,
        "lost.example.net": `127.0.0.1:${lostPort}`,
      },
    })
    admin = await startPage(gateway, 0, ({ problems }) =>
      problems.map((problem) => ({ ...problem, location: { file: "shop.yaml", line: 7, column: 3 } })),
    )
    await gateway.start()
    browser = await launchChromium()
  }, 60_000)

  // Connections of the test before would be rows of this one's page.
  beforeEach(() => expect.poll(() => gateway.connections.size).toBe(0))

  afterAll(async () => {
    await browser?.close()
    await admin?.close()
    await gateway?.close({ drainTimeout: 0 })
    backend?.close()
    lostBackend?.close()
  })

  async function client(servername: string): Promise<TLSSocket> {
    const [state] = gateway.addresses()
    if (!state?.bound) throw new Error("not bound")
    const { address: host, port } = state
    const socket = connect({ host, port, servername, rejectUnauthorized: false, ALPNProtocols: ["h2", "http/1.1"] })
    socket.on("error", () => {})
    onTestFinished(() => void socket.destroy())
    return socket
  }

  const closed = (socket: TLSSocket): Promise<void> => new Promise((resolve) => socket.once("close", () => resolve()))

  /** Opens the page; a test fails by whatever the browser complains of. */
  async function open(options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext(options)
    const page = await context.newPage()
    const complaints: string[] = []
    page.on("console", (message) => complaints.push(message.text()))
    page.on("pageerror", (error) => complaints.push(String(error)))
    page.on("request", (request) => {
      if (!request.url().startsWith(origin()) && !request.url().startsWith("data:")) complaints.push(request.url())
    })
    onTestFinished(async () => {
      await context.close()
      expect(complaints).toEqual([])
    })
    await page.goto(`${origin()}/`)
    await page.locator("#status:is([data-state=serving], [data-state=troubled])").waitFor()
    return page
  }

  const origin = () => `http://127.0.0.1:${admin.port}`

  it("shows the listeners, routes and live connections of now, and follows them", async () => {
    const page = await open()
    await expect.poll(() => page.locator("#listeners-body").textContent()).toContain("Gateway/default/gateway/tls")
    const socket = await client("checkout.example.com")
    await once(socket, "secureConnect")
    await page.locator("#connections-body tr").waitFor()
    expect(await page.locator("#connections-body").textContent()).toMatch(/checkout\.example\.com.*default\/checkout/)
    await expect.poll(() => page.locator("#routes-body").textContent()).toContain("1 live, weight 1")
    expect(await page.locator("#total-live").textContent()).toBe("1")
    socket.destroy()
    await expect.poll(() => page.locator("#connections-body tr").count()).toBe(0)
  })

  it("shows who was refused and why, and what clients sent as text", async () => {
    const page = await open()
    for (const name of ["nobody.example.com", HOSTILE]) await closed(await client(name))
    await expect.poll(() => page.locator("#refused-body").textContent()).toContain("<img")
    const refused = await page.locator("#refused-body").textContent()
    expect(refused).toMatch(/nobody\.example\.com\s*refused: NoMatchingRoute/)
    expect(refused).toContain("SERVER_NAME_CHARACTER")
    expect(await page.evaluate("[window.hacked ?? null, document.images.length]")).toEqual([null, 0])
  })

  it("opens one connection by keyboard: what its ClientHello said and why it went there; Escape goes back", async () => {
    const page = await open()
    await once(await client("checkout.example.com"), "secureConnect")
    const row = page.getByRole("button", { name: "checkout.example.com" })
    await row.focus()
    await page.keyboard.press("Enter")
    const drawer = page.getByRole("dialog", { name: "checkout.example.com" })
    await drawer.waitFor()
    const text = await drawer.textContent()
    expect(text).toMatch(/ALPN\s*h2, http\/1\.1/)
    expect(text).toMatch(/JA4\s*t13d\d{4}h2_/)
    expect(text).toMatch(/won default\/checkout/)
    await page.keyboard.press("Escape")
    await drawer.waitFor({ state: "hidden" })
    expect(await page.evaluate("document.activeElement.textContent")).toBe("checkout.example.com")
  })

  it("shows those connections that a filter asks for, reached with /", async () => {
    const page = await open()
    await once(await client("checkout.example.com"), "secureConnect")
    await page.locator("#connections-body tr").waitFor()
    await page.keyboard.press("/")
    await page.keyboard.type("elsewhere")
    await page.getByText("No live connection has “elsewhere”.").waitFor()
    await page.getByRole("searchbox").fill("CHECKOUT")
    await page.locator("#connections-body tr").waitFor()
  })

  it("explains where a name would go", async () => {
    const page = await open()
    await page.getByRole("textbox", { name: "Name" }).fill("nobody.example.com")
    await page.getByRole("button", { name: "Explain" }).click()
    await page.locator("#explain-result").getByText("refused: NoMatchingRoute").waitFor()
    await page.getByRole("textbox", { name: "Name" }).fill("Checkout.Example.com")
    await page.keyboard.press("Enter")
    await page.getByText("takes it, by checkout.example.com").waitFor()
  })

  it("tells of a backend by name that is not reached, and why, until a connection reaches it", async () => {
    const lost = route("lost", ["lost.example.com"], [{ name: "lost.example.net", port: 443 }])
    source.set({ gateways, tlsRoutes: [...tlsRoutes, lost] })
    onTestFinished(() => source.set({ gateways, tlsRoutes }))
    const page = await open()
    const row = page.locator("#routes-body tr", { hasText: "default/lost" })
    await expect.poll(() => row.textContent()).toContain("○ lost.example.net:443")
    await closed(await client("lost.example.com"))
    const told =
      /▲ lost\.example\.net:443.*1 connection in a row did not reach it, the last \d+ s ago: dial-failed, ECONNREFUSED/
    await expect.poll(() => row.textContent()).toMatch(told)
    lostBackend.listen(lostPort, "127.0.0.1")
    await once(lostBackend, "listening")
    await once(await client("lost.example.com"), "secureConnect")
    await expect.poll(() => row.textContent()).toContain("● lost.example.net:443 1")
    expect(await row.textContent()).not.toContain("in a row")
  })

  it("tells of what is spoken before TLS, and of QUIC: at the listener, and where a name would go", async () => {
    const annotations = { "tlsroute.dev/mail.starttls": "postgres", "tlsroute.dev/web.quic": "on" }
    const listeners = [listener("mail", 8443), listener("web", 8444)]
    source.set({
      gateways: gateways.map((each) => ({
        ...each,
        metadata: { ...each.metadata, annotations },
        spec: { ...each.spec, listeners },
      })),
      tlsRoutes,
    })
    onTestFinished(() => source.set({ gateways, tlsRoutes }))
    const page = await open()
    await expect.poll(() => page.locator("#listeners-body tr").count()).toBe(2)
    await expect
      .poll(() => page.locator("#listeners-body tr td:first-child").allTextContents())
      .toEqual([
        expect.stringMatching(/^127\.0\.0\.1:\d+ postgres, then TLS$/),
        expect.stringMatching(/^127\S+ and QUIC$/),
      ])
    await page.getByRole("textbox", { name: "Name" }).fill("checkout.example.com")
    for (const [port, said] of [
      ["8443", "before TLS, clients and the backend are spoken to in postgres (starttls)"],
      ["8444", "the same over QUIC, on UDP port 8444 (quic)"],
    ] as const) {
      await page.getByRole("combobox", { name: "Port" }).selectOption(port)
      await page.getByRole("button", { name: "Explain" }).click()
      await page.getByText(said).waitFor()
      expect(await page.locator("#explain-result").textContent()).toContain("100 % default/origin.example.com → ")
    }
  })

  it("tells of a changed configuration, its problems with file and line, while it is open", async () => {
    const page = await open()
    const more = ["new", "UPPER"].map((name) =>
      route(name, [`${name.toLowerCase()}.example.com`], [{ name: "origin.example.com", port: 443 }]),
    )
    source.set({ gateways, tlsRoutes: [...tlsRoutes, ...more] })
    await page.getByText(/added default\/new/).waitFor()
    expect(await page.locator("#problems-list").textContent()).toContain("shop.yaml:7:3")
    expect(await page.locator("#status").textContent()).toMatch(/^serving, \d+ problems?$/)
    source.set({ gateways, tlsRoutes: [] })
    await page.getByText("no route to serve").waitFor()
    source.set({ gateways, tlsRoutes })
    await page.locator("#status[data-state=serving]").waitFor()
  })

  it("shows twenty of many routes, what fails before all and then the busiest, and all when asked", async () => {
    const busy = Array.from({ length: 30 }, (_, at) =>
      route(`shop-${at}`, [`shop-${at}.example.com`], [{ name: "origin.example.com", port: 443 }]),
    )
    const failing = route("zoo", ["zoo.example.com"], [{ name: "nowhere", port: 443 }])
    source.set({ gateways, tlsRoutes: [...busy, failing] })
    onTestFinished(() => source.set({ gateways, tlsRoutes }))
    await once(await client("shop-9.example.com"), "secureConnect")
    const page = await open()
    const names = () => page.locator("#routes-body .name").allTextContents()
    await expect
      .poll(async () => (await names()).slice(0, 3))
      .toEqual(["default/zoo", "default/shop-9", "default/shop-0"])
    expect(await names()).toHaveLength(20)
    expect(await page.locator("#routes-count").textContent()).toMatch(/^31, of which 20 here/)
    await page.getByRole("button", { name: "Show all 31" }).click()
    expect((await names()).slice(-2)).toEqual(["default/shop-9", "default/zoo"])
    await page.getByRole("button", { name: "Show 20" }).click()
    expect(await names()).toHaveLength(20)
  })

  it("pauses what moves, and goes on", async () => {
    const page = await open()
    await page.getByRole("button", { name: "Pause" }).click()
    const frozen = await page.locator("#total-uptime").textContent()
    await page.waitForEvent("requestfinished", { timeout: 1_500 }).catch(() => undefined)
    expect(await page.locator("#total-uptime").textContent()).toBe(frozen)
    await page.getByRole("button", { name: "Go on" }).click()
    await expect.poll(() => page.locator("#total-uptime").textContent()).not.toBe(frozen)
  })

  it.each(["light", "dark"] as const)("fits a phone, %s", async (colorScheme) => {
    const page = await open({ viewport: { width: 360, height: 700 }, colorScheme })
    await once(await client("checkout.example.com"), "secureConnect")
    await page.locator("#connections-body tr").waitFor()
    const wide = `[...document.querySelectorAll("body *")].filter((each) => each.getBoundingClientRect().right > 360)`
    expect(await page.evaluate(`${wide}.map((each) => each.outerHTML.slice(0, 200))`)).toEqual([])
  })

  it("has a name for every control, for those who hear it", async () => {
    const page = await open()
    const controls = await page.locator("button, input, select, section").filter({ visible: true }).all()
    const names = await Promise.all(controls.map((control) => control.ariaSnapshot()))
    expect(controls.length).toBeGreaterThan(8)
    // A role that has no name stands alone, or before its content.
    const unnamed = names.map((snapshot) => snapshot.split("\n")[0] ?? "").filter((line) => !/^- \w+ "/.test(line))
    expect(unnamed).toEqual([])
  })

  it("may run nothing but its own script, and be shown in no frame", async () => {
    const response = await fetch(`${origin()}/`)
    const policy = response.headers.get("content-security-policy")
    for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"])
      expect(policy).toContain(part)
    expect(policy).not.toMatch(/unsafe|\*/)
  })
})
