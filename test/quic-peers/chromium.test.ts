import { createHash } from "node:crypto"
import { describe, expect, it, onTestFinished } from "vitest"
import { launchChromium, missingChromium } from "../support/chromium.ts"
import { quicGateway } from "./support/gateway.ts"
import { pattern, server } from "./support/peer.ts"

const SIZE = 10_000_000

// What runs in the page, as text: the types of a browser are not those of the tests.
const fetchAndHash = `(async () => {
  const answer = await fetch("/bytes?n=${SIZE}")
  const bytes = await answer.arrayBuffer()
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
  const protocols = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .map((entry) => entry.nextHopProtocol)
  const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("")
  return { length: bytes.byteLength, hash: hex, protocols: [...new Set(protocols)] }
})()`

describe("Chromium", () => {
  const missing = missingChromium()
  it.skipIf(missing !== undefined)(
    `loads pages and 10 MB over h3 from two backends by name${missing === undefined ? "" : ` (skipped: ${missing})`}`,
    async () => {
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
        expect(await page.evaluate(fetchAndHash)).toEqual({
          length: SIZE,
          hash: createHash("sha256").update(pattern(name, SIZE)).digest("hex"),
          protocols: ["h3"],
        })
      }
      await browser.close()
      const quic = (await records()).filter(({ transport }) => transport === "quic")
      expect(quic.map(({ serverName }) => serverName).sort()).toEqual(["a.example", "b.example"])
    },
  )

  it.skipIf(missing !== undefined)("is told at once that a name has no route", async () => {
    const { port, records } = await quicGateway([await server("a.example")])
    const browser = await launchChromium([
      `--origin-to-force-quic-on=c.example:${port}`,
      "--host-resolver-rules=MAP *.example 127.0.0.1",
    ])
    onTestFinished(() => browser.close())
    const page = await browser.newPage()
    const started = performance.now()
    await expect(page.goto(`https://c.example:${port}/`)).rejects.toThrow(/ERR_QUIC/)
    expect(performance.now() - started).toBeLessThan(3_000)
    await browser.close()
    expect((await records()).filter(({ transport }) => transport === "quic")[0]).toMatchObject({ outcome: "refused" })
  })
})
