import { createHash } from "node:crypto"
import { describe, expect, it, onTestFinished } from "vitest"
import { launchChromium, missingChromium } from "../support/chromium.ts"
import { caddy } from "./support/caddy.ts"
import { quicGateway } from "./support/gateway.ts"
import { pattern, server } from "./support/peer.ts"
import { titled, WITHOUT_GO } from "./support/programs.ts"

const SIZE = 10_000_000

// What runs in the page, as text: the types of a browser are not those of the tests.
const fetchAndHash = (path: string) => `(async () => {
  const answer = await fetch("${path}")
  const bytes = await answer.arrayBuffer()
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
  const protocols = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .map((entry) => entry.nextHopProtocol)
  const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("")
  return { length: bytes.byteLength, hash: hex, protocols: [...new Set(protocols)] }
})()`

const missing = missingChromium()

describe.skipIf((missing ?? WITHOUT_GO) !== undefined)(titled("Chromium", missing, WITHOUT_GO), () => {
  it("loads pages and 10 MB over h3 from two backends by name", async () => {
    const servers = [await server("a.example"), await server("b.example")]
    const { port, records } = await quicGateway(servers)
    const browser = await launchChromium([
      `--origin-to-force-quic-on=${servers.map(({ name }) => `${name}:${port}`).join(",")}`,
      `--ignore-certificate-errors-spki-list=${servers.map(({ spki }) => spki).join(",")}`,
      "--host-resolver-rules=MAP *.example 127.0.0.1",
    ])
    onTestFinished(() => browser.close())
    for (const { name } of servers) {
      const page = await browser.newPage()
      await page.goto(`https://${name}:${port}/page`)
      expect(await page.title()).toBe(name)
      expect(await page.evaluate(fetchAndHash(`/bytes?n=${SIZE}`))).toEqual({
        length: SIZE,
        hash: createHash("sha256").update(pattern(name, SIZE)).digest("hex"),
        protocols: ["h3"],
      })
    }
    await browser.close()
    const quic = (await records()).filter(({ transport }) => transport === "quic")
    expect(quic.map(({ serverName }) => serverName).sort()).toEqual(["a.example", "b.example"])
  })

  it("goes over from HTTP/2 to HTTP/3 by itself, as Caddy advertises it", async () => {
    const site = await caddy("a.example", SIZE)
    // What it advertises is its own port: the gateway stands at the same number, on another address.
    const { records } = await quicGateway([site], { address: "127.0.0.1", mapPort: () => site.port })
    const browser = await launchChromium([
      // HTTP/3 with a certificate of one's own is only for names that appear here, with whatever port.
      "--origin-to-force-quic-on=a.example:1",

      `--ignore-certificate-errors-spki-list=${site.spki}`,
      "--host-resolver-rules=MAP *.example 127.0.0.1",
    ])
    onTestFinished(() => browser.close())
    const page = await browser.newPage()
    const used: string[] = []
    // Another address each time: what is revalidated is told by the protocol that it was first got by.
    while (used.at(-1) !== "h3") {
      await page.goto(`https://a.example:${site.port}/page.html?${used.length}`)
      used.push((await page.evaluate(`performance.getEntriesByType("navigation")[0].nextHopProtocol`)) as string)
    }
    expect(await page.title()).toBe("a.example")
    expect(used[0]).toBe("h2")
    expect(await page.evaluate(fetchAndHash("/bytes"))).toEqual({
      length: SIZE,
      hash: createHash("sha256").update(pattern("a.example", SIZE)).digest("hex"),
      protocols: ["h3"],
    })
    await browser.close()
    expect(new Set((await records()).map(({ transport }) => transport))).toEqual(new Set(["tcp", "quic"]))
  })

  it("is told at once that a name has no route", async () => {
    const { port, records } = await quicGateway([await server("a.example")])
    const browser = await launchChromium([
      `--origin-to-force-quic-on=c.example:${port}`,
      "--host-resolver-rules=MAP *.example 127.0.0.1",
    ])
    onTestFinished(() => browser.close())
    const page = await browser.newPage()
    await page.goto("about:blank")
    const started = performance.now()
    await expect(page.goto(`https://c.example:${port}/`)).rejects.toThrow(/ERR_QUIC/)
    // A client that hears nothing goes on for five seconds.
    expect(performance.now() - started).toBeLessThan(4_500)
    await browser.close()
    expect((await records()).filter(({ transport }) => transport === "quic")[0]).toMatchObject({ outcome: "refused" })
  })
})
