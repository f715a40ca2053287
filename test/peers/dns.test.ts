import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { join } from "node:path"
import { afterEach, describe, expect, it } from "vitest"
import { systemLookup } from "../../src/proxy/backend/address-lookup.ts"
import { DnsCache } from "../../src/proxy/backend/dns-cache.ts"
import type { ConnectionRecord } from "../../src/proxy/connection/record.ts"
import { SpliceProxy } from "../../src/proxy/proxy.ts"
import { client, clientHello } from "../proxy/harness.ts"
import { freePort } from "../support/free-port.ts"
import { folder, missing, type Running, start, titled } from "./programs.ts"

const reason = missing("dnsmasq")
const HOST = "db.example.test"

/** A name server of the zone example.test whose answers live for a second. */
async function zone(dir: string, port: number, address: string | undefined): Promise<Running> {
  writeFileSync(join(dir, "hosts"), address === undefined ? "" : `${address} ${HOST}\n`)
  const server = start("dnsmasq", [
    ...["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces"],
    ...[`--pid-file=${dir}/dnsmasq.pid`, "--listen-address=127.0.0.1", `--port=${port}`, "--user=root"],
    ...[`--addn-hosts=${dir}/hosts`, "--local-ttl=1", "--local=/example.test/", "--log-facility=-"],
  ])
  await expect.poll(() => server.said()).toContain("started")
  return server
}

describe.skipIf(reason !== undefined)(titled("a backend by name, and a real name server", reason), () => {
  const dir = folder()
  const closing: (() => unknown)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0)) await close()
  })

  async function setUp() {
    const dns = await freePort()
    let server = await zone(dir, dns, "127.0.0.2")
    const port = await freePort()
    for (const address of ["127.0.0.2", "127.0.0.3"]) {
      const backend = createServer((socket: Socket) => {
        socket.on("error", () => {}).once("data", () => socket.end(address))
      })
      backend.listen(port, address)
      await once(backend, "listening")
      closing.push(() => backend.close())
    }
    const names = new DnsCache({
      allowAddress: () => true,
      // Time for the name server to be stopped and started, however slowly.
      staleFor: 8_000,
      freshWait: 10_000,
      lookup: (host) => systemLookup(host, [`127.0.0.1:${dns}`]),
    })
    const target = { kind: "name", id: "db", host: HOST, port } as const
    const proxy = new SpliceProxy({ names, router: { route: () => ({ action: "forward", target }) } })
    closing.push(() => proxy.close({ drainTimeout: 0 }))
    const { port: own } = await proxy.listen({ key: "a", host: "127.0.0.1", port: 0 })
    return {
      /** What a client gets, or how it is refused. */
      async ask(): Promise<string> {
        const closed = once(proxy, "close") as Promise<[ConnectionRecord]>
        const socket = await client(own)
        let text = ""
        socket.on("data", (chunk: Buffer) => (text += chunk)).on("end", () => socket.end())
        socket.write(await clientHello("a.example"))
        const [{ outcome }] = await closed
        return text === "" ? outcome : text
      },
      async moveTo(address: string | undefined): Promise<void> {
        await server.stop()
        server = await zone(dir, dns, address)
      },
      stop: () => server.stop(),
    }
  }

  const ttlIsOver = () => new Promise((resolve) => setTimeout(resolve, 1_100))

  it("is dialled where the name leads now, from the first connection after the time to live", async () => {
    const { ask, moveTo } = await setUp()
    expect(await ask()).toBe("127.0.0.2")
    await moveTo("127.0.0.3")
    await ttlIsOver()
    expect(await ask()).toBe("127.0.0.3")
  })

  it("is refused once the name is gone, after a while in which it still leads where it did", async () => {
    const { ask, moveTo } = await setUp()
    expect(await ask()).toBe("127.0.0.2")
    await moveTo(undefined)
    await ttlIsOver()
    expect(await ask()).toBe("127.0.0.2")
    await expect.poll(ask, { interval: 300 }).toBe("unresolved")
  })

  it("is dialled where it was while the name server is down, and where it has moved once that is back", async () => {
    const { ask, moveTo, stop } = await setUp()
    expect(await ask()).toBe("127.0.0.2")
    await stop()
    await ttlIsOver()
    expect(await ask()).toBe("127.0.0.2")
    await moveTo("127.0.0.3")
    await expect.poll(ask, { interval: 500 }).toBe("127.0.0.3")
  })
})
