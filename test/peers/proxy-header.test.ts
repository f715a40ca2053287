import { spawnSync } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { connect } from "node:tls"
import { beforeAll, describe, expect, it } from "vitest"
import type { PolicyOptions } from "../../src/gateway/policies/options.ts"
import type { ConnectionRecord } from "../../src/proxy/connection/record.ts"
import { runProbe } from "../../src/proxy/health/probe.ts"
import { startGateway } from "../support/gateway.ts"
import { gateway, listener, resources, route, service } from "../support/resources.ts"
import { folder, MODULES, missing, titled } from "./programs.ts"
import { ADDRESS, nginxVersion, type Receiver, startApache, startHaproxy, startNginx } from "./servers.ts"

const reason = missing(
  "nginx",
  join(MODULES.nginx, "ngx_stream_module.so"),
  "apache2",
  join(MODULES.apache, "mod_remoteip.so"),
  "haproxy",
)

const NAMES = ["*.example.test"]
const ALL = { sendProxyProtocolFields: ["unique-id", "crc32c", "alpn", "authority"] } as const
const nameOf = (length: number) => `${"x".repeat(Math.min(63, length - 13))}.example.test`
/** A name of many labels, as long as DNS has them. */
const longName = (length: number) => {
  const labels = `${"x".repeat(40)}.`.repeat(Math.ceil(length / 41)).slice(0, length - 14)
  return `${labels.replace(/\.$/, "x")}.example.test`
}

/** A gateway in front of a receiver, and what becomes of a client that asks it for a name. */
async function serve(receiver: Receiver, address: string, policies: PolicyOptions) {
  const source = resources(
    { gateways: [gateway([listener("tls", 8443)])] },
    { ...service("app", [receiver.port]), tlsRoutes: [route("app", NAMES, [{ name: "app", port: 443 }])] },
  )
  const { gateway: served, port } = await startGateway({ source, address, policies })
  const ask = async (servername: string) => {
    const closed = once(served, "close") as Promise<[ConnectionRecord]>
    const socket = connect({ host: address, port, servername, ALPNProtocols: ["http/1.1"], rejectUnauthorized: false })
    let text = ""
    socket.on("data", (chunk) => (text += chunk)).on("error", () => {})
    socket.write(`GET / HTTP/1.1\r\nhost: ${servername}\r\nconnection: close\r\n\r\n`)
    await once(socket, "close").catch(() => {})
    const [record] = await closed
    return { told: ADDRESS.exec(text)?.[1], record }
  }
  return { ask, close: () => served.close({ drainTimeout: 0 }) }
}

describe.skipIf(reason !== undefined)(titled("PROXY protocol headers to real receivers", reason), () => {
  let receivers: readonly Receiver[] = []
  let mutual: Receiver | undefined
  const dirs = [folder(), folder(), folder(), folder()] as const

  beforeAll(async () => {
    const version = nginxVersion(spawnSync("/usr/sbin/nginx", ["-v"], { encoding: "utf8" }).stderr)
    receivers = [
      ...(await startNginx(dirs[0], NAMES, version)),
      await startApache(dirs[1], NAMES),
      await startHaproxy(dirs[2], NAMES),
    ]
    mutual = await startHaproxy(dirs[3], NAMES, true)
  })

  /** Runs the same for every receiver, and names the one at fault. */
  async function each(check: (receiver: Receiver) => Promise<void>): Promise<void> {
    expect(receivers).toHaveLength(4)
    for (const receiver of receivers) {
      await check(receiver).catch((cause: unknown) => {
        throw new Error(`${receiver.name}: ${cause instanceof Error ? cause.message : cause}`, { cause })
      })
    }
  }

  it.each([
    ["127.0.0.1", "v1", 56],
    ["127.0.0.1", "v2", 28],
    ["::1", "v1", 56],
    ["::1", "v2", 52],
  ] as const)("of a client at %s are taken in %s without fields, whatever the name", async (address, version, most) => {
    await each(async (receiver) => {
      const { ask, close } = await serve(receiver, address, { sendProxyProtocol: version })
      for (const name of [nameOf(14), nameOf(43), nameOf(76), longName(250)]) {
        const { told, record } = await ask(name)
        expect(told, name.length.toString()).toBe(address)
        expect(record.outcome).toBe("completed")
        expect(record.proxyHeaderBytes).toBeLessThanOrEqual(most)
      }
      await close()
    })
  })

  it.each(["127.0.0.1", "::1"])(
    "of a client at %s are taken with every field that the receiver's limit has room for",
    async (address) => {
      await each(async (receiver) => {
        const sendProxyProtocolMaxBytes = receiver.longest
        const { ask, close } = await serve(receiver, address, {
          sendProxyProtocol: "v2",
          ...ALL,
          sendProxyProtocolMaxBytes,
        })
        for (const length of [14, 30, 31, 43, 44, 100, 160, 200, 250]) {
          const { told, record } = await ask(length < 76 ? nameOf(length) : longName(length))
          expect(told, `a name of ${length}`).toBe(address)
          expect(record.proxyHeaderBytes).toBeLessThanOrEqual(receiver.longest)
        }
        await close()
      })
    },
  )

  it("beyond the receiver's limit end the connection, whose record says why", async () => {
    await each(async (receiver) => {
      const { ask, close } = await serve(receiver, "::1", { sendProxyProtocol: "v2", ...ALL })
      const { told, record } = await ask(longName(250))
      if ((record.proxyHeaderBytes ?? 0) > receiver.longest) {
        expect(told).toBeUndefined()
        expect(record).toMatchObject({ endedBy: "backend", detail: "NOTHING_AFTER_PROXY_HEADER" })
      } else expect(told).toBe("::1")
      await close()
    })
  })

  it("are a documented limit: docs/policies.md has the one of each receiver that was measured", async () => {
    const page = readFileSync(new URL("../../docs/policies.md", import.meta.url), "utf8")
    await each(async ({ longest }) => {
      expect(page).toMatch(new RegExp(longest.toLocaleString("en").replace(",", "[ ,]?")))
    })
  })

  it.each([1, 2] as const)("of probes in version %i are taken, and endpoints found alive", async (proxyHeader) => {
    await each(async ({ name, port }) => {
      // Apache knows TCP4 and TCP6 alone in version 1.
      if (proxyHeader === 1 && name.startsWith("Apache")) return
      const probe = { address: "127.0.0.1", port, serverName: nameOf(20), timeout: 5_000, proxyHeader }
      expect(await runProbe({ ...probe, kind: "tls" })).toEqual({ healthy: true })
      expect(await runProbe({ ...probe, kind: "tcp" })).toEqual({ healthy: true })
      expect(await runProbe({ ...probe, kind: "tls", proxyHeader: undefined })).toMatchObject({ healthy: false })
    })
  })

  it("of a probe are taken by a server that then wants a certificate, and is found alive", async () => {
    const probe = { kind: "tls", address: "127.0.0.1", timeout: 5_000, proxyHeader: 2 } as const
    expect(await runProbe({ ...probe, port: mutual?.port ?? 0 })).toEqual({ healthy: true })
  })
})
