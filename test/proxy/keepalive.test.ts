import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import type { Socket } from "node:net"
import { describe, expect, it, vi } from "vitest"
import type { ListenOptions } from "../../src/proxy/options.ts"
import type { Router } from "../../src/proxy/router.ts"
import type { DialEndpoint } from "../../src/proxy/target.ts"
import { backend, client, clientHello, deferred, routerTo, startProxy } from "./harness.ts"
import { connectionPolicy, listenerPolicy, policyRouter } from "./policy-harness.ts"

const TABLE = "/proc/net/tcp"
const skipped = existsSync(TABLE) ? "" : " (skipped: sockets' timers are read from /proc/net/tcp, which Linux has)"

/** The proxy's end of a connection: its own port, and the peer's. */
interface Leg {
  readonly own: number
  readonly peer: number
}

/**
 * Milliseconds until the kernel asks the peer; `undefined` when it will not, or not yet. Columns of proc_net_tcp: `tr` 02 is the
 * keepalive timer, and `tm->when` what is left of it in hundredths of a second.
 */
function untilAsked({ own, peer }: Leg): number | undefined {
  const hex = (port: number) => `:${port.toString(16).toUpperCase().padStart(4, "0")}`
  const columns = readFileSync(TABLE, "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .find(([, local = "", remote = ""]) => local.endsWith(hex(own)) && remote.endsWith(hex(peer)))
  if (columns === undefined) throw new Error("no such connection")
  const [timer, left = ""] = (columns[5] ?? "").split(":")
  // Until all that was sent is acknowledged, the timer is another.
  if (timer !== "02" && timer !== "00") throw new Error(`timer ${timer}`)
  return timer === "02" ? Number.parseInt(left, 16) * 10 : undefined
}

/** For those who wait until a peer is to be asked. */
function asked(time: number | undefined): number {
  if (time === undefined) throw new Error("nobody is asked")
  return time
}

/** Both legs of a spliced connection over which nothing goes any more. */
async function splice(routerOf: (endpoint: DialEndpoint) => Router, listen: Partial<ListenOptions> = {}) {
  const accepted = deferred<Socket>()
  const endpoint = await backend((socket) => accepted.resolve(socket))
  const { port } = await startProxy({ router: routerOf(endpoint) }, listen)
  const socket = await client(port)
  socket.write(await clientHello("a.example"))
  const served = await accepted.promise
  await once(served, "data")
  return {
    client: { own: port, peer: socket.localPort ?? 0 },
    backend: { own: served.remotePort ?? 0, peer: endpoint.port },
  }
}

describe.skipIf(skipped !== "")(`TCP keepalive${skipped}`, () => {
  it("asks both sides after a minute of silence", async () => {
    const legs = await splice(routerTo)
    for (const leg of [legs.client, legs.backend]) {
      const left = await vi.waitFor(() => asked(untilAsked(leg)), 10_000)
      expect(left).toBeGreaterThan(30_000)
      expect(left).toBeLessThanOrEqual(60_000)
    }
  })

  it("is not asked of connections that are over in a moment, which most are", async () => {
    const legs = await splice(routerTo)
    // At first a timer may run for what is not acknowledged yet.
    await expect.poll(() => [untilAsked(legs.client), untilAsked(legs.backend)]).toEqual([undefined, undefined])
  })

  it.each([
    [7_000, Number.POSITIVE_INFINITY],
    [Number.POSITIVE_INFINITY, 7_000],
  ])(
    "asks the client after its listener's time (%i) and the backend after its own (%i)",
    async (ofClient, ofBackend) => {
      const legs = await splice((endpoint) => policyRouter(connectionPolicy({}, { keepalive: ofBackend }), endpoint), {
        policy: listenerPolicy({ keepalive: ofClient }),
      })
      const left = await vi.waitFor(() => {
        const both = [untilAsked(legs.client), untilAsked(legs.backend)]
        asked(both.find((time) => time !== undefined))
        return both
      }, 10_000)
      expect(left).toEqual([ofClient, ofBackend].map((time) => (time === 7_000 ? expect.any(Number) : undefined)))
      for (const time of left) if (time !== undefined) expect(time).toBeLessThanOrEqual(7_000)
    },
  )
})
